// Schedules: get, create, delete, and `schedule.fire`, which makes up for every occurrence that is due.

import { missedOccurrences, nextCron } from '../cron.ts'
import { quote } from '../quote.ts'
import type { CreateData, RequestTable } from '../requests.ts'
import { ruleProblem } from '../rules.ts'
import { occurrenceTags } from '../tags.ts'
import type { Decision, Effect } from './effects.ts'
import { type Env, needAll, noop, ok, refuse } from './env.ts'
import { scheduleRecord } from './project.ts'
import { birth } from './promise.ts'
import { MAX_INSTANT, type ScheduleRow } from './rows.ts'
import { later } from './task.ts'

type Data<K extends keyof RequestTable> = RequestTable[K]['data']

export function getSchedule(env: Env, { id }: Data<'schedule.get'>): Decision {
  const row = env.view.schedule(id)
  return row ? ok({ schedule: scheduleRecord(row) }) : missing(id)
}

export function createSchedule(env: Env, data: Data<'schedule.create'>): Decision {
  const existing = env.view.schedule(data.id)
  if (existing) return ok({ schedule: scheduleRecord(existing) })
  const nextRunAt = nextCron(data.cron, env.now)
  if (nextRunAt === null) return refuse(400, `data.cron ${quote(data.cron)} never fires again`)
  const row: ScheduleRow = { ...data, createdAt: env.now, nextRunAt, lastRunAt: null }
  return ok({ schedule: scheduleRecord(row) }, [{ kind: 'schedule', row }])
}

export function deleteSchedule(env: Env, { id }: Data<'schedule.delete'>): Decision {
  return env.view.schedule(id) ? ok({}, [{ kind: 'schedule.drop', id }]) : missing(id)
}

/** Creates what is due, oldest first, a bounded number; the schedule stays due while more is. */
export function fireSchedule(env: Env, { id }: { readonly id: string }): Decision {
  const schedule = env.view.schedule(id)
  if (!schedule || schedule.nextRunAt > env.now) return noop()
  const { occurrences, skipped } = missed(env, schedule)
  const batch = occurrences.slice(0, env.config.occurrencesPerStep)
  const creates = new Map<string, number>()
  for (const at of batch) {
    const promiseId = promiseIdOf(schedule, at)
    // A template without the timestamp makes one id of them all: the first occurrence creates it.
    if (!creates.has(promiseId)) creates.set(promiseId, at)
  }
  needAll(env, [...creates.keys()])
  const born = [...creates].flatMap(([promiseId, at]) => occur(env, schedule, promiseId, at))
  const lastRunAt = batch.at(-1) ?? schedule.lastRunAt
  const nextRunAt = nextCron(schedule.cron, batch.at(-1) ?? env.now) ?? MAX_INSTANT
  const note = `occurrences before ${batch[0]} skipped: more than the catch-up limit of ${env.config.catchupLimit}`
  return ok({}, [
    ...(skipped ? [{ kind: 'note', about: { schedule: id }, text: note } as const] : []),
    ...born,
    { kind: 'schedule', row: { ...schedule, lastRunAt, nextRunAt } },
  ])
}

function missed(env: Env, { cron, nextRunAt }: ScheduleRow): { occurrences: readonly number[]; skipped: boolean } {
  return missedOccurrences(cron, { fromAt: nextRunAt, untilAt: env.now, max: env.config.catchupLimit })
}

function promiseIdOf({ id, promiseId }: ScheduleRow, occurrence: number): string {
  return promiseId.replaceAll('{{.id}}', () => id).replaceAll('{{.timestamp}}', `${occurrence}`)
}

/** Whether a coming occurrence would create this id: without the instant in it, all of them do. */
export function remakes(schedule: ScheduleRow | null, id: string): boolean {
  if (schedule === null) return false
  return promiseIdOf(schedule, schedule.nextRunAt) === id
}

/** Decided as if now were the occurrence. */
function occur(env: Env, schedule: ScheduleRow, id: string, occurrence: number): Effect[] {
  const { promiseTimeout, promiseParam: param, promiseTags } = schedule
  const tags = { ...promiseTags, ...occurrenceTags(schedule.id, id) }
  const create: CreateData = { id, param, tags, timeoutAt: later(occurrence, promiseTimeout) }
  const problem = ruleProblem({ kind: 'promise.create', data: create }, env.config.limits)
  if (problem !== null) {
    return [{ kind: 'note', about: { schedule: schedule.id }, text: `occurrence ${occurrence} skipped: ${problem}` }]
  }
  if (env.view.promise(id)) return []
  const { promise, task } = birth(create, occurrence)
  return task
    ? [
        { kind: 'promise', row: promise },
        { kind: 'task', row: task },
      ]
    : [{ kind: 'promise', row: promise }]
}

function missing(id: string): Decision {
  return refuse(404, `schedule ${quote(id)} not found`)
}
