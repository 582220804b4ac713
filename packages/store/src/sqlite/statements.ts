// What is said to SQLite: the text of every statement, and rows as the values that they take, in the order of their marks.

import type { PromiseRow, ScheduleRow, TaskRow, WorkerRow } from '@resonatehq/protocol'
import { type Column, PROMISE, SCHEDULE, TASK, UNBLOCK, WORKER } from '../columns.ts'
import type { MovedTable } from '../move.ts'

/** Text of every statement, by what it does. */
export const SQL = {
  promise: `select ${PROMISE} from promises where id = ?`,
  insertPromise: `insert into promises (${PROMISE}) values (${marks(11)})`,
  updatePromise: 'update promises set state = ?, value = ?, settled_at = ?, wake_at = ? where id = ?',
  deletePromise: 'delete from promises where id = ?',
  promisesSettled:
    'select id, settled_at, tags from promises where (settled_at, id) > (?, ?) and settled_at <= ? ' +
    'order by settled_at, id limit ?',
  promisesAfter: `select ${PROMISE} from promises where id > ? order by id`,
  promisesOfOrigin: membersOf('origin'),
  promisesOfBranch: membersOf('branch'),

  task: `select ${TASK} from tasks where id = ?`,
  insertTask: `insert into tasks (${TASK}) values (${marks(16)})`,
  updateTask:
    'update tasks set state = ?, version = ?, ttl = ?, pid = ?, due_at = ?, since_at = ?, offered_at = ?, resumes = ?, ' +
    'worker = ?, lost = ?, released = ?, awaits = ?, halt = ? where id = ?',
  deleteTask: 'delete from tasks where id = ?',
  tasksAfter: `select ${TASK} from tasks where id > ? order by id`,
  tasksReady: `select ${TASK} from tasks where state = 'pending' and queue = ? and due_at <= ? order by due_at, id limit ?`,
  tasksPushed:
    `select ${TASK} from tasks indexed by tasks_pushed where state = 'pending' and queue >= 'http' and queue < 'httq' and due_at <= ? ` +
    'order by due_at, id limit ?',
  tasksRipened: `select ${TASK} from tasks where state = 'pending' and (due_at, id) > (?, ?) and due_at <= ? order by due_at, id limit ?`,
  tasksHeld: `select ${TASK} from tasks where pid = ? and id > ? order by id limit ?`,
  heldIds: 'select id from tasks where pid = ? order by id',
  countHeld: 'select count(*) as n from tasks where pid = ?',
  countOffered: `select count(*) as n from tasks where state = 'pending' and offered_at is not null and worker = ? and due_at > ?`,

  countReady: `select count(*) as n from (select 1 from tasks where state = 'pending' and queue = ? and due_at <= ? limit ?)`,

  callbacks: 'select awaiter from callbacks where awaited = ? order by awaiter limit ?',
  allCallbacks: 'select awaited, awaiter from callbacks order by awaited, awaiter',
  insertCallback: 'insert or ignore into callbacks (awaited, awaiter) values (?, ?)',
  deleteCallback: 'delete from callbacks where awaited = ? and awaiter = ?',
  listeners: 'select address from listeners where awaited = ? order by address limit ?',
  allListeners: 'select awaited, address from listeners order by awaited, address',
  insertListener: 'insert or ignore into listeners (awaited, address) values (?, ?)',
  deleteListener: 'delete from listeners where awaited = ? and address = ?',

  unblocksOf: 'select address from unblocks where id = ? order by address limit ?',
  unblocksOfQueue: `select ${UNBLOCK} from unblocks where queue = ? order by id, address limit ?`,
  unblocksPushed: `select ${UNBLOCK} from unblocks indexed by unblocks_pushed where queue >= 'http' and queue < 'httq' and (id, address) > (?, ?) order by id, address limit ?`,
  unblocksBefore: `select ${UNBLOCK} from unblocks where created_at < ? order by created_at, id, address limit ?`,
  insertUnblock: `insert or replace into unblocks (${UNBLOCK}) values (?, ?, ?, ?)`,
  allUnblocks: `select ${UNBLOCK} from unblocks order by id, address`,
  deleteUnblock: 'delete from unblocks where id = ? and address = ?',

  presence: `select ${WORKER} from workers where pid = ? order by server, "group"`,
  allWorkers: `select ${WORKER} from workers order by pid, server, "group" limit ?`,
  upsertWorker:
    `insert into workers (${WORKER}) values (${marks(8)}) on conflict do update set capacity = excluded.capacity, ` +
    'info = excluded.info, seen_at = excluded.seen_at, gone_at = excluded.gone_at, beat = excluded.beat',
  beatWorker: 'update workers set beat = ? where pid = ?',
  deleteWorker: 'delete from workers where pid = ? and server = ? and "group" = ?',
  seeWorker: 'update workers set seen_at = max(seen_at, ?) where pid = ?',
  seeServer: 'update workers set seen_at = max(seen_at, ?) where server = ? and gone_at is null',
  // No connection is left over that lives, nor was it heard from since, and the pid still holds something.
  absent:
    'select distinct pid from workers w where not exists (select 1 from workers o where o.pid = w.pid and not ' +
    'coalesce(o.gone_at <= ? and o.seen_at <= o.gone_at, o.seen_at <= ?)) and exists (select 1 from tasks t where t.pid = w.pid)',
  forgettable: 'select distinct pid from workers where seen_at < ? limit ?',

  schedule: `select ${SCHEDULE} from schedules where id = ?`,
  schedulesAfter: `select ${SCHEDULE} from schedules where id > ? order by id`,
  upsertSchedule: `insert or replace into schedules (${SCHEDULE}) values (${marks(9)})`,
  deleteSchedule: 'delete from schedules where id = ?',

  promisesDue: 'select id from promises where wake_at <= ? order by wake_at, id limit ?',
  leasesDue: `select id from tasks where state = 'acquired' and due_at <= ? order by due_at, id limit ?`,
  schedulesDue: 'select id from schedules where next_run_at <= ? order by next_run_at, id limit ?',
  nextWake: 'select min(wake_at) as at from promises where wake_at > ?',
  nextLease: `select min(due_at) as at from tasks where state = 'acquired' and due_at > ?`,
  nextPending: `select min(due_at) as at from tasks where state = 'pending' and due_at > ?`,
  nextSchedule: 'select min(next_run_at) as at from schedules where next_run_at > ?',

  addCounter:
    'insert into counters (name, value) values (?, ?) on conflict do update set value = value + excluded.value',
  dropCounter: 'delete from counters where name = ? and value = 0',
  counters: 'select name, value from counters where value <> 0',
  floor: 'select floor_at from clock',
  setFloor: 'update clock set floor_at = max(floor_at, ?)',
} as const

/** Rows behind a key, by table: of its one part, or of its two. */
export const PAGES: { readonly [T in MovedTable]: string } = {
  promises: SQL.promisesAfter,
  tasks: SQL.tasksAfter,
  callbacks: 'select awaited, awaiter from callbacks where (awaited, awaiter) > (?, ?) order by awaited, awaiter',
  listeners: 'select awaited, address from listeners where (awaited, address) > (?, ?) order by awaited, address',
  unblocks: `select ${UNBLOCK} from unblocks where (id, address) > (?, ?) order by id, address`,
  schedules: SQL.schedulesAfter,
}

export const LASTS: { readonly [T in MovedTable]: string } = {
  promises: 'select id as first from promises order by id desc limit 1',
  tasks: 'select id as first from tasks order by id desc limit 1',
  callbacks: 'select awaited as first, awaiter as second from callbacks order by awaited desc, awaiter desc limit 1',
  listeners: 'select awaited as first from listeners order by awaited desc limit 1',
  unblocks: 'select id as first from unblocks order by id desc limit 1',
  schedules: 'select id as first from schedules order by id desc limit 1',
}

/** The promise that a tree or branch is named after, found by its id, and the others, found by their index. */
function membersOf(column: 'origin' | 'branch'): string {
  const named = `select ${PROMISE} from promises where id = ? and ${column} = id and id > ?`
  const others = `select ${PROMISE} from promises where ${column} = ? and ${column} <> id and id > ?`
  return `${named} union all ${others} order by id`
}

function marks(count: number): string {
  return Array(count).fill('?').join(', ')
}

export function promiseColumns(row: PromiseRow): Column[] {
  const { id, state, param, value, tags, origin, branch, timeoutAt, createdAt, settledAt, wakeAt } = row
  const texts = [writeJson(param), writeJson(value), writeJson(tags)]
  return [id, state, ...texts, origin, branch, timeoutAt, createdAt, settledAt, wakeAt]
}

export function settledColumns({ state, value, settledAt, wakeAt, id }: PromiseRow): Column[] {
  return [state, writeJson(value), settledAt, wakeAt, id]
}

export function taskColumns(row: TaskRow): Column[] {
  const { id, state, version, ttl, pid, dueAt, sinceAt, offeredAt, resumes, address, queue, worker, lost } = row
  const rest = [resumes, address, queue, worker, lost, row.released, awaitsText(row), haltText(row)]
  return [id, state, version, ttl, pid, dueAt, sinceAt, offeredAt, ...rest]
}

export function taskChangeColumns(row: TaskRow): Column[] {
  const { id, state, version, ttl, pid, dueAt, sinceAt, offeredAt, resumes, worker, lost, released } = row
  const texts = [awaitsText(row), haltText(row)]
  return [state, version, ttl, pid, dueAt, sinceAt, offeredAt, resumes, worker, lost, released, ...texts, id]
}

function awaitsText({ awaits }: TaskRow): string | null {
  return awaits && writeJson(awaits)
}

function haltText({ halt }: TaskRow): string | null {
  return halt && writeJson(halt)
}

export function scheduleColumns(row: ScheduleRow): Column[] {
  const { id, cron, promiseId, promiseTimeout, promiseParam, promiseTags, createdAt, nextRunAt, lastRunAt } = row
  const texts = [writeJson(promiseParam), writeJson(promiseTags)]
  return [id, cron, promiseId, promiseTimeout, ...texts, createdAt, nextRunAt, lastRunAt]
}

export function workerColumns({ pid, server, group, capacity, info, seenAt, goneAt, beat }: WorkerRow): Column[] {
  return [pid, server, group, capacity, writeJson(info), seenAt, goneAt, beat && writeJson(beat)]
}

function writeJson(value: object): string {
  return JSON.stringify(value)
}
