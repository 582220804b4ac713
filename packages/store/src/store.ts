// What the engine asks of a store. A store moves rows; it never inspects what they mean, it may only index them.
// Locks: `begin` locks every id and schedule that it is told before it reads anything, so that two transactions that name
// a common id take turns, also where no row exists yet. Clock: `now` is read after the locks and never goes back, not
// even over a restart. Durability: when `commit` resolves, the changes survive a crash; when it rejects, their outcome may
// be unknown, and the idempotent protocol lets the client ask again.

import type {
  Changes,
  Loaded,
  Needs,
  Page,
  PromiseRow,
  SnapshotRows,
  Tags,
  TaskRow,
  UnblockRow,
  WorkerRow,
} from '@resonatehq/protocol'

export interface Transaction {
  /** The store's clock, ms since epoch. */
  readonly now: number
  readonly loaded: Loaded
  /** Whether this transaction has locked what guards the id: only then may its rows be loaded and changed. */
  covers(id: string): boolean
  /** Further rows under the locks that are held. Call only for ids that are covered, and for reads that lock nothing. */
  load(needs: Needs): Promise<Loaded>
  /**
   * How many tasks each of these workers has in hand, as `Store.inHand` counts them, without what this transaction is going
   * to write. Absent: nobody else writes to this store, and whoever does can keep count.
   */
  inHand?(workers: readonly string[]): Promise<ReadonlyMap<string, number>>
  /** Writes all changes, or none. Ends the transaction either way. */
  commit(changes: Changes): Promise<void>
  /** Ends the transaction, where it has not ended. Whatever failed, this is called or `commit` was. */
  rollback(): Promise<void>
}

/** The store takes no row, or no name, as this transaction brought: nothing is wrong with the store, and nothing was written. */
export class Unacceptable extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'Unacceptable'
  }
}

/** Two servers met, and this one's transaction was undone: begin again. */
export class LostRace extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'LostRace'
  }
}

/** Ids whose time has come, earliest first. */
export interface DueIds {
  readonly promises: readonly string[]
  readonly leases: readonly string[]
  readonly schedules: readonly string[]
}

/** A place among tasks in (due, id) order: behind this task, whether it exists or not. */
export interface DueMark {
  readonly at: number
  readonly id: string
}

/** As much of a settled promise as says whether it may be forgotten. */
export interface SettledPromise {
  readonly id: string
  readonly settledAt: number
  readonly tags: Tags
}

/** Names one that is owed, whether it exists or not. */
export type UnblockKey = Pick<UnblockRow, 'id' | 'address'>

export interface PromiseAndTask {
  readonly promise: PromiseRow
  readonly task: TaskRow | null
}

/** Tasks of a queue that are due: ready, and not on offer to anybody. */
export interface Backlog {
  /** How many, counted no further than the limit. */
  readonly count: number
  /** Since when the one that is due longest could have been taken. Null: there is none. */
  readonly oldestAt: number | null
}

export interface StoreStats {
  /** The last migration that was applied. */
  readonly schemaVersion: number
  /** Connections to the database. Absent: it has none. */
  readonly connections?: { readonly open: number; readonly idle: number; readonly waiting: number }
}

/**
 * How the servers of one store tell each other that there is something to look at. Hints only: one may be lost, late or
 * doubled, so whoever hears one looks at the rows.
 */
export interface Hints {
  /** Longest text, bytes of UTF-8. */
  readonly bytesMax: number
  /** Tells every server that listens, this one too. Outside of any transaction, and without waiting for a disk. */
  tell(text: string): Promise<void>
  /**
   * Hears what is told from now on. `broken` is called once where that ends by itself: listen again. Resolves when it
   * hears, with what ends it; rejects where it cannot.
   */
  listen(heard: (text: string) => void, broken: (error: Error) => void): Promise<() => void>
}

export interface Store {
  /** Other processes write to it too. */
  readonly isShared?: boolean
  /** Absent, where it is shared: it has to be looked at from time to time. */
  readonly hints?: Hints
  /** Distinct lock names (`lockName` of the ids) that a batch should stay below. Absent: any number. */
  readonly locksMax?: number
  /** Connects, migrates. Rejects with a message for people. */
  open(): Promise<void>
  begin(needs: Needs): Promise<Transaction>
  /** The store's clock, as `begin` reads it. */
  now(): Promise<number>

  // Reads for timers and placement. They take no locks: whoever acts on them re-checks under locks. Each is bounded by
  // its limit and stands on an index, so its cost does not grow with what is stored.

  due(query: { readonly now: number; readonly limit: number }): Promise<DueIds>
  /** The earliest instant after `after` at which something is due; null: nothing is armed. */
  nextDueAt(after: number): Promise<number | null>
  /** Pending tasks of these queues that are due, the longest due first. */
  ready(query: { readonly queues: readonly string[]; readonly now: number; readonly limit: number }): Promise<TaskRow[]>
  /** Pending tasks of pushed targets that are due. */
  readyPushed(query: { readonly now: number; readonly limit: number }): Promise<TaskRow[]>
  /** Pending tasks beyond a mark that are due up to an instant, in (due, id) order. */
  ripened(query: { readonly after: DueMark; readonly until: number; readonly limit: number }): Promise<TaskRow[]>
  /** Tasks acquired by a pid, in id order. */
  held(query: { readonly pid: string; readonly after: string; readonly limit: number }): Promise<TaskRow[]>
  /** How many tasks are in the hands of a worker: acquired by it, or offered to it and not lapsed. */
  inHand(query: { readonly worker: string; readonly now: number }): Promise<number>
  /** Unblocks owed to the readers of these queues, by promise id. */
  unblocks(query: { readonly queues: readonly string[]; readonly limit: number }): Promise<UnblockRow[]>
  /** Unblocks owed to pushed addresses, beyond one of them, by promise id. */
  unblocksPushed(query: { readonly after: UnblockKey; readonly limit: number }): Promise<UnblockRow[]>
  /** The promises of these ids, in this order, as many as fit: not cut before the first. */
  promises(query: { readonly ids: readonly string[]; readonly bytesMax: number }): Promise<Page<PromiseRow>>
  unblocksBefore(query: { readonly createdAt: number; readonly limit: number }): Promise<UnblockRow[]>
  /**
   * Pids that hold tasks and none of whose connections live: each gone at or before `goneBefore` and not heard from since, or
   * its server silent since `seenBefore`.
   */
  absent(query: { readonly goneBefore: number; readonly seenBefore: number }): Promise<string[]>
  /** Pids with presence that was last seen before this. */
  forgettable(query: { readonly seenBefore: number; readonly limit: number }): Promise<string[]>
  /** Promises settled up to an instant, beyond a mark, in (settled, id) order. */
  settled(query: { readonly after: DueMark; readonly until: number; readonly limit: number }): Promise<SettledPromise[]>
  /** The stored counters by name, all of one instant. Zero is left out. */
  counters(): Promise<Map<string, number>>

  // What operators are shown. No lock is taken, and nothing is decided on it.

  /** The promises of these ids with their tasks; those that there are, in any order. */
  pairs(query: { readonly ids: readonly string[] }): Promise<PromiseAndTask[]>
  /** Presence, in (pid, server, group) order. */
  workers(query: { readonly limit: number }): Promise<WorkerRow[]>
  backlog(query: { readonly queue: string; readonly now: number; readonly limit: number }): Promise<Backlog>
  /** Absent: nothing is known. */
  stats?(): StoreStats

  /** `debug.snap` and `debug.reset`. */
  snapshot(): Promise<SnapshotRows>
  reset(): Promise<void>

  /**
   * Copies everything that is committed to a new file, while the store is in use. Rejects with a part of the file written.
   * Absent: what it is kept in has tools of its own for that.
   */
  backup?(path: string): Promise<void>
  close(): Promise<void>
}

/** Queues of pushed targets are URLs; all of them sort between these two. */
export const PUSHED_FROM = 'http'
export const PUSHED_UNTIL = 'httq'
