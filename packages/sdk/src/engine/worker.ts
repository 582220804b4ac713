// The executions of this process: takes tasks that are offered or created here, keeps suspended ones in memory within bounds,
// renews leases, gives back what it cannot run, and puts everything down when it stops.
// W1. Never more than `concurrency` tasks in hand; a suspended one is not in hand.
// W2. One execution a task. An offer of a version that it does not stand at means that others had the task: it starts anew.

import type { PromiseRecord, TaskRecord, TaskRef } from '@resonatehq/protocol'
import type { Logger } from '../log.ts'
import type { Platform } from '../platform.ts'
import type { Tracing } from '../tracing.ts'
import type { Call, Reply, Transport } from '../transport/transport.ts'
import { cancelForgotten } from './cancel.ts'
import type { Codec } from './codec.ts'
import type { Watcher } from './elsewhere.ts'
import { errors } from './errors.ts'
import { type Ending, Execution, type ExecutionClaim, type Host } from './execution.ts'
import type { Frame } from './frame.ts'
import { Heartbeat, type Held } from './heartbeat.ts'
import type { Registry } from './registry.ts'
import type { RetryPolicy } from './retry.ts'
import { Turn } from './turn.ts'

/** What a worker hands on to its executions. */
type HandedOn = 'pid' | 'ttl' | 'transport' | 'codec' | 'registry' | 'logger' | 'retryPolicy' | 'tracing' | 'contextOf'

export interface WorkerOptions extends Pick<Host, HandedOn> {
  readonly lagLimitMs: number
  readonly concurrency: number
  /** Suspended executions kept in memory, count and estimated characters. */
  readonly framesMax: number
  readonly frameCharsMax: number
  readonly platform: Platform
  /** A task that ran here is out of this process's hands: done, or to be heard of from the server. */
  readonly left: (id: string, promise: PromiseRecord | undefined) => void
}

/** Preloads that reach either bound of the server may have been cut. */
const PRELOAD_MAX = 1_000
const PRELOAD_CHARS_MAX = 700_000
/** A suspended frame that holds no values still costs something. */
const FRAME_CHARS = 2_000
const UNREGISTERED_FIRST_MS = 250
const UNREGISTERED_MAX_MS = 30_000
const PAUSE_BEFORE_RELEASE_FREE = 1
/** How long a stop waits for the server to have heard what was given back. */
const LAST_WORDS_MS = 2_000

export class Worker implements Host {
  readonly pid: string
  readonly ttl: number
  readonly transport: Transport
  readonly codec: Codec
  readonly registry: Registry
  readonly logger: Logger
  readonly turn: Turn
  readonly tracing: Tracing | undefined
  readonly retryPolicy: RetryPolicy
  readonly random: () => number
  readonly #options: WorkerOptions
  readonly #platform: Platform
  readonly #heartbeat: Heartbeat
  readonly #executions = new Map<string, Execution>()
  /** Suspended ones, least recently used first. */
  readonly #resting = new Map<Execution, number>()
  #restingChars = 0
  readonly #acquiring = new Map<string, number>()
  readonly #offers = new Map<string, TaskRef>()
  /** Who wants to be told when a promise is settled. */
  readonly #watching = new Map<string, Set<Watcher>>()
  #inHand = 0
  #isStopping = false
  #drained: (() => void) | undefined
  /** Requests whose answers nobody waits for, but a stop that they arrive. */
  readonly #told = new Set<Promise<unknown>>()
  /** Functions without operations that were said to take long. */
  readonly #slow = new Set<string>()
  /** How often each unknown function was met, for the back-off. */
  readonly #strangers = new Map<string, number>()

  constructor(options: WorkerOptions) {
    this.#options = options
    this.pid = options.pid
    this.ttl = options.ttl
    this.transport = options.transport
    this.codec = options.codec
    this.registry = options.registry
    this.logger = options.logger
    this.tracing = options.tracing
    this.retryPolicy = options.retryPolicy
    this.#platform = options.platform
    this.random = options.platform.random
    this.turn = new Turn(options.platform.defer, () => options.transport.flush())
    this.#heartbeat = new Heartbeat({
      pid: options.pid,
      ttl: options.ttl,
      lagLimitMs: options.lagLimitMs,
      platform: options.platform,
      transport: options.transport,
      lost: (held) => this.#lost(held),
    })
  }

  now(): number {
    return this.#platform.now()
  }

  timer(delayMs: number, fn: () => void): () => void {
    return this.#platform.timer(delayMs, fn)
  }

  uuid(): string {
    return this.#platform.uuid()
  }

  contextOf(frame: Frame): unknown {
    return this.#options.contextOf(frame)
  }

  /** Whether the task of this promise is in this process now, so that its end will be heard here. */
  isRunning(id: string): boolean {
    const state = this.#executions.get(id)?.state
    return state === 'active' || state === 'suspending'
  }

  /** The server offers a task. */
  offer(ref: TaskRef): void {
    if (this.#isStopping) return
    const { id, version } = ref
    const execution = this.#executions.get(id)
    if (execution && this.#isMeant(execution, version)) return
    if (this.#acquiring.get(id) === version) return
    if (this.#inHand >= this.#options.concurrency) {
      this.#offers.set(id, ref)
      return
    }
    void this.#acquire(ref)
  }

  /** What an offer means to an execution that is here already. True: it has been dealt with. */
  #isMeant(execution: Execution, version: number): boolean {
    const { state } = execution
    if (execution.version > version) return true
    if (execution.version === version) {
      if (state === 'suspended') {
        if (this.#inHand >= this.#options.concurrency) this.#offers.set(execution.id, { id: execution.id, version })
        else this.#resume(execution)
        return true
      }
      if (state === 'suspending') {
        execution.isRecalled = true
        return true
      }
      if (state === 'resuming') return true
    }
    // Its lease ended, or others had the task since: what is here is of no use any more.
    execution.drop()
    return false
  }

  #resume(execution: Execution): void {
    this.#lift(execution)
    this.#inHand += 1
    void execution.resume()
  }

  async #acquire({ id, version }: TaskRef): Promise<void> {
    this.#acquiring.set(id, version)
    this.#inHand += 1
    try {
      const { pid, ttl } = this
      const [reply] = await this.transport.send([{ kind: 'task.acquire', data: { id, version, pid, ttl } }])
      const claim = reply && (await this.claimOf(reply, id, version + 1))
      if (claim) this.adopt(claim)
      else if (reply && reply.status !== 404 && reply.status !== 409)
        this.logger.warn({ id, status: reply.status, cause: reply.data }, 'a task was not acquired')
    } catch (cause) {
      this.logger.debug({ id, cause }, 'a task was not acquired')
    } finally {
      this.#acquiring.delete(id)
      this.#putDown()
    }
  }

  /** The claim that an acquire or a create gave, the answer to an earlier try included. Undefined: the task is not ours. */
  async claimOf(reply: Reply, id: string, version: number | undefined): Promise<ExecutionClaim | undefined> {
    if (reply.status === 200) {
      const {
        task,
        promise,
        preload = [],
      } = reply.data as { task: TaskRecord; promise: PromiseRecord; preload?: PromiseRecord[] }
      return { task, promise, preload, isComplete: isWhole(preload) }
    }
    if (reply.status !== 409 || !reply.repeated) return undefined
    const [got, found] = await this.transport.send([
      { kind: 'task.get', data: { id } },
      { kind: 'promise.get', data: { id } },
    ])
    const task = got?.status === 200 ? (got.data as { task: TaskRecord }).task : undefined
    const isOurs = task?.state === 'acquired' && task.pid === this.pid && !this.#executions.has(id)
    if (!task || !isOurs || (version !== undefined && task.version !== version) || found?.status !== 200)
      return undefined
    return { task, promise: (found.data as { promise: PromiseRecord }).promise, preload: [], isComplete: false }
  }

  /** Runs a task that this process holds. */
  adopt(claim: ExecutionClaim): void {
    if (claim.task.state !== 'acquired' || claim.promise.state !== 'pending') return
    const execution = new Execution(this, claim)
    if (this.#isStopping) return execution.release()
    this.#executions.get(execution.id)?.drop()
    this.#executions.set(execution.id, execution)
    this.#heartbeat.hold(execution)
    this.#inHand += 1
    execution.start()
  }

  tell(call: Call): void {
    const told = this.transport.send([call]).then(ignore, ignore)
    this.#told.add(told)
    void told.then(() => this.#told.delete(told))
  }

  watch(id: string, watcher: Watcher): void {
    const watching = this.#watching.get(id) ?? new Set()
    this.#watching.set(id, watching.add(watcher))
  }

  unwatch(id: string, watcher: Watcher): void {
    const watching = this.#watching.get(id)
    watching?.delete(watcher)
    if (watching?.size === 0) this.#watching.delete(id)
  }

  /** The server says that a promise is settled. */
  told(id: string): void {
    for (const watcher of this.#watching.get(id) ?? []) watcher.toldOf(id)
  }

  suspended(execution: Execution): void {
    this.#heartbeat.drop(execution)
    this.#lay(execution)
    this.#putDown()
    const { isRecalled } = execution
    execution.isRecalled = false
    if (isRecalled && execution.state === 'suspended') this.offer(execution)
    else this.#options.left(execution.id, undefined)
  }

  resumed(execution: Execution): void {
    this.#heartbeat.hold(execution)
  }

  ended(execution: Execution, ending: Ending): void {
    const { id } = execution
    if (this.#executions.get(id) === execution) this.#executions.delete(id)
    this.#heartbeat.drop(execution)
    if (!this.#lift(execution)) this.#putDown()
    this.#options.left(id, ending.kind === 'done' ? ending.promise : undefined)
  }

  /** Another of the group may have it. At once the first time, later and later when it keeps coming back. */
  unregistered(execution: Execution, name: string, version: number): void {
    const met = this.#strangers.get(name) ?? 0
    this.#strangers.set(name, met + 1)
    const waitMs =
      met < PAUSE_BEFORE_RELEASE_FREE
        ? 0
        : Math.min(UNREGISTERED_FIRST_MS * 2 ** Math.min(met, 10), UNREGISTERED_MAX_MS)
    if (met === 0) errors.notRegisteredHere(name, version).log(this.logger)
    if (waitMs === 0) return execution.release()
    this.#platform.timer(waitMs, () => execution.release(), { background: true })
  }

  /** A workflow is told of each time. What has begun nothing may well be a step that takes its time: once for its name. */
  still({ facts, sequence }: Frame, ms: number): void {
    const { id, name } = facts
    if (sequence === 0 && this.#slow.has(name)) return
    if (sequence === 0) this.#slow.add(name)
    this.logger.warn({ id, func: name, ms }, sequence > 0 ? awaitsOther(id, name, ms) : beginsNothing(id, name, ms))
  }

  #lost(held: Held): void {
    const execution = this.#executions.get(held.id)
    if (execution !== held) return
    this.logger.warn({ id: held.id }, 'a task was lost: its lease ended, or it was canceled or halted')
    execution.lose()
  }

  /** The server takes a task away. */
  revoke({ id, version }: TaskRef): void {
    const execution = this.#executions.get(id)
    if (execution?.version === version) return execution.lose()
    if (!execution)
      cancelForgotten(this.transport, id).catch((cause: unknown) =>
        this.logger.warn({ id, cause }, 'what a canceled call had called was not canceled'),
      )
  }

  /** Puts an execution among the suspended; the oldest give way when there are too many. */
  #lay(execution: Execution): void {
    const chars = execution.chars + FRAME_CHARS
    this.#resting.set(execution, chars)
    this.#restingChars += chars
    const { framesMax, frameCharsMax } = this.#options
    for (const [oldest] of this.#resting) {
      if (this.#resting.size <= framesMax && this.#restingChars <= frameCharsMax) return
      oldest.drop()
    }
  }

  /** Takes it from the suspended. False: it was not among them, so it is in hand. */
  #lift(execution: Execution): boolean {
    const chars = this.#resting.get(execution)
    if (chars === undefined) return false
    this.#restingChars -= chars
    return this.#resting.delete(execution)
  }

  /** One task less in hand. */
  #putDown(): void {
    this.#inHand -= 1
    if (this.#inHand === 0) this.#drained?.()
    for (const [id, ref] of this.#offers) {
      if (this.#inHand >= this.#options.concurrency) return
      this.#offers.delete(id)
      this.offer(ref)
    }
  }

  /** Takes nothing new, lets what runs end within `graceMs`, gives the rest back. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true
    this.#offers.clear()
    if (this.#inHand > 0 && graceMs > 0) {
      this.#heartbeat.leave()
      await this.#drain(graceMs)
    }
    for (const execution of [...this.#executions.values()]) {
      if (execution.state === 'active') execution.release()
      else execution.drop()
    }
    this.#heartbeat.stop()
    await this.#lastWords()
  }

  /** What was acquired at the last moment is given back too. A server that does not answer is not waited for. */
  async #lastWords(): Promise<void> {
    if (this.#acquiring.size > 0) await this.#drain(LAST_WORDS_MS)
    if (this.#told.size === 0) return
    await new Promise<void>((resolve) => {
      const cancel = this.#platform.timer(LAST_WORDS_MS, resolve)
      void Promise.all(this.#told).then(() => {
        cancel()
        resolve()
      })
    })
  }

  #drain(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel()
        resolve()
      }
      const cancel = this.#platform.timer(graceMs, done)
      this.#drained = done
    })
  }
}

const WRAP = 'Wrap it: ctx.run(() => …), or ctx.promise() where someone else settles it'

function awaitsOther(id: string, name: string, ms: number): string {
  return (
    `'${id}' (function '${name}') has awaited something that is not durable for ${seconds(ms)}: it is not recorded, and happens ` +
    `again in a replay. ${WRAP}`
  )
}

function beginsNothing(id: string, name: string, ms: number): string {
  return (
    `'${id}' (function '${name}') has run for ${seconds(ms)} without beginning anything durable. A step may take its time; ` +
    `a workflow awaits something that is not durable: ${WRAP}. Said once for each function`
  )
}

/** How long at least. */
function seconds(ms: number): string {
  return `${Math.floor(ms / 100) / 10} s or more`
}

function ignore(): void {}

/** Whether a preload certainly holds everything. */
function isWhole(preload: readonly PromiseRecord[]): boolean {
  if (preload.length >= PRELOAD_MAX) return false
  let chars = 0
  for (const { param, value } of preload) chars += (param.data?.length ?? 0) + (value.data?.length ?? 0) + 400
  return chars < PRELOAD_CHARS_MAX
}
