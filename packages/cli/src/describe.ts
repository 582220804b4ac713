// Records in words, for people. Instants are shown in UTC, so that they compare with the server's log.

import type { PromiseRecord, PromiseState, ScheduleRecord, Tags, TaskRecord } from '@resonatehq/protocol'
import { formatDuration } from './duration.ts'
import { recordText, tableText } from './output.ts'
import { type Call, callOf, valueText } from './values.ts'
import { shorten } from './width.ts'

/** In columns. */
const CELL_WIDTH_MAX = 48

export const STATE_WORDS: Readonly<Record<PromiseState, string>> = {
  pending: 'pending',
  resolved: 'resolved',
  rejected: 'rejected',
  rejected_canceled: 'canceled',
  rejected_timedout: 'timed out',
}

export function stateIcon(state: PromiseState): string {
  if (state === 'pending') return '🟡'
  return state === 'resolved' ? '🟢' : '🔴'
}

export function promiseText(promise: PromiseRecord, now: number): string {
  const call = callOf(promise)
  const settledAt = promise.settledAt
  return recordText(`${promise.id}  ${stateIcon(promise.state)} ${STATE_WORDS[promise.state]}`, [
    ['function', call === null ? undefined : functionText(call)],
    ['arguments', call?.args === undefined ? undefined : JSON.stringify(call.args)],
    ['param', call === null ? valueText(promise.param) : undefined],
    ['value', valueText(promise.value)],
    ['created', instantText(promise.createdAt, now)],
    ['settled', settledAt === undefined ? undefined : `${instantText(settledAt, now)}, ${tookText(promise, now)}`],
    ['times out', settledAt === undefined ? instantText(promise.timeoutAt, now) : undefined],
    ['tags', tagsText(promise.tags)],
  ])
}

export function promisesText(promises: readonly PromiseRecord[], now: number): string {
  if (promises.length === 0) return 'No promises.'
  const rows = promises.map((promise) => [
    promise.id,
    STATE_WORDS[promise.state],
    shorten(callOf(promise)?.func ?? '', CELL_WIDTH_MAX),
    instantText(promise.createdAt, now),
    elapsedText(promise, now),
    shorten(valueText(promise.value), CELL_WIDTH_MAX),
  ])
  return tableText(['ID', 'STATE', 'FUNCTION', 'CREATED', 'TOOK', 'VALUE'], rows)
}

export function taskText(task: TaskRecord): string {
  return recordText(`${task.id}  ${task.state}`, [
    ['version', String(task.version)],
    ['resumes', String(task.resumes)],
    ['worker', task.pid],
    ['lease', task.ttl === undefined ? undefined : formatDuration(task.ttl)],
  ])
}

export function tasksText(tasks: readonly TaskRecord[]): string {
  if (tasks.length === 0) return 'No tasks.'
  const rows = tasks.map((task) => [
    task.id,
    task.state,
    String(task.version),
    String(task.resumes),
    task.pid ?? '',
    task.ttl === undefined ? '' : formatDuration(task.ttl),
  ])
  return tableText(['ID', 'STATE', 'VERSION', 'RESUMES', 'WORKER', 'LEASE'], rows)
}

export function scheduleText(schedule: ScheduleRecord, now: number): string {
  return recordText(`${schedule.id}  ${schedule.cron}`, [
    ['next run', instantText(schedule.nextRunAt, now)],
    ['last run', schedule.lastRunAt === undefined ? undefined : instantText(schedule.lastRunAt, now)],
    ['creates', schedule.promiseId],
    ['for', formatDuration(schedule.promiseTimeout)],
    ['param', valueText(schedule.promiseParam)],
    ['tags', tagsText(schedule.promiseTags)],
    ['created', instantText(schedule.createdAt, now)],
  ])
}

export function schedulesText(schedules: readonly ScheduleRecord[], now: number): string {
  if (schedules.length === 0) return 'No schedules.'
  const rows = schedules.map((schedule) => [
    schedule.id,
    schedule.cron,
    instantText(schedule.nextRunAt, now),
    schedule.lastRunAt === undefined ? 'never' : instantText(schedule.lastRunAt, now),
    schedule.promiseId,
  ])
  return tableText(['ID', 'CRON', 'NEXT RUN', 'LAST RUN', 'CREATES'], rows)
}

/** `2025-11-24 08:20:01Z (3m ago)`. */
export function instantText(at: number, now: number): string {
  const distance = at <= now ? `${formatDuration(now - at)} ago` : `in ${formatDuration(at - now)}`
  const date = new Date(at)
  // Deadlines that never come are beyond what a calendar can show.
  if (Number.isNaN(date.getTime()) || at >= Number.MAX_SAFE_INTEGER) return 'never'
  return `${date.toISOString().slice(0, 19).replace('T', ' ')}Z (${distance})`
}

/** From creation to settlement, or so far. */
export function elapsedText(promise: PromiseRecord, now: number): string {
  const elapsed = formatDuration((promise.settledAt ?? now) - promise.createdAt)
  return promise.settledAt === undefined ? `${elapsed} so far` : elapsed
}

function tookText(promise: PromiseRecord, now: number): string {
  return `after ${elapsedText(promise, now)}`
}

function functionText(call: Call): string {
  return call.version === undefined ? call.func : `${call.func} (version ${call.version})`
}

function tagsText(tags: Tags): string {
  return Object.entries(tags)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')
}
