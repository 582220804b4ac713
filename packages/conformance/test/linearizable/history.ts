// What clients and workers asked and were answered, cut into what each id saw of it. Promises and their tasks are independent
// of those of other ids, so that a history is linearizable if it is for each id by itself; a request that touches several
// has a part for each. What one id cannot know of the others (were they pending?) is taken from the answer.

import { isDeepStrictEqual } from 'node:util'
import type { Answer, MachineKind, PromiseRecord, Request, TaskRecord } from '@resonatehq/protocol'
import type { Call } from './search.ts'

/** One request and what came of it. */
export interface Operation extends Call {
  readonly client: string
  readonly request: Request<MachineKind>
  /** Null: it was cut, it timed out, or the server could not tell. Then `returnedAt` is Infinity. */
  readonly answer: Answer | null
}

/** How the other promises stand that a request names: as far as its answer depends on it. */
export type Others = 'absent' | 'pending' | 'settled'

/** What one id saw of an operation. */
export interface Part extends Call {
  readonly id: string
  readonly request: Request<MachineKind>
  readonly others: Others
  /** Whether the machine, answering so, answers as the server did. Null: nobody knows what it answered. */
  readonly fits: ((answer: Answer) => boolean) | null
  readonly operation: Operation
}

export function partsById(history: readonly Operation[]): Map<string, Part[]> {
  const parts = history.flatMap((operation) => [...decidedOf(operation), ...preloadOf(operation)])
  return Map.groupBy(parts, ({ id }) => id)
}

/** The records of promises that an answer shows. */
export function recordsIn(answer: Answer | null): PromiseRecord[] {
  const { promise, preload = [], action } = (answer?.data ?? {}) as Shown
  return [...(promise ? [promise] : []), ...preload, ...(action?.data?.promise ? [action.data.promise] : [])]
}

/** What answers have in them, each some of it. */
interface Shown {
  readonly promise?: PromiseRecord
  readonly task?: TaskRecord
  readonly promises?: readonly PromiseRecord[]
  readonly preload?: readonly PromiseRecord[]
  readonly lost?: readonly string[]
  readonly action?: { readonly head: { readonly status: Answer['status'] }; readonly data: { promise?: PromiseRecord } }
}

/** What is handed out along with a task was read at the same instant. */
function preloadOf(operation: Operation): Part[] {
  const { preload = [] } = (operation.answer?.data ?? {}) as Shown
  return preload.map((promise) => look(operation, promise.id, likeness({ status: 200, data: { promise } })))
}

function decidedOf(operation: Operation): Part[] {
  const { request, answer } = operation
  switch (request.kind) {
    case 'promise.get':
    case 'promise.create':
    case 'promise.settle':
    case 'task.get':
    case 'task.acquire':
    case 'task.release':
    case 'task.fulfill':
    case 'task.halt':
    case 'task.continue':
      return [part(operation, request.data.id)]
    case 'task.create':
      return [part(operation, request.data.action.data.id)]
    case 'promise.register_listener':
    case 'promise.register_callback':
      // All that it tells is how the promise stands that it waits for: what is registered nobody sees.
      return answer?.status === 200 ? [look(operation, request.data.awaited, likeness(answer))] : []
    case 'promise.check':
      return checked(operation)
    case 'task.suspend':
      return suspension(operation, request)
    case 'task.fence':
      return fencing(operation, request)
    case 'task.heartbeat':
      return beats(operation, request)
    case 'promise.search':
    case 'task.search':
    case 'schedule.get':
    case 'schedule.create':
    case 'schedule.delete':
    case 'schedule.search':
      return []
  }
}

function part(operation: Operation, id: string, more: Partial<Part> = {}): Part {
  const { request, answer, calledAt, returnedAt } = operation
  const fits = answer && likeness(answer)
  return { id, request, others: 'absent', fits, operation, calledAt, returnedAt, ...more }
}

/** That a promise stood so. */
function look(operation: Operation, id: string, fits: Part['fits']): Part {
  return part(operation, id, { request: { kind: 'promise.get', data: { id } }, fits })
}

/** Of what is not listed it tells that it was pending or not there: too little to hold against anything. */
function checked(operation: Operation): Part[] {
  const { promises = [] } = (operation.answer?.data ?? {}) as Shown
  return promises.map((promise) => look(operation, promise.id, likeness({ status: 200, data: { promise } })))
}

function suspension(operation: Operation, { data }: Request<'task.suspend'>): Part[] {
  const status = operation.answer?.status
  const others = status === 300 ? 'settled' : status === 422 ? 'absent' : 'pending'
  const own = part(operation, data.id, { others })
  if (status !== 200) return [own]
  return [own, ...data.actions.map((action) => look(operation, action.data.awaited, isPending))]
}

function fencing(operation: Operation, { data }: Request<'task.fence'>): Part[] {
  const { answer } = operation
  const { action } = data
  const own = part(operation, data.id, { fits: answer && (({ status }) => status === answer.status) })
  if (answer !== null && answer.status !== 200) return [own]
  const inner = ((answer?.data ?? {}) as Shown).action
  const fits = inner ? likeness({ status: inner.head.status, data: inner.data }) : null
  return [own, part(operation, action.data.id, { request: action as Request<MachineKind>, fits })]
}

function beats(operation: Operation, { data }: Request<'task.heartbeat'>): Part[] {
  const { answer } = operation
  const isLost = (data: unknown, id: string) => (data as Shown).lost?.includes(id)
  return data.tasks.map((task) => {
    const request: Part['request'] = { kind: 'task.heartbeat', data: { pid: data.pid, tasks: [task] } }
    const fits = answer && ((one: Answer) => isLost(one.data, task.id) === isLost(answer.data, task.id))
    return part(operation, task.id, { request, fits })
  })
}

function isPending({ data }: Answer): boolean {
  return (data as Shown).promise?.state === 'pending'
}

/** Equal but for what one id cannot know: a refusal's words, the rest of the branch, and how often others woke it. */
function likeness(seen: Answer): (answer: Answer) => boolean {
  const shown = shownOf(seen)
  return (answer) => answer.status === seen.status && isDeepStrictEqual(shownOf(answer), shown)
}

function shownOf({ status, data }: Answer): unknown {
  if (status !== 200) return null
  const { promise = null, task = null } = data as Shown
  return { promise, task: task && { ...task, resumes: 0 } }
}
