// Promises: get, check, create, settle, register_callback, register_listener.
// `create` and `settle` are also what `task.create`, `task.fence`, `task.fulfill` and schedules do: decided here, once.

import { queueOf } from '../address.ts'
import { quote } from '../quote.ts'
import type { Settlement, Value } from '../records.ts'
import type { CallbackData, CreateData, RequestTable, SettleData } from '../requests.ts'
import { branchOf, delayOf, hasTask, originOf, targetOf } from '../tags.ts'
import type { Decision, Effect } from './effects.ts'
import { dutyOf, type Env, ok, promiseOf, refuse } from './env.ts'
import { fulfilled, promiseRecord, timeoutState } from './project.ts'
import type { PromiseRow, TaskRow } from './rows.ts'
import { fitting } from './tables.ts'

export function getPromise(env: Env, data: { readonly id: string }): Decision {
  const promise = promiseOf(env, data.id)
  return promise ? ok({ promise: promiseRecord(promise) }) : missing(data.id)
}

/**
 * A promise that is not there yet will be settled later than now, like one that is pending. No more than a preload may hold, but
 * for a first one that is longer: who is told that there is more asks again for the rest.
 */
export function checkPromises(env: Env, { ids }: RequestTable['promise.check']['data']): Decision {
  const found = ids.map((id) => promiseOf(env, id)).filter((promise) => promise !== null)
  const settled = found.filter(({ state }) => state !== 'pending')
  const told = settled.slice(0, Math.max(1, fitting(settled, env.config.preloadBytesMax).length))
  const isCut = told.length < settled.length
  return ok({ promises: told.map(promiseRecord), now: env.now, ...(isCut && { isCut }) })
}

export function createPromise(env: Env, data: CreateData): Decision {
  const existing = promiseOf(env, data.id)
  if (existing) return ok({ promise: promiseRecord(existing) })
  const { promise, task } = birth(data, env.now)
  const effects: Effect[] = [{ kind: 'promise', row: promise }]
  if (task) effects.push({ kind: 'task', row: task })
  return ok({ promise: promiseRecord(promise) }, effects)
}

/** The rows of a promise that is new at `now`, and of its task where it has one. Past its timeout it is born settled. */
export function birth(data: CreateData, now: number): { promise: PromiseRow; task: TaskRow | null } {
  const { id, param, tags, timeoutAt } = data
  const due = timeoutAt <= now
  const promise: PromiseRow = {
    id,
    state: due ? timeoutState(tags) : 'pending',
    param,
    value: {},
    tags,
    origin: originOf(id, tags),
    branch: branchOf(tags),
    timeoutAt,
    createdAt: due ? timeoutAt : now,
    settledAt: due ? timeoutAt : null,
    wakeAt: due ? null : timeoutAt,
  }
  const target = targetOf(tags)
  if (target === null || !hasTask(tags)) return { promise, task: null }
  const readyAt = Math.max(delayOf(tags) ?? now, now)
  const task: TaskRow = {
    id,
    state: 'pending',
    version: 0,
    ttl: null,
    pid: null,
    dueAt: readyAt,
    sinceAt: readyAt,
    offeredAt: null,
    resumes: 0,
    address: target,
    queue: queueOf(target),
    worker: null,
    lost: 0,
    released: 0,
    awaits: null,
    halt: null,
  }
  return { promise, task: due ? fulfilled(task) : task }
}

export function settlePromise(env: Env, data: SettleData): Decision {
  const promise = promiseOf(env, data.id)
  if (!promise) return missing(data.id)
  if (promise.state !== 'pending') return ok({ promise: promiseRecord(promise) })
  const settled = settlement(env, promise, { ...data, settledAt: env.now })
  const effects = [...settled.effects, ...revocations(env.view.task(data.id), data.state === 'rejected_canceled')]
  return ok({ promise: promiseRecord(settled.promise) }, effects)
}

export interface Settled {
  readonly state: Settlement | PromiseRow['state']
  readonly value: Value
  readonly settledAt: number
}

/** Settles a pending promise, ends its task, and arms it to wake at once where someone waits for it. */
export function settlement(env: Env, pending: PromiseRow, how: Settled): { promise: PromiseRow; effects: Effect[] } {
  const { state, value, settledAt } = how
  const { awaiters, addresses } = env.view.waiters(pending.id)
  const isOwed = awaiters.length + addresses.length > 0
  const promise: PromiseRow = { ...pending, state, value, settledAt, wakeAt: isOwed ? env.now : null }
  const effects: Effect[] = [{ kind: 'promise', row: promise }]
  const task = env.view.task(pending.id)
  if (task) effects.push({ kind: 'task', row: fulfilled(task) })
  return { promise, effects }
}

/** Tells who works on a task, or keeps it suspended in memory, that it ended without their doing. */
export function revocations(task: TaskRow | null, isCanceled = false): Effect[] {
  if (!task || task.state === 'fulfilled') return []
  const { id, version } = task
  const pid = task.state === 'acquired' || task.state === 'suspended' ? task.worker : null
  // What was never begun has called nothing.
  const queue = isCanceled && version > 0 ? task.queue : null
  return pid === null && queue === null ? [] : [{ kind: 'revoke', id, version, pid, queue }]
}

export function registerCallback(env: Env, { awaited, awaiter }: CallbackData): Decision {
  const promise = promiseOf(env, awaited)
  if (!promise) return refuse(404, `awaited promise ${quote(awaited)} not found`)
  const duty = dutyOf(env, awaiter)
  if (!duty) {
    const why = env.view.promise(awaiter) ? 'has no task: only a promise with a resonate:target can wait' : 'not found'
    return refuse(422, `awaiter promise ${quote(awaiter)} ${why}`)
  }
  const bothPending = promise.state === 'pending' && duty.promise.state === 'pending'
  const effects: Effect[] = bothPending ? [{ kind: 'callback.add', awaited, awaiter }] : []
  return ok({ promise: promiseRecord(promise) }, effects)
}

export function registerListener(env: Env, data: RequestTable['promise.register_listener']['data']): Decision {
  const { awaited, address } = data
  const promise = promiseOf(env, awaited)
  if (!promise) return missing(awaited)
  const effects: Effect[] = promise.state === 'pending' ? [{ kind: 'listener.add', awaited, address }] : []
  return ok({ promise: promiseRecord(promise) }, effects)
}

export function missing(id: string): Decision {
  return refuse(404, `promise ${quote(id)} not found`)
}
