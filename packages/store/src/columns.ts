// Columns as the SQL stores read them, and the rows that they are. The tables of all of them have the same columns.

import type {
  Awaits,
  Beat,
  Halt,
  PromiseRow,
  ScheduleRow,
  Tags,
  TaskRow,
  UnblockRow,
  Value,
  WorkerRow,
} from '@resonatehq/protocol'
import type { MovedRows, MovedTable } from './move.ts'
import type { SettledPromise } from './store.ts'

/** All that a reset empties. */
export const TABLES = ['promises', 'tasks', 'callbacks', 'listeners', 'unblocks', 'workers', 'schedules', 'counters']

// Columns by table, in the order in which statements name them.
export const PROMISE = 'id, state, param, value, tags, origin, branch, timeout_at, created_at, settled_at, wake_at'
export const TASK =
  'id, state, version, ttl, pid, due_at, since_at, offered_at, resumes, address, queue, worker, lost, released, awaits, halt'
export const UNBLOCK = 'id, address, queue, created_at'
export const WORKER = 'pid, server, "group", capacity, info, seen_at, gone_at, beat'
export const SCHEDULE =
  'id, cron, promise_id, promise_timeout, promise_param, promise_tags, created_at, next_run_at, last_run_at'

export type Column = string | number | null
export type Columns = Record<string, Column>

export function readPromise(row: Columns): PromiseRow {
  return {
    id: row.id as string,
    state: row.state as PromiseRow['state'],
    param: readJson<Value>(row.param),
    value: readJson<Value>(row.value),
    tags: readJson<Tags>(row.tags),
    origin: row.origin as string,
    branch: row.branch as string | null,
    timeoutAt: row.timeout_at as number,
    createdAt: row.created_at as number,
    settledAt: row.settled_at as number | null,
    wakeAt: row.wake_at as number | null,
  }
}

export function readSettled(row: Columns): SettledPromise {
  return { id: row.id as string, settledAt: row.settled_at as number, tags: readJson<Tags>(row.tags) }
}

export function readTask(row: Columns): TaskRow {
  return {
    id: row.id as string,
    state: row.state as TaskRow['state'],
    version: row.version as number,
    ttl: row.ttl as number | null,
    pid: row.pid as string | null,
    dueAt: row.due_at as number | null,
    sinceAt: row.since_at as number | null,
    offeredAt: row.offered_at as number | null,
    resumes: row.resumes as number,
    address: row.address as string,
    queue: row.queue as string,
    worker: row.worker as string | null,
    lost: row.lost as number,
    released: row.released as number,
    awaits: row.awaits === null ? null : readJson<Awaits>(row.awaits),
    halt: row.halt === null ? null : readJson<Halt>(row.halt),
  }
}

export function readSchedule(row: Columns): ScheduleRow {
  return {
    id: row.id as string,
    cron: row.cron as string,
    promiseId: row.promise_id as string,
    promiseTimeout: row.promise_timeout as number,
    promiseParam: readJson<Value>(row.promise_param),
    promiseTags: readJson<Tags>(row.promise_tags),
    createdAt: row.created_at as number,
    nextRunAt: row.next_run_at as number,
    lastRunAt: row.last_run_at as number | null,
  }
}

export function readUnblock(row: Columns): UnblockRow {
  return {
    id: row.id as string,
    address: row.address as string,
    queue: row.queue as string,
    createdAt: row.created_at as number,
  }
}

export function readWorker(row: Columns): WorkerRow {
  return {
    server: row.server as string,
    group: row.group as string,
    pid: row.pid as string,
    capacity: row.capacity as number | null,
    info: readJson<Tags>(row.info),
    seenAt: row.seen_at as number,
    goneAt: row.gone_at as number | null,
    beat: row.beat === null ? null : readJson<Beat>(row.beat),
  }
}

/** Rows of each table that is moved from one store to another. */
export const READERS: { readonly [T in MovedTable]: (row: Columns) => MovedRows[T] } = {
  promises: readPromise,
  tasks: readTask,
  callbacks: (row) => ({ awaited: row.awaited as string, awaiter: row.awaiter as string }),
  listeners: (row) => ({ awaited: row.awaited as string, address: row.address as string }),
  unblocks: readUnblock,
  schedules: readSchedule,
}

function readJson<T>(text: Column | undefined): T {
  return (text === '{}' ? {} : JSON.parse(text as string)) as T
}
