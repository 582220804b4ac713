// The PostgreSQL store: many servers on one database. A batch is two round trips: begin, all locks, then rows and clock;
// then all writes and commit. READ COMMITTED, and the load is a statement after the locks, so that it sees what their
// last holders wrote. Nothing is kept here but the connections and the latest instant seen.

import {
  type Changes,
  compareIds,
  type Needs,
  type Page,
  type PromiseRow,
  type SnapshotRows,
  type TaskRow,
  type UnblockRow,
  type WorkerRow,
} from '@resonatehq/protocol'
import type pg from 'pg'
import { StoreClock } from '../clock.ts'
import {
  type Columns,
  READERS,
  readPromise,
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
  Hints,
  PromiseAndTask,
  SettledPromise,
  StoreStats,
  Transaction,
  UnblockKey,
} from '../store.ts'
import { LostRace, Unacceptable } from '../store.ts'
import {
  beginText,
  type ConnectionSettings,
  explain,
  isWithoutTls,
  mayBePlain,
  openPool,
  placeOf,
} from './connection.ts'
import { Counting, SUM_SLOT } from './counting.ts'
import { Floor } from './floor.ts'
import { PostgresHints } from './hints.ts'
import { load } from './load.ts'
import { idKey, LOCKING, type Locking, type LockingKind, scheduleKey } from './locks.ts'
import { migrate } from './migration.ts'
import { all, idOf, type Send, type Value } from './send.ts'
import { keyOf, LASTS, PAGES, SQL } from './statements.ts'
import { write } from './write.ts'

export interface PostgresOptions extends ConnectionSettings {
  /** `table` for databases without advisory locks. All servers of a database must agree. */
  readonly locking?: LockingKind
  /** Servers wake each other by notifications. Default: yes, unless the URL leads to a pooler and `notifyUrl` is missing. */
  readonly notify?: boolean
  /** Where to listen, if `url` leads to a pooler: what reaches the database itself. */
  readonly notifyUrl?: string
  /** This server's name: servers of different names seldom share a row of counters. */
  readonly server?: string
  /** Instead of the database's clock, for tests that move time by hand; nothing then waits for it but by `pause`. */
  readonly clock?: () => number
  /** Waits until the clock has moved. Default: the database sleeps, since it is its clock that has to. */
  readonly pause?: (ms: number) => Promise<unknown>
}

/** Distinct lock names of a batch: the database's table of locks is small, and shared by all servers. */
const LOCKS_MAX = 200
/** Rows of a page that is moved: large ones must not gather in memory. */
const PAGE_MAX = 100

export function postgresStore(options: PostgresOptions): MovableStore {
  return new PostgresStore(options)
}

class PostgresStore implements MovableStore {
  readonly isShared = true
  readonly hints?: Hints
  readonly locksMax = LOCKS_MAX
  readonly #options: PostgresOptions
  readonly #where: string
  readonly #locking: Locking
  readonly #counting: Counting
  readonly #clock: StoreClock
  readonly #floor: Floor
  #reading = 0
  #schemaVersion = 0
  #isPlain = false
  #pool: pg.Pool | null = null

  constructor(options: PostgresOptions) {
    this.#options = options
    this.#where = placeOf(options.url)
    this.#locking = LOCKING[options.locking ?? 'advisory']
    this.#counting = new Counting({ server: options.server ?? '', fold: (slot) => void this.#fold(slot) })
    this.#clock = new StoreClock(options.clock ?? (() => this.#reading))
    this.#floor = new Floor({
      clock: this.#clock,
      read: () => this.now(),
      write: (floorAt) => this.#send('setFloor', floorAt),
      pause: options.pause ?? ((ms) => this.#send('sleep', ms / 1000)),
      isTrusted: options.clock !== undefined && options.pause === undefined,
      where: this.#where,
    })
    const { notify = true, notifyUrl, isPooled } = options
    if (notify && (!isPooled || notifyUrl)) this.hints = new PostgresHints(() => this.#listening())
  }

  /** A pool for the one connection on which other servers are heard. */
  #listening(): pg.Pool {
    const url = this.#options.notifyUrl || this.#options.url
    const settings = { ...this.#options, url, isPooled: false, connectionsMax: 1 }
    return openPool(settings, { isPlain: this.#isPlain, lost: () => {} })
  }

  async open(): Promise<void> {
    try {
      this.#pool = this.#connected()
      await this.#migrate().catch((error) => this.#withoutTls(error))
      await this.now()
    } catch (error) {
      await this.close().catch(() => {})
      throw explain(error, this.#where)
    }
  }

  #connected(options: { isPlain?: boolean } = {}): pg.Pool {
    return openPool(this.#options, { ...options, lost: () => this.#floor.doubt() })
  }

  /** `prefer` and `allow`: without TLS, where the database has none. */
  async #withoutTls(error: unknown): Promise<void> {
    if (!isWithoutTls(error) || !mayBePlain(this.#options.url)) throw error
    await this.close()
    this.#isPlain = true
    this.#pool = this.#connected({ isPlain: true })
    await this.#migrate()
  }

  async #migrate(): Promise<void> {
    this.#schemaVersion = await migrate(this.#open, {
      locking: this.#options.locking ?? 'advisory',
      where: this.#where,
    })
  }

  async begin(needs: Needs): Promise<Transaction> {
    await this.#floor.passed()
    const client = await this.#open.connect()
    const locking = this.#locking
    const keys = new Set<string>()
    for (const id of needs.ids) keys.add(idKey(locking, id))
    for (const id of needs.schedules) keys.add(scheduleKey(locking, id))
    const send = this.#sender(client)
    return this.#orClose(client, async () => {
      const steps: Promise<unknown>[] = [client.query(beginText(this.#options))]
      if (keys.size > 0) steps.push(client.query(this.#prepared(locking.sql, [[...keys]])))
      const clock = send('clock')
      const loading = load(send, needs)
      const [, now, loaded] = await all([all(steps), this.#read(clock), loading])
      return this.#transaction(client, { now, loaded, covers: (id) => keys.has(idKey(locking, id)) })
    })
  }

  #transaction(client: pg.PoolClient, begun: Pick<Transaction, 'now' | 'loaded' | 'covers'>): Transaction {
    const send = this.#sender(client)
    let isOver = false
    const end = (fault?: Error) => {
      if (!isOver) client.release(fault)
      isOver = true
    }
    const failed = (error: unknown): never => {
      end(error as Error)
      throw faultOf(error)
    }
    return {
      ...begun,
      load: (more) => load(send, more).catch(failed),
      inHand: async (workers) => {
        const rows = await send('inHandOfEach', workers, begun.now).catch(failed)
        return new Map(rows.map(({ worker, n }) => [worker as string, n as number]))
      },
      commit: async (changes) => {
        await this.#commit(client, changes).catch(failed)
        end()
        await this.#floor.kept()
      },
      rollback: async () => {
        if (isOver) return
        await client.query('rollback').then(
          () => end(),
          (error: Error) => end(error),
        )
        await this.#floor.kept()
      },
    }
  }

  /** Whatever failed, the connection is given up: with it ends the transaction, and so do its locks. */
  async #orClose<T>(client: pg.PoolClient, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      client.release(error as Error)
      throw faultOf(error)
    }
  }

  async #commit(client: pg.PoolClient, changes: Changes): Promise<void> {
    const send = this.#sender(client)
    const writes = write(send, changes, this.#counting.slotAt(this.#clock.now()))
    const commit = client.query('commit')
    await all([...writes, commit])
    // After a statement that failed, PostgreSQL answers a commit with a rollback.
    const { command } = await commit
    if (command !== 'COMMIT') throw new Error(`${this.#where} answered ${command} to a commit: nothing was written`)
  }

  async #fold(slot: number): Promise<void> {
    try {
      await this.#send('foldCounters', slot, SUM_SLOT)
      await this.#send('dropSums', SUM_SLOT)
    } catch {
      // What is not added to the sum counts where it is; what the database lacks is noticed by the next batch.
    }
  }

  async now(): Promise<number> {
    return this.#read(this.#send('clock'))
  }

  /** Never below what was seen here, nor below what any server has persisted. */
  async #read(clock: Promise<Columns[]>): Promise<number> {
    const [row] = await clock
    this.#reading = row?.now_at as number
    this.#clock.restore(row?.floor_at as number)
    return this.#clock.now()
  }

  async due({ now, limit }: { now: number; limit: number }): Promise<DueIds> {
    const names = ['promisesDue', 'leasesDue', 'schedulesDue'] as const
    const [promises, leases, schedules] = await all(names.map((name) => this.#ids(name, now, limit)))
    return { promises: promises ?? [], leases: leases ?? [], schedules: schedules ?? [] }
  }

  async nextDueAt(after: number): Promise<number | null> {
    const [row] = await this.#send('nextDue', after)
    return row?.at as number | null
  }

  async ready({ queues, now, limit }: { queues: readonly string[]; now: number; limit: number }): Promise<TaskRow[]> {
    return (await this.#tasks('tasksReady', queues.map(keyOf), now, limit)).sort(byDue)
  }

  async readyPushed({ now, limit }: { now: number; limit: number }): Promise<TaskRow[]> {
    return this.#tasks('tasksPushed', now, limit)
  }

  async ripened({ after, until, limit }: { after: DueMark; until: number; limit: number }): Promise<TaskRow[]> {
    return this.#tasks('tasksRipened', after.at, after.id, until, limit)
  }

  async held({ pid, after, limit }: { pid: string; after: string; limit: number }): Promise<TaskRow[]> {
    return this.#tasks('tasksHeld', pid, after, limit)
  }

  async inHand({ worker, now }: { worker: string; now: number }): Promise<number> {
    const [row] = await this.#send('inHand', worker, now)
    return row?.n as number
  }

  async unblocks({ queues, limit }: { queues: readonly string[]; limit: number }): Promise<UnblockRow[]> {
    return (await this.#send('unblocksOfQueues', queues.map(keyOf), limit)).map(readUnblock)
  }

  async unblocksPushed({ after, limit }: { after: UnblockKey; limit: number }): Promise<UnblockRow[]> {
    return (await this.#send('unblocksPushed', after.id, keyOf(after.address), limit)).map(readUnblock)
  }

  async promises({ ids, bytesMax }: { ids: readonly string[]; bytesMax: number }): Promise<Page<PromiseRow>> {
    const rows = await this.#send('promisesWithin', ids, bytesMax)
    return { rows: rows.map(readPromise), more: rows.length < ((rows[0]?.found as number | undefined) ?? 0) }
  }

  async unblocksBefore({ createdAt, limit }: { createdAt: number; limit: number }) {
    return (await this.#send('unblocksBefore', createdAt, limit)).map(readUnblock)
  }

  async absent({ goneBefore, seenBefore }: { goneBefore: number; seenBefore: number }): Promise<string[]> {
    return (await this.#send('absent', goneBefore, Math.min(goneBefore, seenBefore))).map((row) => row.pid as string)
  }

  async forgettable({ seenBefore, limit }: { seenBefore: number; limit: number }): Promise<string[]> {
    return (await this.#send('forgettable', seenBefore, limit)).map((row) => row.pid as string)
  }

  async settled({ after, until, limit }: { after: DueMark; until: number; limit: number }): Promise<SettledPromise[]> {
    return (await this.#send('promisesSettled', after.at, after.id, until, limit)).map(readSettled)
  }

  async counters(): Promise<Map<string, number>> {
    return new Map((await this.#send('counters')).map(({ name, value }) => [name as string, value as number]))
  }

  async pairs({ ids }: { ids: readonly string[] }): Promise<PromiseAndTask[]> {
    const [promises, tasks] = await all([this.#send('promises', ids), this.#tasks('tasks', ids)])
    const taskOf = new Map(tasks.map((task) => [task.id, task]))
    return promises.map(readPromise).map((promise) => ({ promise, task: taskOf.get(promise.id) ?? null }))
  }

  async workers({ limit }: { limit: number }): Promise<WorkerRow[]> {
    return (await this.#send('allWorkers', limit)).map(readWorker)
  }

  async backlog({ queue, now, limit }: { queue: string; now: number; limit: number }): Promise<Backlog> {
    const [row] = await this.#send('backlog', keyOf(queue), now, limit)
    return { count: row?.n as number, oldestAt: row?.oldest_at as number | null }
  }

  stats(): StoreStats {
    const { totalCount: open, idleCount: idle, waitingCount: waiting } = this.#open
    return { schemaVersion: this.#schemaVersion, connections: { open, idle, waiting } }
  }

  async snapshot(): Promise<SnapshotRows> {
    const client = await this.#open.connect()
    const send = this.#sender(client)
    return this.#orClose(client, async () => {
      const begun = client.query('begin isolation level repeatable read read only')
      const names = ['allCallbacks', 'allListeners', 'allUnblocks'] as const
      const whole = ['promisesAfter', 'tasksAfter'] as const
      const reads = [...whole.map((name) => send(name, '', null)), ...names.map((name) => send(name))]
      const [rows] = await all([all(reads), begun, client.query('commit')])
      client.release()
      return snapshotOf(rows)
    })
  }

  async reset(): Promise<void> {
    await this.#open.query(`begin; ${TABLES.map((table) => `delete from ${table};`).join(' ')} commit`)
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
    const [first, second] = after
    // Addresses stand in indexes under a key of their own.
    const key = !PAIRED.has(table) ? [first] : [first, table === 'callbacks' ? second : keyOf(second)]
    const rows = await this.#send(PAGES[table], ...key, Math.min(limit, PAGE_MAX))
    return rows.map(READERS[table])
  }

  async last(table: MovedTable): Promise<Key | null> {
    const [row] = await this.#send(LASTS[table])
    return row ? [row.first as string, (row.second ?? '') as string] : null
  }

  async others(): Promise<number> {
    const [row] = await this.#send('connections')
    return (row?.n as number) - this.#open.totalCount
  }

  async close(): Promise<void> {
    const pool = this.#pool
    this.#pool = null
    await pool?.end()
  }

  get #open(): pg.Pool {
    if (!this.#pool) throw new Error(`the store on ${this.#where} is not open`)
    return this.#pool
  }

  async #tasks(name: keyof typeof SQL, ...values: Value[]): Promise<TaskRow[]> {
    return (await this.#send(name, ...values)).map(readTask)
  }

  async #ids(name: keyof typeof SQL, ...values: Value[]): Promise<string[]> {
    return (await this.#send(name, ...values)).map(idOf)
  }

  readonly #send: Send = async (name, ...values) => {
    return (await this.#open.query(this.#prepared(SQL[name], values, name))).rows
  }

  #sender(client: pg.PoolClient): Send {
    return async (name, ...values) => (await client.query(this.#prepared(SQL[name], values, name))).rows
  }

  #prepared(text: string, values: readonly unknown[], name = 'locks'): pg.QueryConfig {
    return this.#options.isPooled ? { text, values: [...values] } : { name, text, values: [...values] }
  }
}

/** Data that does not fit its type, a constraint, or a limit of the program. */
const UNACCEPTABLE = /^(?:22|23|54)...$/

/** The table of locks is full, which all transactions share. The one that asks for more than its part is to fail alone. */
const OUT_OF_LOCKS = '53200'
const LOCKS_WAY_OUT = 'raise max_locks_per_transaction there, or set storage.postgres.locks to table'

/** Deadlocks and conflicts of snapshots: the database has undone one of two that met, and asks for it again. */
function faultOf(error: unknown): unknown {
  const { code = '', message } = error as Error & { code?: string }
  if (code === '40P01' || code === '40001') return new LostRace(message)
  if (code === OUT_OF_LOCKS)
    return new Unacceptable(`${message}: it names more promises than the database has locks for, ${LOCKS_WAY_OUT}`)
  return UNACCEPTABLE.test(code) ? new Unacceptable(message) : error
}

function snapshotOf([promises, tasks, callbacks, listeners, unblocks]: readonly Columns[][]): SnapshotRows {
  return {
    promises: (promises ?? []).map(readPromise),
    tasks: (tasks ?? []).map(readTask),
    callbacks: (callbacks ?? []).map((row) => ({ awaiter: row.awaiter as string, awaited: row.awaited as string })),
    listeners: (listeners ?? []).map((row) => ({ id: row.awaited as string, address: row.address as string })),
    unblocks: (unblocks ?? []).map(readUnblock),
  }
}

function byDue(a: TaskRow, b: TaskRow): number {
  return (a.dueAt as number) - (b.dueAt as number) || compareIds(a.id, b.id)
}
