// One task in this process: its function and all that the function calls here, from the claim until the task is put down
// (suspended), done (fulfilled), given back (released), or somebody else's (lost). A suspended one keeps its frames and goes on
// where it stands when its task comes back with the same version; replay is for everyone else.
//
// E1. What is sent in one macrotask leaves as one ordered group, and what ends the pass stands last in it.
// E2. A pass ends only when no frame is busy, no answer is missing, and nothing that has arrived is still to be handed over.
// E3. Settled operations are handed over one at a time, in the order in which the server settled them, and only while no creation
//     is unanswered: so a race between operations ends the same way in every replay. What may still come before a result is
//     looked at before that is handed over (elsewhere.ts).
// E4. A fence that is refused means that the claim is lost: from then on nothing is sent, settled or handed over.
// E5. The next local function starts only when the settlement of the one before is answered. The function that called them
//     may run ahead of that answer (`early`), where a refusal could only mean E4.
// E6. An operation's promise is created after that of the function which called it.
// E7. A local function starts only when the promises elsewhere that were begun before it exist: it may be told their ids, and hand
//     them to whoever settles them.
// E8. What is awaited elsewhere while a function runs on here is watched: the server tells when one is settled, and then all of
//     them are looked at together. So a race between a step and a sleep ends when the sleep does.

import {
  clip,
  HALT_BY_BYTES_MAX,
  HALT_REASON_BYTES_MAX,
  type PromiseRecord,
  type Settlement,
  type TaskRecord,
  type Value,
} from '@resonatehq/protocol'
import type { Logger } from '../log.ts'
import type { Tracing } from '../tracing.ts'
import type { Call, Reply, Transport } from '../transport/transport.ts'
import { Arrivals, TICK_MS } from './arrivals.ts'
import { Attempts } from './attempts.ts'
import { type Codec, isPrimitive } from './codec.ts'
import { divergence, isSame } from './divergence.ts'
import { type Asker, Elsewhere, type Watcher } from './elsewhere.ts'
import { errors, messageOf } from './errors.ts'
import type { Frame } from './frame.ts'
import { joinId, type LocalCall, type Operation, type Outcome } from './operations.ts'
import { Outbox, type Pending } from './outbox.ts'
import type { Registered, Registry } from './registry.ts'
import { decodeRetry, type RetryPolicy } from './retry.ts'
import { Trace } from './trace.ts'
import type { Turn } from './turn.ts'
import { Values } from './values.ts'

/** What is told of an error that is too large to be told whole, characters. */
const BRIEF_CHARS = 1_000
/** A local step that lasts this long is created on the server while it runs, so that it can be seen. */
const SLOW_STEP_MS = 50
/** Promises that one suspend awaits at most; past it the rest is awaited by a later one. */
const AWAITED_MAX = 10_000
/** A longer result may be refused, so its function does not run ahead of the answer, characters. */
const AHEAD_CHARS_MAX = 16_384

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

/** A step's settlement on its way. */
interface Ahead {
  readonly operation: Operation
  readonly settled: Outcome
  readonly value: Value
  readonly sent: Pending
}

export interface ExecutionClaim {
  readonly task: TaskRecord
  readonly promise: PromiseRecord
  readonly preload: readonly PromiseRecord[]
  /** Whether the preload holds every local step there is. */
  readonly isComplete: boolean
}

export class Execution {
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
  readonly trace: Trace
  /** An `execute` for a suspension whose answer is not here yet. */
  isRecalled = false
  /** Characters of encoded values that its frames may hold on to. */
  chars = 0
  readonly #host: Host
  readonly #promise: PromiseRecord
  readonly #records: Map<string, PromiseRecord>
  readonly #knowsAll: boolean
  readonly #attempts: Attempts
  readonly #outbox: Outbox
  readonly #values: Values
  /** Requests about operations that are not answered. */
  #fenced = 0
  readonly #arrivals = new Arrivals()
  readonly #pending = new Set<Operation>()
  /** Those of `#pending` that others settle. */
  readonly #elsewhere: Elsewhere
  /** Settlements that the calling function has run ahead of. */
  #early = 0
  /** A settlement that its function may run ahead of. */
  #ahead: Ahead | undefined
  /** Promises elsewhere whose creation is not answered. */
  #unborn = 0
  /** Local functions that wait until neither of both is left. */
  #afterEarly: (() => void)[] = []
  #order = 0
  #outcome: Outcome | undefined
  /** What it came to was refused, and said so in other words. */
  #isUnacceptable = false
  #isWaking = false
  readonly #cancels = new Set<() => void>()

  constructor(host: Host, { task, promise, preload, isComplete }: ExecutionClaim) {
    this.#host = host
    this.id = task.id
    this.version = task.version
    this.#promise = promise
    this.originId = promise.tags['resonate:origin'] ?? promise.id
    this.branchId = promise.tags['resonate:branch'] ?? promise.id
    this.timeoutAt = promise.timeoutAt
    this.leaseAt = host.now() + host.ttl
    this.#records = new Map(preload.map((record) => [record.id, record]))
    this.#knowsAll = isComplete
    this.trace = new Trace(host.tracing, this.id)
    this.#attempts = new Attempts(this)
    this.#values = new Values(host.codec, this)
    this.#outbox = new Outbox(host.transport, this)
    this.#elsewhere = new Elsewhere(this.#asker())
    for (const record of preload) this.chars += (record.value.data?.length ?? 0) + (record.param.data?.length ?? 0)
  }

  #asker(): Asker {
    const execution = this
    return {
      host: this.#host,
      get isBusy() {
        return execution.state === 'active' && execution.busy > 0
      },
      get lastArrivalAt() {
        return execution.#arrivals.lastAt
      },
      ask: (call, isOpen, onReply) => this.#outbox.push({ call, isOpen, onReply }),
      arrive: (operation, record) => this.#arrive(operation, record),
      timer: (delayMs, fn) => this.timer(delayMs, fn),
      touch: () => this.touch(),
    }
  }

  get isOver(): boolean {
    return this.state === 'over'
  }

  get host(): Host {
    return this.#host
  }

  // The function of the task.

  start(): void {
    const begin = (param: unknown) => this.#begin(param)
    this.#values.decode(this.#promise.param, `The call of '${this.id}'`, begin, (cause) => this.#unreadable(cause))
  }

  #begin(param: unknown): void {
    const called = calledOf(param)
    if (!called) return this.#unreadable(`expected {func, args, version}, got ${JSON.stringify(param)}`)
    const { func, args, version, retry } = called
    const registered = this.#host.registry.find(func, version)
    if (!registered) return this.#host.unregistered(this, func, version ?? 0)
    const policy = decodeRetry(retry) ?? registered.retryPolicy
    const call = callOf(registered, args, this.timeoutAt, policy)
    this.trace.called(func, this.#promise.param.headers)
    this.trace.beginPass(this.version)
    const parentId = this.#promise.tags['resonate:parent'] ?? this.id
    const done = (outcome: Outcome) => {
      this.#outcome = outcome
      this.touch()
    }
    this.#attempts.begin({ call, id: this.id, parentId, done })
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
    const now = this.#host.now()
    for (const frame of this.#attempts.frames) {
      const stillMs = frame.stillMs(now)
      if (stillMs !== undefined) this.#host.still(frame, stillMs)
    }
  }

  // Operations.

  /** Where the next operation stands in order. */
  nextOrder(): number {
    this.#order += 1
    return this.#order
  }

  /** Begins an operation, once. On an execution that is over it never settles. */
  startOperation(operation: Operation): void {
    if (this.isOver) return
    if (operation.isStarted) {
      // Detached work that was let go of is waited for after all.
      if (!operation.outcome) this.#await(operation)
      if (!operation.isAwaited) this.#elsewhere.unseen()
      return
    }
    operation.isStarted = true
    const { call } = operation
    this.#await(operation)
    if (call.kind === 'local' || call.isAttached) operation.frame.childStarted()
    if (call.kind === 'local') this.#startLocal(operation, call)
    else this.#startRemote(operation)
    this.touch()
  }

  #await(operation: Operation): void {
    this.#pending.add(operation)
    if (operation.call.kind === 'remote') this.#elsewhere.add(operation)
  }

  #awaitNoMore(operation: Operation): void {
    this.#pending.delete(operation)
    this.#elsewhere.delete(operation)
  }

  #startRemote(operation: Operation): void {
    const known = this.#known(operation)
    if (known === 'diverged') return
    if (known && known.state !== 'pending') return this.#arrive(operation, known)
    this.#create(operation)
  }

  #startLocal(operation: Operation, call: LocalCall): void {
    const known = this.#known(operation)
    if (known === 'diverged') return
    if (known && known.state !== 'pending') return this.#arrive(operation, known)
    if (known) operation.creation = 'done'
    const isAbsent = this.#knowsAll && operation.frame.isFirstTry && this.#host.now() < this.leaseAt
    if (known || isAbsent) return this.#whenDurable(() => this.#runLocal(operation, call))
    operation.onCreated.push(() => {
      if (!operation.hasArrived) this.#runLocal(operation, call)
    })
    this.#create(operation, true)
  }

  /** What the preload says of it. */
  #known(operation: Operation): PromiseRecord | undefined | 'diverged' {
    const record = this.#records.get(operation.id)
    if (!record) return undefined
    this.#records.delete(operation.id)
    return this.#agrees(operation, record) ? record : 'diverged'
  }

  #runLocal(operation: Operation, call: LocalCall): void {
    if (this.isOver) return
    const { frame, id } = operation
    let isDone = false
    const done = (outcome: Outcome) => {
      isDone = true
      cancel()
      this.#settleInTurn(operation, outcome)
    }
    let cancel = () => {}
    this.#attempts.begin({ call, id, parentId: frame.facts.id, operation, parent: frame, done })
    if (!isDone && operation.creation === 'none')
      cancel = this.timer(SLOW_STEP_MS, () => {
        if (operation.creation === 'none') this.#create(operation)
      })
  }

  /** After every settlement that the workflow has run ahead of, and every creation elsewhere, is answered. */
  #whenDurable(run: () => void): void {
    if (this.#early === 0 && this.#unborn === 0) run()
    else this.#afterEarly.push(run)
  }

  #nowDurable(): void {
    if (this.#early > 0 || this.#unborn > 0) return
    const waiting = this.#afterEarly
    this.#afterEarly = []
    for (const run of waiting) run()
  }

  // Requests.

  /** The promise of an operation, and those of its callers before it. */
  #create(operation: Operation, isOpen = false): void {
    const callers: Operation[] = []
    let caller = operation.frame.facts.operation
    for (; caller?.creation === 'none'; caller = caller.frame.facts.operation) callers.push(caller)
    for (const each of callers.reverse()) this.#createOne(each)
    this.#createOne(operation, isOpen)
  }

  #createOne(operation: Operation, isOpen = false): void {
    operation.creation = 'queued'
    const { id, call } = operation
    if (call.kind === 'remote') this.#unborn += 1
    const { timeoutAt, tags } = call
    const param = call.kind === 'local' ? { func: call.name, version: call.version } : call.param
    const encoded = (value: Value) => {
      const data = { id, timeoutAt, param: this.trace.paramOf(operation, value), tags }
      this.#fence({ kind: 'promise.create', data }, operation, isOpen, (record) => {
        if (record.state !== 'pending') this.#arrive(operation, record)
        else if (call.kind === 'remote') this.#elsewhere.unseen()
        this.#created(operation)
      })
    }
    this.#values.encode(param, `The call of '${id}'`, encoded, (error) => this.#reject(operation, error))
  }

  #created(operation: Operation): void {
    operation.creation = 'done'
    const { call } = operation
    if (call.kind === 'remote' && !call.isAttached && !operation.isAwaited) this.#awaitNoMore(operation)
    const waiting = operation.onCreated
    operation.onCreated = []
    for (const run of waiting) run()
    if (call.kind === 'remote') this.#born()
  }

  #born(): void {
    this.#unborn -= 1
    this.#nowDurable()
  }

  #settleInTurn(operation: Operation, outcome: Outcome): void {
    if (!this.#arrivals.isTooSoon(operation, this.#host.now())) return this.#settle(operation, outcome)
    this.busy += 1
    this.timer(TICK_MS, () => {
      this.busy -= 1
      this.#settle(operation, outcome)
    })
  }

  #settle(operation: Operation, outcome: Outcome): void {
    if (this.isOver || operation.hasArrived) return
    const { isPlain } = this.#host.codec
    // Nobody can have seen it, let alone settled it.
    const isUnborn = operation.creation === 'none' || operation.creation === 'queued'
    if (operation.creation === 'none') this.#create(operation)
    if (operation.creation === 'sent' || (operation.creation === 'queued' && !isPlain)) {
      operation.onCreated.push(() => this.#settle(operation, outcome))
      return
    }
    this.#values.encodeOutcome(outcome, operation.call.name || operation.id, (settled, value) => {
      const state: Settlement = settled.ok ? 'resolved' : 'rejected'
      const action = { kind: 'promise.settle', data: { id: operation.id, state, value } }
      const sent = this.#fence(action, operation, true, (record) => {
        const isOurs = record.state === state && record.value.data === value.data
        if (sent.isOpen) this.#arrive(operation, record, isOurs ? settled : undefined)
        else this.#caughtUp(operation, record, isOurs)
      })
      if (isUnborn && isPlain && this.#mayRunAhead(operation, value)) this.#ahead = { operation, settled, value, sent }
      // What it has come to by then stands in order with this (E3).
      else this.#elsewhere.lookAlong()
    })
  }

  #fence(
    action: { kind: string; data: object },
    operation: Operation,
    isOpen: boolean,
    onRecord: (record: PromiseRecord) => void,
  ): Pending {
    this.#fenced += 1
    const data = { id: this.id, version: this.version, action, preload: false }
    const onReply = (reply: Reply) => {
      this.#fenced -= 1
      if (this.isOver) return
      const { status, data } = innerOf(reply)
      if (reply.status === 404 || reply.status === 409) return this.lose()
      // A token that ran out is no failure of the function: others may have a good one.
      if (reply.status === 401 || reply.status === 403)
        return this.release(errors.server('task.fence', reply.status, String(reply.data)))
      if (status !== 200) return this.#refused(operation, status, String(data))
      const { promise } = data as { promise: PromiseRecord }
      if (this.#agrees(operation, promise)) onRecord(promise)
    }
    return this.#outbox.push({ call: { kind: 'task.fence', data }, operation, isOpen, onReply })
  }

  #refused(operation: Operation, status: number, message: string): void {
    const error = errors.server(`The operation '${operation.id}'`, status, message)
    // Its function has gone on without it.
    if (operation.outcome) this.release(error)
    else this.#reject(operation, error)
  }

  /** All answers of a group were taken. */
  answered(): void {
    this.#handOver()
    this.touch()
  }

  /** Nothing can be sent any more: the client was stopped. */
  unsent(cause: unknown): void {
    if (this.isOver) return
    this.#host.logger.debug({ id: this.id, cause: messageOf(cause) }, 'an execution was left behind')
    this.drop()
  }

  // Handing over.

  /** Its record is settled. `known` is what this process settled it with, which may spare decoding it again. */
  #arrive(operation: Operation, record: PromiseRecord, known?: Outcome): void {
    if (operation.hasArrived) return
    operation.hasArrived = true
    this.chars += record.value.data?.length ?? 0
    const settledAt = record.settledAt ?? record.timeoutAt
    const arrived = (outcome: Outcome) => this.#arrivals.add({ operation, outcome, settledAt })
    const isKnown = known && (known.ok ? record.state === 'resolved' && isPrimitive(known.value) : false)
    if (isKnown) arrived(known)
    else this.#values.decodeOutcome(record, arrived)
    this.touch()
  }

  /** This one operation cannot be: its function is told, and so is every replay, for the same reason. */
  #reject(operation: Operation, error: unknown): void {
    if (operation.hasArrived) return
    operation.hasArrived = true
    this.#arrivals.add({ operation, outcome: { ok: false, error }, settledAt: this.#host.now() })
    const waiting = operation.onCreated
    operation.onCreated = []
    for (const run of waiting) run()
    if (operation.call.kind === 'remote') this.#born()
    this.touch()
  }

  #handOver(): void {
    if (this.#fenced > 0 || this.#values.isWaiting || this.#elsewhere.isAsking || this.isOver) return
    const { next } = this.#arrivals
    if (!next || this.#elsewhere.isTied(next)) return
    const { operation, outcome } = this.#arrivals.take(this.#host.now(), this.#order)
    this.#conclude(operation, outcome)
    this.touch()
  }

  #conclude(operation: Operation, outcome: Outcome): void {
    this.#awaitNoMore(operation)
    operation.settle(outcome)
  }

  // Running ahead of an answer.

  /**
   * Only where nothing else is under way, so that there is no order to keep, and where the step's deadline is the task's own:
   * then the one way for its settlement to be refused or to find another is that the claim is lost.
   */
  #mayRunAhead(operation: Operation, { data = '' }: Value): boolean {
    const isAlone = this.#pending.size === operation.frame.depth + 1 && this.#arrivals.size === 0
    const isQuiet = !this.#outbox.isUnderWay && !this.#values.isWaiting
    const isSure = operation.call.timeoutAt >= this.timeoutAt && data.length <= AHEAD_CHARS_MAX
    return this.#host.transport.batches && isAlone && isQuiet && isSure
  }

  /** Decided at the end of the macrotask: what is begun right after it may have been settled long ago. */
  #runsAhead(): boolean {
    const ahead = this.#ahead
    if (!ahead) return false
    this.#ahead = undefined
    const mayRun = this.#mayRunAhead(ahead.operation, ahead.value)
    if (mayRun) this.#runAhead(ahead)
    else this.#elsewhere.lookAlong()
    return mayRun
  }

  #runAhead({ operation, settled, value, sent }: Ahead): void {
    sent.isOpen = false
    operation.hasArrived = true
    this.#early += 1
    const conclude = (outcome: Outcome) => this.#conclude(operation, outcome)
    if (settled.ok && isPrimitive(settled.value)) return conclude(settled)
    const decoded = this.#host.codec.decode(value)
    conclude(settled.ok ? { ok: true, value: decoded } : { ok: false, error: decoded })
  }

  #caughtUp({ id }: Operation, { state }: PromiseRecord, isOurs: boolean): void {
    this.#early -= 1
    if (isOurs) return this.#nowDurable()
    this.#host.logger.error({ id, state }, 'a step was settled by someone else meanwhile')
    this.release()
  }

  // The end of a pass.

  /** Something changed: look at it once everything that is ready has run. */
  touch(): void {
    if (this.state !== 'over') this.#host.turn.add(this)
  }

  turn(): void {
    if (this.state === 'suspended') return this.#wake()
    if (this.state !== 'active') return
    // What its function begins now leaves in the same group.
    if (this.#runsAhead()) return this.touch()
    this.#elsewhere.turn()
    this.#handOver()
    if (this.#isIdle()) this.#end()
    else this.#elsewhere.watchSoon()
    this.#outbox.flush()
  }

  #isIdle(): boolean {
    if (this.busy > 0 || this.#arrivals.size > 0 || this.#afterEarly.length > 0) return false
    return !this.#values.isWaiting && !this.#elsewhere.isAsking && !this.#outbox.holdsPass
  }

  #end(): void {
    if (this.#outcome) return this.#fulfill(this.#outcome)
    const { named, kept } = this.#elsewhere.toAwait(AWAITED_MAX)
    // Nothing to wait for and yet not done: it awaits something of its own, a timer or a request, and comes back by itself.
    if (named.length > 0) this.#suspend(named, kept)
  }

  /** Sends what ends the pass. */
  #last(call: Call, onReply: (reply: Reply) => void): void {
    this.#outbox.push({ call, isOpen: true, onReply })
  }

  #fulfill(outcome: Outcome): void {
    this.#values.encodeOutcome(outcome, this.id, (settled, value) => {
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
      return this.#elsewhere.look({ isAhead: true })
    }
    if (status === 409 && repeated) return this.#askWhetherSuspended(named)
    // The creation of a promise to wait for was refused, so it is not there, or its id is none; its function is told instead.
    if ((status === 422 || status === 400) && this.#arrivals.size > 0) {
      this.state = 'active'
      return this.touch()
    }
    if (status === 404 || status === 409) return this.lose()
    this.release(errors.server(`The suspension of '${this.id}'`, status, String(reply.data)))
  }

  /** The answer to a suspend was lost: the task itself tells whether it was heard. */
  #askWhetherSuspended(named: readonly Operation[]): void {
    void this.#ask({ kind: 'task.get', data: { id: this.id } }).then((reply) => {
      const task = reply?.status === 200 ? (reply.data as { task: TaskRecord }).task : undefined
      const isOurs = task?.version === this.version && (task.state === 'suspended' || task.state === 'pending')
      if (isOurs) this.#putDown(named)
      else this.lose()
    })
  }

  async #ask(call: Call): Promise<Reply | undefined> {
    try {
      return (await this.#host.transport.send([call]))[0]
    } catch {
      return undefined
    }
  }

  #putDown(named: readonly Operation[]): void {
    if (this.state !== 'suspending') return
    for (const operation of named) operation.isNamed = true
    this.#elsewhere.rest()
    this.trace.endPass()
    this.state = 'suspended'
    this.#host.suspended(this)
    this.touch()
  }

  /** Takes the task up again where its function stands. */
  async resume(): Promise<void> {
    if (this.state !== 'suspended') return
    this.state = 'resuming'
    const look = this.#elsewhere.lookAhead()
    const { pid, ttl } = this.#host
    const sentAt = this.#host.now()
    const acquire: Call = {
      kind: 'task.acquire',
      data: { id: this.id, version: this.version, pid, ttl, preload: false },
    }
    try {
      const [claim, ...replies] = await this.#host.transport.send([acquire, ...look.calls])
      if (this.state !== 'resuming') return
      if (!claim || !(await this.#isClaimed(claim))) return this.lose()
      this.version += 1
      this.leaseAt = sentAt + ttl
      this.state = 'active'
      this.#isWaking = false
      this.#host.resumed(this)
      this.trace.beginPass(this.version)
      this.#elsewhere.seen(look, replies)
      this.#outbox.readdress(this.version)
      this.#handOver()
      this.touch()
    } catch (cause) {
      this.unsent(cause)
    }
  }

  /** Whether an acquire gave us the task, the answer to an earlier try of it included. */
  async #isClaimed(claim: Reply): Promise<boolean> {
    if (claim.status === 200) return true
    if (claim.status !== 409 || !claim.repeated) return false
    const reply = await this.#ask({ kind: 'task.get', data: { id: this.id } })
    const task = reply?.status === 200 ? (reply.data as { task: TaskRecord }).task : undefined
    return task?.state === 'acquired' && task.pid === this.#host.pid && task.version === this.version + 1
  }

  /**
   * A function that awaited something of its own beside an operation goes on while its task is down. Only a settled promise
   * brings a task back, so it is given one: made, awaited and settled in one go.
   */
  #wake(): void {
    if (this.#isWaking || (this.#outbox.isEmpty && this.#outcome === undefined)) return
    this.#isWaking = true
    const { originId, branchId } = this
    const id = joinId(this.id, `w${this.#host.uuid()}`)
    const tags = {
      'resonate:scope': 'local',
      'resonate:origin': originId,
      'resonate:branch': id,
      'resonate:parent': branchId,
    }
    const timeoutAt = this.#host.now() + this.#host.ttl
    const calls: Call[] = [
      { kind: 'promise.create', data: { id, timeoutAt, param: {}, tags } },
      { kind: 'promise.register_callback', data: { awaited: id, awaiter: this.id } },
      { kind: 'promise.settle', data: { id, state: 'resolved', value: {} } },
    ]
    this.#host.transport.send(calls).catch(() => {})
  }

  // The end of the claim.

  /** The claim is lost: what still runs here is told. If that is because the call was canceled, so is what it called. */
  lose(): void {
    if (this.isOver) return
    const called = [...this.#pending].filter(({ call, creation }) => {
      const isAttached = call.kind === 'local' || call.isAttached
      return isAttached && creation !== 'none' && creation !== 'queued'
    })
    this.drop()
    if (called.length > 0) void this.#cancelIfCanceled(called.map(({ id }) => id))
  }

  /** This process has no use for it any more: others have the task, or may have it. */
  drop(): void {
    this.#over({ kind: 'lost' })
  }

  /** Those who hold them are told by the server, and go on like this from there. */
  async #cancelIfCanceled(called: readonly string[]): Promise<void> {
    const reply = await this.#ask({ kind: 'promise.get', data: { id: this.id } })
    const state = reply?.status === 200 && (reply.data as { promise: PromiseRecord }).promise.state
    if (state !== 'rejected_canceled') return
    const cancel = (id: string): Call => ({ kind: 'promise.settle', data: { id, state, value: {} } })
    try {
      await this.#host.transport.send(called.map(cancel))
    } catch (cause) {
      this.#host.logger.warn(
        { id: this.id, cause: messageOf(cause) },
        'what a canceled call had called was not canceled',
      )
    }
  }

  /** Gives the task back to its group, for another try from the records. */
  release(cause?: unknown): void {
    if (this.isOver) return
    if (cause) this.#host.logger.warn({ id: this.id, cause: messageOf(cause) }, 'a task was given back')
    if (this.state === 'active') this.#tell({ kind: 'task.release', data: { id: this.id, version: this.version } })
    this.#over({ kind: 'released' })
  }

  /** The function asked for the end of this pass. */
  die(error: ReturnType<typeof errors.panic>): void {
    if (this.isOver) return
    error.log(this.#host.logger)
    this.release()
  }

  /** Only a change of the code helps: nobody is to try it before. */
  #halt(error: ReturnType<typeof errors.diverged>): void {
    if (this.isOver) return
    error.log(this.#host.logger)
    const by = clip(this.#host.pid, HALT_BY_BYTES_MAX)
    const reason = clip(error.message, HALT_REASON_BYTES_MAX)
    this.#tell({ kind: 'task.halt', data: { id: this.id, version: this.version, by, reason } })
    this.#over({ kind: 'halted' })
  }

  #tell(call: Call): void {
    this.#host.tell(call)
  }

  #over(ending: Ending): void {
    if (this.isOver) return
    this.#elsewhere.rest()
    this.state = 'over'
    this.#outbox.discard()
    this.#arrivals.clear()
    for (const cancel of this.#cancels) cancel()
    for (const frame of this.#attempts.frames) frame.span?.end(new Error(`the task is ${ending.kind}`))
    this.trace.endPass(this.#outcome?.ok === false ? this.#outcome.error : undefined)
    if (ending.kind !== 'done') this.abort.abort(new Error(`the task of '${this.id}' is ${ending.kind}`))
    this.#host.ended(this, ending)
  }

  /** Runs `fn` unless the execution is over by then. */
  timer(delayMs: number, fn: () => void): () => void {
    const cancel = this.#host.timer(delayMs, () => {
      this.#cancels.delete(cancel)
      if (!this.isOver) fn()
    })
    this.#cancels.add(cancel)
    return () => {
      this.#cancels.delete(cancel)
      cancel()
    }
  }

  // Divergence.

  /** Whether the record is of this operation. Where it is not, the code is another than the one that made the record. */
  #agrees(operation: Operation, record: PromiseRecord): boolean {
    // What cannot be read here says nothing.
    const seen = this.#host.codec.isPlain ? record : { ...record, param: {} }
    if (isSame(operation.call, seen)) return true
    this.#halt(
      errors.diverged(divergence({ task: this.id, operation, recorded: seen, others: this.#records.values() })),
    )
    return false
  }
}

/** An error in a few words. */
function briefly(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return JSON.stringify(text.length > BRIEF_CHARS ? `${text.slice(0, BRIEF_CHARS)}…` : text)
}

/** The answer to the request inside a fence; that to the fence itself where it was refused. */
function innerOf(reply: Reply): { status: number; data: unknown } {
  if (reply.status !== 200) return reply
  const { head, data } = (reply.data as { action: { head: { status: number }; data: unknown } }).action
  return { status: head.status, data }
}

interface Called {
  readonly func: string
  readonly args: readonly unknown[]
  readonly version?: number
  readonly retry?: unknown
}

/** What the parameter of a task's promise calls; undefined where it is no call. */
function calledOf(param: unknown): Called | undefined {
  const { func, args, ...how } = (param ?? {}) as Partial<Called>
  const all = args ?? []
  return typeof func === 'string' && func !== '' && Array.isArray(all) ? { ...how, func, args: all } : undefined
}

/** A call of a function that is registered here. */
export function callOf(
  { name, version, fn }: Registered,
  args: readonly unknown[],
  timeoutAt: number,
  retryPolicy: RetryPolicy | undefined,
): LocalCall {
  return { kind: 'local', name, version, fn, args, timeoutAt, tags: {}, retryPolicy, nonRetryable: [] }
}
