// One batch: requests and steps decided in order on one working set, and what follows from them in the same commit:
// waking who waited for what was settled, offering what became ready.
// B1. Nothing outside sees a batch before its commit. B2. A request that throws is answered 500 and leaves no effect.
// B3. Follow-ups touch only what the transaction has locked; the rest is left to a batch of its own (`later`).

import {
  type Answer,
  type Changes,
  type Decision,
  decide,
  type Effect,
  handOf,
  type Input,
  type MachineConfig,
  Miss,
  Needs,
  owed,
  type PromiseRow,
  type Step,
  type TaskRow,
  WorkingSet,
} from '@resonatehq/protocol'
import type { Transaction } from '@resonatehq/store'

/**
 * What a batch is made of. `now`: the instant to decide at, where it is not the store's own (debug time). `acted`: told
 * after the commit, where something came of it.
 */
export type Entry =
  | {
      readonly kind: 'input'
      readonly input: Input
      readonly now?: At
      readonly answer?: (answer: Answer) => void
      readonly acted?: () => void
    }
  /** A promise whose time has come: settle it, or wake who waits for it. */
  | { readonly kind: 'wake'; readonly id: string; readonly now?: At; readonly acted?: () => void }
  /** A task that may be ready: offer it. `isNew`: no other server has looked at it since it became so. */
  | { readonly kind: 'place'; readonly id: string; readonly now?: At; readonly isNew?: boolean }
  /** What this worker has in hand was changed by another server: count it. */
  | { readonly kind: 'count'; readonly worker: string }

/** Under which a ready task is to be placed. */
export interface Circumstances {
  readonly now: number
  /** It has just become ready, or nobody else knows. */
  readonly isNew: boolean
}

/** Where tasks go. Told of every move as it is decided, so that the next choice in the same batch knows of it. */
export interface Dispatcher {
  /** For debugging: nothing follows from anything by itself. */
  readonly isPaused: boolean
  /** To whom a ready task is offered: a worker, or its target's URL (null). Undefined: nobody can take it now. */
  choose(task: TaskRow, circumstances: Circumstances): string | null | undefined
  /** Workers to count before the chosen one is given this task, itself among them. None: there is room beyond doubt. */
  doubted(task: TaskRow, chosen: string): string[]
  /** By the store's account, and with what this batch has moved. */
  counted(worker: string, inHand: number, now: number): void
  moved(before: TaskRow | null, after: TaskRow): void
}

type At = number | undefined

/** What leaves after the commit. */
export interface Outgoing {
  readonly executes: { readonly effect: Extract<Effect, { kind: 'execute' }>; readonly readyAt: number | null }[]
  readonly revokes: Extract<Effect, { kind: 'revoke' }>[]
  readonly unblocks: { readonly address: string; readonly promise: PromiseRow }[]
  readonly notes: Extract<Effect, { kind: 'note' }>[]
  readonly scheduled: number
  /** Tasks that a worker took, or has no longer. */
  readonly moves: { readonly before: TaskRow; readonly after: TaskRow; readonly at: number }[]
  /** Promises that were pending and are settled. */
  readonly ends: PromiseRow[]
}

/** One executed request or step, for tests that replay a run on the bare machine. */
export interface Executed {
  readonly now: number
  readonly input: Input
  readonly decision: Decision
}

/** Rows outside the locked ones are needed: roll back, and begin again with these too. */
export class Uncovered extends Error {
  readonly needs: Needs

  constructor(needs: Needs) {
    super('rows outside the locked ones are needed')
    this.needs = needs
  }

  static of(several: readonly Uncovered[]): Uncovered {
    const needs = new Needs()
    for (const { ids, waiters } of several.map((one) => one.needs)) {
      for (const id of ids) needs.ids.add(id)
      for (const id of waiters) needs.waiters.add(id)
    }
    return new Uncovered(needs)
  }
}

function noted(error: unknown, uncovered: Uncovered[]): void {
  if (!(error instanceof Uncovered)) throw error
  uncovered.push(error)
}

export interface BatchContext {
  readonly config: MachineConfig
  readonly dispatcher: Dispatcher
  /** A bug: what threw, on which kind. */
  readonly failed: (error: unknown, kind: string) => void
  /** Rows outside the locked ones, past which no more of them are looked for before the batch is begun again. */
  readonly uncoveredMax: number
}

export class Batch {
  readonly #transaction: Transaction
  readonly #context: BatchContext
  readonly #set = new WorkingSet()
  readonly #moves: { before: TaskRow | null; after: TaskRow }[] = []
  readonly #ready = new Map<string, { readonly at: At; readonly isNew: boolean }>()
  /** Workers that were counted in this transaction, or are to be. */
  readonly #counted = new Set<string>()
  /** Tasks that each worker got in this batch, less those it gave. */
  readonly #gains = new Map<string, number>()
  readonly #answers: (() => void)[] = []
  readonly outgoing = {
    executes: [],
    revokes: [],
    unblocks: [],
    notes: [],
    scheduled: 0,
    moves: [],
    ends: [],
  } as Mutable<Outgoing>
  readonly later: Entry[] = []
  readonly executed: Executed[] = []

  constructor(transaction: Transaction, context: BatchContext) {
    this.#transaction = transaction
    this.#context = context
    this.#set.absorb(transaction.loaded)
  }

  async decideAll(entries: readonly Entry[]): Promise<void> {
    const uncovered: Uncovered[] = []
    const found = () => uncovered.reduce((sum, { needs }) => sum + needs.ids.size, 0)
    for (const entry of entries) {
      if (uncovered.length > 0 && found() > this.#context.uncoveredMax) break
      const before = this.executed.length
      const work = this.#enter(entry)
      // Awaiting only where something had to be loaded keeps the common case synchronous.
      if (work) await work.catch((error: unknown) => noted(error, uncovered))
      if ('acted' in entry && entry.acted && this.#hasActedSince(before)) this.#answers.push(entry.acted)
    }
    // All of it is decided again: once, with what each of them lacks.
    if (uncovered.length > 0) throw Uncovered.of(uncovered)
    if (this.#counted.size > 0) await this.#count([...this.#counted])
    for (const [id, { at, isNew }] of this.#ready) await this.#place(id, at, isNew)
  }

  #hasActedSince(before: number): boolean {
    return this.executed.slice(before).some(({ decision }) => decision.effects.length > 0)
  }

  #enter(entry: Entry): Promise<void> | undefined {
    switch (entry.kind) {
      case 'input':
        return this.#decide(entry.input, entry.now, entry.answer)
      case 'wake':
        return this.#wake(entry.id, entry.now)
      case 'place':
        this.#ready.set(entry.id, { at: entry.now, isNew: entry.isNew ?? false })
        return
      case 'count':
        this.#counted.add(entry.worker)
        return
    }
  }

  /** `at`: debug time, handed on to what follows; without it everything is decided at the store's instant. */
  #decide(input: Input, at: At, answer?: (answer: Answer) => void): Promise<void> | undefined {
    try {
      return this.#carryOut(input, at, this.#decision(input, this.#now(at)), answer)
    } catch (error) {
      if (!(error instanceof Miss)) throw error
      return this.#load(error.needs).then(() => this.#decide(input, at, answer))
    }
  }

  #now(at: At): number {
    return at ?? this.#transaction.now
  }

  /** Throws only Miss. B2. */
  #decision(input: Input, now: number): Decision {
    try {
      return decide({ view: this.#set, now, config: this.#context.config }, input)
    } catch (error) {
      if (error instanceof Miss) throw error
      this.#context.failed(error, input.kind)
      const data = `internal error while deciding ${input.kind}: nothing was changed; please report it with the server's log`
      return { answer: { status: 500, data }, effects: [] }
    }
  }

  #carryOut(input: Input, at: At, decision: Decision, answer?: (answer: Answer) => void): Promise<void> | undefined {
    this.executed.push({ now: this.#now(at), input, decision })
    if (answer) this.#answers.push(() => answer(decision.answer))
    const owing: string[] = []
    const { isPaused } = this.#context.dispatcher
    for (const effect of decision.effects) {
      this.#note(effect, at, input)
      if (effect.kind === 'promise' && !isPaused && isOwing(effect.row, this.#now(at))) owing.push(effect.row.id)
    }
    this.#set.apply(decision.effects)
    return owing.length === 0 ? undefined : this.#wakeEach(owing, at)
  }

  #note(effect: Effect, at: At, input: Input): void {
    switch (effect.kind) {
      case 'task':
        return this.#move(effect.row, at)
      case 'execute':
        this.outgoing.executes.push({ effect, readyAt: this.#set.task(effect.id)?.sinceAt ?? null })
        return
      case 'revoke':
        this.outgoing.revokes.push(effect)
        return
      case 'note':
        this.outgoing.notes.push(effect)
        return
      case 'unblock.add': {
        const { id, address } = effect.row
        this.outgoing.unblocks.push({ address, promise: this.#set.promise(id) as PromiseRow })
        return
      }
      case 'promise':
        if (effect.row.state !== 'pending' && this.#set.promise(effect.row.id)?.state === 'pending')
          this.outgoing.ends.push(effect.row)
        if (input.kind === 'schedule.fire') this.outgoing.scheduled++
        return
    }
  }

  #move(after: TaskRow, at: At): void {
    const before = this.#set.task(after.id)
    this.#moves.push({ before, after })
    this.#context.dispatcher.moved(before, after)
    if (before && (before.state === 'acquired') !== (after.state === 'acquired'))
      this.outgoing.moves.push({ before, after, at: this.#now(at) })
    this.#gain(before ? holderOf(before, this.#transaction.now) : null, -1)
    this.#gain(holderOf(after, this.#transaction.now), 1)
    const isReady = after.state === 'pending' && after.dueAt !== null && after.dueAt <= this.#now(at)
    if (isReady) this.#ready.set(after.id, { at, isNew: true })
  }

  #gain(worker: string | null, by: 1 | -1): void {
    if (worker !== null) this.#gains.set(worker, (this.#gains.get(worker) ?? 0) + by)
  }

  async #wakeEach(ids: readonly string[], at: At): Promise<void> {
    for (const id of ids) await this.#wake(id, at)
  }

  async #wake(id: string, at: At): Promise<void> {
    for (const step of await this.#read(() => owed(this.#set, id, this.#now(at)))) {
      if (this.#reaches(step)) await this.#decide(step, at)
      else this.later.push({ kind: 'input', input: step, now: at })
    }
    const isSettled = this.#set.promise(id)?.state !== 'pending'
    // More wait than were loaded: the next page is for a batch of its own.
    if (isSettled && (await this.#read(() => this.#set.waiters(id))).more)
      this.later.push({ kind: 'wake', id, now: at })
  }

  /** B3. */
  #reaches(step: Step): boolean {
    return step.kind !== 'promise.resume' || this.#transaction.covers(step.data.awaiter)
  }

  async #place(id: string, at: At, isNew: boolean): Promise<void> {
    const task = await this.#read(() => this.#set.task(id))
    const now = this.#now(at)
    if (task?.state !== 'pending' || task.dueAt === null || task.dueAt > now) return
    const worker = await this.#choose(task, { now, isNew })
    if (worker !== undefined) await this.#decide({ kind: 'task.dispatch', data: { id, worker } }, at)
  }

  /** Whom it is offered to; whoever may be full by what other servers did is counted first. */
  async #choose(task: TaskRow, circumstances: Circumstances): Promise<string | null | undefined> {
    const { dispatcher } = this.#context
    for (;;) {
      const worker = dispatcher.choose(task, circumstances)
      const isSure = typeof worker !== 'string' || !this.#transaction.inHand || this.#counted.has(worker)
      const doubted = isSure ? [] : dispatcher.doubted(task, worker).filter((pid) => !this.#counted.has(pid))
      if (doubted.length === 0) return worker
      await this.#count(doubted)
    }
  }

  async #count(workers: readonly string[]): Promise<void> {
    const stored = await this.#transaction.inHand?.(workers)
    for (const worker of workers) {
      this.#counted.add(worker)
      const inHand = (stored?.get(worker) ?? 0) + (this.#gains.get(worker) ?? 0)
      if (stored) this.#context.dispatcher.counted(worker, inHand, this.#transaction.now)
    }
  }

  async #read<T>(read: () => T): Promise<T> {
    for (;;) {
      try {
        return read()
      } catch (error) {
        if (!(error instanceof Miss)) throw error
        await this.#load(error.needs)
      }
    }
  }

  async #load(needs: Needs): Promise<void> {
    for (const id of needs.ids) if (!this.#transaction.covers(id)) throw new Uncovered(needs)
    this.#set.absorb(await this.#transaction.load(needs))
  }

  get isUnchanged(): boolean {
    return this.#set.isUnchanged
  }

  changes(): Changes {
    return this.#set.changes()
  }

  /** B1: call after the commit. */
  answer(): void {
    for (const answer of this.#answers) answer()
  }

  /** The batch did not commit: what the dispatcher was told is taken back. */
  revert(): void {
    for (const { before, after } of this.#moves.toReversed()) if (before) this.#context.dispatcher.moved(after, before)
    for (const { before, after } of this.#moves) {
      if (!before) this.#context.dispatcher.moved(after, { ...after, state: 'fulfilled', worker: null })
    }
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** In whose hands a task is, as stores count it: an offer that has lapsed is in nobody's. */
function holderOf(task: TaskRow, now: number): string | null {
  return task.state === 'pending' && (task.dueAt ?? 0) <= now ? null : handOf(task)
}

/** Settled, and someone still waits. */
function isOwing(promise: PromiseRow, now: number): boolean {
  return promise.state !== 'pending' && promise.wakeAt !== null && promise.wakeAt <= now
}
