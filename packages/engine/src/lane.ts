// The lane. Requests gather while the previous batch commits; then one load, all decisions in memory, one write.
// L1. At most one batch is in flight: two or three at a time were no faster, on PostgreSQL either. L2. Entries are decided in
// arrival order; a group that was submitted together stays together. L3. No answer and no message leaves before the commit
// that made it true. L4. What waits is bounded: past `queueMax` requests are refused with 503; the server's own steps are few
// and always taken. L5. While the store fails nobody waits longer than one batch takes to fail: with it everything that waits
// is refused. L6. What the store does not accept fails whoever brought it, and nobody beside.
// L7. What turns out to need far more locks than a batch should take is decided in parts: requests at once, the server's own
// steps in halves, each by itself and behind what waits by then.

import { type Answer, type Changes, lockName, type Value } from '@resonatehq/protocol'
import { Unacceptable } from '@resonatehq/store'
import type { Entry, Executed, Outgoing } from './batch.ts'
import { type CommitOptions, Commits, TooWide } from './commit.ts'
import type { Health } from './health.ts'
import type { EngineObserver } from './observer.ts'

export interface LaneLimits {
  /** Entries in one batch. */
  readonly batchMax: number
  /** Requests that wait for their batch. */
  readonly queueMax: number
  /** Payload of one batch, UTF-16 units. */
  readonly bytesMax: number
}

export interface LaneOptions extends CommitOptions {
  readonly limits: LaneLimits
  readonly observer: EngineObserver
  readonly health: Health
  /** After each commit: what may leave now, and when something becomes due. */
  readonly committed: (outgoing: Outgoing, armedAt: number | null) => void
}

interface Group {
  readonly entries: readonly Entry[]
  /** Runs by itself between two batches, instead of entries. */
  readonly quiet?: () => Promise<void>
  readonly refused?: (error: unknown) => void
  /** Nothing that was submitted later goes before it. */
  readonly isBarrier?: boolean
  /** Told whether the entries were committed. */
  readonly settled?: (isCommitted: boolean) => void
  /** Each entry stands by itself: they need not be decided together. */
  readonly isDivisible?: boolean
  /** A part of what needed too many locks: decided with nothing else. */
  readonly isWide?: boolean
  readonly enteredAt: number
}

export class Lane {
  readonly #options: LaneOptions
  readonly #commits: Commits
  readonly #queue: Group[] = []
  /** Steps to repeat when the store answers again. */
  readonly #owed: Entry[] = []
  #waiting = 0
  #isRunning = false
  #idle: (() => void)[] = []

  constructor(options: LaneOptions) {
    this.#options = options
    this.#commits = new Commits(options)
  }

  /** Entries waiting for their batch. */
  get length(): number {
    return this.#waiting
  }

  get isFull(): boolean {
    return this.#waiting >= this.#options.limits.queueMax
  }

  /** Enqueues entries that are decided in one batch. */
  submit(entries: readonly Entry[]): void {
    if (entries.length === 0) return
    this.#push({ entries, enteredAt: this.#options.platform.ticks() })
  }

  /** Enqueues the server's own steps, each of which stands by itself, however many they are. */
  steps(entries: readonly Entry[]): void {
    const enteredAt = this.#options.platform.ticks()
    for (const piece of this.#pieces(entries)) this.#push({ entries: piece, isDivisible: true, enteredAt })
  }

  /**
   * Enqueues the server's own steps, each of which stands by itself. Resolves once they are committed, or, with false, once
   * one of their batches has failed.
   */
  async settled(entries: readonly Entry[]): Promise<boolean> {
    const committed = this.#pieces(entries).map((piece) => {
      return new Promise<boolean>((settled) => {
        this.#push({ entries: piece, settled, isDivisible: true, enteredAt: this.#options.platform.ticks() })
      })
    })
    return (await Promise.all(committed)).every(Boolean)
  }

  /** Steps as groups that each fit into a batch. */
  #pieces(entries: readonly Entry[]): Entry[][] {
    const { limits, store } = this.#options
    const pieceMax = Math.min(limits.batchMax, store.locksMax ?? limits.batchMax)
    const pieces: Entry[][] = []
    for (let from = 0; from < entries.length; from += pieceMax) pieces.push(entries.slice(from, from + pieceMax))
    return pieces
  }

  /** What these would do if they were submitted now. Nothing is written, and nobody is told. */
  rehearsed(entries: readonly Entry[]): Promise<readonly Executed[]> {
    return this.between(() => this.#commits.rehearse(entries))
  }

  /** Runs `work` when no batch is in flight, after all that was submitted before, and before all that is submitted later. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    return this.#quiet(work, true)
  }

  /**
   * Runs `work` when no batch is in flight, after all that was submitted before. What is submitted later may go first: so
   * a thousand workers that reconnect at once share a few commits instead of cutting the queue into a thousand batches.
   */
  between<T>(work: () => Promise<T>): Promise<T> {
    return this.#quiet(work, false)
  }

  #quiet<T>(work: () => Promise<T>, isBarrier: boolean): Promise<T> {
    return new Promise((resolve, reject) => {
      const quiet = () =>
        work().then(resolve, (error: unknown) => {
          reject(error)
          throw error
        })
      this.#push({ entries: [], quiet, refused: reject, isBarrier, enteredAt: this.#options.platform.ticks() })
    })
  }

  /** Resolves when nothing waits and nothing is in flight. */
  drained(): Promise<void> {
    if (!this.#isRunning) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  #push(group: Group): void {
    this.#queue.push(group)
    this.#waiting += group.entries.length
    if (this.#isRunning) return
    this.#isRunning = true
    this.#options.platform.defer(() => void this.#run())
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const groups = this.#take()
      await this.#carryOut(groups)
      // A macrotask, so that what arrived meanwhile is read and joins the next batch.
      await new Promise<void>((resolve) => this.#options.platform.defer(resolve))
    }
    this.#isRunning = false
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  async #carryOut(groups: readonly Group[]): Promise<void> {
    let batch = groups.filter(({ quiet }) => !quiet)
    const between = groups.filter(({ quiet }) => quiet)
    try {
      if (batch.length > 0) await this.#execute(batch)
      batch = []
      for (let next = between.shift(); next; next = between.shift()) await next.quiet?.()
    } catch (error) {
      if (error instanceof TooWide) await this.#narrow(batch, between)
      else if (error instanceof Unacceptable && batch.length > 0) await this.#isolate(batch, between, error)
      else this.#failed([...batch, ...between], error)
    }
  }

  /** L6. Halves of the batch, and halves of these, until what the store does not accept stands alone. */
  async #isolate(batch: readonly Group[], between: readonly Group[], error: Unacceptable): Promise<void> {
    if (isDivisible(batch)) return this.#halve(batch, between)
    this.#options.log.error({ err: error }, 'the store did not accept what a request brings')
    this.#refuse(batch, error, NOT_ACCEPTED)
    return this.#carryOut(between)
  }

  /** L7. */
  #narrow(batch: readonly Group[], between: readonly Group[]): Promise<void> {
    const steps = batch.filter((group) => group.isDivisible)
    if (steps.length === 0) return this.#halve(batch, between)
    for (const half of steps.flatMap(halvesOf)) this.#push({ ...half, isWide: true })
    return this.#carryOut([...batch.filter((group) => !group.isDivisible), ...between])
  }

  async #halve(batch: readonly Group[], between: readonly Group[]): Promise<void> {
    const groups = batch.length === 1 && batch[0] ? halvesOf(batch[0]) : batch
    const middle = Math.ceil(groups.length / 2)
    await this.#carryOut(groups.slice(0, middle))
    await this.#carryOut([...groups.slice(middle), ...between])
  }

  #take(): Group[] {
    const { batchMax, bytesMax } = this.#options.limits
    const { locksMax } = this.#options.store
    const names = new Set<string>()
    let count = 0
    let size = 0
    let bytes = 0
    for (const { entries, isBarrier, isWide } of this.#queue) {
      if (isWide && count > 0) break
      // What runs between two batches takes its time as well, so it counts as an entry.
      size += Math.max(entries.length, 1)
      for (const entry of entries) bytes += bytesOf(entry)
      if (locksMax !== undefined) this.#addLockNames(names, entries)
      if (count > 0 && (size > batchMax || bytes > bytesMax || names.size > (locksMax ?? names.size))) break
      count++
      if (isBarrier || isWide) break
    }
    const groups = this.#queue.splice(0, count)
    for (const { entries } of groups) this.#waiting -= entries.length
    return groups
  }

  #addLockNames(names: Set<string>, entries: readonly Entry[]): void {
    const { ids, schedules } = this.#commits.needsOf(entries)
    for (const id of ids) names.add(lockName(id))
    // A space is in no id.
    for (const id of schedules) names.add(`schedule ${id}`)
  }

  async #execute(groups: readonly Group[]): Promise<void> {
    const entries = groups.length === 1 && groups[0] ? groups[0].entries : groups.flatMap((group) => group.entries)
    const { platform, observer } = this.#options
    const startedAt = platform.ticks()
    const mayDivide = isDivisible(groups)
    const { batch, changes, loadMs, commitMs } = await this.#commits.commit(entries, { mayDivide })
    const waitMs = startedAt - (groups[0]?.enteredAt ?? startedAt)
    observer.batch({ requests: entries.length, waitMs, loadMs, commitMs })
    batch.answer()
    this.#options.committed(batch.outgoing, armedAt(changes))
    this.steps(batch.later)
    for (const group of groups) group.settled?.(true)
    this.#options.health.answered()
  }

  /** The store failed, or the outcome of the commit is unknown: never answered as a failure that did not happen. */
  #refuse(groups: readonly Group[], error: unknown, answer: Answer = SILENT): void {
    for (const { entries, settled, refused } of groups) {
      for (const entry of entries) {
        if (entry.kind !== 'input') continue
        if (entry.answer) entry.answer(answer)
        else if (answer === SILENT && OWED.has(entry.input.kind) && this.#owed.length < OWED_MAX) this.#owed.push(entry)
      }
      settled?.(false)
      refused?.(error)
    }
  }

  /** L5. */
  #failed(groups: readonly Group[], error: unknown): void {
    this.#waiting = 0
    this.#options.health.failed(error)
    this.#refuse([...groups, ...this.#queue.splice(0)], error)
  }

  /** Submits again what was refused, and nobody would ask for again. */
  repeatOwed(): void {
    this.steps(this.#owed.splice(0))
  }
}

function isDivisible(groups: readonly Group[]): boolean {
  const [first] = groups
  return groups.length > 1 || (first?.isDivisible === true && first.entries.length > 1)
}

/** Told of together, when both are. */
function halvesOf(group: Group): readonly Group[] {
  if (group.entries.length === 1) return [group]
  const middle = Math.ceil(group.entries.length / 2)
  let left = 2
  let isCommitted = true
  const settled = (isOne: boolean) => {
    isCommitted &&= isOne
    if (--left === 0) group.settled?.(isCommitted)
  }
  return [group.entries.slice(0, middle), group.entries.slice(middle)].map((entries) => ({
    ...group,
    entries,
    settled,
  }))
}

const SILENT: Answer = {
  status: 503,
  data: 'the store did not answer, and the outcome of this request is unknown: ask again',
}

/** A rule is missing that would have told what is wrong with it. */
const NOT_ACCEPTED: Answer = { status: 500, data: 'Internal error: see the log of the server' }

/** What only this server knows: who left it, and what was written to a connection that has ended. All else is in the rows. */
const OWED: ReadonlySet<string> = new Set(['worker.disconnect', 'unblock.requeue'])
/** Without the rest leases end by their time, as when the server itself had gone. */
const OWED_MAX = 10_000

/** What makes an entry large: the values that it carries. */
function bytesOf(entry: Entry): number {
  if (entry.kind !== 'input') return 0
  const { data } = entry.input as { readonly data: Payload & { readonly action?: { readonly data: Payload } } }
  // Whatever else it is, it is refused, or fails, when it is decided.
  const payload: Payload | undefined = data?.action?.data ?? data
  return (payload?.param?.data?.length ?? 0) + (payload?.value?.data?.length ?? 0)
}

interface Payload {
  readonly param?: Value
  readonly value?: Value
}

/** The earliest instant at which something that this batch wrote becomes due. */
function armedAt({ promises, tasks, schedules }: Changes): number | null {
  let earliest: number | null = null
  const arm = (at: number | null) => {
    if (at !== null && (earliest === null || at < earliest)) earliest = at
  }
  for (const { row } of promises) arm(row.wakeAt)
  for (const { row } of tasks) arm(row.dueAt)
  for (const row of schedules.values()) arm(row?.nextRunAt ?? null)
  return earliest
}
