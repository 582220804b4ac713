// What time alone does to a promise and its task, and rows as the records that clients see.
// A deadline wins: a pending promise whose timeout has passed is settled everywhere, written down or not, and a settled
// promise has no live task. A lease is not projected: until the expiry step fires, its holder holds it.

import type {
  ExecuteMessage,
  PromiseRecord,
  PromiseState,
  RevokeMessage,
  ScheduleRecord,
  TaskRecord,
  TaskRef,
  UnblockMessage,
} from '../records.ts'
import { isTimer } from '../tags.ts'
import type { PromiseRow, ScheduleRow, TaskRow } from './rows.ts'

/** How a promise with these tags ends when nobody settles it. */
export function timeoutState(tags: PromiseRow['tags']): PromiseState {
  return isTimer(tags) ? 'resolved' : 'rejected_timedout'
}

/** The promise as it stands at `now`. `wakeAt` is the stored one: the step that writes the timeout is still owed. */
export function projectPromise(row: PromiseRow, now: number): PromiseRow {
  if (row.state !== 'pending' || row.timeoutAt > now) return row
  return { ...row, state: timeoutState(row.tags), settledAt: row.timeoutAt }
}

/** The task as it stands beside its projected promise. */
export function projectTask(row: TaskRow, promise: PromiseRow): TaskRow {
  return promise.state === 'pending' || row.state === 'fulfilled' ? row : fulfilled(row)
}

/** A task that is over: no holder, no timer, nothing counted. */
export function fulfilled(row: TaskRow): TaskRow {
  return {
    ...row,
    state: 'fulfilled',
    ttl: null,
    pid: null,
    dueAt: null,
    sinceAt: null,
    offeredAt: null,
    resumes: 0,
    worker: null,
    lost: 0,
    released: 0,
    awaits: null,
    halt: null,
  }
}

export function promiseRecord(row: PromiseRow): PromiseRecord {
  const { id, state, param, value, tags, timeoutAt, createdAt, settledAt } = row
  const record = { id, state, param, value, tags, timeoutAt, createdAt }
  return settledAt === null ? record : { ...record, settledAt }
}

export function taskRecord(row: TaskRow): TaskRecord {
  const { id, state, version, resumes, ttl, pid } = row
  const record = { id, state, version, resumes }
  return state === 'acquired' && ttl !== null && pid !== null ? { ...record, ttl, pid } : record
}

export function scheduleRecord(row: ScheduleRow): ScheduleRecord {
  const { lastRunAt, ...rest } = row
  return lastRunAt === null ? rest : { ...rest, lastRunAt }
}

export function executeMessage({ id, version }: TaskRef, serverUrl: string): ExecuteMessage {
  return { kind: 'execute', head: { serverUrl }, data: { task: { id, version } } }
}

export function unblockMessage(settled: PromiseRow): UnblockMessage {
  return { kind: 'unblock', head: {}, data: { promise: promiseRecord(settled) } }
}

export function revokeMessage({ id, version }: TaskRef): RevokeMessage {
  return { kind: 'revoke', head: {}, data: { task: { id, version } } }
}
