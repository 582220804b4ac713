// Records for tests, as a server would answer them.

import type { PromiseRecord, ScheduleRecord, TaskRecord } from '@resonatehq/protocol'
import { START } from './world.ts'

export function promise(id: string, parts: Partial<PromiseRecord> = {}): PromiseRecord {
  return {
    id,
    state: 'pending',
    param: {},
    value: {},
    tags: {},
    createdAt: START - 60_000,
    timeoutAt: START + 3_600_000,
    ...parts,
  }
}

export function task(id: string, parts: Partial<TaskRecord> = {}): TaskRecord {
  return { id, state: 'pending', version: 0, resumes: 0, ...parts }
}

export function schedule(id: string, parts: Partial<ScheduleRecord> = {}): ScheduleRecord {
  return {
    id,
    cron: '0 3 * * *',
    promiseId: '{{.id}}-{{.timestamp}}',
    promiseTimeout: 3_600_000,
    promiseParam: {},
    promiseTags: { 'resonate:target': 'poll://any@default' },
    createdAt: START - 86_400_000,
    nextRunAt: START + 3_600_000,
    ...parts,
  }
}
