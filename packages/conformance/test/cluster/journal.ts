// What one process asked of servers and what it was answered, written down as it happens: a call before it is sent, so that a
// process that is killed leaves it as one whose outcome nobody knows. All processes of a machine read the same clock here.

import { appendFileSync, readFileSync } from 'node:fs'
import { type Answer, isKind, type MachineKind, parseRequest, type Request } from '@resonatehq/protocol'
import type { HttpPort } from '@resonatehq/sdk'
import type { Operation } from '../linearizable/history.ts'

/** `body`: the envelope or the array of them. An answer without one never came. */
export interface Entry {
  readonly what: 'call' | 'answer'
  /** The same for a call and its answer, and for no other. */
  readonly key: string
  readonly at: number
  readonly body?: unknown
}

export type Note = (entry: Entry) => void

/** Monotonic, the same in all processes, and near the wall clock: `offsetMs` comes from the first of them. */
export function sharedClock(offsetMs: number = Date.now() - monotonicMs()): {
  now(): number
  readonly offsetMs: number
} {
  return { now: () => monotonicMs() + offsetMs, offsetMs }
}

function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** A port that notes every POST and what came of it. */
export function journaling(port: HttpPort, now: () => number, note: Note): HttpPort {
  let calls = 0
  return {
    stream: (url, options) => port.stream(url, options),
    async request(url, options) {
      if (options.body === undefined) return port.request(url, options)
      const key = `${process.pid}-${++calls}`
      note({ what: 'call', key, at: now(), body: JSON.parse(options.body) })
      const response = await port.request(url, options)
      note({ what: 'answer', key, at: now(), body: read(response.body) })
      return response
    },
  }
}

export function noteInFile(path: string): Note {
  return (entry) => appendFileSync(path, `${JSON.stringify(entry)}\n`)
}

/** The lines of a file that processes append to. The last one may have been cut short by a kill. */
export function linesOf(path: string): unknown[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line) => (line.endsWith('}') ? [JSON.parse(line)] : []))
}

interface Envelope {
  readonly kind: string
  readonly head: { readonly status: Answer['status'] }
  readonly data: Record<string, unknown>
}

/** One operation for each envelope. Those that were turned away before anybody decided them never happened. */
export function operationsOf(client: string, entries: readonly Entry[]): Operation[] {
  const answers = new Map(entries.filter(({ what }) => what === 'answer').map((entry) => [entry.key, entry]))
  return entries
    .filter(({ what }) => what === 'call')
    .flatMap(({ key, at, body }) => {
      const answered = answers.get(key)
      return listOf(body).flatMap((asked, index): Operation[] => {
        const answer = answerOf(listOf(answered?.body), index)
        if (answer?.status === 429 || !isKind(asked.kind)) return []
        const read = parseRequest(asked.kind, asked.data)
        if (!read.ok) throw new Error(`a client of the test sent what is no request: ${read.message}`)
        const request = read.request as Request<MachineKind>
        const returnedAt = answer && answered ? answered.at : Number.POSITIVE_INFINITY
        return [{ client, request, answer, calledAt: at, returnedAt }]
      })
    })
}

/** Answers of 500: a bug of the server, whatever went wrong around it. */
export function bugsIn(client: string, entries: readonly Entry[]): string[] {
  const answers = entries.filter(({ what }) => what === 'answer').flatMap(({ body }) => listOf(body))
  return answers
    .filter(({ head }) => head?.status === 500)
    .map(({ kind, data }) => `${client} was answered 500 to ${kind}: ${data}`)
}

/** Null: it may have happened or not. One envelope for a whole array: it was not read. */
function answerOf(envelopes: readonly Envelope[], index: number): Answer | null {
  const envelope = envelopes.length === 1 ? envelopes[0] : envelopes[index]
  const status = envelope?.head?.status
  return envelope && status && status < 500 ? { status, data: envelope.data } : null
}

function listOf(body: unknown): Envelope[] {
  if (body === undefined) return []
  return (Array.isArray(body) ? body : [body]) as Envelope[]
}

function read(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
