// What must hold of the rows after every request and every step, one named predicate each. Tests replay runs on the bare
// machine and ask these after each input; a predicate returns what is wrong, or null.

import {
  eldersOf,
  handOf,
  hasTask,
  type PromiseRow,
  projectPromise,
  type Tables,
  type TaskRow,
} from '@resonatehq/protocol'

export type Property = (after: Tables, touched: Touched) => string | null

/** What one input changed: the rows before, by id. */
export interface Touched {
  readonly now: number
  readonly promises: ReadonlyMap<string, PromiseRow | null>
  readonly tasks: ReadonlyMap<string, TaskRow | null>
}

/** Protocol page, section 2: "A task exists exactly where a promise has a target and is not a timer." */
const aTaskExistsExactlyWhereATargetIs: Property = (tables, { promises, tasks }) => {
  for (const id of new Set([...promises.keys(), ...tasks.keys()])) {
    const promise = tables.promise(id)
    const task = tables.task(id)
    if (!promise && task) return `${id} has a task and no promise`
    if (!promise) continue
    if (hasTask(promise.tags) !== (task !== null)) return `${id} ${task ? 'has a' : 'lacks its'} task`
  }
  return null
}

/** Section 3: "A settled promise has no live task." */
const aSettledPromiseHasNoLiveTask: Property = (tables, { promises, tasks }) => {
  for (const id of new Set([...promises.keys(), ...tasks.keys()])) {
    const task = tables.task(id)
    if (!task || tables.promise(id)?.state === 'pending') continue
    if (task.state !== 'fulfilled') return `${id} is settled and its task ${task.state}`
    if (task.pid !== null || task.dueAt !== null || task.resumes !== 0) return `${id} is fulfilled and keeps a timer`
  }
  return null
}

/** Retention: "never one whose branch's or parent's promise is pending or younger, or that anything waits for". */
const whatIsForgottenIsNeededByNobody: Property = (tables, { promises }) => {
  for (const [id, before] of promises) {
    if (!before || tables.promise(id)) continue
    if (before.settledAt === null) return `${id} was pending and is forgotten`
    const { awaiters, addresses } = tables.waiters(id)
    if (awaiters.length + addresses.length > 0 || tables.isOwed(id)) return `${id} is waited for and forgotten`
    const elders = eldersOf(id, before.tags).map((elder) => tables.promise(elder))
    const needs = elders.find((elder) => elder?.state === 'pending')
    if (needs) return `${id} is forgotten and its elder ${needs.id} pending`
  }
  return null
}

/** Settled is final: state, value and settledAt never change again, and what a promise was created with never does. */
const aSettledPromiseIsFinal: Property = (tables, { promises }) => {
  for (const [id, before] of promises) {
    const after = tables.promise(id)
    if (!before || !after) continue
    if (JSON.stringify(birthOf(before)) !== JSON.stringify(birthOf(after)))
      return `${id} changed what it was created with`
    if (before.state !== 'pending' && JSON.stringify(endOf(before)) !== JSON.stringify(endOf(after))) {
      return `${id} was ${before.state} and became ${after.state}`
    }
  }
  return null
}

function birthOf({ param, tags, timeoutAt, createdAt }: PromiseRow): unknown {
  return [param, tags, timeoutAt, createdAt]
}

function endOf({ state, value, settledAt }: PromiseRow): unknown {
  return [state, value, settledAt]
}

/** Section 3: what was shown as settled by its deadline never becomes anything else. */
const aDeadlineWins: Property = (tables, { now, promises }) => {
  for (const [id, before] of promises) {
    if (!before) continue
    const shown = projectPromise(before, now)
    const after = tables.promise(id)
    if (shown.state === 'pending' || !after || after.state === 'pending') continue
    if (after.state !== shown.state || after.settledAt !== shown.settledAt)
      return `${id} was shown ${shown.state}, is ${after.state}`
  }
  return null
}

/** Section 2: "every pending promise's timeout is armed"; a settled one is armed exactly while someone waits. */
const everyPromiseWakesWhenItMust: Property = (tables, { promises }) => {
  for (const id of promises.keys()) {
    const promise = tables.promise(id)
    if (!promise) continue
    if (promise.state === 'pending' && promise.wakeAt !== promise.timeoutAt) return `${id} is pending and not armed`
    const { awaiters, addresses } = tables.waiters(id)
    const isWaitedFor = awaiters.length + addresses.length > 0
    if (promise.state !== 'pending' && (promise.wakeAt !== null) !== isWaitedFor) {
      return `${id} is settled, ${isWaitedFor ? 'waited for and asleep' : 'not waited for and armed'}`
    }
  }
  return null
}

/** A claim is one holder's: pid, ttl and lease exactly while acquired; versions rise by one with an acquire and never fall. */
const aClaimIsExclusive: Property = (tables, { tasks }) => {
  for (const [id, before] of tasks) {
    const task = tables.task(id)
    if (!task) continue
    const isHeld = task.pid !== null && task.ttl !== null && task.dueAt !== null
    if ((task.state === 'acquired') !== (isHeld && task.state === 'acquired'))
      return `${id} is acquired without a lease`
    if (task.state !== 'acquired' && (task.pid !== null || task.ttl !== null))
      return `${id} is ${task.state} and has a holder`
    const was = before?.version ?? 0
    const isAcquire = task.state === 'acquired' && (before?.state !== 'acquired' || before.version !== task.version)
    if (task.version !== was + (isAcquire ? 1 : 0))
      return `${id} went from version ${was} to ${task.version}, ${task.state}`
  }
  return null
}

/** A pending task has its due instant, and whoever it is offered to is known. */
const aPendingTaskIsDueSometime: Property = (tables, { tasks }) => {
  for (const id of tasks.keys()) {
    const task = tables.task(id)
    if (task?.state === 'pending' && (task.dueAt === null || task.sinceAt === null))
      return `${id} is pending and never due`
    if (task && (task.awaits !== null) !== (task.state === 'suspended'))
      return `${id} is ${task.state}, and waits or does not wait`
    if (task && task.halt !== null && task.state !== 'halted') return `${id} is ${task.state}, and somebody halted it`
    if (task && (task.sinceAt === null) !== (task.state === 'fulfilled'))
      return `${id} is ${task.state} since nobody knows when`
    if (task && task.state !== 'pending' && task.offeredAt !== null) return `${id} is ${task.state} and offered`
    if (task && handOf(task) !== null && task.worker === null) return `${id} is in nobody's hands`
  }
  return null
}

/** A suspended task waits for something that will wake it. */
const aSuspendedTaskWillBeWoken: Property = (tables, { tasks }) => {
  for (const id of tasks.keys()) {
    if (tables.task(id)?.state !== 'suspended' || tables.promise(id)?.state !== 'pending') continue
    const { ids = [] } = tables.task(id)?.awaits ?? {}
    const stray = ids.find((on) => !tables.waiters(on).awaiters.includes(id) && !tables.waiters(on).more)
    if (stray !== undefined) return `${id} says that it waits for ${stray}, which would not wake it`
    const isAwaiting = [...tables.callbacks.values()].some((awaiters) => [...awaiters.from(id)][0] === id)
    if (!isAwaiting) return `${id} is suspended and waits for nothing`
  }
  return null
}

export const PROPERTIES: Readonly<Record<string, Property>> = {
  'a task exists exactly where a target is': aTaskExistsExactlyWhereATargetIs,
  'a settled promise has no live task': aSettledPromiseHasNoLiveTask,
  'what is forgotten is needed by nobody': whatIsForgottenIsNeededByNobody,
  'a settled promise is final': aSettledPromiseIsFinal,
  'a deadline wins': aDeadlineWins,
  'every promise wakes when it must': everyPromiseWakesWhenItMust,
  'a claim is exclusive': aClaimIsExclusive,
  'a pending task is due sometime': aPendingTaskIsDueSometime,
  'a suspended task will be woken': aSuspendedTaskWillBeWoken,
}
