// The store of dev mode, of the SDK's local mode, of tests and of the simulation: the protocol's tables and a clock.

import {
  type Changes,
  compareDue,
  compareIds,
  compareUnblocks,
  cutPage,
  type Due,
  type Effect,
  emptyLoad,
  type Loaded,
  type Needs,
  type Ordered,
  type Page,
  type PromiseRow,
  type SnapshotRows,
  Tables,
  type TaskRow,
  type UnblockRow,
  unblockKey,
  type WorkerRow,
} from '@resonatehq/protocol'
import { StoreClock } from './clock.ts'
import {
  type Backlog,
  type DueIds,
  type DueMark,
  type PromiseAndTask,
  PUSHED_FROM,
  PUSHED_UNTIL,
  type SettledPromise,
  type Store,
  type Transaction,
  type UnblockKey,
} from './store.ts'

/** A store in this process's memory: gone with it. `wall`: ms since epoch. */
export function memoryStore({ wall }: { readonly wall: () => number }): Store {
  return new MemoryStore(wall)
}

class MemoryStore implements Store {
  #tables = new Tables()
  #counters = new Map<string, number>()
  readonly #clock: StoreClock

  constructor(wall: () => number) {
    this.#clock = new StoreClock(wall, { goesOn: true })
  }

  async open(): Promise<void> {}

  async begin(needs: Needs): Promise<Transaction> {
    return {
      now: this.#clock.now(),
      loaded: this.#load(needs),
      covers: () => true,
      load: async (more) => this.#load(more),
      commit: async (changes) => this.#commit(changes),
      rollback: async () => {},
    }
  }

  #load(needs: Needs): Loaded {
    const tables = this.#tables
    const loaded = emptyLoad()
    for (const id of needs.ids) {
      loaded.promises.set(id, tables.promise(id))
      loaded.tasks.set(id, tables.task(id))
    }
    for (const id of needs.waiters) loaded.waiters.set(id, tables.waiters(id))
    for (const id of needs.owed) loaded.owed.set(id, tables.owed(id))
    for (const id of needs.schedules) loaded.schedules.set(id, tables.schedule(id))
    for (const pid of needs.held) loaded.held.set(pid, tables.held(pid))
    for (const pid of needs.presence) loaded.presence.set(pid, tables.presence(pid))
    for (const [key, scan] of needs.scans) loaded.scans.set(key, { scan, page: tables.scan(scan) })
    return loaded
  }

  #commit(changes: Changes): void {
    for (const effect of effectsOf(changes)) this.#tables.apply(effect)
    for (const [name, delta] of changes.counters) {
      const value = (this.#counters.get(name) ?? 0) + delta
      if (value === 0) this.#counters.delete(name)
      else this.#counters.set(name, value)
    }
  }

  async now(): Promise<number> {
    return this.#clock.now()
  }

  async due({ now, limit }: { now: number; limit: number }): Promise<DueIds> {
    const until = (index: Ordered<Due>) => [...upTo(index, now, limit)].map(({ id }) => id)
    const { wakes, leases, runs } = this.#tables
    return { promises: until(wakes), leases: until(leases), schedules: until(runs) }
  }

  async nextDueAt(after: number): Promise<number | null> {
    const { wakes, leases, runs, pending } = this.#tables
    const firsts = [wakes, leases, runs, pending].map((index) => index.from({ at: after + 1, id: '' }).next().value?.at)
    const armed = firsts.filter((at) => at !== undefined)
    return armed.length === 0 ? null : Math.min(...armed)
  }

  async ready({ queues, now, limit }: { queues: readonly string[]; now: number; limit: number }): Promise<TaskRow[]> {
    const indexes = queues.map((queue) => this.#tables.queues.get(queue)).filter((index) => index !== undefined)
    const due = indexes.flatMap((index) => [...upTo(index, now, limit)]).sort(compareDue)
    return due.slice(0, limit).map(({ id }) => this.#task(id))
  }

  async readyPushed({ now, limit }: { now: number; limit: number }): Promise<TaskRow[]> {
    return this.ready({ queues: [...this.#tables.queues.keys()].filter(isPushed), now, limit })
  }

  async ripened({ after, until, limit }: { after: DueMark; until: number; limit: number }): Promise<TaskRow[]> {
    const rows: TaskRow[] = []
    for (const { at, id } of this.#tables.pending.from(after)) {
      if (at > until || rows.length >= limit) break
      if (at !== after.at || id !== after.id) rows.push(this.#task(id))
    }
    return rows
  }

  async held({ pid, after, limit }: { pid: string; after: string; limit: number }): Promise<TaskRow[]> {
    const rows: TaskRow[] = []
    for (const id of this.#tables.holdings.get(pid)?.from(after) ?? []) {
      if (rows.length >= limit) break
      if (id !== after) rows.push(this.#task(id))
    }
    return rows
  }

  async inHand({ worker, now }: { worker: string; now: number }): Promise<number> {
    const ids = [...(this.#tables.inHand.get(worker)?.from() ?? [])]
    return ids.map((id) => this.#task(id)).filter((row) => row.state === 'acquired' || (row.dueAt ?? 0) > now).length
  }

  async unblocks({ queues, limit }: { queues: readonly string[]; limit: number }): Promise<UnblockRow[]> {
    const keys = queues.flatMap((queue) => [...(this.#tables.unblockQueues.get(queue)?.from() ?? [])])
    return this.#unblocks(keys).slice(0, limit)
  }

  async unblocksPushed({ after, limit }: { after: UnblockKey; limit: number }): Promise<UnblockRow[]> {
    const { unblockQueues } = this.#tables
    const keys = [...unblockQueues.keys()].filter(isPushed)
    const behind = keys.flatMap((queue) => [...(unblockQueues.get(queue)?.from(unblockKey(after)) ?? [])])
    return this.#unblocks(behind.filter((key) => key !== unblockKey(after))).slice(0, limit)
  }

  #unblocks(keys: readonly string[]): UnblockRow[] {
    return keys.map((key) => this.#tables.unblocks.get(key) as UnblockRow).sort(compareUnblocks)
  }

  async promises({ ids, bytesMax }: { ids: readonly string[]; bytesMax: number }): Promise<Page<PromiseRow>> {
    const rows = ids.map((id) => this.#tables.promise(id)).filter((row) => row !== null)
    return cutPage(rows, { table: 'promises', limit: ids.length, bytesMax })
  }

  async unblocksBefore({ createdAt, limit }: { createdAt: number; limit: number }): Promise<UnblockRow[]> {
    const old = [...this.#tables.unblocks.values()].filter((row) => row.createdAt < createdAt)
    return old.sort((a, b) => a.createdAt - b.createdAt || compareUnblocks(a, b)).slice(0, limit)
  }

  async absent(query: { goneBefore: number; seenBefore: number }): Promise<string[]> {
    const holders = [...this.#tables.holdings.keys()]
    return holders.filter((pid) => isAbsent(this.#tables.presence(pid), query))
  }

  async forgettable({ seenBefore, limit }: { seenBefore: number; limit: number }): Promise<string[]> {
    const old = [...this.#tables.workers].filter(([, rows]) => rows.some((row) => row.seenAt < seenBefore))
    return old
      .map(([pid]) => pid)
      .sort(compareIds)
      .slice(0, limit)
  }

  async settled({ after, until, limit }: { after: DueMark; until: number; limit: number }): Promise<SettledPromise[]> {
    const rows: SettledPromise[] = []
    for (const { at, id } of this.#tables.ends.from(after)) {
      if (at > until || rows.length >= limit) break
      if (at !== after.at || id !== after.id)
        rows.push({ id, settledAt: at, tags: this.#tables.promise(id)?.tags ?? {} })
    }
    return rows
  }

  async counters(): Promise<Map<string, number>> {
    return new Map(this.#counters)
  }

  async pairs({ ids }: { ids: readonly string[] }): Promise<PromiseAndTask[]> {
    return ids.flatMap((id) => {
      const promise = this.#tables.promise(id)
      return promise ? [{ promise, task: this.#tables.task(id) }] : []
    })
  }

  async workers({ limit }: { limit: number }): Promise<WorkerRow[]> {
    const pids = [...this.#tables.workers.keys()].sort(compareIds)
    return pids.flatMap((pid) => this.#tables.presence(pid)).slice(0, limit)
  }

  async backlog({ queue, now, limit }: { queue: string; now: number; limit: number }): Promise<Backlog> {
    const index = this.#tables.queues.get(queue)
    const due = index ? [...upTo(index, now, limit)] : []
    const [first] = due
    return { count: due.length, oldestAt: first ? this.#task(first.id).sinceAt : null }
  }

  async snapshot(): Promise<SnapshotRows> {
    return this.#tables.rows()
  }

  async reset(): Promise<void> {
    this.#tables = new Tables()
    this.#counters = new Map()
  }

  async close(): Promise<void> {}

  #task(id: string): TaskRow {
    return this.#tables.tasks.get(id) as TaskRow
  }
}

/** Final rows as the effects that write them. */
function* effectsOf(changes: Changes): Generator<Effect> {
  for (const id of changes.forgotten) yield { kind: 'promise.drop', id }
  for (const { row } of changes.promises) yield { kind: 'promise', row }
  for (const { row } of changes.tasks) yield { kind: 'task', row }
  for (const [id, row] of changes.schedules) yield row ? { kind: 'schedule', row } : { kind: 'schedule.drop', id }
  for (const { awaited, awaiter, isAdded } of changes.callbacks) {
    yield { kind: isAdded ? 'callback.add' : 'callback.drop', awaited, awaiter }
  }
  for (const { awaited, address, isAdded } of changes.listeners) {
    yield { kind: isAdded ? 'listener.add' : 'listener.drop', awaited, address }
  }
  for (const { id, address, row } of changes.unblocks) {
    yield row ? { kind: 'unblock.add', row } : { kind: 'unblock.drop', id, address }
  }
  yield* changes.workers
}

/** Absent: every connection is gone for good, or its server silent; and the last of them long enough ago. */
function isAbsent(rows: readonly WorkerRow[], query: { goneBefore: number; seenBefore: number }): boolean {
  const isOver = ({ goneAt, seenAt }: WorkerRow) =>
    goneAt === null
      ? seenAt <= Math.min(query.seenBefore, query.goneBefore)
      : goneAt <= query.goneBefore && seenAt <= goneAt
  return rows.length > 0 && rows.every(isOver)
}

function isPushed(queue: string): boolean {
  return queue >= PUSHED_FROM && queue < PUSHED_UNTIL
}

function* upTo(index: Ordered<Due>, until: number, limit: number): Generator<Due> {
  let left = limit
  for (const due of index.from()) {
    if (due.at > until || left-- <= 0) return
    yield due
  }
}
