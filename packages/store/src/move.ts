// Moves everything that one store keeps into another, page by page in the order of keys. The rows in the target are the
// progress: each page is one commit, so whoever comes back after an interruption goes on behind the last row there.
// M1. A target that holds anything but the beginning of this source is refused before a row is written. M2. Nothing counts
// as moved before each table of both stores was read again, and rows and checksums agree. M3. Presence of workers is left
// behind: they connect anew.

import { createHash } from 'node:crypto'
import {
  type Changes,
  compareIds,
  Needs,
  type PromiseRow,
  type ScheduleRow,
  type TaskRow,
  type UnblockRow,
} from '@resonatehq/protocol'
import type { Store } from './store.ts'

export interface MovedRows {
  promises: PromiseRow
  tasks: TaskRow
  callbacks: { readonly awaited: string; readonly awaiter: string }
  listeners: { readonly awaited: string; readonly address: string }
  unblocks: UnblockRow
  schedules: ScheduleRow
}

export type MovedTable = keyof MovedRows

/** A place in a table: behind the row of this key. The second part is empty where the first is the whole key. */
export type Key = readonly [first: string, second: string]

/** A store whose rows can be read and counted as they are. Locks nothing: whoever moves it makes sure that it rests. */
export interface MovableStore extends Store {
  /** Rows behind a key, in the order of keys. A page may be shorter than the limit, and is empty only at the end. */
  page<T extends MovedTable>(query: {
    readonly table: T
    readonly after: Key
    readonly limit: number
  }): Promise<MovedRows[T][]>
  /** The last key; of listeners and unblocks only its first part, since long addresses stand in an order of their own. */
  last(table: MovedTable): Promise<Key | null>
  /** Connections of others to the database. Absent: it lets nobody else in. */
  others?(): Promise<number>
}

/** The move cannot be made, or went wrong; the message says why and what to do. */
export class MoveError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'MoveError'
  }
}

export interface MoveReport {
  readonly step: 'copy' | 'verify'
  readonly table: MovedTable
  /** Rows so far, those of an earlier attempt included. */
  readonly rows: number
  readonly isDone: boolean
}

export interface MoveOptions {
  readonly from: MovableStore
  readonly to: MovableStore
  /** After each page. */
  readonly report: (report: MoveReport) => void
}

/** What a table holds: rows, and a sum over them that does not depend on their order. */
export interface TableDigest {
  readonly rows: number
  /** 16 hexadecimal digits. */
  readonly checksum: string
}

export type Digests = { readonly [T in MovedTable]: TableDigest }

const TABLES: readonly MovedTable[] = ['promises', 'tasks', 'callbacks', 'listeners', 'unblocks', 'schedules']
const PAGE = 200
const START: Key = ['', '']

/** Both stores are open, and in nobody else's use. Returns what was moved and verified. */
export async function moveStore({ from, to, report }: MoveOptions): Promise<Digests> {
  for (const table of TABLES) await requireBeginning(from, to, table)
  for (const table of TABLES) await copy({ from, to, report }, table)
  await copyCounters(from, to)
  return verify({ from, to, report })
}

/** M1. */
async function requireBeginning(from: MovableStore, to: MovableStore, table: MovedTable): Promise<void> {
  const last = await to.last(table)
  if (last === null) return
  const [theirs, ours] = [await digest(from, table, { until: last }), await digest(to, table, { until: last })]
  if (theirs.rows === ours.rows && theirs.checksum === ours.checksum) return
  throw new MoveError(
    `the target is not empty, and its ${table} are not the beginning of those of the source: name an empty target. ` +
      'If this is a move that was interrupted, the source was changed since; empty the target and begin again',
  )
}

async function copy({ from, to, report }: MoveOptions, table: MovedTable): Promise<void> {
  const last = await to.last(table)
  let rows = last === null ? 0 : (await digest(to, table, { until: last })).rows
  // What shares the first part with the last row may be there in part: adding it again adds nothing.
  for (let after = last ?? START; ; ) {
    const page = await from.page({ table, after, limit: PAGE })
    rows += page.length
    const end = page.at(-1)
    report({ step: 'copy', table, rows, isDone: end === undefined })
    if (end === undefined) return
    await write(to, changesOf(table, page))
    after = keyOf(table, end)
  }
}

async function write(to: Store, changes: Partial<Changes>): Promise<void> {
  const transaction = await to.begin(new Needs())
  await transaction.commit({ ...NO_CHANGES, ...changes })
}

const NO_CHANGES: Changes = {
  forgotten: [],
  promises: [],
  tasks: [],
  schedules: new Map(),
  callbacks: [],
  listeners: [],
  unblocks: [],
  workers: [],
  counters: new Map(),
}

const CHANGES: { readonly [T in MovedTable]: (rows: readonly MovedRows[T][]) => Partial<Changes> } = {
  promises: (rows) => ({ promises: rows.map((row) => ({ row, isNew: true })) }),
  tasks: (rows) => ({ tasks: rows.map((row) => ({ row, isNew: true })) }),
  callbacks: (rows) => ({ callbacks: rows.map((row) => ({ ...row, isAdded: true })) }),
  listeners: (rows) => ({ listeners: rows.map((row) => ({ ...row, isAdded: true })) }),
  unblocks: (rows) => ({ unblocks: rows.map((row) => ({ id: row.id, address: row.address, row })) }),
  schedules: (rows) => ({ schedules: new Map(rows.map((row) => [row.id, row])) }),
}

function changesOf<T extends MovedTable>(table: T, rows: readonly MovedRows[T][]): Partial<Changes> {
  return CHANGES[table](rows)
}

const KEYS: { readonly [T in MovedTable]: (row: MovedRows[T]) => Key } = {
  promises: ({ id }) => [id, ''],
  tasks: ({ id }) => [id, ''],
  callbacks: ({ awaited, awaiter }) => [awaited, awaiter],
  listeners: ({ awaited, address }) => [awaited, address],
  unblocks: ({ id, address }) => [id, address],
  schedules: ({ id }) => [id, ''],
}

function keyOf<T extends MovedTable>(table: T, row: MovedRows[T]): Key {
  return KEYS[table](row)
}

/** In one commit, so that they are there or not. */
async function copyCounters(from: Store, to: Store): Promise<void> {
  const [wanted, there] = [await from.counters(), await to.counters()]
  if (there.size === 0) await write(to, { counters: wanted })
}

/** M2. Sources change when a server still writes to them; targets, when one was started too early. */
async function verify({ from, to, report }: MoveOptions): Promise<Digests> {
  const digests: Partial<Record<MovedTable, TableDigest>> = {}
  for (const table of TABLES) {
    const [wanted, there] = [await digest(from, table), await digest(to, table)]
    if (wanted.rows !== there.rows || wanted.checksum !== there.checksum) throw differing(table, wanted, there)
    digests[table] = there
    report({ step: 'verify', table, rows: there.rows, isDone: true })
  }
  const [wanted, there] = [await from.counters(), await to.counters()]
  if (!isSame(wanted, there)) throw new MoveError(`the counters of the two differ. ${BEGIN_AGAIN}`)
  return digests as Digests
}

const BEGIN_AGAIN = 'A server has written to one of them meanwhile: stop all servers, empty the target and begin again'

function differing(table: MovedTable, wanted: TableDigest, there: TableDigest): MoveError {
  const texts = [wanted, there].map(({ rows, checksum }) => `${rows} rows (${checksum})`)
  return new MoveError(`the source has ${texts[0]} of ${table}, the target ${texts[1]}. ${BEGIN_AGAIN}`)
}

function isSame(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean {
  return a.size === b.size && [...a].every(([name, value]) => b.get(name) === value)
}

/** Rows and checksum of a table; of its beginning up to a key, as far as that is surely whole. */
async function digest(store: MovableStore, table: MovedTable, { until }: { until?: Key } = {}): Promise<TableDigest> {
  let rows = 0
  let sum = 0n
  for (let after = START; ; ) {
    const page = await store.page({ table, after, limit: PAGE })
    const end = page.at(-1)
    const counted = until === undefined ? page : page.filter((row) => isWithin(keyOf(table, row), until, table))
    for (const row of counted) sum = BigInt.asUintN(64, sum + hashOf(row))
    rows += counted.length
    if (end === undefined || counted.length < page.length) return { rows, checksum: sum.toString(16).padStart(16, '0') }
    after = keyOf(table, end)
  }
}

function isWithin([first, second]: Key, until: Key, table: MovedTable): boolean {
  const order = compareIds(first, until[0])
  if (order !== 0) return order < 0
  return !ADDRESSED.has(table) && compareIds(second, until[1]) <= 0
}

const ADDRESSED: ReadonlySet<MovedTable> = new Set(['listeners', 'unblocks'])

/** Tables whose keys have two parts. */
export const PAIRED: ReadonlySet<MovedTable> = new Set(['callbacks', 'listeners', 'unblocks'])

function hashOf(row: object): bigint {
  return createHash('sha256').update(JSON.stringify(row)).digest().readBigUInt64BE()
}
