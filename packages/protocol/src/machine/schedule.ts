// Schedules: get, create, delete, and `schedule.fire`, which makes up for every occurrence that is due.

import { missedOccurrences, nextCron } from '../cron.ts'
import type { CreateData, RequestTable } from '../requests.ts'
import { ruleProblem } from '../rules.ts'
import { TAG_BRANCH, TAG_ORIGIN, TAG_PARENT, TAG_PREFIX, TAG_SCHEDULE } from '../tags.ts'
import type { Decision, Effect } from './effects.ts'
import { type Env, noop, ok, refuse } from './env.ts'
import { scheduleRecord } from './project.ts'
import { birth, quote } from './promise.ts'
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
  const effects: Effect[] = skipped
    ? [{ kind: 'note', schedule: id, text: `skipped occurrences before ${batch[0]}: more than the catch-up limit` }]
    : []
  const made = new Set<string>()
  for (const occurrence of batch) {
    const create = promiseOfOccurrence(schedule, occurrence)
    if (made.has(create.id)) continue
    made.add(create.id)
    effects.push(...occur(env, schedule, create, occurrence))
  }
  const lastRunAt = batch.at(-1) ?? schedule.lastRunAt
  const nextRunAt = nextCron(schedule.cron, lastRunAt ?? env.now) ?? MAX_INSTANT
  return ok({}, [...effects, { kind: 'schedule', row: { ...schedule, lastRunAt, nextRunAt } }])
}

/** The occurrences of this schedule that are due at `env.now`: what `fireSchedule` looks at, and the promises it may touch. */
export function dueOccurrences(env: Env, schedule: ScheduleRow): string[] {
  if (schedule.nextRunAt > env.now) return []
  const batch = missed(env, schedule).occurrences.slice(0, env.config.occurrencesPerStep)
  return batch.map((occurrence) => promiseOfOccurrence(schedule, occurrence).id)
}

function missed(env: Env, { cron, nextRunAt }: ScheduleRow): { occurrences: readonly number[]; skipped: boolean } {
  return missedOccurrences(cron, { fromAt: nextRunAt, untilAt: env.now, max: env.config.catchupLimit })
}

function promiseOfOccurrence(schedule: ScheduleRow, occurrence: number): CreateData {
  const { promiseId, promiseTimeout, promiseParam, promiseTags } = schedule
  const id = promiseId.replaceAll('{{.id}}', () => schedule.id).replaceAll('{{.timestamp}}', `${occurrence}`)
  const tags = {
    ...promiseTags,
    [TAG_SCHEDULE]: schedule.id,
    [TAG_ORIGIN]: id,
    [TAG_BRANCH]: id,
    [TAG_PARENT]: id,
    [TAG_PREFIX]: id,
  }
  return { id, param: promiseParam, tags, timeoutAt: later(occurrence, promiseTimeout) }
}

/** Decided as if now were the occurrence. */
function occur(env: Env, schedule: ScheduleRow, create: CreateData, occurrence: number): Effect[] {
  const problem = ruleProblem({ kind: 'promise.create', data: create }, env.config.limits)
  if (problem !== null)
    return [{ kind: 'note', schedule: schedule.id, text: `occurrence ${occurrence} skipped: ${problem}` }]
  if (env.view.promise(create.id)) return []
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
