// One example as real processes, against a server of its own. Its first process may be killed at any of its requests; then it is
// started again, where it was and as it was.

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Resonate } from '@resonatehq/sdk'
import { freePort } from '../ports.ts'
import { Process, ServerProcess, until } from '../processes.ts'
import { type Answer, type Asking, type Crash, type Example, effectsFile, NOBODY, type Outside } from './all.ts'
import { proxy } from './proxy.ts'

/** What a dead process held is given to the next one soon. */
const SOON = ['--tasks-disconnect-grace', '50', '--tasks-disconnect-uptime', '0', '--tasks-retry-timeout', '200']
const SECRET = 'hush'
const PUSHING = ['--transports-http-push-private-networks', '127.0.0.0/8', '--transports-http-push-secret', SECRET]
const LEASE_MS = 1_000
const PAUSE_MS = 20

/** The process that is killed, and the one that is started then. */
const [FIRST, SECOND] = ['first', 'second'] as const

/** The first process dies right before this POST of it comes to the server, or right after and before it hears of it. */
export interface Strike {
  readonly when: 'before' | 'after'
  readonly post: number
}

export interface Run {
  /** What whoever used it learned, or its last words. */
  readonly result: unknown
  /** What its effects should not have been. */
  readonly faults: readonly string[]
  /** How many POSTs the first process made. */
  readonly posts: number
  readonly isStruck: boolean
}

/** One run in peace, or struck. */
export async function run(t: TestContext, example: Example, strike?: Strike): Promise<Run> {
  const server = await ServerProcess.start(t, ...SOON, ...PUSHING)
  const place = { effects: effectsFile(t), port: await freePort() }
  const client = new Resonate({ url: server.url, group: 'outside', logLevel: 'error' })
  t.after(() => client.stop({ timeout: 0 }))
  let posts = 0
  const stops = (post: number, when: 'before' | 'after') => {
    posts = Math.max(posts, post)
    const isStruck = post === strike?.post && when === strike.when
    if (isStruck) void first.kill('SIGKILL')
    return isStruck
  }
  const leaseMs = example.functions === undefined ? undefined : LEASE_MS
  const url = await proxy(t, { url: server.url, stops, leaseMs })
  const first: Process = start(t, example, { ...place, pid: FIRST, url })
  const companion = companionOf(t, example, server.url)
  const used = example.use?.(outsideOf(client, example, `http://127.0.0.1:${place.port}`))
  const crash = await Promise.race([deathOf(first), ...(used ? [used.then(() => NOBODY)] : [])])
  const last = crash === NOBODY ? first : start(t, example, { ...place, pid: SECOND, url: server.url })
  const result = await (used ? Promise.race([used, failureOf(last)]) : lastWordsOf(last, example))
  await client.stop({ timeout: 0 })
  await Promise.all([last.kill(), companion?.kill(), server.kill()])
  return { result, faults: example.faults?.(place.effects, crash) ?? [], posts, isStruck: crash !== NOBODY }
}

interface Place {
  readonly pid: string
  /** Its server, or what stands for it. */
  readonly url: string
  /** Where it serves, if it does. */
  readonly port: number
  readonly effects: string
}

function start(t: TestContext, example: Example, { pid, url, port, effects }: Place): Process {
  const { program = 'main.ts', env } = example
  const all = { RESONATE_URL: url, RESONATE_SECRET: SECRET, PORT: `${port}`, ...env?.({ pid, effects }) }
  return new Process(t, [pathOf(example, program)], all)
}

function companionOf(t: TestContext, example: Example, url: string): Process | undefined {
  const { companion } = example
  return companion === undefined ? undefined : new Process(t, [pathOf(example, companion)], { RESONATE_URL: url })
}

function pathOf({ name }: Example, program: string): string {
  return fileURLToPath(new URL(`../../../../examples/${name}/${program}`, import.meta.url))
}

function outsideOf(client: Resonate, { group = 'default', functions }: Example, origin: string): Outside {
  const target = functions === undefined ? group : origin
  return {
    ask: (asking) => until(`${asking.path} is answered`, () => ask(origin, asking)),
    call: (id, name, arg) => client.rpc(id, name, arg, client.options({ target })),
    pause: () => setTimeout(PAUSE_MS),
  }
}

/** Undefined: nobody is there, or not any more. */
async function ask(origin: string, { path, ...asking }: Asking): Promise<Answer | undefined> {
  try {
    const response = await fetch(origin + path, { ...asking, redirect: 'manual' })
    return { status: response.status, text: await response.text() }
  } catch {
    return undefined
  }
}

/** How the first process was killed; nobody, if it ended as it should. */
async function deathOf(process: Process): Promise<Crash> {
  const code = await process.exited
  if (process.child.signalCode === 'SIGKILL') return { pid: FIRST, at: Date.now() }
  assert.equal(code, 0, process.lines.join('\n'))
  return NOBODY
}

/** Rejects when a process ends that is in use. */
async function failureOf(process: Process): Promise<never> {
  await process.exited
  throw new Error(`it ended while it was in use:\n${process.lines.join('\n')}`)
}

async function lastWordsOf(process: Process, { results = 0 }: Example): Promise<string[]> {
  assert.equal(await process.exited, 0, process.lines.join('\n'))
  return process.lines.slice(-results)
}
