// The whole state in memory, as a view that never misses: what the bare machine of the tests runs on, and what the
// memory store keeps. Indexes mirror those of the SQL stores, so that nothing here scans either.

import { compareIds } from '../ids.ts'
import type { DebugSnapshot } from '../requests.ts'
import type { Effect } from './effects.ts'
import { Ordered } from './ordered.ts'
import { executeMessage, promiseRecord, taskRecord, unblockMessage } from './project.ts'
import type {
  Owed,
  Page,
  PromiseRow,
  Scan,
  ScanRows,
  ScanTable,
  ScheduleRow,
  TaskRow,
  UnblockRow,
  View,
  Waiters,
  WorkerRow,
} from './rows.ts'

/** Waiters of one promise that are loaded, and woken, at a time. */
export const WAITERS_PAGE = 200

/** An entry of a timer index. */
export interface Due {
  readonly at: number
  readonly id: string
}

export function compareDue(a: Due, b: Due): number {
  return a.at - b.at || compareIds(a.id, b.id)
}

/** What a row weighs in a page: its texts, roughly as many bytes as they are characters. */
export function promiseBytes({ id, param, value, tags }: PromiseRow): number {
  let bytes = 100 + id.length + (param.data?.length ?? 0) + (value.data?.length ?? 0)
  for (const texts of [param.headers, value.headers, tags]) {
    for (const name in texts) bytes += name.length + (texts[name]?.length ?? 0)
  }
  return bytes
}

/** The first rows, as many as fit: a page may end with one that does not. */
export function fitting(rows: readonly PromiseRow[], bytesMax: number): readonly PromiseRow[] {
  let bytes = 0
  const end = rows.findIndex((row) => {
    bytes += promiseBytes(row)
    return bytes > bytesMax
  })
  return end < 0 ? rows : rows.slice(0, end)
}

/** The prefix of `rows` that one page may hold. Every store cuts here, so that all of them answer alike. */
export function cutPage<T extends ScanTable>(
  rows: Iterable<ScanRows[T]>,
  scan: Pick<Scan<T>, 'table' | 'limit' | 'bytesMax'>,
): Page<ScanRows[T]> {
  const page: ScanRows[T][] = []
  let bytes = 0
  for (const row of rows) {
    if (page.length >= scan.limit || bytes >= scan.bytesMax) return { rows: page, more: true }
    page.push(row)
    if (scan.table === 'promises') bytes += promiseBytes(row as PromiseRow)
  }
  return { rows: page, more: false }
}

/** The first waiters of those read, which is one more of each kind than a page holds where there are more. */
export function cutWaiters(awaiters: readonly string[], addresses: readonly string[]): Waiters {
  const more = awaiters.length > WAITERS_PAGE || addresses.length > WAITERS_PAGE
  return { awaiters: awaiters.slice(0, WAITERS_PAGE), addresses: addresses.slice(0, WAITERS_PAGE), more }
}

/** The first of those read to whom an unblock is owed, likewise. */
export function cutOwed(addresses: readonly string[]): Owed {
  return { addresses: addresses.slice(0, WAITERS_PAGE), more: addresses.length > WAITERS_PAGE }
}

export class Tables implements View {
  readonly promises = new Map<string, PromiseRow>()
  readonly tasks = new Map<string, TaskRow>()
  readonly schedules = new Map<string, ScheduleRow>()
  readonly callbacks = new Map<string, Ordered<string>>()
  readonly listeners = new Map<string, Ordered<string>>()
  /** By `unblockKey`. */
  readonly unblocks = new Map<string, UnblockRow>()
  /** By pid. */
  readonly workers = new Map<string, WorkerRow[]>()

  readonly promiseIds = new Ordered<string>(compareIds)
  readonly taskIds = new Ordered<string>(compareIds)
  readonly scheduleIds = new Ordered<string>(compareIds)
  readonly byOrigin = new Map<string, Ordered<string>>()
  readonly byBranch = new Map<string, Ordered<string>>()
  /** Pending promises by timeout, and settled ones that someone still waits for. */
  readonly wakes = new Ordered<Due>(compareDue)
  /** Settled promises by when they were. */
  readonly ends = new Ordered<Due>(compareDue)
  /** Acquired tasks by lease end. */
  readonly leases = new Ordered<Due>(compareDue)
  /** Pending tasks by when they are due, all together and by queue. */
  readonly pending = new Ordered<Due>(compareDue)
  readonly queues = new Map<string, Ordered<Due>>()
  readonly runs = new Ordered<Due>(compareDue)
  /** Acquired by pid. */
  readonly holdings = new Map<string, Ordered<string>>()
  /** Offered to or acquired by a worker. */
  readonly inHand = new Map<string, Ordered<string>>()
  /** Keys of `unblocks`, all together and by queue. */
  readonly unblockKeys = new Ordered<string>(compareIds)
  readonly unblockQueues = new Map<string, Ordered<string>>()

  promise(id: string): PromiseRow | null {
    return this.promises.get(id) ?? null
  }

  task(id: string): TaskRow | null {
    return this.tasks.get(id) ?? null
  }

  isOwed(id: string): boolean {
    return this.owed(id).addresses.length > 0
  }

  /** The first addresses to which an unblock of this promise is owed. */
  owed(id: string): Owed {
    const addresses: string[] = []
    // The keys of a promise stand together: each begins with its id, and no id holds a NUL.
    for (const key of this.unblockKeys.from(unblockKey({ id, address: '' }))) {
      if (!key.startsWith(`${id}\0`)) break
      if (addresses.push(key.slice(id.length + 1)) > WAITERS_PAGE) break
    }
    return cutOwed(addresses)
  }

  schedule(id: string): ScheduleRow | null {
    return this.schedules.get(id) ?? null
  }

  waiters(id: string): Waiters {
    const most = WAITERS_PAGE + 1
    return cutWaiters(take(this.callbacks.get(id), most), take(this.listeners.get(id), most))
  }

  held(pid: string): readonly string[] {
    return take(this.holdings.get(pid), Number.POSITIVE_INFINITY)
  }

  presence(pid: string): readonly WorkerRow[] {
    return this.workers.get(pid) ?? []
  }

  scan<T extends ScanTable>(scan: Scan<T>): Page<ScanRows[T]> {
    return cutPage(this.#rowsAfter(scan), scan)
  }

  *#rowsAfter<T extends ScanTable>(scan: Scan<T>): Generator<ScanRows[T]> {
    for (const id of this.#idsOf(scan)?.from(scan.after) ?? []) {
      if (id === scan.after) continue
      yield this.#scanRow(scan.table, id) as ScanRows[T]
    }
  }

  #idsOf({ table, origin, branch }: Scan): Ordered<string> | undefined {
    if (table === 'tasks') return this.taskIds
    if (table === 'schedules') return this.scheduleIds
    if (origin !== undefined) return this.byOrigin.get(origin)
    return branch === undefined ? this.promiseIds : this.byBranch.get(branch)
  }

  #scanRow(table: ScanTable, id: string): ScanRows[ScanTable] {
    switch (table) {
      case 'promises':
        return this.promises.get(id) as PromiseRow
      case 'tasks':
        return { task: this.tasks.get(id) as TaskRow, promise: this.promises.get(id) as PromiseRow }
      case 'schedules':
        return this.schedules.get(id) as ScheduleRow
    }
  }

  apply(effect: Effect): void {
    switch (effect.kind) {
      case 'promise':
        return this.#setPromise(effect.row)
      case 'task':
        return this.#setTask(effect.row)
      case 'promise.drop':
        return this.#dropPromise(effect.id)
      case 'callback.add':
        return addTo(this.callbacks, effect.awaited, effect.awaiter, compareIds)
      case 'callback.drop':
        return dropFrom(this.callbacks, effect.awaited, effect.awaiter)
      case 'listener.add':
        return addTo(this.listeners, effect.awaited, effect.address, compareIds)
      case 'listener.drop':
        return dropFrom(this.listeners, effect.awaited, effect.address)
      case 'schedule':
        return this.#setSchedule(effect.row)
      case 'schedule.drop':
        return this.#dropSchedule(effect.id)
      case 'unblock.add':
        return this.#addUnblock(effect.row)
      case 'unblock.drop':
        return this.#dropUnblock(effect)
      case 'worker':
        return this.#setWorker(effect.row)
      case 'worker.drop':
        return this.#dropWorker(effect)
      case 'worker.seen':
        return this.#seen(this.presence(effect.pid), effect.at)
      case 'worker.beat':
        for (const row of this.presence(effect.pid)) this.#setWorker({ ...row, beat: effect.beat })
        return
      case 'server.seen':
        return this.#seen(this.#connectedTo(effect.server), effect.at)
      case 'execute':
      case 'revoke':
      case 'note':
        return
    }
  }

  #setPromise(row: PromiseRow): void {
    const before = this.promises.get(row.id)
    this.promises.set(row.id, row)
    if (!before) {
      this.promiseIds.add(row.id)
      addTo(this.byOrigin, row.origin, row.id, compareIds)
      if (row.branch !== null) addTo(this.byBranch, row.branch, row.id, compareIds)
    }
    move(this.wakes, row.id, before?.wakeAt ?? null, row.wakeAt)
    move(this.ends, row.id, before?.settledAt ?? null, row.settledAt)
  }

  /** Its task is fulfilled, so it is in no index of what is due or in hand. */
  #dropPromise(id: string): void {
    const before = this.promises.get(id)
    if (!before) return
    this.promises.delete(id)
    this.promiseIds.delete(id)
    dropFrom(this.byOrigin, before.origin, id)
    if (before.branch !== null) dropFrom(this.byBranch, before.branch, id)
    move(this.wakes, id, before.wakeAt, null)
    move(this.ends, id, before.settledAt, null)
    if (this.tasks.delete(id)) this.taskIds.delete(id)
  }

  #setTask(row: TaskRow): void {
    const before = this.tasks.get(row.id)
    this.tasks.set(row.id, row)
    if (!before) this.taskIds.add(row.id)
    move(this.leases, row.id, leaseEnd(before), leaseEnd(row))
    move(this.pending, row.id, dueWhilePending(before), dueWhilePending(row))
    const [was, is] = [dueWhilePending(before), dueWhilePending(row)]
    if (before && was !== null) dropFrom(this.queues, before.queue, { at: was, id: row.id })
    if (is !== null) addTo(this.queues, row.queue, { at: is, id: row.id }, compareDue)
    shift(this.holdings, row.id, before?.pid ?? null, row.pid)
    shift(this.inHand, row.id, before ? handOf(before) : null, handOf(row))
  }

  #setSchedule(row: ScheduleRow): void {
    const before = this.schedules.get(row.id)
    this.schedules.set(row.id, row)
    if (!before) this.scheduleIds.add(row.id)
    move(this.runs, row.id, before?.nextRunAt ?? null, row.nextRunAt)
  }

  #dropSchedule(id: string): void {
    const before = this.schedules.get(id)
    if (!before) return
    this.schedules.delete(id)
    this.scheduleIds.delete(id)
    move(this.runs, id, before.nextRunAt, null)
  }

  #addUnblock(row: UnblockRow): void {
    const key = unblockKey(row)
    this.unblocks.set(key, row)
    this.unblockKeys.add(key)
    addTo(this.unblockQueues, row.queue, key, compareIds)
  }

  #dropUnblock(of: { readonly id: string; readonly address: string }): void {
    const key = unblockKey(of)
    const row = this.unblocks.get(key)
    if (!row) return
    this.unblocks.delete(key)
    this.unblockKeys.delete(key)
    dropFrom(this.unblockQueues, row.queue, key)
  }

  #setWorker(row: WorkerRow): void {
    const others = this.presence(row.pid).filter((one) => one.server !== row.server || one.group !== row.group)
    this.workers.set(row.pid, [...others, row].sort(compareWorkers))
  }

  #dropWorker({ server, group, pid }: { server: string; group: string; pid: string }): void {
    const left = this.presence(pid).filter((one) => one.server !== server || one.group !== group)
    if (left.length > 0) this.workers.set(pid, left)
    else this.workers.delete(pid)
  }

  #seen(rows: readonly WorkerRow[], at: number): void {
    for (const row of rows) this.#setWorker({ ...row, seenAt: Math.max(row.seenAt, at) })
  }

  #connectedTo(server: string): WorkerRow[] {
    return [...this.workers.values()].flat().filter((row) => row.server === server && row.goneAt === null)
  }

  /** Everything, in id order. */
  rows(): SnapshotRows {
    return {
      promises: [...this.promiseIds.from()].map((id) => this.promises.get(id) as PromiseRow),
      tasks: [...this.taskIds.from()].map((id) => this.tasks.get(id) as TaskRow),
      callbacks: pairs(this.callbacks).map(([awaited, awaiter]) => ({ awaiter, awaited })),
      listeners: pairs(this.listeners).map(([id, address]) => ({ id, address })),
      unblocks: [...this.unblocks.values()].sort(compareUnblocks),
    }
  }
}

/** The stored rows that `debug.snap` shows, each kind in id order. */
export interface SnapshotRows {
  readonly promises: readonly PromiseRow[]
  readonly tasks: readonly TaskRow[]
  readonly callbacks: readonly { awaiter: string; awaited: string }[]
  readonly listeners: readonly { id: string; address: string }[]
  readonly unblocks: readonly UnblockRow[]
}

/** Stored, unprojected rows → what `debug.snap` answers. Executes that are due at `now` are messages not handed over yet. */
export function snapshotOf(rows: SnapshotRows, { now, serverUrl }: { now: number; serverUrl: string }): DebugSnapshot {
  const { promises, tasks, callbacks, listeners, unblocks } = rows
  const byId = new Map(promises.map((row) => [row.id, row]))
  const armed = promises.filter((row) => row.state === 'pending')
  const timed = tasks.filter((row) => row.dueAt !== null)
  const due = timed.filter((row) => row.state === 'pending' && (row.dueAt as number) <= now)
  const executes = due.map(({ id, version, address }) => ({
    address,
    message: executeMessage({ id, version }, serverUrl),
  }))
  const owed = unblocks.map(({ id, address }) => ({ address, message: unblockMessage(byId.get(id) as PromiseRow) }))
  return {
    promises: promises.map(promiseRecord),
    promiseTimeouts: armed.map((row) => ({ id: row.id, timeout: row.timeoutAt })),
    callbacks,
    listeners,
    tasks: tasks.map(taskRecord),
    taskTimeouts: timed.map((row) => ({
      id: row.id,
      type: row.state === 'acquired' ? 1 : 0,
      timeout: row.dueAt as number,
    })),
    messages: [...executes, ...owed],
  }
}

export function unblockKey({ id, address }: { readonly id: string; readonly address: string }): string {
  return `${id}\0${address}`
}

export function compareUnblocks(a: UnblockRow, b: UnblockRow): number {
  return compareIds(a.id, b.id) || compareIds(a.address, b.address)
}

function compareWorkers(a: WorkerRow, b: WorkerRow): number {
  return compareIds(a.server, b.server) || compareIds(a.group, b.group)
}

/** The worker in whose hands a task may be: offered to it (the offer stands until it is due) or acquired by it. */
export function handOf(row: TaskRow): string | null {
  return row.state === 'acquired' || (row.state === 'pending' && row.offeredAt !== null) ? row.worker : null
}

function leaseEnd(row: TaskRow | undefined): number | null {
  return row?.state === 'acquired' ? row.dueAt : null
}

function dueWhilePending(row: TaskRow | undefined): number | null {
  return row?.state === 'pending' ? row.dueAt : null
}

function move(index: Ordered<Due>, id: string, from: number | null, to: number | null): void {
  if (from === to) return
  if (from !== null) index.delete({ at: from, id })
  if (to !== null) index.add({ at: to, id })
}

function shift(index: Map<string, Ordered<string>>, id: string, from: string | null, to: string | null): void {
  if (from === to) return
  if (from !== null) dropFrom(index, from, id)
  if (to !== null) addTo(index, to, id, compareIds)
}

function addTo<T>(index: Map<string, Ordered<T>>, key: string, entry: T, compare: (a: T, b: T) => number): void {
  const entries = index.get(key) ?? new Ordered<T>(compare)
  entries.add(entry)
  index.set(key, entries)
}

function dropFrom<T>(index: Map<string, Ordered<T>>, key: string, entry: T): void {
  const entries = index.get(key)
  entries?.delete(entry)
  if (entries?.size === 0) index.delete(key)
}

function take<T>(entries: Ordered<T> | undefined, limit: number): T[] {
  const taken: T[] = []
  for (const entry of entries?.from() ?? []) {
    if (taken.length >= limit) break
    taken.push(entry)
  }
  return taken
}

function pairs(index: Map<string, Ordered<string>>): [string, string][] {
  const keys = [...index.keys()].sort(compareIds)
  return keys.flatMap((key) =>
    [...(index.get(key) as Ordered<string>).from()].map((entry): [string, string] => [key, entry]),
  )
}
