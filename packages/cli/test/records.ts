// Records for tests, as a server would answer them.

import type { GroupRecord, PromiseRecord, ScheduleRecord, TaskRecord, WorkerRecord } from '@resonatehq/protocol'
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

export function worker(pid: string, parts: Partial<WorkerRecord> = {}): WorkerRecord {
  return { group: 'default', pid, state: 'connected', tasks: 0, info: {}, seenAt: START, ...parts }
}

export function group(name: string, parts: Partial<GroupRecord> = {}): GroupRecord {
  const tasks = { pending: 0, acquired: 0, suspended: 0, halted: 0 }
  return { group: name, workers: 1, tasks, ready: 0, workersDesired: 0, ...parts }
}
