// Requests and answers of the protocol, kind by kind, under the names of the published SDK: for those who write a network or
// talk to a server by themselves. The types follow from the protocol's one table, and what a request may look like is asked of
// the protocol's one reader; nothing is said here a second time.

import { type Kind, parseRequest, type RequestTable } from '@resonatehq/protocol'
import { has, isPromiseRecord, isScheduleRecord, isTaskRecord, type Open, type PromiseRecord } from './wire.ts'

/** The head of a request. */
export type RequestHead = {
  /** A token, where the server asks for one. */
  auth?: string
  /** Comes back in the answer. */
  corrId: string
  /** Of the protocol: `2026-04-01`. */
  version: string
  /** The instant at which it is decided, ms since epoch, where the server's debugging is on. */
  'resonate:debug_time'?: number
  'resonate:origin'?: string
}

/** The head of an answer: its `status` says which of the answer's shapes it has. */
export type ResponseHead<S extends number> = {
  corrId: string
  status: S
  version: string
}

/** A request of a kind: its `data` as the protocol has it, and requests within it with heads of their own. */
export type RequestOf<K extends Kind> = {
  kind: K
  head: RequestHead
  data: DataOf<Open<RequestTable[K]['data']>>
}

type DataOf<D> = {
  [F in keyof D]: F extends 'action' ? Within<D[F]> : F extends 'actions' ? Within<Item<D[F]>>[] : D[F]
}

type Item<L> = L extends readonly (infer T)[] ? T : never

type Within<A> = A extends { kind: infer K extends Kind } ? RequestOf<K> : never

/** An answer to a kind of request: with its `data` where it was decided, with a text that says what is wrong where it was not. */
export type ResponseOf<K extends Kind> =
  | { kind: K; head: ResponseHead<200>; data: AnswerOf<K> }
  | Redirected<K>
  | Refused<K, 400>
  | Refused<K, 401>
  | Refused<K, 403>
  | Refused<K, 404>
  | Refused<K, 409>
  | Refused<K, 422>
  | Refused<K, 429>
  | Refused<K, 500>
  | Refused<K, 501>

type AnswerOf<K extends Kind> = K extends 'task.fence'
  ? { action: PromiseCreateRes | PromiseSettleRes; preload: PromiseRecord[] }
  : Open<RequestTable[K]['answer']>

type Redirected<K extends Kind> = K extends 'task.suspend'
  ? { kind: K; head: ResponseHead<300>; data: { preload: PromiseRecord[] } }
  : never

type Refused<K extends Kind, S extends number> = {
  kind: K
  head: ResponseHead<S>
  data: string
}

const KINDS = [
  'promise.get',
  'promise.create',
  'promise.settle',
  'promise.register_callback',
  'promise.register_listener',
  'promise.search',
  'task.get',
  'task.create',
  'task.acquire',
  'task.release',
  'task.suspend',
  'task.halt',
  'task.continue',
  'task.fulfill',
  'task.fence',
  'task.heartbeat',
  'task.search',
  'schedule.get',
  'schedule.create',
  'schedule.delete',
  'schedule.search',
  'debug.start',
  'debug.reset',
  'debug.tick',
  'debug.snap',
  'debug.stop',
] as const satisfies readonly Kind[]

/** The kinds of requests that clients make. */
export type RequestKind = (typeof KINDS)[number]

/** Any request. */
export type Request = { [K in RequestKind]: RequestOf<K> }[RequestKind]

/** Any answer. */
export type Response = { [K in RequestKind]: ResponseOf<K> }[RequestKind]

/** The request `promise.get`. */
export type PromiseGetReq = RequestOf<'promise.get'>
/** An answer to `promise.get`. */
export type PromiseGetRes = ResponseOf<'promise.get'>
/** The request `promise.create`. */
export type PromiseCreateReq = RequestOf<'promise.create'>
/** An answer to `promise.create`. */
export type PromiseCreateRes = ResponseOf<'promise.create'>
/** The request `promise.settle`. */
export type PromiseSettleReq = RequestOf<'promise.settle'>
/** An answer to `promise.settle`. */
export type PromiseSettleRes = ResponseOf<'promise.settle'>
/** The request `promise.register_callback`. */
export type PromiseRegisterCallbackReq = RequestOf<'promise.register_callback'>
/** An answer to `promise.register_callback`. */
export type PromiseRegisterCallbackRes = ResponseOf<'promise.register_callback'>
/** The request `promise.register_listener`. */
export type PromiseRegisterListenerReq = RequestOf<'promise.register_listener'>
/** An answer to `promise.register_listener`. */
export type PromiseRegisterListenerRes = ResponseOf<'promise.register_listener'>
/** The request `promise.search`. */
export type PromiseSearchReq = RequestOf<'promise.search'>
/** An answer to `promise.search`. */
export type PromiseSearchRes = ResponseOf<'promise.search'>
/** The request `task.get`. */
export type TaskGetReq = RequestOf<'task.get'>
/** An answer to `task.get`. */
export type TaskGetRes = ResponseOf<'task.get'>
/** The request `task.create`. */
export type TaskCreateReq = RequestOf<'task.create'>
/** An answer to `task.create`. */
export type TaskCreateRes = ResponseOf<'task.create'>
/** The request `task.acquire`. */
export type TaskAcquireReq = RequestOf<'task.acquire'>
/** An answer to `task.acquire`. */
export type TaskAcquireRes = ResponseOf<'task.acquire'>
/** The request `task.release`. */
export type TaskReleaseReq = RequestOf<'task.release'>
/** An answer to `task.release`. */
export type TaskReleaseRes = ResponseOf<'task.release'>
/** The request `task.suspend`. */
export type TaskSuspendReq = RequestOf<'task.suspend'>
/** An answer to `task.suspend`. */
export type TaskSuspendRes = ResponseOf<'task.suspend'>
/** The request `task.halt`. */
export type TaskHaltReq = RequestOf<'task.halt'>
/** An answer to `task.halt`. */
export type TaskHaltRes = ResponseOf<'task.halt'>
/** The request `task.continue`. */
export type TaskContinueReq = RequestOf<'task.continue'>
/** An answer to `task.continue`. */
export type TaskContinueRes = ResponseOf<'task.continue'>
/** The request `task.fulfill`. */
export type TaskFulfillReq = RequestOf<'task.fulfill'>
/** An answer to `task.fulfill`. */
export type TaskFulfillRes = ResponseOf<'task.fulfill'>
/** The request `task.fence`. */
export type TaskFenceReq = RequestOf<'task.fence'>
/** An answer to `task.fence`. */
export type TaskFenceRes = ResponseOf<'task.fence'>
/** The request `task.heartbeat`. */
export type TaskHeartbeatReq = RequestOf<'task.heartbeat'>
/** An answer to `task.heartbeat`. */
export type TaskHeartbeatRes = ResponseOf<'task.heartbeat'>
/** The request `task.search`. */
export type TaskSearchReq = RequestOf<'task.search'>
/** An answer to `task.search`. */
export type TaskSearchRes = ResponseOf<'task.search'>
/** The request `schedule.get`. */
export type ScheduleGetReq = RequestOf<'schedule.get'>
/** An answer to `schedule.get`. */
export type ScheduleGetRes = ResponseOf<'schedule.get'>
/** The request `schedule.create`. */
export type ScheduleCreateReq = RequestOf<'schedule.create'>
/** An answer to `schedule.create`. */
export type ScheduleCreateRes = ResponseOf<'schedule.create'>
/** The request `schedule.delete`. */
export type ScheduleDeleteReq = RequestOf<'schedule.delete'>
/** An answer to `schedule.delete`. */
export type ScheduleDeleteRes = ResponseOf<'schedule.delete'>
/** The request `schedule.search`. */
export type ScheduleSearchReq = RequestOf<'schedule.search'>
/** An answer to `schedule.search`. */
export type ScheduleSearchRes = ResponseOf<'schedule.search'>
/** The request `debug.start`. */
export type DebugStartReq = RequestOf<'debug.start'>
/** An answer to `debug.start`. */
export type DebugStartRes = ResponseOf<'debug.start'>
/** The request `debug.reset`. */
export type DebugResetReq = RequestOf<'debug.reset'>
/** An answer to `debug.reset`. */
export type DebugResetRes = ResponseOf<'debug.reset'>
/** The request `debug.tick`. */
export type DebugTickReq = RequestOf<'debug.tick'>
/** An answer to `debug.tick`. */
export type DebugTickRes = ResponseOf<'debug.tick'>
/** The request `debug.snap`. */
export type DebugSnapReq = RequestOf<'debug.snap'>
/** An answer to `debug.snap`. */
export type DebugSnapRes = ResponseOf<'debug.snap'>
/** The request `debug.stop`. */
export type DebugStopReq = RequestOf<'debug.stop'>
/** An answer to `debug.stop`. */
export type DebugStopRes = ResponseOf<'debug.stop'>

type Guard<T> = (value: unknown) => value is T

/** What the data of a 200 holds, by kind; what is not named holds nothing that a client relies on. */
const HOLDS: Readonly<Partial<Record<Kind, readonly (keyof typeof PARTS)[]>>> = {
  'promise.get': ['promise'],
  'promise.create': ['promise'],
  'promise.settle': ['promise'],
  'promise.register_callback': ['promise'],
  'promise.register_listener': ['promise'],
  'promise.search': ['promises'],
  'task.get': ['task'],
  'task.create': ['promise', 'preload'],
  'task.acquire': ['task', 'promise', 'preload'],
  'task.fulfill': ['promise'],
  'task.fence': ['action', 'preload'],
  'task.search': ['tasks'],
  'schedule.get': ['schedule'],
  'schedule.create': ['schedule'],
  'schedule.search': ['schedules'],
}

const listOf =
  (guard: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    Array.isArray(value) && value.every(guard)

const PARTS = {
  promise: isPromiseRecord,
  promises: listOf(isPromiseRecord),
  preload: listOf(isPromiseRecord),
  task: isTaskRecord,
  tasks: listOf(isTaskRecord),
  schedule: isScheduleRecord,
  schedules: listOf(isScheduleRecord),
  action: (value: unknown): boolean => isPromiseCreateRes(value) || isPromiseSettleRes(value),
} as const satisfies Readonly<Record<string, (value: unknown) => boolean>>

function isEnvelope(value: unknown, kind: string): value is { readonly head: object; readonly data: unknown } {
  if (!has(value, { kind: 'string', head: 'object' })) return false
  const { kind: given, head } = value as { kind: string; head: unknown }
  return given === kind && has(head, { corrId: 'string', version: 'string' })
}

function requestOf<K extends Kind>(kind: K): Guard<RequestOf<K>> {
  return (value): value is RequestOf<K> => {
    if (!isEnvelope(value, kind) || !has(value.data, {})) return false
    return parseRequest(kind, value.data as Readonly<Record<string, unknown>>).ok
  }
}

function responseOf<K extends Kind>(kind: K): Guard<ResponseOf<K>> {
  return (value): value is ResponseOf<K> => {
    if (!isEnvelope(value, kind) || !has(value.head, { status: 'number' })) return false
    const { status } = value.head as { status: number }
    if (status !== 200 && status !== 300) return typeof value.data === 'string'
    if (!has(value.data, {})) return false
    const data = value.data as Readonly<Record<string, unknown>>
    const holds = status === 300 ? (['preload'] as const) : (HOLDS[kind] ?? [])
    return holds.every((part) => PARTS[part](data[part]))
  }
}

/** Whether a value is a whole request `promise.get`. */
export const isPromiseGetReq: Guard<PromiseGetReq> = requestOf('promise.get')
/** Whether a value is a whole answer to `promise.get`. */
export const isPromiseGetRes: Guard<PromiseGetRes> = responseOf('promise.get')
/** Whether a value is a whole request `promise.create`. */
export const isPromiseCreateReq: Guard<PromiseCreateReq> = requestOf('promise.create')
/** Whether a value is a whole answer to `promise.create`. */
export const isPromiseCreateRes: Guard<PromiseCreateRes> = responseOf('promise.create')
/** Whether a value is a whole request `promise.settle`. */
export const isPromiseSettleReq: Guard<PromiseSettleReq> = requestOf('promise.settle')
/** Whether a value is a whole answer to `promise.settle`. */
export const isPromiseSettleRes: Guard<PromiseSettleRes> = responseOf('promise.settle')
/** Whether a value is a whole request `promise.register_callback`. */
export const isPromiseRegisterCallbackReq: Guard<PromiseRegisterCallbackReq> = requestOf('promise.register_callback')
/** Whether a value is a whole answer to `promise.register_callback`. */
export const isPromiseRegisterCallbackRes: Guard<PromiseRegisterCallbackRes> = responseOf('promise.register_callback')
/** Whether a value is a whole request `promise.register_listener`. */
export const isPromiseRegisterListenerReq: Guard<PromiseRegisterListenerReq> = requestOf('promise.register_listener')
/** Whether a value is a whole answer to `promise.register_listener`. */
export const isPromiseRegisterListenerRes: Guard<PromiseRegisterListenerRes> = responseOf('promise.register_listener')
/** Whether a value is a whole request `promise.search`. */
export const isPromiseSearchReq: Guard<PromiseSearchReq> = requestOf('promise.search')
/** Whether a value is a whole answer to `promise.search`. */
export const isPromiseSearchRes: Guard<PromiseSearchRes> = responseOf('promise.search')
/** Whether a value is a whole request `task.get`. */
export const isTaskGetReq: Guard<TaskGetReq> = requestOf('task.get')
/** Whether a value is a whole answer to `task.get`. */
export const isTaskGetRes: Guard<TaskGetRes> = responseOf('task.get')
/** Whether a value is a whole request `task.create`. */
export const isTaskCreateReq: Guard<TaskCreateReq> = requestOf('task.create')
/** Whether a value is a whole answer to `task.create`. */
export const isTaskCreateRes: Guard<TaskCreateRes> = responseOf('task.create')
/** Whether a value is a whole request `task.acquire`. */
export const isTaskAcquireReq: Guard<TaskAcquireReq> = requestOf('task.acquire')
/** Whether a value is a whole answer to `task.acquire`. */
export const isTaskAcquireRes: Guard<TaskAcquireRes> = responseOf('task.acquire')
/** Whether a value is a whole request `task.release`. */
export const isTaskReleaseReq: Guard<TaskReleaseReq> = requestOf('task.release')
/** Whether a value is a whole answer to `task.release`. */
export const isTaskReleaseRes: Guard<TaskReleaseRes> = responseOf('task.release')
/** Whether a value is a whole request `task.suspend`. */
export const isTaskSuspendReq: Guard<TaskSuspendReq> = requestOf('task.suspend')
/** Whether a value is a whole answer to `task.suspend`. */
export const isTaskSuspendRes: Guard<TaskSuspendRes> = responseOf('task.suspend')
/** Whether a value is a whole request `task.halt`. */
export const isTaskHaltReq: Guard<TaskHaltReq> = requestOf('task.halt')
/** Whether a value is a whole answer to `task.halt`. */
export const isTaskHaltRes: Guard<TaskHaltRes> = responseOf('task.halt')
/** Whether a value is a whole request `task.continue`. */
export const isTaskContinueReq: Guard<TaskContinueReq> = requestOf('task.continue')
/** Whether a value is a whole answer to `task.continue`. */
export const isTaskContinueRes: Guard<TaskContinueRes> = responseOf('task.continue')
/** Whether a value is a whole request `task.fulfill`. */
export const isTaskFulfillReq: Guard<TaskFulfillReq> = requestOf('task.fulfill')
/** Whether a value is a whole answer to `task.fulfill`. */
export const isTaskFulfillRes: Guard<TaskFulfillRes> = responseOf('task.fulfill')
/** Whether a value is a whole request `task.fence`. */
export const isTaskFenceReq: Guard<TaskFenceReq> = requestOf('task.fence')
/** Whether a value is a whole answer to `task.fence`. */
export const isTaskFenceRes: Guard<TaskFenceRes> = responseOf('task.fence')
/** Whether a value is a whole request `task.heartbeat`. */
export const isTaskHeartbeatReq: Guard<TaskHeartbeatReq> = requestOf('task.heartbeat')
/** Whether a value is a whole answer to `task.heartbeat`. */
export const isTaskHeartbeatRes: Guard<TaskHeartbeatRes> = responseOf('task.heartbeat')
/** Whether a value is a whole request `task.search`. */
export const isTaskSearchReq: Guard<TaskSearchReq> = requestOf('task.search')
/** Whether a value is a whole answer to `task.search`. */
export const isTaskSearchRes: Guard<TaskSearchRes> = responseOf('task.search')
/** Whether a value is a whole request `schedule.get`. */
export const isScheduleGetReq: Guard<ScheduleGetReq> = requestOf('schedule.get')
/** Whether a value is a whole answer to `schedule.get`. */
export const isScheduleGetRes: Guard<ScheduleGetRes> = responseOf('schedule.get')
/** Whether a value is a whole request `schedule.create`. */
export const isScheduleCreateReq: Guard<ScheduleCreateReq> = requestOf('schedule.create')
/** Whether a value is a whole answer to `schedule.create`. */
export const isScheduleCreateRes: Guard<ScheduleCreateRes> = responseOf('schedule.create')
/** Whether a value is a whole request `schedule.delete`. */
export const isScheduleDeleteReq: Guard<ScheduleDeleteReq> = requestOf('schedule.delete')
/** Whether a value is a whole answer to `schedule.delete`. */
export const isScheduleDeleteRes: Guard<ScheduleDeleteRes> = responseOf('schedule.delete')
/** Whether a value is a whole request `schedule.search`. */
export const isScheduleSearchReq: Guard<ScheduleSearchReq> = requestOf('schedule.search')
/** Whether a value is a whole answer to `schedule.search`. */
export const isScheduleSearchRes: Guard<ScheduleSearchRes> = responseOf('schedule.search')
/** Whether a value is a whole request `debug.start`. */
export const isDebugStartReq: Guard<DebugStartReq> = requestOf('debug.start')
/** Whether a value is a whole answer to `debug.start`. */
export const isDebugStartRes: Guard<DebugStartRes> = responseOf('debug.start')
/** Whether a value is a whole request `debug.reset`. */
export const isDebugResetReq: Guard<DebugResetReq> = requestOf('debug.reset')
/** Whether a value is a whole answer to `debug.reset`. */
export const isDebugResetRes: Guard<DebugResetRes> = responseOf('debug.reset')
/** Whether a value is a whole request `debug.tick`. */
export const isDebugTickReq: Guard<DebugTickReq> = requestOf('debug.tick')
/** Whether a value is a whole answer to `debug.tick`. */
export const isDebugTickRes: Guard<DebugTickRes> = responseOf('debug.tick')
/** Whether a value is a whole request `debug.snap`. */
export const isDebugSnapReq: Guard<DebugSnapReq> = requestOf('debug.snap')
/** Whether a value is a whole answer to `debug.snap`. */
export const isDebugSnapRes: Guard<DebugSnapRes> = responseOf('debug.snap')
/** Whether a value is a whole request `debug.stop`. */
export const isDebugStopReq: Guard<DebugStopReq> = requestOf('debug.stop')
/** Whether a value is a whole answer to `debug.stop`. */
export const isDebugStopRes: Guard<DebugStopRes> = responseOf('debug.stop')

/** Whether a value is a whole request of any kind. */
export function isRequest(value: unknown): value is Request {
  return isOfKind(value) && requestOf(value.kind)(value)
}

/** Whether a value is a whole answer to a request of any kind. */
export function isResponse(value: unknown): value is Response {
  return isOfKind(value) && responseOf(value.kind)(value)
}

function isOfKind(value: unknown): value is { readonly kind: RequestKind } {
  return has(value, { kind: 'string' }) && KINDS.includes((value as { kind: RequestKind }).kind)
}

/** A guard of a status: on an answer whose kind is known it tells the shape too. */
export interface StatusGuard<S extends number> {
  <T extends Response>(response: T): response is Extract<T, { head: { status: S } }>
  (response: { readonly head: { readonly status: number } }): boolean
}

function statusOf<S extends number>(status: S): StatusGuard<S> {
  return ((response: { head: { status: number } }) => response.head.status === status) as StatusGuard<S>
}

/** Status 200: done. */
export const isSuccess: StatusGuard<200> = statusOf(200)
/** Status 300: something awaited has settled already: go on. */
export const isRedirect: StatusGuard<300> = statusOf(300)
/** Status 400: the request is none. */
export const isBadRequest: StatusGuard<400> = statusOf(400)
/** Status 401: no token, or a bad one. */
export const isUnauthorized: StatusGuard<401> = statusOf(401)
/** Status 403: the token does not allow it. */
export const isForbidden: StatusGuard<403> = statusOf(403)
/** Status 404: no such promise, task or schedule. */
export const isNotFound: StatusGuard<404> = statusOf(404)
/** Status 409: the task is not held at this version. */
export const isConflict: StatusGuard<409> = statusOf(409)
/** Status 422: what it needs is not there. */
export const isUnprocessable: StatusGuard<422> = statusOf(422)
/** Status 429: too much for now; ask again. */
export const isRateLimited: StatusGuard<429> = statusOf(429)
/** Status 500: the server failed; ask again. */
export const isError: StatusGuard<500> = statusOf(500)
/** Status 501: this server does not do that. */
export const isNotImplemented: StatusGuard<501> = statusOf(501)
