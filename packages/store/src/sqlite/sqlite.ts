// The SQLite store, on node:sqlite: one file, WAL, synchronous=FULL. Group commit makes FULL nearly free, and without it
// a power cut loses what was acknowledged. The file is locked for this process alone: two servers on one file is refused
// at start, because the engine decides in memory between its reads and its commit.

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import {
  type Changes,
  compareIds,
  compareUnblocks,
  cutOwed,
  cutPage,
  cutWaiters,
  emptyLoad,
  groupOfCounter,
  type Loaded,
  type Needs,
  type Owed,
  type Page,
  type PromiseRow,
  type Scan,
  type ScanRows,
  type ScanTable,
  type SnapshotRows,
  type TaskRow,
  type UnblockRow,
  WAITERS_PAGE,
  type Waiters,
  type WorkerRow,
} from '@resonatehq/protocol'
import { StoreClock } from '../clock.ts'
import {
  type Column,
  type Columns,
  READERS,
  readPromise,
  readSchedule,
  readSettled,
  readTask,
  readUnblock,
  readWorker,
  TABLES,
} from '../columns.ts'
import { type Key, type MovableStore, type MovedRows, type MovedTable, PAIRED } from '../move.ts'
import type {
  Backlog,
  DueIds,
  DueMark,
  PromiseAndTask,
  SettledPromise,
  StoreStats,
  Transaction,
  UnblockKey,
} from '../store.ts'
import { Copy } from './copy.ts'
import { openDatabase } from './file.ts'
import * as rows from './statements.ts'
import { LASTS, PAGES, SQL } from './statements.ts'

/** Texts of a page that is moved. */
const PAGE_CHARS_MAX = 4 * 1024 * 1024

export interface SqliteOptions {
  /** File, created where it does not exist. `:memory:` for none. */
  readonly path: string
  /** Wall clock, ms since epoch. */
  readonly wall: () => number
}

export function sqliteStore(options: SqliteOptions): MovableStore {
  return new SqliteStore(options)
}

class SqliteStore implements MovableStore {
  readonly #path: string
  readonly #clock: StoreClock
  readonly #statements = new Map<string, StatementSync>()
  /** Backups that are being written. */
  readonly #copies = new Set<Copy>()
  #database: DatabaseSync | null = null
  #schemaVersion = 0

  constructor({ path, wall }: SqliteOptions) {
    this.#path = path
    this.#clock = new StoreClock(wall, { goesOn: true })
  }

  async open(): Promise<void> {
    const { database, schemaVersion } = openDatabase(this.#path)
    this.#database = database
    this.#schemaVersion = schemaVersion
    this.#clock.restore(this.#one(SQL.floor)?.floor_at as number)
  }

  async begin(needs: Needs): Promise<Transaction> {
    return {
      now: this.#clock.now(),
      loaded: this.#load(needs),
      covers: () => true,
      load: async (more) => this.#load(more),
      commit: async (changes) => {
        for (const copy of this.#copies) await copy.step()
        this.#commit(changes)
      },
      rollback: async () => {},
    }
  }

  #load(needs: Needs): Loaded {
    const loaded = emptyLoad()
    for (const id of needs.ids) {
      const promise = this.#one(SQL.promise, id)
      const task = promise && this.#one(SQL.task, id)
      loaded.promises.set(id, promise ? readPromise(promise) : null)
      loaded.tasks.set(id, task ? readTask(task) : null)
    }
    for (const id of needs.waiters) loaded.waiters.set(id, this.#waiters(id))
    for (const id of needs.owed) loaded.owed.set(id, this.#unblocksOf(id))
    for (const id of needs.schedules) {
      const schedule = this.#one(SQL.schedule, id)
      loaded.schedules.set(id, schedule ? readSchedule(schedule) : null)
    }
    for (const pid of needs.held) loaded.held.set(pid, this.#ids(SQL.heldIds, pid))
    for (const pid of needs.presence) loaded.presence.set(pid, this.#all(SQL.presence, pid).map(readWorker))
    for (const [key, scan] of needs.scans) loaded.scans.set(key, { scan, page: this.#scan(scan) })
    return loaded
  }

  #waiters(id: string): Waiters {
    const awaiters = this.#all(SQL.callbacks, id, WAITERS_PAGE + 1).map((row) => row.awaiter as string)
    const addresses = this.#all(SQL.listeners, id, WAITERS_PAGE + 1).map((row) => row.address as string)
    return cutWaiters(awaiters, addresses)
  }

  #unblocksOf(id: string): Owed {
    return cutOwed(this.#all(SQL.unblocksOf, id, WAITERS_PAGE + 1).map((row) => row.address as string))
  }

  #scan(scan: Scan): Page<ScanRows[ScanTable]> {
    switch (scan.table) {
      case 'promises':
        return cutPage(map(this.#promisesAfter(scan), readPromise), scan)
      case 'tasks':
        return cutPage(
          map(this.#iterate(SQL.tasksAfter, scan.after), (row) => this.#withPromise(row)),
          scan,
        )
      case 'schedules':
        return cutPage(map(this.#iterate(SQL.schedulesAfter, scan.after), readSchedule), scan)
    }
  }

  #promisesAfter({ origin, branch, after }: Scan): Iterable<Columns> {
    if (origin !== undefined) return this.#iterate(SQL.promisesOfOrigin, origin, after, origin, after)
    if (branch !== undefined) return this.#iterate(SQL.promisesOfBranch, branch, after, branch, after)
    return this.#iterate(SQL.promisesAfter, after)
  }

  #withPromise(row: Columns): ScanRows['tasks'] {
    return { task: readTask(row), promise: this.#promise(row.id as string) }
  }

  #commit(changes: Changes): void {
    const floorAt = this.#clock.floorDue()
    this.#atomically(() => {
      this.#write(changes)
      if (floorAt !== null) this.#run(SQL.setFloor, floorAt)
    })
    if (floorAt !== null) this.#clock.floored(floorAt)
  }

  #write(changes: Changes): void {
    for (const id of changes.forgotten) {
      this.#run(SQL.deletePromise, id)
      this.#run(SQL.deleteTask, id)
    }
    for (const { row, isNew } of changes.promises) {
      if (isNew) this.#run(SQL.insertPromise, ...rows.promiseColumns(row))
      else this.#run(SQL.updatePromise, ...rows.settledColumns(row))
    }
    for (const { row, isNew } of changes.tasks) {
      if (isNew) this.#run(SQL.insertTask, ...rows.taskColumns(row))
      else this.#run(SQL.updateTask, ...rows.taskChangeColumns(row))
    }
    for (const { awaited, awaiter, isAdded } of changes.callbacks) {
      this.#run(isAdded ? SQL.insertCallback : SQL.deleteCallback, awaited, awaiter)
    }
    for (const { awaited, address, isAdded } of changes.listeners) {
      this.#run(isAdded ? SQL.insertListener : SQL.deleteListener, awaited, address)
    }
    for (const { id, address, row } of changes.unblocks) {
      if (row) this.#run(SQL.insertUnblock, id, address, row.queue, row.createdAt)
      else this.#run(SQL.deleteUnblock, id, address)
    }
    for (const [id, row] of changes.schedules) {
      if (row) this.#run(SQL.upsertSchedule, ...rows.scheduleColumns(row))
      else this.#run(SQL.deleteSchedule, id)
    }
    for (const effect of changes.workers) this.#writeWorker(effect)
    for (const [name, delta] of changes.counters) this.#count(name, delta)
  }

  /** Counters of groups go when they are zero: groups come and go. */
  #count(name: string, delta: number): void {
    this.#run(SQL.addCounter, name, delta)
    if (delta < 0 && groupOfCounter(name)) this.#run(SQL.dropCounter, name)
  }

  #writeWorker(effect: Changes['workers'][number]): void {
    switch (effect.kind) {
      case 'worker':
        return this.#run(SQL.upsertWorker, ...rows.workerColumns(effect.row))
      case 'worker.drop':
        return this.#run(SQL.deleteWorker, effect.pid, effect.server, effect.group)
      case 'worker.seen':
        return this.#run(SQL.seeWorker, effect.at, effect.pid)
      case 'worker.beat':
        return this.#run(SQL.beatWorker, JSON.stringify(effect.beat), effect.pid)
      case 'server.seen':
        return this.#run(SQL.seeServer, effect.at, effect.server)
    }
  }

  async now(): Promise<number> {
    return this.#clock.now()
  }

  async due({ now, limit }: { now: number; limit: number }): Promise<DueIds> {
    return {
      promises: this.#ids(SQL.promisesDue, now, limit),
      leases: this.#ids(SQL.leasesDue, now, limit),
      schedules: this.#ids(SQL.schedulesDue, now, limit),
    }
  }

  async nextDueAt(after: number): Promise<number | null> {
    const queries = [SQL.nextWake, SQL.nextLease, SQL.nextPending, SQL.nextSchedule]
    const armed = queries.map((sql) => this.#one(sql, after)?.at).filter((at) => typeof at === 'number')
    return armed.length === 0 ? null : Math.min(...armed)
  }

  async ready({ queues, now, limit }: { queues: readonly string[]; now: number; limit: number }): Promise<TaskRow[]> {
    const due = queues.flatMap((queue) => this.#tasks(SQL.tasksReady, queue, now, limit))
    return due.sort((a, b) => (a.dueAt as number) - (b.dueAt as number) || compareIds(a.id, b.id)).slice(0, limit)
  }

  async readyPushed({ now, limit }: { now: number; limit: number }): Promise<TaskRow[]> {
    return this.#tasks(SQL.tasksPushed, now, limit)
  }

  async ripened({ after, until, limit }: { after: DueMark; until: number; limit: number }): Promise<TaskRow[]> {
    return this.#tasks(SQL.tasksRipened, after.at, after.id, until, limit)
  }

  async held({ pid, after, limit }: { pid: string; after: string; limit: number }): Promise<TaskRow[]> {
    return this.#tasks(SQL.tasksHeld, pid, after, limit)
  }

  async inHand({ worker, now }: { worker: string; now: number }): Promise<number> {
    const [held, offered] = [this.#one(SQL.countHeld, worker), this.#one(SQL.countOffered, worker, now)]
    return (held?.n as number) + (offered?.n as number)
  }

  async unblocks({ queues, limit }: { queues: readonly string[]; limit: number }): Promise<UnblockRow[]> {
    const owed = queues.flatMap((queue) => this.#all(SQL.unblocksOfQueue, queue, limit)).map(readUnblock)
    return owed.sort(compareUnblocks).slice(0, limit)
  }

  async unblocksPushed({ after, limit }: { after: UnblockKey; limit: number }): Promise<UnblockRow[]> {
    return this.#all(SQL.unblocksPushed, after.id, after.address, limit).map(readUnblock)
  }

  async promises({ ids, bytesMax }: { ids: readonly string[]; bytesMax: number }): Promise<Page<PromiseRow>> {
    return cutPage(this.#stored(ids), { table: 'promises', limit: ids.length, bytesMax })
  }

  /** One after the other, so that no more are read than are taken. */
  *#stored(ids: readonly string[]): Generator<PromiseRow> {
    for (const id of ids) {
      const row = this.#one(SQL.promise, id)
      if (row) yield readPromise(row)
    }
  }

  async unblocksBefore({ createdAt, limit }: { createdAt: number; limit: number }): Promise<UnblockRow[]> {
    return this.#all(SQL.unblocksBefore, createdAt, limit).map(readUnblock)
  }

  async absent({ goneBefore, seenBefore }: { goneBefore: number; seenBefore: number }): Promise<string[]> {
    return this.#all(SQL.absent, goneBefore, Math.min(goneBefore, seenBefore)).map((row) => row.pid as string)
  }

  async forgettable({ seenBefore, limit }: { seenBefore: number; limit: number }): Promise<string[]> {
    return this.#all(SQL.forgettable, seenBefore, limit).map((row) => row.pid as string)
  }

  async settled({ after, until, limit }: { after: DueMark; until: number; limit: number }): Promise<SettledPromise[]> {
    return this.#all(SQL.promisesSettled, after.at, after.id, until, limit).map(readSettled)
  }

  async counters(): Promise<Map<string, number>> {
    return new Map(this.#all(SQL.counters).map(({ name, value }) => [name as string, value as number]))
  }

  async pairs({ ids }: { ids: readonly string[] }): Promise<PromiseAndTask[]> {
    return ids.flatMap((id) => {
      const promise = this.#one(SQL.promise, id)
      const task = promise && this.#one(SQL.task, id)
      return promise ? [{ promise: readPromise(promise), task: task ? readTask(task) : null }] : []
    })
  }

  async workers({ limit }: { limit: number }): Promise<WorkerRow[]> {
    return this.#all(SQL.allWorkers, limit).map(readWorker)
  }

  async backlog({ queue, now, limit }: { queue: string; now: number; limit: number }): Promise<Backlog> {
    const [first] = this.#tasks(SQL.tasksReady, queue, now, 1)
    return { count: this.#one(SQL.countReady, queue, now, limit)?.n as number, oldestAt: first?.sinceAt ?? null }
  }

  stats(): StoreStats {
    return { schemaVersion: this.#schemaVersion }
  }

  async snapshot(): Promise<SnapshotRows> {
    return {
      promises: this.#all(SQL.promisesAfter, '').map(readPromise),
      tasks: this.#all(SQL.tasksAfter, '').map(readTask),
      callbacks: this.#all(SQL.allCallbacks).map((row) => ({ awaiter: text(row.awaiter), awaited: text(row.awaited) })),
      listeners: this.#all(SQL.allListeners).map((row) => ({ id: text(row.awaited), address: text(row.address) })),
      unblocks: this.#all(SQL.allUnblocks).map(readUnblock),
    }
  }

  async reset(): Promise<void> {
    this.#atomically(() => this.#db.exec(TABLES.map((table) => `delete from ${table};`).join(' ')))
  }

  async page<T extends MovedTable>({
    table,
    after,
    limit,
  }: {
    table: T
    after: Key
    limit: number
  }): Promise<MovedRows[T][]> {
    const sql = PAGES[table]
    const key = PAIRED.has(table) ? after : after.slice(0, 1)
    const page: MovedRows[T][] = []
    let chars = 0
    for (const row of this.#iterate(sql, ...key)) {
      page.push(READERS[table](row))
      for (const column of Object.values(row)) if (typeof column === 'string') chars += column.length
      if (page.length >= limit || chars >= PAGE_CHARS_MAX) break
    }
    return page
  }

  async last(table: MovedTable): Promise<Key | null> {
    const row = this.#one(LASTS[table])
    return row ? [row.first as string, (row.second ?? '') as string] : null
  }

  async backup(path: string): Promise<void> {
    const copy = new Copy(this.#db, path)
    this.#copies.add(copy)
    await copy.ended.finally(() => this.#copies.delete(copy))
  }

  async close(): Promise<void> {
    if (!this.#database) return
    this.#statements.clear()
    // Brings the log into the file. Where that cannot be, on a full disk for one, the log stays and is read at the next start.
    this.#database.close()
    this.#database = null
  }

  get #db(): DatabaseSync {
    if (!this.#database) throw new Error(`the store on ${this.#path} is not open`)
    return this.#database
  }

  #atomically(work: () => void): void {
    this.#db.exec('begin immediate')
    try {
      work()
      this.#db.exec('commit')
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('rollback')
      throw error
    }
  }

  #promise(id: string): PromiseRow {
    return readPromise(this.#one(SQL.promise, id) as Columns)
  }

  #tasks(sql: string, ...values: Column[]): TaskRow[] {
    return this.#all(sql, ...values).map(readTask)
  }

  #ids(sql: string, ...values: Column[]): string[] {
    return this.#all(sql, ...values).map((row) => row.id as string)
  }

  #one(sql: string, ...values: Column[]): Columns | undefined {
    return this.#statement(sql).get(...values) as Columns | undefined
  }

  #all(sql: string, ...values: Column[]): Columns[] {
    return this.#statement(sql).all(...values) as Columns[]
  }

  #iterate(sql: string, ...values: Column[]): Iterable<Columns> {
    return this.#statement(sql).iterate(...values) as Iterable<Columns>
  }

  #run(sql: string, ...values: Column[]): void {
    this.#statement(sql).run(...values)
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known) return known
    const prepared = this.#db.prepare(sql)
    this.#statements.set(sql, prepared)
    return prepared
  }
}

function text(column: Column | undefined): string {
  return column as string
}

function* map<T, U>(items: Iterable<T>, change: (item: T) => U): Generator<U> {
  for (const item of items) yield change(item)
}
