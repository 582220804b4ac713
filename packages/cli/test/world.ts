// A stand-in for everything around the command line: what it printed, what it sent, and a clock that tests move.

import assert from 'node:assert/strict'
import type { RequestEnvelope } from '@resonatehq/protocol'
import type { ExitCode } from '../src/exit.ts'
import type { Io, Size } from '../src/io.ts'
import { run } from '../src/program.ts'

/** 2025-11-24 08:00:00 UTC. */
export const START = Date.UTC(2025, 10, 24, 8)

export interface Sent {
  readonly url: string
  readonly authorization: string | null
  readonly envelope: RequestEnvelope
}

export interface Reply {
  readonly status: number
  readonly data: unknown
}

export interface WorldOptions {
  readonly tty?: boolean
  /** Of the terminal. */
  readonly size?: Size
  readonly env?: Readonly<Record<string, string>>
  /** What the server answers; by default 200 `{}`. */
  readonly answer?: (envelope: RequestEnvelope) => Reply | Promise<Reply>
  /** Files of the working folder. */
  readonly files?: Readonly<Record<string, string>>
  /** Instead of `answer`: the whole of fetch. */
  readonly fetch?: typeof fetch
  /** Timers up to this long go off at once, taking the clock along. */
  readonly skipMs?: number
  /** What `GET /poll/…` answers; by default 404. */
  readonly poll?: (url: string, signal: AbortSignal) => Response | Promise<Response>
}

interface Timer {
  readonly at: number
  readonly fn: () => void
}

export function createWorld(options: WorldOptions = {}) {
  const printed = { stdout: '', stderr: '' }
  const sent: Sent[] = []
  const timers = new Set<Timer>()
  const stopHandlers = new Set<() => void>()
  const exits: number[] = []
  let now = START

  const fakeFetch: typeof fetch = async (input, init = {}) => {
    const url = String(input)
    if (init.method !== 'POST') return (options.poll ?? notFound)(url, init.signal as AbortSignal)
    const envelope = JSON.parse(String(init.body)) as RequestEnvelope
    sent.push({ url, authorization: new Headers(init.headers).get('authorization'), envelope })
    const { status, data } = (await options.answer?.(envelope)) ?? { status: 200, data: {} }
    const head = { corrId: envelope.head.corrId, status, version: '2026-04-01' }
    return new Response(JSON.stringify({ kind: envelope.kind, head, data }), {
      status,
      headers: { 'content-type': 'application/json' },
    })
  }

  const sink = (name: 'stdout' | 'stderr') => ({
    write: (text: string) => {
      printed[name] += text
    },
    isTTY: options.tty === true,
    size: () => options.size ?? { columns: 200, rows: 50 },
  })

  const io: Io = {
    stdout: sink('stdout'),
    stderr: sink('stderr'),
    env: options.env ?? {},
    fetch: options.fetch ?? fakeFetch,
    nodeVersion: '24.0.0',
    readText: (path) => options.files?.[path],
    fullPath: (path) => `/work/${path}`,
    now: () => now,
    timer(delayMs, fn) {
      const timer = { at: now + delayMs, fn }
      timers.add(timer)
      if (delayMs <= (options.skipMs ?? -1)) setImmediate(() => timers.has(timer) && advanceTo(timer.at))
      return () => timers.delete(timer)
    },
    who: () => 'ann@laptop',
    randomId: () => 'one-of-a-kind',
    onStopSignal(fn) {
      stopHandlers.add(fn)
      return () => stopHandlers.delete(fn)
    },
    onReloadSignal: () => {},
    outliveOutput: () => {},
    exit: (code) => exits.push(code),
  }

  return {
    io,
    printed,
    sent,
    exits,
    timers,
    /** The last request. */
    last(): RequestEnvelope {
      const envelope = sent.at(-1)?.envelope
      assert.ok(envelope, 'nothing was sent')
      return envelope
    },
    run: (...args: readonly string[]): Promise<ExitCode> => run(args, io),
    signal: () => {
      for (const handler of [...stopHandlers]) handler()
    },
    /** Moves the clock and fires what is due on the way, in order. */
    advance: (ms: number) => advanceTo(now + ms),
  }

  function advanceTo(until: number) {
    for (let next = earliest(timers, until); next !== undefined; next = earliest(timers, until)) {
      timers.delete(next)
      now = Math.max(now, next.at)
      next.fn()
    }
    now = Math.max(now, until)
  }
}

function earliest(timers: ReadonlySet<Timer>, until: number): Timer | undefined {
  return [...timers].filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0]
}

function notFound(): Response {
  return new Response('{"error":"no such path"}', { status: 404, headers: { 'content-type': 'application/json' } })
}

/** A line as a shell would split it; single and double quotes only. */
export function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, bare]) => single ?? double ?? bare ?? '',
  )
}

export function base64(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64')
}
