// What the functions of one task have begun, and how it becomes durable: the promise of an operation is created, settled where its
// function runs here, and its result handed to the function that waits for it.
//
// J1. Settled operations are handed over one at a time, in the order in which the server settled them, and only while no creation
//     is unanswered: so a race between operations ends the same way in every replay. What may still come before a result is
//     looked at before that is handed over (elsewhere.ts).
// J2. A fence that is refused means that the claim is lost: from then on nothing is settled or handed over.
// J3. The next local function starts only when the settlement of the one before is answered. The function that called them
//     may run ahead of that answer (`early`), where a refusal could only mean J2.
// J4. An operation's promise is created after that of the function which called it.
// J5. A local function starts only when the promises elsewhere that were begun before it exist: it may be told their ids, and hand
//     them to whoever settles them.

import type { PromiseRecord, Settlement, Value } from '@resonatehq/protocol'
import type { Reply } from '../transport/transport.ts'
import { Arrivals, TICK_MS } from './arrivals.ts'
import type { Attempts, Runner } from './attempts.ts'
import { type Codec, isPrimitive } from './codec.ts'
import { divergence, isSame } from './divergence.ts'
import { type Asker, Elsewhere } from './elsewhere.ts'
import { errors, type ResonateError } from './errors.ts'
import type { LocalCall, Operation, Outcome } from './operations.ts'
import type { Outbox, Pending } from './outbox.ts'
import type { Values } from './values.ts'

/** A local step that lasts this long is created on the server while it runs, so that it can be seen. */
const SLOW_STEP_MS = 50
/** A longer result may be refused, so its function does not run ahead of the answer, characters. */
const AHEAD_CHARS_MAX = 16_384

/** What it needs of its execution. */
export interface Claim extends Runner {
  readonly host: Runner['host'] & Asker['host'] & { readonly codec: Codec }
  readonly version: number
  /** Until when the lease holds by this process's clock, ms. */
  readonly leaseAt: number
  /** The task is in hand, and a function of it runs. */
  readonly isBusy: boolean
  readonly attempts: Attempts
  readonly outbox: Outbox
  readonly values: Values
  /** Somebody else has the task. */
  lose(): void
  /** Gives it back. */
  release(cause?: unknown): void
  /** Only a change of the code helps. */
  halt(error: ResonateError): void
}

/** A step's settlement on its way. */
interface Ahead {
  readonly operation: Operation
  readonly settled: Outcome
  readonly value: Value
  readonly sent: Pending
}

export class Journal {
  readonly #claim: Claim
  /** What the claim was given of what earlier passes have recorded. */
  readonly #records: Map<string, PromiseRecord>
  /** Whether that holds every local step there is. */
  readonly #knowsAll: boolean
  /** Operations that are not handed over yet. */
  readonly #pending = new Set<Operation>()
  /** Those of them that others settle. */
  readonly elsewhere: Elsewhere
  readonly #arrivals = new Arrivals()
  /** Characters of encoded values that functions may hold on to. */
  chars = 0
  /** Requests about operations that are not answered. */
  #fenced = 0
  /** Settlements that the calling function has run ahead of. */
  #early = 0
  /** A settlement that its function may run ahead of. */
  #ahead: Ahead | undefined
  /** Promises elsewhere whose creation is not answered. */
  #unborn = 0
  /** Local functions that wait until neither of both is left. */
  #afterEarly: (() => void)[] = []
  #order = 0

  constructor(claim: Claim, records: readonly PromiseRecord[], knowsAll: boolean) {
    this.#claim = claim
    this.#records = new Map(records.map((record) => [record.id, record]))
    this.#knowsAll = knowsAll
    this.elsewhere = new Elsewhere(this.#asker())
    for (const { param, value } of records) this.chars += (value.data?.length ?? 0) + (param.data?.length ?? 0)
  }

  #asker(): Asker {
    const claim = this.#claim
    const arrivals = this.#arrivals
    return {
      host: claim.host,
      get isBusy() {
        return claim.isBusy
      },
      get lastArrivalAt() {
        return arrivals.lastAt
      },
      ask: (call, isOpen, onReply) => claim.outbox.push({ call, isOpen, onReply }),
      arrive: (operation, record) => this.#arrive(operation, record),
      timer: (delayMs, fn) => claim.timer(delayMs, fn),
      touch: () => claim.touch(),
    }
  }

  /** Something that has arrived is still to be handed over. */
  get hasArrivals(): boolean {
    return this.#arrivals.size > 0
  }

  /** Nothing is to be handed over, asked or begun before something from outside comes. */
  get isIdle(): boolean {
    return !this.hasArrivals && this.#afterEarly.length === 0 && !this.elsewhere.isAsking
  }

  /** What was called here or elsewhere, may exist, and is not to outlive its caller. */
  attached(): readonly string[] {
    const pending = [...this.#pending].filter(({ call, creation }) => {
      const isAttached = call.kind === 'local' || call.isAttached
      return isAttached && creation !== 'none' && creation !== 'queued'
    })
    return pending.map(({ id }) => id)
  }

  /** Nothing is handed over any more. */
  close(): void {
    this.elsewhere.rest()
    this.#arrivals.clear()
  }

  /** Where the next operation stands in order. */
  nextOrder(): number {
    this.#order += 1
    return this.#order
  }

  /** Begins an operation, once. On an execution that is over it never settles. */
  start(operation: Operation): void {
    if (this.#claim.isOver) return
    if (operation.isStarted) {
      // Detached work that was let go of is waited for after all.
      if (!operation.outcome) this.#await(operation)
      if (!operation.isAwaited) this.elsewhere.unseen()
      return
    }
    operation.isStarted = true
    const { call } = operation
    this.#await(operation)
    if (call.kind === 'local' || call.isAttached) operation.frame.childStarted()
    if (call.kind === 'local') this.#startLocal(operation, call)
    else this.#startRemote(operation)
    this.#claim.touch()
  }

  #await(operation: Operation): void {
    this.#pending.add(operation)
    if (operation.call.kind === 'remote') this.elsewhere.add(operation)
  }

  #awaitNoMore(operation: Operation): void {
    this.#pending.delete(operation)
    this.elsewhere.delete(operation)
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
    const isAbsent =
      !call.hasOwnId && this.#knowsAll && operation.frame.isFirstTry && this.#claim.host.now() < this.#claim.leaseAt
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
    if (this.#claim.isOver) return
    const { frame, id } = operation
    let isDone = false
    const done = (outcome: Outcome) => {
      isDone = true
      cancel()
      this.#settleInTurn(operation, outcome)
    }
    let cancel = () => {}
    this.#claim.attempts.begin({ call, id, parentId: frame.facts.id, operation, parent: frame, done })
    if (!isDone && operation.creation === 'none')
      cancel = this.#claim.timer(SLOW_STEP_MS, () => {
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

  // Its promise is created and settled.

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
      const data = { id, timeoutAt, param: this.#claim.trace.paramOf(operation, value), tags }
      this.#fence({ kind: 'promise.create', data }, operation, isOpen, (record) => {
        if (record.state !== 'pending') this.#arrive(operation, record)
        else if (this.elsewhere.has(operation)) this.elsewhere.unseen()
        this.#created(operation)
      })
    }
    this.#claim.values.encode(param, `The call of '${id}'`, encoded, (error) => this.#reject(operation, error))
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

  /** Its function failed and is tried again later: as long as it has not come to anything here, others may settle it. */
  failing(operation: Operation): void {
    this.elsewhere.add(operation)
    this.elsewhere.unseen()
  }

  #settleInTurn(operation: Operation, outcome: Outcome): void {
    if (!this.#arrivals.isTooSoon(operation, this.#claim.host.now())) return this.#settle(operation, outcome)
    this.#claim.busy += 1
    this.#claim.timer(TICK_MS, () => {
      this.#claim.busy -= 1
      this.#settle(operation, outcome)
    })
  }

  #settle(operation: Operation, outcome: Outcome): void {
    if (this.#claim.isOver || operation.hasArrived) return
    this.elsewhere.delete(operation)
    const { isPlain } = this.#claim.host.codec
    // Nobody can have seen it, let alone settled it.
    const isUnborn = !operation.call.hasOwnId && (operation.creation === 'none' || operation.creation === 'queued')
    if (operation.creation === 'none') this.#create(operation)
    if (operation.creation === 'sent' || (operation.creation === 'queued' && !isPlain)) {
      operation.onCreated.push(() => this.#settle(operation, outcome))
      return
    }
    this.#claim.values.encodeOutcome(outcome, operation.call.name || operation.id, (settled, value) => {
      const state: Settlement = settled.ok ? 'resolved' : 'rejected'
      const action = { kind: 'promise.settle', data: { id: operation.id, state, value } }
      const sent = this.#fence(action, operation, true, (record) => {
        const isOurs = record.state === state && record.value.data === value.data
        if (sent.isOpen) this.#arrive(operation, record, { known: isOurs ? settled : undefined, isOurs: true })
        else this.#caughtUp(operation, record, isOurs)
      })
      if (isUnborn && isPlain && this.#mayRunAhead(operation, value)) this.#ahead = { operation, settled, value, sent }
      // What it has come to by then stands in order with this (J1).
      else this.elsewhere.lookAlong()
    })
  }

  #fence(
    action: { kind: string; data: object },
    operation: Operation,
    isOpen: boolean,
    onRecord: (record: PromiseRecord) => void,
  ): Pending {
    this.#fenced += 1
    const data = { id: this.#claim.id, version: this.#claim.version, action, preload: false }
    const onReply = (reply: Reply) => {
      this.#fenced -= 1
      if (this.#claim.isOver) return
      const { status, data } = innerOf(reply)
      if (reply.status === 404 || reply.status === 409) return this.#claim.lose()
      // A token that ran out is no failure of the function: others may have a good one.
      if (reply.status === 401 || reply.status === 403)
        return this.#claim.release(errors.server('task.fence', reply.status, String(reply.data)))
      if (status !== 200) return this.#refused(operation, status, String(data))
      const { promise } = data as { promise: PromiseRecord }
      if (this.#agrees(operation, promise)) onRecord(promise)
    }
    return this.#claim.outbox.push({ call: { kind: 'task.fence', data }, operation, isOpen, onReply })
  }

  #refused(operation: Operation, status: number, message: string): void {
    const error = errors.server(`The operation '${operation.id}'`, status, message)
    // Its function has gone on without it.
    if (operation.outcome) this.#claim.release(error)
    else this.#reject(operation, error)
  }

  // Handing over.

  /** Its record is settled. `known` is what this pass settled it with, which may spare decoding it again. */
  #arrive(
    operation: Operation,
    record: PromiseRecord,
    { known, isOurs = false }: { known?: Outcome | undefined; isOurs?: boolean } = {},
  ): void {
    if (operation.hasArrived) return
    operation.arrived()
    this.chars += record.value.data?.length ?? 0
    const settledAt = record.settledAt ?? record.timeoutAt
    const arrived = (outcome: Outcome) => this.#arrivals.add({ operation, outcome, settledAt, isOurs })
    const isKnown = known && (known.ok ? record.state === 'resolved' && isPrimitive(known.value) : false)
    if (isKnown) arrived(known)
    else this.#claim.values.decodeOutcome(record, arrived)
    this.#claim.touch()
  }

  /** This one operation cannot be: its function is told, and so is every replay, for the same reason. */
  #reject(operation: Operation, error: unknown): void {
    if (operation.hasArrived) return
    operation.arrived()
    this.#arrivals.add({ operation, outcome: { ok: false, error }, settledAt: this.#claim.host.now(), isOurs: false })
    const waiting = operation.onCreated
    operation.onCreated = []
    for (const run of waiting) run()
    if (operation.call.kind === 'remote') this.#born()
    this.#claim.touch()
  }

  /** The next settled result, to the function that waits for it. */
  handOver(): void {
    if (this.#fenced > 0 || this.#claim.values.isWaiting || this.elsewhere.isAsking || this.#claim.isOver) return
    const { next } = this.#arrivals
    if (!next || this.elsewhere.isTied(next)) return
    const { operation, outcome } = this.#arrivals.take(this.#claim.host.now(), this.#order)
    this.#conclude(operation, outcome)
    this.#claim.touch()
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
    const isQuiet = !this.#claim.outbox.isUnderWay && !this.#claim.values.isWaiting
    const isSure = operation.call.timeoutAt >= this.#claim.timeoutAt && data.length <= AHEAD_CHARS_MAX
    return this.#claim.host.transport.batches && isAlone && isQuiet && isSure
  }

  /** Decided at the end of the macrotask: what is begun right after it may have been settled long ago. */
  runsAhead(): boolean {
    const ahead = this.#ahead
    if (!ahead) return false
    this.#ahead = undefined
    const mayRun = this.#mayRunAhead(ahead.operation, ahead.value)
    if (mayRun) this.#runAhead(ahead)
    else this.elsewhere.lookAlong()
    return mayRun
  }

  #runAhead({ operation, settled, value, sent }: Ahead): void {
    sent.isOpen = false
    operation.arrived()
    this.#early += 1
    const conclude = (outcome: Outcome) => this.#conclude(operation, outcome)
    if (settled.ok && isPrimitive(settled.value)) return conclude(settled)
    const decoded = this.#claim.host.codec.decode(value)
    conclude(settled.ok ? { ok: true, value: decoded } : { ok: false, error: decoded })
  }

  #caughtUp({ id }: Operation, { state }: PromiseRecord, isOurs: boolean): void {
    this.#early -= 1
    if (isOurs) return this.#nowDurable()
    this.#claim.host.logger.error({ id, state }, 'a step was settled by someone else meanwhile')
    this.#claim.release()
  }

  // Divergence.

  /** Whether the record is of this operation. Where it is not, the code is another than the one that made the record. */
  #agrees(operation: Operation, record: PromiseRecord): boolean {
    // What cannot be read here says nothing.
    const seen = this.#claim.host.codec.isPlain ? record : { ...record, param: {} }
    if (operation.call.hasOwnId || isSame(operation.call, seen)) return true
    this.#claim.halt(
      errors.diverged(divergence({ task: this.#claim.id, operation, recorded: seen, others: this.#records.values() })),
    )
    return false
  }
}

/** The answer to the request inside a fence; that to the fence itself where it was refused. */
function innerOf(reply: Reply): { status: number; data: unknown } {
  if (reply.status !== 200) return reply
  const { head, data } = (reply.data as { action: { head: { status: number }; data: unknown } }).action
  return { status: head.status, data }
}
