// Gauges and totals kept in the same commit as the rows they count, so that nobody ever counts rows, and so that every
// server of a database says the same. Counted effect by effect: what happened and was undone in one batch has happened.
// Names: `promises.<state>`, `tasks.<state>`, `tasks.<state>@<group>` for tasks that are not over, and totals that only
// grow: `total.<what>`. A group that has no task left has no counter.

import { groupOf } from '../address.ts'
import { PROMISE_STATES, TASK_STATES, type TaskState } from '../records.ts'
import type { PromiseRow, TaskRow } from './rows.ts'

/** Totals, each of tasks. Never more completed than claimed: what nobody ever took is not completed by a worker. */
export type Total = 'created' | 'claimed' | 'completed' | 'leases_lost' | 'reassigned' | 'released'

type Deltas = Map<string, number>

// Counting happens at every effect, and a name that is put together anew each time costs more than the rest of it.
const PROMISES = prefixed('promises', PROMISE_STATES)
const TASKS = prefixed('tasks', TASK_STATES)
const TOTALS = prefixed('total', ['created', 'claimed', 'completed', 'leases_lost', 'reassigned', 'released'] as const)

function prefixed<T extends string>(prefix: string, names: readonly T[]): Readonly<Record<T, string>> {
  return Object.fromEntries(names.map((name) => [name, `${prefix}.${name}`])) as Record<T, string>
}

export function countPromise(deltas: Deltas, before: PromiseRow | null, after: PromiseRow): void {
  if (before?.state === after.state) return
  if (before) add(deltas, PROMISES[before.state], -1)
  add(deltas, PROMISES[after.state], 1)
}

export function countTask(deltas: Deltas, before: TaskRow | null, after: TaskRow): void {
  countTotals(deltas, before, after)
  if (before?.state === after.state) return
  if (before) countState(deltas, before, -1)
  countState(deltas, after, 1)
}

/** A promise is forgotten, and its task with it: fewer are kept, and no total is less. */
export function countForgotten(deltas: Deltas, promise: PromiseRow, task: TaskRow | null): void {
  add(deltas, PROMISES[promise.state], -1)
  if (task) countState(deltas, task, -1)
  add(deltas, FORGOTTEN, 1)
}

/** Promises ever forgotten by retention. */
export const FORGOTTEN = 'total.forgotten'

function countTotals(deltas: Deltas, before: TaskRow | null, after: TaskRow): void {
  const isTaken = after.version > (before?.version ?? 0)
  const isOver = after.state === 'fulfilled' && before?.state !== 'fulfilled'
  if (before === null) total(deltas, 'created')
  if (isTaken && (before?.version ?? 0) === 0) total(deltas, 'claimed')
  if (isTaken && before && before.lost > 0) total(deltas, 'reassigned')
  if (isOver && after.version > 0) total(deltas, 'completed')
  if (before && after.lost > before.lost) total(deltas, 'leases_lost')
  if (before && after.released > before.released) total(deltas, 'released')
}

function countState(deltas: Deltas, task: TaskRow, delta: number): void {
  add(deltas, TASKS[task.state], delta)
  if (task.state !== 'fulfilled') add(deltas, namesOfGroup(task)[task.state], delta)
}

/** The names of the counters of a group by the address of a task: bounded, and nothing but what `stateOfGroup` says. */
const known = new Map<string, Readonly<Record<TaskState, string>>>()
const KNOWN_MAX = 1_000

function namesOfGroup(task: TaskRow): Readonly<Record<TaskState, string>> {
  const names = known.get(task.address)
  if (names) return names
  const group = queueGroupOf(task)
  const made = Object.fromEntries(TASK_STATES.map((state) => [state, stateOfGroup(state, group)]))
  if (known.size >= KNOWN_MAX) known.clear()
  known.set(task.address, made as Record<TaskState, string>)
  return made as Record<TaskState, string>
}

/** The counter of a group's tasks in one state. */
export function stateOfGroup(state: TaskState, group: string): string {
  return `tasks.${state}@${group}`
}

/** Null: the counter is none of a group. */
export function groupOfCounter(name: string): { readonly state: TaskState; readonly group: string } | null {
  const [, state, group] = /^tasks\.([a-z]+)@(.*)$/s.exec(name) ?? []
  return state === undefined || group === undefined ? null : { state: state as TaskState, group }
}

/** All pushed targets count as one group, whatever their number. */
export const PUSHED = '(pushed)'

/** The group whose workers a task waits for. */
export function queueGroupOf({ address }: Pick<TaskRow, 'address'>): string {
  return groupOf(address) ?? PUSHED
}

function total(deltas: Deltas, what: Total): void {
  add(deltas, TOTALS[what], 1)
}

function add(deltas: Deltas, name: string, delta: number): void {
  deltas.set(name, (deltas.get(name) ?? 0) + delta)
}
