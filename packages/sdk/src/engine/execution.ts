// One task in this process: its function and all that the function calls here, from the claim until the task is put down
// (suspended), done (fulfilled), given back (released), or somebody else's (lost). A suspended one keeps its frames and goes on
// where it stands when its task comes back with the same version; replay is for everyone else.
//
// E1. What is sent in one macrotask leaves as one ordered group, and what ends the pass stands last in it.
// E2. A pass ends only when no frame is busy, no answer is missing, and nothing that has arrived is still to be handed over.
// E3. Of a claim that is lost nothing more is sent, settled or handed over.
// E4. What is awaited elsewhere while a function runs on here is watched: the server tells when one is settled, and then all of
//     them are looked at together. So a race between a step and a sleep ends when the sleep does.

import {
  clip,
  HALT_BY_BYTES_MAX,
  HALT_REASON_BYTES_MAX,
  type PromiseRecord,
  type Settlement,
  type TaskRecord,
} from '@resonatehq/protocol'
import type { Logger } from '../log.ts'
import type { Tracing } from '../tracing.ts'
import type { Call, Reply, Transport } from '../transport/transport.ts'
import { Attempts } from './attempts.ts'
import { cancelCalled } from './cancel.ts'
import type { Codec } from './codec.ts'
import type { Watcher } from './elsewhere.ts'
import { errors, messageOf, type ResonateError } from './errors.ts'
import type { Frame } from './frame.ts'
import { Journal } from './journal.ts'
import { joinId, type LocalCall, type Operation, type Outcome } from './operations.ts'
import { Outbox } from './outbox.ts'
import type { Registered, Registry } from './registry.ts'
import { decodeRetry, type RetryPolicy } from './retry.ts'
import { Trace } from './trace.ts'
import type { Turn } from './turn.ts'
import { Values } from './values.ts'

/** What is told of an error that is too large to be told whole, characters. */
const BRIEF_CHARS = 1_000
/** Promises that one suspend awaits at most; past it the rest is awaited by a later one. */
const AWAITED_MAX = 10_000

/** What an execution needs of the process it runs in. */
export interface Host {
  readonly pid: string
  readonly ttl: number
  readonly transport: Transport
  readonly codec: Codec
  readonly registry: Registry
  readonly logger: Logger
  readonly turn: Turn
  /** Absent: no traces are kept. */
  readonly tracing: Tracing | undefined
  /** How plain functions are retried where nothing else is said. */
  readonly retryPolicy: RetryPolicy
  now(): number
  timer(delayMs: number, fn: () => void): () => void
  /** 0 ≤ x < 1. */
  readonly random: () => number
  uuid(): string
  contextOf(frame: Frame): unknown
  /** Sends what has no answer that anyone waits for. */
  tell(call: Call): void
  unregistered(execution: Execution, name: string, version: number): void
  suspended(execution: Execution): void
  resumed(execution: Execution): void
  ended(execution: Execution, ending: Ending): void
  /** A function has run for this long, ms, without beginning anything durable. */
  still(frame: Frame, ms: number): void
  watch(id: string, watcher: Watcher): void
  unwatch(id: string, watcher: Watcher): void
}

export type ExecutionState = 'active' | 'suspending' | 'suspended' | 'resuming' | 'over'

/** How an execution ended in this process. */
export type Ending =
  | { readonly kind: 'done'; readonly promise: PromiseRecord }
  /** Given back to the group. */
  | { readonly kind: 'released' }
  /** No longer ours: somebody else has it, or nobody needs it. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'halted' }

export interface ExecutionClaim {
  readonly task: TaskRecord
  readonly promise: PromiseRecord
  readonly preload: readonly PromiseRecord[]
  /** Whether the preload holds every local step there is. */
  readonly isComplete: boolean
}

export class Execution {
  readonly host: Host
  readonly id: string
  readonly originId: string
  readonly branchId: string
  readonly timeoutAt: number
  /** Aborted when the work is no longer wanted. */
  readonly abort = new AbortController()
  version: number
  state: ExecutionState = 'active'
  /** Frames that run: neither ended nor waiting for an operation of theirs. */
  busy = 0
  /** Until when the lease holds by this process's clock, ms. */
  leaseAt: number
  /** An `execute` for a suspension whose answer is not here yet. */
  isRecalled = false
  readonly trace: Trace
  readonly attempts: Attempts
  readonly values: Values
  readonly outbox: Outbox
  readonly #journal: Journal
  readonly #promise: PromiseRecord
  #outcome: Outcome | undefined
  /** What it came to was refused, and said so in other words. */
  #isUnacceptable = false
  #isWaking = false
  readonly #cancels = new Set<() => void>()

  constructor(host: Host, { task, promise, preload, isComplete }: ExecutionClaim) {
    this.host = host
    this.id = task.id
    this.version = task.version
    this.#promise = promise
    this.originId = promise.tags['resonate:origin'] ?? promise.id
    this.branchId = promise.tags['resonate:branch'] ?? promise.id
    this.timeoutAt = promise.timeoutAt
    this.leaseAt = host.now() + host.ttl
    this.trace = new Trace(host.tracing, this.id)
    this.attempts = new Attempts(this)
    this.values = new Values(host.codec, this)
    this.outbox = new Outbox(host.transport, this)
    this.#journal = new Journal(this, preload, isComplete)
  }

  get isOver(): boolean {
    return this.state === 'over'
  }

  /** The task is in hand, and a function of it runs. */
  get isBusy(): boolean {
    return this.state === 'active' && this.busy > 0
  }

  /** Characters of encoded values that its functions may hold on to. */
  get chars(): number {
    return this.#journal.chars
  }

  // The function of the task.

  start(): void {
    const begin = (param: unknown) => this.#begin(param)
    this.values.decode(this.#promise.param, `The call of '${this.id}'`, begin, (cause) => this.#unreadable(cause))
  }

  #begin(param: unknown): void {
    const called = calledOf(param)
    if (!called) return this.#unreadable(`expected {func, args, version}, got ${JSON.stringify(param)}`)
    const { func, args, version, retry } = called
    const registered = this.host.registry.find(func, version)
    if (!registered) return this.host.unregistered(this, func, version)
    const policy = decodeRetry(retry) ?? registered.retryPolicy
    const call = callOf(registered, args, this.timeoutAt, policy)
    this.trace.called(func, this.#promise.param.headers)
    this.trace.beginPass(this.version)
    const parentId = this.#promise.tags['resonate:parent'] ?? this.id
    const done = (outcome: Outcome) => {
      this.#outcome = outcome
      this.touch()
    }
    this.attempts.begin({ call, id: this.id, parentId, done })
    this.touch()
  }

  /** Nobody will ever be able to run this: say so where the caller sees it. */
  #unreadable(cause: unknown): void {
    this.#outcome = {
      ok: false,
      error: cause instanceof Error ? cause : errors.notDecodable(`The call of '${this.id}'`, cause),
    }
    this.touch()
  }

  /** Functions that stand still from one renewal to the next are made known. */
  beat(): void {
    const now = this.host.now()
    for (const frame of this.attempts.frames) {
      const stillMs = frame.stillMs(now)
      if (stillMs !== undefined) this.host.still(frame, stillMs)
    }
  }

  // Operations, and what they ask for.

  nextOrder(): number {
    return this.#journal.nextOrder()
  }

  /** Begins an operation, once. On an execution that is over it never settles. */
  startOperation(operation: Operation): void {
    this.#journal.start(operation)
  }

  failing(operation: Operation): void {
    this.#journal.failing(operation)
  }

  /** All answers of a group were taken. */
  answered(): void {
    this.#journal.handOver()
    this.touch()
  }

  /** Nothing can be sent any more: the client was stopped. */
  unsent(cause: unknown): void {
    if (this.isOver) return
    this.host.logger.debug({ id: this.id, cause: messageOf(cause) }, 'an execution was left behind')
    this.drop()
  }

  // The end of a pass.

  /** Something changed: look at it once everything that is ready has run. */
  touch(): void {
    if (this.state !== 'over') this.host.turn.add(this)
  }

  turn(): void {
    if (this.state === 'suspended') return this.#wake()
    if (this.state !== 'active') return
    // What its function begins now leaves in the same group.
    if (this.#journal.runsAhead()) return this.touch()
    this.#journal.elsewhere.turn()
    this.#journal.handOver()
    if (this.#isIdle()) this.#end()
    else this.#journal.elsewhere.watchSoon()
    this.outbox.flush()
  }

  #isIdle(): boolean {
    return this.busy === 0 && this.#journal.isIdle && !this.values.isWaiting && !this.outbox.holdsPass
  }

  #end(): void {
    if (this.#outcome) return this.#fulfill(this.#outcome)
    const { named, kept } = this.#journal.elsewhere.toAwait(AWAITED_MAX)
    // Nothing to wait for and yet not done: it awaits something of its own, a timer or a request, and comes back by itself.
    if (named.length > 0) this.#suspend(named, kept)
  }

  /** Sends what ends the pass. */
  #last(call: Call, onReply: (reply: Reply) => void): void {
    this.outbox.push({ call, isOpen: true, onReply })
  }

  #fulfill(outcome: Outcome): void {
    this.values.encodeOutcome(outcome, this.id, (settled, value) => {
      const state: Settlement = settled.ok ? 'resolved' : 'rejected'
      const action = { kind: 'promise.settle', data: { id: this.id, state, value } }
      const data = { id: this.id, version: this.version, action }
      this.#last({ kind: 'task.fulfill', data }, (reply) => {
        if (reply.status === 200)
          return this.#over({ kind: 'done', promise: (reply.data as { promise: PromiseRecord }).promise })
        if (reply.status === 404 || reply.status === 409) return this.lose()
        this.#unacceptable(settled, reply)
      })
    })
  }

  /** What it came to was refused as such, too large for instance: the caller gets that as the failure. */
  #unacceptable(settled: Outcome, { status, data }: Reply): void {
    const what = settled.ok ? `The result of '${this.id}'` : `The error of '${this.id}', ${briefly(settled.error)},`
    const error = errors.server(what, status, String(data))
    if (this.#isUnacceptable) return this.release(error)
    this.#isUnacceptable = true
    this.#outcome = { ok: false, error }
    this.touch()
  }

  #suspend(named: readonly Operation[], kept: number): void {
    this.state = 'suspending'
    const actions = named.map(({ id }) => ({
      kind: 'promise.register_callback',
      data: { awaited: id, awaiter: this.id },
    }))
    const data = { id: this.id, version: this.version, actions, preload: false, ...(kept > 0 && { kept }) }
    this.#last({ kind: 'task.suspend', data }, (reply) => this.#suspended(named, reply))
  }

  #suspended(named: readonly Operation[], reply: Reply): void {
    const { status, repeated } = reply
    if (status === 200) return this.#putDown(named)
    if (status === 300) {
      this.state = 'active'
      return this.#journal.elsewhere.look({ isAhead: true })
    }
    if (status === 409 && repeated) return void this.#askWhetherSuspended(named)
    // The creation of a promise to wait for was refused, so it is not there, or its id is none; its function is told instead.
    if ((status === 422 || status === 400) && this.#journal.hasArrivals) {
      this.state = 'active'
      return this.touch()
    }
    if (status === 404 || status === 409) return this.lose()
    this.release(errors.server(`The suspension of '${this.id}'`, status, String(reply.data)))
  }

  /** The answer to a suspend was lost: the task itself tells whether it was heard. */
  async #askWhetherSuspended(named: readonly Operation[]): Promise<void> {
    const task = await this.#readTask()
    const isOurs = task?.version === this.version && (task.state === 'suspended' || task.state === 'pending')
    if (isOurs) this.#putDown(named)
    else this.lose()
  }

  /** Undefined where it is gone, or the client was stopped. */
  async #readTask(): Promise<TaskRecord | undefined> {
    try {
      const [reply] = await this.host.transport.send([{ kind: 'task.get', data: { id: this.id } }])
      return reply?.status === 200 ? (reply.data as { task: TaskRecord }).task : undefined
    } catch {
      return undefined
    }
  }

  #putDown(named: readonly Operation[]): void {
    if (this.state !== 'suspending') return
    for (const operation of named) operation.isNamed = true
    this.#journal.elsewhere.rest()
    this.trace.endPass()
    this.state = 'suspended'
    this.host.suspended(this)
    this.touch()
  }

  /** Takes the task up again where its function stands. */
  async resume(): Promise<void> {
    if (this.state !== 'suspended') return
    this.state = 'resuming'
    const look = this.#journal.elsewhere.lookAhead()
    const { pid, ttl } = this.host
    const sentAt = this.host.now()
    const acquire: Call = {
      kind: 'task.acquire',
      data: { id: this.id, version: this.version, pid, ttl, preload: false },
    }
    try {
      const [claim, ...replies] = await this.host.transport.send([acquire, ...look.calls])
      if (this.state !== 'resuming') return
      if (!claim || !(await this.#isClaimed(claim))) return this.lose()
      this.version += 1
      this.leaseAt = sentAt + ttl
      this.state = 'active'
      this.#isWaking = false
      this.host.resumed(this)
      this.trace.beginPass(this.version)
      this.#journal.elsewhere.seen(look, replies)
      this.outbox.readdress(this.version)
      this.#journal.handOver()
      this.touch()
    } catch (cause) {
      this.unsent(cause)
    }
  }

  /** Whether an acquire gave us the task, the answer to an earlier try of it included. */
  async #isClaimed(claim: Reply): Promise<boolean> {
    if (claim.status === 200) return true
    if (claim.status !== 409 || !claim.repeated) return false
    const task = await this.#readTask()
    return task?.state === 'acquired' && task.pid === this.host.pid && task.version === this.version + 1
  }

  /**
   * A function that awaited something of its own beside an operation goes on while its task is down. Only a settled promise
   * brings a task back, so it is given one: made, awaited and settled in one go.
   */
  #wake(): void {
    if (this.#isWaking || (this.outbox.isEmpty && this.#outcome === undefined)) return
    this.#isWaking = true
    const { originId, branchId } = this
    const id = joinId(this.id, `w${this.host.uuid()}`)
    const tags = {
      'resonate:scope': 'local',
      'resonate:origin': originId,
      'resonate:branch': id,
      'resonate:parent': branchId,
    }
    const timeoutAt = this.host.now() + this.host.ttl
    const calls: Call[] = [
      { kind: 'promise.create', data: { id, timeoutAt, param: {}, tags } },
      { kind: 'promise.register_callback', data: { awaited: id, awaiter: this.id } },
      { kind: 'promise.settle', data: { id, state: 'resolved', value: {} } },
    ]
    this.host.transport.send(calls).catch((cause) => this.unsent(cause))
  }

  // The end of the claim.

  /** The claim is lost: what still runs here is told. If that is because the call was canceled, so is what it called. */
  lose(): void {
    if (this.isOver) return
    const called = this.#journal.attached()
    this.drop()
    if (called.length > 0) cancelCalled(this.host.transport, this.id, called).catch((cause) => this.#uncanceled(cause))
  }

  #uncanceled(cause: unknown): void {
    const facts = { id: this.id, cause: messageOf(cause) }
    this.host.logger.warn(facts, 'what a canceled call had called was not canceled')
  }

  /** This process has no use for it any more: others have the task, or may have it. */
  drop(): void {
    this.#over({ kind: 'lost' })
  }

  /** Gives the task back to its group, for another try from the records. */
  release(cause?: unknown): void {
    if (this.isOver) return
    if (cause) this.host.logger.warn({ id: this.id, cause: messageOf(cause) }, 'a task was given back')
    if (this.state === 'active') this.host.tell({ kind: 'task.release', data: { id: this.id, version: this.version } })
    this.#over({ kind: 'released' })
  }

  /** The function asked for the end of this pass. */
  die(error: ResonateError): void {
    if (this.isOver) return
    error.log(this.host.logger)
    this.release()
  }

  /** Only a change of the code helps: nobody is to try it before. */
  halt(error: ResonateError): void {
    if (this.isOver) return
    error.log(this.host.logger)
    const by = clip(this.host.pid, HALT_BY_BYTES_MAX)
    const reason = clip(error.message, HALT_REASON_BYTES_MAX)
    this.host.tell({ kind: 'task.halt', data: { id: this.id, version: this.version, by, reason } })
    this.#over({ kind: 'halted' })
  }

  #over(ending: Ending): void {
    if (this.isOver) return
    this.#journal.close()
    this.state = 'over'
    this.outbox.discard()
    for (const cancel of this.#cancels) cancel()
    for (const frame of this.attempts.frames) frame.span?.end(new Error(`the task is ${ending.kind}`))
    this.trace.endPass(this.#outcome?.ok === false ? this.#outcome.error : undefined)
    if (ending.kind !== 'done') this.abort.abort(new Error(`the task of '${this.id}' is ${ending.kind}`))
    this.host.ended(this, ending)
  }

  /** Runs `fn` unless the execution is over by then. */
  timer(delayMs: number, fn: () => void): () => void {
    const cancel = this.host.timer(delayMs, () => {
      this.#cancels.delete(cancel)
      if (!this.isOver) fn()
    })
    this.#cancels.add(cancel)
    return () => {
      this.#cancels.delete(cancel)
      cancel()
    }
  }
}

/** An error in a few words. */
function briefly(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return JSON.stringify(text.length > BRIEF_CHARS ? `${text.slice(0, BRIEF_CHARS)}…` : text)
}

interface Called {
  readonly func: string
  readonly args: readonly unknown[]
  /** 0: the latest. */
  readonly version: number
  readonly retry?: unknown
}

/**
 * What the parameter of a task's promise calls; undefined where it is no call. One that names no version, made by hand say, is of the
 * first: what it runs must not change when another is registered.
 */
function calledOf(param: unknown): Called | undefined {
  const { func, args, version, retry } = (param ?? {}) as Partial<Called>
  const all = args ?? []
  if (typeof func !== 'string' || func === '' || !Array.isArray(all)) return undefined
  return { func, args: all, version: version ?? 1, retry }
}

/** A call of a function that is registered here. */
export function callOf(
  { name, version, fn }: Registered,
  args: readonly unknown[],
  timeoutAt: number,
  retryPolicy: RetryPolicy | undefined,
): LocalCall {
  return { kind: 'local', name, version, fn, args, timeoutAt, tags: {}, hasOwnId: false, retryPolicy, nonRetryable: [] }
}
