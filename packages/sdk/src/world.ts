// The simulated world: everything in one process, with its own server, its own time and its own chance. Workers run and crash in
// it, days pass in no time, and the same seed gives the same run. Works under any test runner.
//
// T1. Time moves only while `until` waits, and only when nothing is left to do at the present instant.
// T2. Watching and refreshing (the server's sweeps, a client's refresh of its listeners) is skipped over while no task is leased:
//     then the next thing to happen is known from the records.
// T3. A crashed worker is heard of no more: what it had sent is decided, what it sends now is not, no answer reaches it.

import type { DebugSnapshot, Message, ScheduleRecord } from '@resonatehq/protocol'
import { Resonate as AsyncResonate } from './async.ts'
import { type InternalOptions, type ResonateOptions, TRANSPORT } from './client.ts'
import { checkedAmount } from './engine/options.ts'
import { ConsoleLogger, type Logger } from './log.ts'
import type { Platform } from './platform.ts'
import { Resonate } from './resonate.ts'
import { systemPlatform } from './runtime.ts'
import { type Embedded, embed, LocalTransport } from './transport/local.ts'
import type { Call, Reply, SendOptions, Transport, WorkerFacts } from './transport/transport.ts'

/** How a world is made. */
export interface WorldOptions {
  /** What every random choice follows from. @default 1 */
  seed?: number
  /** The instant at which this world begins, ms since epoch. @default 2026-01-01 */
  startAt?: number
  /** How long every answer to a request takes, ms. @default 0 */
  latency?: number
  logger?: Logger
}

/** What a test may do to the requests of a worker. */
export type Fault =
  /** It dies before the requests leave, or after they were decided and before it hears of it. */
  | 'crash before'
  | 'crash after'
  /** It dies in the middle: so many of the requests were decided. */
  | { readonly crashAfter: number }
  /** The answer is lost once; the same requests are sent again. */
  | 'lose answer'

/** A group of requests that a worker sends. */
export interface Sending {
  readonly pid: string
  /** How many groups of requests this world has seen, this one included. */
  readonly count: number
  /** What the group asks for, in order: `task.acquire`, `task.fence promise.create` … */
  readonly kinds: readonly string[]
}

interface Timer {
  readonly at: number
  readonly order: number
  readonly fn: () => void
  /** It only watches: nothing is missed where it fires later. */
  readonly isWatch: boolean
}

const START_AT = Date.UTC(2026, 0, 1)
/** Macrotasks without anything to do after which the present instant is over. */
const QUIET = 3
const PATIENCE_MS = 400 * 86_400_000

/**
 * A server, its time and its chance, for any number of workers and clients; all in this process, at no cost. It sees nothing of
 * what a function awaits outside it: its time goes on meanwhile, far faster than that of the wall.
 */
export class World {
  /** Asked for every group of requests that a worker sends; returns what goes wrong with it, if anything. */
  fault: (sending: Sending) => Fault | undefined = () => undefined
  readonly platform: Platform
  readonly #logger: Logger
  readonly #real = systemPlatform()
  readonly #random: () => number
  readonly #timers: Timer[] = []
  readonly #engine: Promise<Embedded>
  readonly #transports = new Map<string, CrashableTransport>()
  readonly #clients = new Set<{ stop(options?: { timeout?: number }): Promise<void> }>()
  readonly #latency: number
  #now: number
  #activity = 0
  #order = 0
  #sendings = 0

  constructor({ seed = 1, startAt = START_AT, latency = 0, logger = new ConsoleLogger('error') }: WorldOptions = {}) {
    this.#now = startAt
    this.#latency = checkedAmount('latency', latency)
    this.#logger = logger
    this.#random = chance(seed)
    this.platform = this.#platform(false)
    this.#engine = embed({ platform: this.#platform(true), logger })
  }

  /** The present instant of this world, ms since epoch. */
  now(): number {
    return this.#now
  }

  /** A client and worker in this world, of the root entry. */
  resonate(options: ResonateOptions = {}): Resonate {
    return this.#keep(new Resonate(this.#inside(options)))
  }

  /** The same, of the async entry. */
  asyncResonate(options: ResonateOptions = {}): AsyncResonate {
    return this.#keep(new AsyncResonate(this.#inside(options)))
  }

  /** Kills a worker: its functions go no further, and the server sees its connection end. Throws where there is none of this name. */
  crash(pid: string): void {
    const transport = this.#transports.get(pid)
    if (transport) return transport.crash()
    const known = [...this.#transports.keys()].map((name) => `'${name}'`).join(', ')
    throw new Error(`A worker of this world was expected, got '${pid}': there ${known ? `are ${known}` : 'is none'}`)
  }

  /** The result of `promise`, letting time pass as it must. Throws when `promise` is still open after 400 days. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const settled = () => {
      isSettled = true
    }
    promise.then(settled, settled)
    const untilAt = this.#now + PATIENCE_MS
    while (!isSettled) {
      await this.#quiet()
      if (isSettled) break
      if (this.#now > untilAt) throw new Error('Nothing settles what is waited for: it is still open after 400 days')
      await this.#next()
    }
    return promise
  }

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    await this.until(new Promise<void>((resolve) => this.platform.timer(ms, resolve)))
    await this.#quiet()
  }

  /** Asks the server of this world directly, past every fault. */
  async ask<T>(kind: string, data: object): Promise<T> {
    const { engine, read } = await this.#engine
    const request = read({ kind, data })
    if (typeof request === 'string') throw new Error(request)
    const answered = engine.submit(request)
    const { status, data: answer } = await this.until(answered)
    if (status === 200) return answer as T
    throw new Error(`${kind} was answered ${status}: ${answer}`)
  }

  /** Ends everything in it. */
  async stop(): Promise<void> {
    for (const client of this.#clients) await this.until(client.stop({ timeout: 0 }))
    const { engine } = await this.#engine
    await this.until(engine.stop())
  }

  #keep<C extends { stop(options?: { timeout?: number }): Promise<void> }>(client: C): C {
    this.#clients.add(client)
    return client
  }

  #inside(options: ResonateOptions): InternalOptions {
    const { platform } = this
    return {
      logger: this.#logger,
      ...options,
      platform,
      pid: options.pid ?? platform.uuid(),
      [TRANSPORT]: (parts) => {
        const local = new LocalTransport({ ...parts, embedded: this.#engine })
        const transport = new CrashableTransport(local, {
          sending: (calls) => this.#sending(parts.pid, calls),
          answered: () => this.#answered(),
        })
        this.#transports.set(parts.pid, transport)
        return transport
      },
    }
  }

  async #answered(): Promise<void> {
    if (this.#latency > 0) await new Promise<void>((resolve) => this.platform.timer(this.#latency, resolve))
  }

  #sending(pid: string, calls: readonly Call[]): Fault | undefined {
    this.#sendings += 1
    return this.fault({ pid, count: this.#sendings, kinds: calls.map(kindOf) })
  }

  #platform(isServer: boolean): Platform {
    return {
      now: () => this.#now,
      timer: (delayMs, fn, options) => this.#arm(delayMs, fn, isServer || options?.background === true),
      defer: (fn) => {
        this.#activity += 1
        this.#real.defer(fn)
      },
      random: this.#random,
      uuid: () =>
        Array.from({ length: 4 }, () =>
          Math.floor(this.#random() * 2 ** 32)
            .toString(16)
            .padStart(8, '0'),
        ).join(''),
      env: () => undefined,
      host: 'world',
      http: { request: nowhere, stream: nowhere },
    }
  }

  #arm(delayMs: number, fn: () => void, isWatch: boolean): () => void {
    this.#order += 1
    const timer = { at: this.#now + Math.max(delayMs, 0), order: this.#order, fn, isWatch }
    let at = this.#timers.length
    while (at > 0 && isLater(this.#timers[at - 1] as Timer, timer)) at -= 1
    this.#timers.splice(at, 0, timer)
    return () => {
      const found = this.#timers.indexOf(timer)
      if (found >= 0) this.#timers.splice(found, 1)
    }
  }

  /** Resolves when a few macrotasks in a row have brought nothing new. */
  async #quiet(): Promise<void> {
    for (let still = 0; still < QUIET; ) {
      const before = this.#activity
      await new Promise<void>((resolve) => this.#real.defer(resolve))
      still = this.#activity === before ? still + 1 : 0
    }
  }

  /** Moves to the next instant at which something happens, and fires what is due then. */
  async #next(): Promise<void> {
    const first = this.#timers[0]
    if (!first) throw new Error('Nothing is left to happen, and what is waited for is still open')
    const at = first.isWatch ? Math.max(first.at, await this.#nextEventAt()) : first.at
    this.#now = Math.max(this.#now, at)
    this.#activity += 1
    for (const timer of this.#timers.splice(0, this.#dueCount())) timer.fn()
  }

  /** Those of one instant fire one by one, since each may cancel the others; watches that were skipped over, together. */
  #dueCount(): number {
    let count = 0
    while (this.#timers[count]?.isWatch && (this.#timers[count] as Timer).at < this.#now) count += 1
    return Math.max(count, 1)
  }

  /** When the records say that something happens next. Past instants where a lease is held, which must be renewed. */
  async #nextEventAt(): Promise<number> {
    const { engine } = await this.#engine
    const snapshot = (await engine.submit({ kind: 'debug.snap', data: {} })).data as DebugSnapshot
    if (snapshot.taskTimeouts.some(({ type }) => type === 1)) return 0
    const search = { kind: 'schedule.search', data: { limit: 1_000 } } as const
    const { schedules } = (await engine.submit(search)).data as { schedules: ScheduleRecord[] }
    const timers = this.#timers.filter(({ isWatch }) => !isWatch)
    return Math.min(
      ...snapshot.promiseTimeouts.map(({ timeout }) => timeout),
      ...snapshot.taskTimeouts.map(({ timeout }) => timeout),
      ...schedules.map(({ nextRunAt }) => nextRunAt),
      ...timers.map(({ at }) => at),
      this.#now + 86_400_000,
    )
  }
}

/** What becomes of requests on their way. */
interface Way {
  sending(calls: readonly Call[]): Fault | undefined
  /** Resolves when the answer is there. */
  answered(): Promise<void>
}

/** A transport whose process may die, and whose answers take their time and may get lost. */
class CrashableTransport implements Transport {
  readonly #inner: Transport
  readonly #way: Way
  #isDead = false

  constructor(inner: Transport, way: Way) {
    this.#inner = inner
    this.#way = way
  }

  get unicast(): string {
    return this.#inner.unicast
  }

  get anycast(): string {
    return this.#inner.anycast
  }

  get batches(): boolean {
    return this.#inner.batches
  }

  get checks(): boolean {
    return this.#inner.checks
  }

  match(target: string): string {
    return this.#inner.match(target)
  }

  async send(calls: readonly Call[], options?: SendOptions): Promise<Reply[]> {
    if (this.#isDead) return NEVER
    const fault = this.#way.sending(calls)
    if (fault === 'crash before') this.crash()
    if (this.#isDead) return NEVER
    const sent = typeof fault === 'object' ? calls.slice(0, fault.crashAfter) : calls
    let replies = sent.length > 0 ? await this.#inner.send(sent, options) : []
    if (fault === 'crash after' || typeof fault === 'object') this.crash()
    if (fault === 'lose answer')
      replies = (await this.#inner.send(calls, options)).map((reply) => ({ ...reply, repeated: true }))
    await this.#way.answered()
    return this.#isDead ? NEVER : replies
  }

  flush(): void {
    this.#inner.flush()
  }

  receive(onMessage: (message: Message) => void): void {
    this.#inner.receive((message) => {
      if (!this.#isDead) onMessage(message)
    })
  }

  start(facts: () => WorkerFacts): void {
    this.#inner.start(facts)
  }

  crash(): void {
    this.#isDead = true
    this.#inner.close()
  }

  close(): void {
    this.#inner.close()
  }

  stop(): Promise<void> {
    return this.#inner.stop()
  }
}

const NEVER = new Promise<never>(() => {})

async function nowhere(): Promise<never> {
  throw new Error('there is no network in a simulated world')
}

function kindOf({ kind, data }: Call): string {
  const { action } = data as { action?: { kind: string } }
  return kind === 'task.fence' && action ? `${kind} ${action.kind}` : kind
}

function isLater(a: Timer, b: Timer): boolean {
  return a.at === b.at ? a.order > b.order : a.at > b.at
}

/** The public-domain mulberry32 generator: small, fast, and the same everywhere. From 0 to below 1. */
export function chance(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
