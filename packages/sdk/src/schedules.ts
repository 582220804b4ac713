// Schedules and tasks by id: records as the server has them.

import type { TaskState } from '@resonatehq/protocol'
import type { Asker } from './requests.ts'
import type { ScheduleRecord, TaskRecord } from './wire.ts'

/** What each promise of a schedule is made with. */
export interface ScheduleOptions {
  /** Taken as the published SDK takes it, and not kept: the protocol has no place for it. */
  readonly description?: string
  /** The same. */
  readonly tags?: Record<string, string>
  readonly promiseHeaders?: Record<string, string>
  /** Encoded already. */
  readonly promiseData?: string
  readonly promiseTags?: Record<string, string>
}

/** Schedules by id: `resonate.schedules`. Throws as `resonate.promises` does. */
export class Schedules {
  readonly #ask: Asker

  constructor(ask: Asker) {
    this.#ask = ask
  }

  /** The record of a schedule. */
  async get(id: string): Promise<ScheduleRecord> {
    return (await this.#ask<{ schedule: ScheduleRecord }>('schedule.get', { id })).schedule
  }

  /** `promiseId` is a template: `{{.id}}` and `{{.timestamp}}` are replaced. `promiseTimeout`: ms. */
  async create(
    id: string,
    cron: string,
    promiseId: string,
    promiseTimeout: number,
    { promiseHeaders = {}, promiseData = '', promiseTags = {} }: ScheduleOptions = {},
  ): Promise<ScheduleRecord> {
    const promiseParam = { headers: promiseHeaders, data: promiseData }
    const data = { id, cron, promiseId, promiseTimeout, promiseParam, promiseTags }
    return (await this.#ask<{ schedule: ScheduleRecord }>('schedule.create', data)).schedule
  }

  /** Ends a schedule; what it has created stays. */
  async delete(id: string): Promise<undefined> {
    await this.#ask('schedule.delete', { id })
  }

  /** One page of schedules, ten where no `limit` is given. */
  search(
    search: { tags?: Record<string, string>; limit?: number; cursor?: string } = {},
  ): Promise<{ schedules: ScheduleRecord[]; cursor?: string }> {
    return this.#ask('schedule.search', { ...search })
  }
}

/** Tasks by the id of their promise: `resonate.tasks`. Throws as `resonate.promises` does. */
export class Tasks {
  readonly #ask: Asker

  constructor(ask: Asker) {
    this.#ask = ask
  }

  /** The record of a task. */
  async get(id: string): Promise<TaskRecord> {
    return (await this.#ask<{ task: TaskRecord }>('task.get', { id })).task
  }

  /** One page of tasks, a hundred where no `limit` is given. */
  search(
    search: { state?: TaskState; limit?: number; cursor?: string } = {},
  ): Promise<{ tasks: TaskRecord[]; cursor?: string }> {
    return this.#ask('task.search', { ...search })
  }
}
