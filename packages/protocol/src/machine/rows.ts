// The rows a store keeps, and the view of them that a step is decided on.
// A row is a record plus what the server needs to act by itself: when to wake, what is owed, to whom it was offered.
// Stores move rows and index their columns; only the machine says what they mean.

import type { PromiseState, Tags, TaskState, Value } from '../records.ts'

/** Later than every instant: what an occurrence that never comes, and a sum past 2^53, is clamped to. */
export const MAX_INSTANT = Number.MAX_SAFE_INTEGER

export interface PromiseRow {
  readonly id: string
  readonly state: PromiseState
  readonly param: Value
  readonly value: Value
  readonly tags: Tags
  /** The root of its call tree: the tag `resonate:origin`, or its own id. */
  readonly origin: string
  /** The tag `resonate:branch`: whose replay wants to see it. */
  readonly branch: string | null
  readonly timeoutAt: number
  readonly createdAt: number
  /** Null while pending. */
  readonly settledAt: number | null
  /** When the server has to look at it: its timeout while pending, at once while it is settled and someone still waits, else null. */
  readonly wakeAt: number | null
}

export interface TaskRow {
  readonly id: string
  readonly state: TaskState
  /** Raised by every acquire. */
  readonly version: number
  /** Lease length, ms. Null unless acquired. */
  readonly ttl: number | null
  /** Who holds it. Null unless acquired. */
  readonly pid: string | null
  /** Pending: when it may be offered (again). Acquired: when the lease ends. Else null. */
  readonly dueAt: number | null
  /** Since when it is in its state; pending: since when somebody may take it, which may be still to come. Null: fulfilled. */
  readonly sinceAt: number | null
  /** Pending: when it was last offered to `worker`; the offer stands until `dueAt`. Null: not offered since it became ready. */
  readonly offeredAt: number | null
  /** Awaited promises that settled since it was last acquired or suspended. */
  readonly resumes: number
  /** The promise's `resonate:target`, literally. */
  readonly address: string
  /** The ready queue it waits in, a function of the address. */
  readonly queue: string
  /** The pid it was last offered to or held by. Kept over suspend: the preferred place. */
  readonly worker: string | null
  /** Leases lost in a row without progress (a fence, a suspend, a fulfil). */
  readonly lost: number
  /** Releases in a row without progress. */
  readonly released: number
  /** What it was suspended on, for people who ask why it stands. Null unless suspended. Who wakes it, the callbacks say. */
  readonly awaits: Awaits | null
  /** Who halted it and why, as far as that was said. Null unless halted. */
  readonly halt: Halt | null
}

/** For people: nothing is decided on it. */
export interface Halt {
  /** When: `sinceAt`, or it is of an earlier halt, and a program that knows nothing of it has halted the task since. */
  readonly at: number
  readonly by?: string
  readonly reason?: string
}

/** Any of these that settles wakes the task, so while it is suspended all of them are pending. */
export interface Awaits {
  /** The first few, in the order in which the suspend named them. */
  readonly ids: readonly string[]
  /** How many there are. */
  readonly count: number
}

export interface ScheduleRow {
  readonly id: string
  readonly cron: string
  readonly promiseId: string
  readonly promiseTimeout: number
  readonly promiseParam: Value
  readonly promiseTags: Tags
  readonly createdAt: number
  /** MAX_INSTANT: never again. */
  readonly nextRunAt: number
  readonly lastRunAt: number | null
}

/** One worker's presence at one server. Each server writes only its own rows, so none can overwrite what another knows. */
export interface WorkerRow {
  readonly server: string
  readonly group: string
  readonly pid: string
  /** Tasks in hand at most; null: any number. */
  readonly capacity: number | null
  /** What it says of itself: sdk, version, host, functions. */
  readonly info: Tags
  /** When it was last known to live: by its connection, or a heartbeat. */
  readonly seenAt: number
  /** When its last connection to this server ended. Null while connected. */
  readonly goneAt: number | null
  /** What its last heartbeat said. Written now and then, together with others. Null: none came yet. */
  readonly beat: Beat | null
}

/** A heartbeat, and how its worker is by its own account. Each part but the instant may be missing. */
export interface Beat {
  readonly at: number
  /** How late its event loop is, ms. */
  readonly lagMs?: number
  readonly rssBytes?: number
  readonly tasks?: number
}

/** An `unblock` that was not handed over yet. */
export interface UnblockRow {
  /** The settled promise. */
  readonly id: string
  readonly address: string
  /** The queue its receiver reads, a function of the address. */
  readonly queue: string
  readonly createdAt: number
}

/** Who waits for a promise. */
export interface Waiters {
  readonly awaiters: readonly string[]
  readonly addresses: readonly string[]
  /** More are stored than were loaded. */
  readonly more: boolean
}

/** To whom an unblock of a promise is owed. */
export interface Owed {
  /** The first of them, in order. */
  readonly addresses: readonly string[]
  /** More are stored than were loaded. */
  readonly more: boolean
}

/** Rows in id order (UTF-8 bytes), after one id; `branch` and `origin` narrow it. Bounded, whatever is stored. */
export interface Scan<T extends ScanTable = ScanTable> {
  readonly table: T
  readonly origin?: string
  readonly branch?: string
  readonly after: string
  /** Rows at most. */
  readonly limit: number
  /** Stop after this many bytes of row data, but not before the first row. */
  readonly bytesMax: number
}

export type ScanTable = 'promises' | 'tasks' | 'schedules'

export interface ScanRows {
  promises: PromiseRow
  tasks: { readonly task: TaskRow; readonly promise: PromiseRow }
  schedules: ScheduleRow
}

export interface Page<T> {
  readonly rows: readonly T[]
  /** There is more beyond the last row. */
  readonly more: boolean
}

/** What a step reads. A row that was not loaded throws Miss; null means that there is none. */
export interface View {
  promise(id: string): PromiseRow | null
  task(id: string): TaskRow | null
  waiters(id: string): Waiters
  /** Whether an `unblock` that tells of this promise was not handed over yet. */
  isOwed(id: string): boolean
  schedule(id: string): ScheduleRow | null
  /** Ids of the tasks that this pid has acquired, in id order. */
  held(pid: string): readonly string[]
  presence(pid: string): readonly WorkerRow[]
  scan<T extends ScanTable>(scan: Scan<T>): Page<ScanRows[T]>
}

/** The rows that steps need, as sets that grow: union of footprints, plus what a Miss asked for. */
export class Needs {
  /** Promise and task of each id, locked. */
  readonly ids = new Set<string>()
  /** Those of `ids` whose first waiters are needed too. */
  readonly waiters = new Set<string>()
  /** Those of `ids` whose unblocks are needed too. */
  readonly owed = new Set<string>()
  /** Schedules, locked. */
  readonly schedules = new Set<string>()
  /** Pids whose acquired tasks are needed. */
  readonly held = new Set<string>()
  /** Pids whose presence is needed. */
  readonly presence = new Set<string>()
  /** By scanKey. */
  readonly scans = new Map<string, Scan>()

  get isEmpty(): boolean {
    return (
      this.ids.size +
        this.waiters.size +
        this.owed.size +
        this.schedules.size +
        this.held.size +
        this.presence.size +
        this.scans.size ===
      0
    )
  }
}

export function scanKey(scan: Scan): string {
  return JSON.stringify([scan.table, scan.origin, scan.branch, scan.after, scan.limit, scan.bytesMax])
}

/**
 * A step asked for rows that its footprint did not name. Load them and decide again: steps are pure. Thrown by healthy
 * requests all the time, so it is no Error: taking the stack of each was an eighth of the engine's work.
 */
export class Miss {
  readonly needs = new Needs()
  readonly message: string

  constructor(what: string) {
    this.message = `not loaded: ${what}`
  }
}
