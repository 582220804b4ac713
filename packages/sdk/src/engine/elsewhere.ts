// What an execution has begun and others settle: calls elsewhere, sleeps, promises, and steps between two tries. Knows whom to ask
// how they stand, asks about all of them at once, and tells whether a result may be handed over or another may still have to go
// before it. It settles nothing.
//
// L1. A look asks about everything that a function waits for, and is answered with the instant that the answer holds for: of what
//     was settled before that nothing is unseen then. What begins to exist, or to be waited for, after a look is unseen again.
// L2. A look that is due is taken at the end of the macrotask, in the group that leaves then; that it was asked for by many makes
//     it no dearer. One that is only wanted waits for the answer to the one before.
// L3. While one is due or unanswered nothing is handed over.

import type { PromiseRecord } from '@resonatehq/protocol'
import type { Call, Reply, Transport } from '../transport/transport.ts'
import { type Arrival, rankOf, SLEEP, STEP, TICK_MS } from './arrivals.ts'
import type { Operation } from './operations.ts'

/** Ids in one request. */
const CHECK_MAX = 1_000
/** What nobody waits for yet, and is asked about along with the rest when a task is taken up, at most. */
const AHEAD_MAX = 1_000
/** Of what a suspend named before, so much is named again, for people who ask what a task waits for. */
const NAMED_AGAIN = 8
/** A function that runs beside what it waits for is told of settlements after this long. */
const WATCH_AFTER_MS = 50
/** How often what is watched is looked at although nobody told anything, ms. */
const LOOK_AGAIN_MS = 30_000

/** Who is told when a promise is settled that it asked to be told of. */
export interface Watcher {
  toldOf(id: string): void
}

/** What it needs of its execution. */
export interface Asker {
  readonly host: {
    readonly transport: Transport
    watch(id: string, watcher: Watcher): void
    unwatch(id: string, watcher: Watcher): void
  }
  /** The task is in hand, and a function of it runs. */
  readonly isBusy: boolean
  /** The last instant among the results that wait to be handed over. */
  readonly lastArrivalAt: number
  /** Sends with the next group. `isOpen`: the pass does not end before the answer. */
  ask(call: Call, isOpen: boolean, onReply: (reply: Reply) => void): void
  arrive(operation: Operation, record: PromiseRecord): void
  timer(delayMs: number, fn: () => void): () => void
  touch(): void
}

/** The question how some operations stand. */
export interface Look {
  readonly asked: readonly Operation[]
  readonly calls: readonly Call[]
  /** How much there was to see. */
  readonly sight: number
  /** What was settled by then is seen also in answers that do not tell their instant. */
  readonly until: number
}

export class Elsewhere implements Watcher {
  readonly #asker: Asker
  readonly #all = new Set<Operation>()
  /** What was settled until then, server time, and is waited for, has been seen. */
  #seenUntil = Number.NEGATIVE_INFINITY
  /** Counts what came into sight. */
  #sight = 0
  #due: 'no' | 'wanted' | 'now' = 'no'
  #isAhead = false
  /** Looks that are not answered. */
  #open = 0
  #isTicking = false
  /** The last instant that a look which waited for a tick may take for seen. */
  #untilAt = Number.NEGATIVE_INFINITY
  /** A server of an older version answered. */
  #isRefused = false
  /** Cancels the next look at what is watched. */
  #watch: (() => void) | undefined
  /** That is soon, and not only to see whether nobody told anything. */
  #isSoon = false
  /** Something came into sight, or the task was put down, since what there is was watched last. */
  #isUnwatched = true
  /** Most are put down before there is anything to watch. */
  #watched: Set<string> | undefined

  constructor(asker: Asker) {
    this.#asker = asker
  }

  /** L3. */
  get isAsking(): boolean {
    return this.#open > 0 || this.#due !== 'no'
  }

  add(operation: Operation): void {
    this.#all.add(operation)
  }

  has(operation: Operation): boolean {
    return this.#all.has(operation)
  }

  delete(operation: Operation): void {
    this.#all.delete(operation)
  }

  /** Something exists, or is waited for, that no look so far has asked about. */
  unseen(): void {
    this.#sight += 1
    this.#seenUntil = Number.NEGATIVE_INFINITY
    this.#isUnwatched = true
  }

  /** What someone waits for: its function, or the end of the function that started it. */
  awaited(): Operation[] {
    return [...this.#all].filter((operation) => !operation.hasArrived && isWanted(operation))
  }

  /** What to name in a suspend, `max` of it at most, and how many callbacks hold of those that were named before. */
  toAwait(max: number): { readonly named: readonly Operation[]; readonly kept: number } {
    const awaited = this.awaited()
    // A sleep ends when it does: whatever else has to wait for a later suspend, it does not.
    if (awaited.length > max) awaited.sort((a, b) => rankOf(a) - rankOf(b))
    if (!this.#isFurther) return { named: awaited.slice(0, max), kept: 0 }
    const isDue = ({ isNamed }: Operation, at: number) => !isNamed || at < NAMED_AGAIN
    const kept = awaited.filter((operation, at) => !isDue(operation, at)).length
    return { named: awaited.filter(isDue).slice(0, max), kept }
  }

  /** A result may be there, or one that goes before those that are. `isAhead`: nobody may wait for it yet. */
  look({ isAhead = false } = {}): void {
    if (this.#due === 'no') this.#due = 'wanted'
    this.#isAhead ||= isAhead
    this.#asker.touch()
  }

  /** What is waited for has come to something by the time of what is sent next, or not. */
  lookAlong(): void {
    // What is known by then: this answer may be followed by others of its group.
    if (this.#all.size > 0) this.#due = 'now'
  }

  /** The end of a macrotask in which the task is in hand. L2. */
  turn(): void {
    if (this.#due === 'no' || (this.#due === 'wanted' && this.#open > 0)) return
    const look = this.#isAhead ? this.lookAhead() : this.#lookAt(this.#known().filter(isWanted))
    this.#due = 'no'
    this.#isAhead = false
    const replies: Reply[] = []
    for (const call of look.calls) {
      this.#open += 1
      this.#asker.ask(call, true, (reply) => {
        this.#open -= 1
        replies.push(reply)
        if (replies.length === look.calls.length) this.seen(look, replies)
      })
    }
  }

  /** How what is waited for stands, and what may soon be: something of it is settled. */
  lookAhead(): Look {
    let ahead = 0
    return this.#lookAt(this.#known().filter((operation) => isWanted(operation) || ahead++ < AHEAD_MAX))
  }

  #lookAt(asked: readonly Operation[]): Look {
    const ids = asked.map(({ id }) => id)
    const calls: Call[] = this.#isFurther
      ? pagesOf(ids).map((page) => ({ kind: 'promise.check', data: { ids: page } }))
      : ids.map((id) => ({ kind: 'promise.get', data: { id } }))
    const until = this.#untilAt
    this.#untilAt = Number.NEGATIVE_INFINITY
    return { asked, calls, sight: this.#sight, until }
  }

  /** Whether the server knows more than the published protocol. */
  get #isFurther(): boolean {
    return this.#asker.host.transport.checks && !this.#isRefused
  }

  /** Takes the answers to a look, in the order of its calls. */
  seen({ asked, calls, sight, until }: Look, replies: readonly Reply[]): void {
    const told = replies.map(({ status, data }) => (status === 200 ? (data as Told) : undefined))
    const records = told.flatMap((each) => (each === undefined ? [] : (each.promises ?? [each.promise])))
    const byId = new Map(records.map((record) => [record.id, record]))
    for (const operation of asked) {
      const record = byId.get(operation.id)
      if (record && record.state !== 'pending') this.#asker.arrive(operation, record)
    }
    const isRefused = calls[0]?.kind === 'promise.check' && told.includes(undefined)
    if (isRefused) this.#lookSingly()
    // The rest is asked for before any of it is handed over (L3).
    else if (told.some((each) => each?.isCut)) this.look()
    else if (sight === this.#sight && told.length > 0)
      this.#seenUntil = Math.max(this.#seenUntil, Math.min(...told.map((each) => (each?.now ?? until + 1) - 1)))
  }

  /** While servers are replaced by newer ones, either kind may answer. */
  #lookSingly(): void {
    this.#isRefused = true
    this.look()
  }

  /**
   * Whether `arrival` has to wait until what may go before it in a replay has been looked at, which is begun then: whatever nobody has
   * looked at since it may have been settled, sleeps that are over by then, and what stands before it in the program and may have
   * been settled in the same millisecond.
   */
  isTied({ operation, settledAt, isOurs }: Arrival): boolean {
    const rank = rankOf(operation)
    // Recorded by an earlier pass: what is pending in this one was settled after it.
    if (rank === STEP && !isOurs && !this.#all.has(operation)) return false
    const isSeenBefore = settledAt - 1 <= this.#seenUntil
    // Nothing but a sleep goes before these in their own millisecond, and a look at that shows all that were over.
    const isFirst = isOurs || rank === SLEEP
    if (isSeenBefore && (isFirst || settledAt <= this.#seenUntil)) return false
    const mayPrecede = (other: Operation) =>
      isWanted(other) &&
      (rankOf(other) === SLEEP ? other.call.timeoutAt <= settledAt : !isSeenBefore || other.order < operation.order)
    if (!this.#isTicking && !this.#known().some(mayPrecede)) return false
    this.#lookAfterTick()
    return true
  }

  /** Once that millisecond is over at the server too, whose clock goes as fast as this one. */
  #lookAfterTick(): void {
    if (this.#isTicking) return
    this.#isTicking = true
    const { lastArrivalAt } = this.#asker
    this.#asker.timer(TICK_MS, () => {
      this.#isTicking = false
      this.#untilAt = lastArrivalAt
      this.look()
    })
  }

  /** Those that exist for sure and have not come to anything yet. */
  #known(): Operation[] {
    return [...this.#all].filter(({ creation, hasArrived }) => creation === 'done' && !hasArrived)
  }

  // Watching.

  /** Functions run here while others are awaited elsewhere: soon it is worth asking to be told. */
  watchSoon(): void {
    if (this.#isSoon || !this.#isUnwatched || this.#all.size === 0 || !this.#asker.isBusy) return
    this.#isSoon = true
    this.#watch?.()
    this.#watch = this.#asker.timer(WATCH_AFTER_MS, () => this.#watchNow())
  }

  #watchNow(): void {
    this.#watch = undefined
    this.#isSoon = false
    // About to be put down: what would be sent now would only bring it back.
    if (!this.#asker.isBusy) return
    this.#isUnwatched = false
    if (this.#watched) this.look()
    for (const operation of this.#known().filter(isWanted))
      if (!this.#watched?.has(operation.id)) this.#listen(operation)
    this.#watch = this.#asker.timer(LOOK_AGAIN_MS, () => this.#watchNow())
  }

  #listen({ id }: Operation): void {
    const { host } = this.#asker
    this.#watched ??= new Set()
    this.#watched.add(id)
    host.watch(id, this)
    const call = { kind: 'promise.register_listener', data: { awaited: id, address: host.transport.unicast } }
    this.#asker.ask(call, false, ({ status, data }) => {
      if (status === 200 && (data as { promise: PromiseRecord }).promise.state !== 'pending') this.look()
    })
  }

  /** No pass, nothing to watch: what a suspended task awaits wakes the task, and is looked at then. */
  rest(): void {
    this.#due = 'no'
    this.#watch?.()
    this.#watch = undefined
    this.#isSoon = false
    this.#isUnwatched = true
    for (const id of this.#watched ?? []) this.#asker.host.unwatch(id, this)
    this.#watched = undefined
  }

  /** The server says that a promise which is watched here is settled. */
  toldOf(id: string): void {
    if (this.#watched?.has(id)) this.look()
  }
}

/** The answer to a check, or to a get. */
type Told =
  | {
      readonly promises: readonly PromiseRecord[]
      readonly promise?: undefined
      readonly now: number
      readonly isCut?: true
    }
  | {
      readonly promises?: undefined
      readonly promise: PromiseRecord
      readonly now?: undefined
      readonly isCut?: undefined
    }

function isWanted({ call, isAwaited, frame }: Operation): boolean {
  return isAwaited || (call.kind === 'remote' && call.isAttached && frame.isDone)
}

function pagesOf(ids: readonly string[]): string[][] {
  const pages: string[][] = []
  for (let at = 0; at < ids.length; at += CHECK_MAX) pages.push(ids.slice(at, at + CHECK_MAX))
  return pages
}
