// What a batch needs, read from PostgreSQL: a statement for each part, sent together. Under which locks, whoever calls knows.

import {
  compareIds,
  cutOwed,
  cutPage,
  cutWaiters,
  emptyLoad,
  type Loaded,
  type Needs,
  type Owed,
  type Page,
  type PromiseRow,
  type Scan,
  type ScanRows,
  type ScanTable,
  WAITERS_PAGE,
} from '@resonatehq/protocol'
import { type Columns, readPromise, readSchedule, readTask, readWorker } from '../columns.ts'
import { all, idOf, type Send, type Value } from './send.ts'
import type { SQL } from './statements.ts'

/** Rows of a page that are read at once: large ones must not gather in memory. */
const SCAN_CHUNK = 100

export async function load(send: Send, needs: Needs): Promise<Loaded> {
  const loaded = emptyLoad()
  const parts: Promise<void>[] = []
  const read = (
    name: keyof typeof SQL,
    ids: ReadonlySet<string>,
    take: (rows: Columns[]) => void,
    ...more: Value[]
  ) => {
    if (ids.size === 0) return
    const storable = [...ids].filter(isStorable)
    parts.push((storable.length > 0 ? send(name, storable, ...more) : Promise.resolve([])).then(take))
  }
  read('promises', needs.ids, (rows) => fill(loaded.promises, needs.ids, rows.map(readPromise)))
  read('tasks', needs.ids, (rows) => fill(loaded.tasks, needs.ids, rows.map(readTask)))
  const owed = (rows: Columns[]) => {
    for (const id of needs.owed) loaded.owed.set(id, owedTo(rows.filter((row) => row.id === id)))
  }
  read('unblocksOf', needs.owed, owed, WAITERS_PAGE + 1)
  read('schedules', needs.schedules, (rows) => fill(loaded.schedules, needs.schedules, rows.map(readSchedule)))
  const held = (rows: Columns[]) => {
    for (const pid of needs.held) loaded.held.set(pid, rows.filter((row) => row.pid === pid).map(idOf))
  }
  read('heldIds', needs.held, held)
  const presence = (rows: Columns[]) => {
    for (const pid of needs.presence) loaded.presence.set(pid, rows.filter((row) => row.pid === pid).map(readWorker))
  }
  read('presence', needs.presence, presence)
  if (needs.waiters.size > 0) parts.push(loadWaiters(send, [...needs.waiters], loaded))
  for (const [key, scan] of needs.scans) {
    parts.push(loadPage(send, scan).then((page) => void loaded.scans.set(key, { scan, page })))
  }
  await all(parts)
  return loaded
}

async function loadWaiters(send: Send, ids: readonly string[], loaded: Loaded): Promise<void> {
  const storable = ids.filter(isStorable)
  const pages = [send('callbacks', storable, WAITERS_PAGE + 1), send('listeners', storable, WAITERS_PAGE + 1)] as const
  const [callbacks, listeners] = await all(pages)
  const awaitersOf = Map.groupBy(callbacks, (row) => row.awaited)
  const addressesOf = Map.groupBy(listeners, (row) => row.awaited)
  for (const id of ids) {
    const awaiters = (awaitersOf.get(id) ?? []).map((row) => row.awaiter as string).sort(compareIds)
    const addresses = (addressesOf.get(id) ?? []).map((row) => row.address as string).sort(compareIds)
    loaded.waiters.set(id, cutWaiters(awaiters, addresses))
  }
}

async function loadPage(send: Send, scan: Scan): Promise<Page<ScanRows[ScanTable]>> {
  const rows: ScanRows[ScanTable][] = []
  if (![scan.after, scan.origin ?? '', scan.branch ?? ''].every(isStorable)) return cutPage(rows, scan)
  const limit = Math.min(SCAN_CHUNK, scan.limit + 1)
  for (let after = scan.after; ; ) {
    const chunk = await loadChunk(send, scan, after, limit)
    rows.push(...chunk.rows)
    const page = cutPage(rows, scan)
    if (page.more || chunk.rows.length < limit) return page
    after = chunk.last
  }
}

async function loadChunk(send: Send, scan: Scan, after: string, limit: number): Promise<Chunk> {
  const { table, origin, branch } = scan
  if (table === 'tasks') {
    const tasks = (await send('tasksAfter', after, limit)).map(readTask)
    const ids = tasks.map(({ id }) => id)
    const promises = await promisesOf(send, ids)
    return {
      rows: tasks.map((task) => ({ task, promise: promises.get(task.id) as PromiseRow })),
      last: ids.at(-1) ?? '',
    }
  }
  const found =
    table === 'schedules'
      ? await send('schedulesAfter', after, limit)
      : origin !== undefined
        ? await send('promisesOfOrigin', origin, after, limit)
        : branch !== undefined
          ? await send('promisesOfBranch', branch, after, limit)
          : await send('promisesAfter', after, limit)
  const rows = table === 'schedules' ? found.map(readSchedule) : found.map(readPromise)
  return { rows, last: rows.at(-1)?.id ?? '' }
}

interface Chunk {
  readonly rows: readonly ScanRows[ScanTable][]
  readonly last: string
}

async function promisesOf(send: Send, ids: readonly string[]): Promise<Map<string, PromiseRow>> {
  if (ids.length === 0) return new Map()
  return new Map((await send('promises', ids)).map(readPromise).map((row) => [row.id, row]))
}

function owedTo(rows: readonly Columns[]): Owed {
  return cutOwed(rows.map((row) => row.address as string).sort(compareIds))
}

/** PostgreSQL's text holds no NUL, and a statement that brings one fails, with all the batch: such an id stands nowhere. */
function isStorable(text: string): boolean {
  return !text.includes('\0')
}

/** What was found, and null for what was not. */
function fill<T extends { readonly id: string }>(into: Map<string, T | null>, ids: Iterable<string>, found: T[]): void {
  for (const id of ids) into.set(id, null)
  for (const row of found) into.set(row.id, row)
}
