// The protocol as those see it who write a network or talk to a server by themselves: the shapes of records and messages, and
// tests of what came over the wire. A guard looks at the shape only, as far as the code behind it relies on it.

import * as protocol from '@resonatehq/protocol'

export type { RequestEnvelope, ResponseEnvelope } from '@resonatehq/protocol'

/** A payload: base64 of JSON by convention, or whatever one's own network and encryptor agree upon. */
export type Value = {
  headers?: Record<string, string>
  // biome-ignore lint/suspicious/noExplicitAny: what stands here is up to who wrote it, as in the published SDK.
  data?: any
}

/** What the protocol has read-only, for those who make such things and change them; payloads in it are of `Value`. */
export type Open<T> = T extends readonly (infer Item)[]
  ? Open<Item>[]
  : T extends object
    ? { -readonly [F in keyof T]: F extends 'param' | 'value' | 'promiseParam' ? Value : Open<T[F]> }
    : T

/**
 * A promise as it is kept: `id`, `state` (`pending`, `resolved`, `rejected`, `rejected_canceled` or `rejected_timedout`), `param`,
 * `value`, `tags`, `timeoutAt`, `createdAt`, and `settledAt` once it is settled. Instants are in ms since epoch.
 */
export type PromiseRecord = Open<protocol.PromiseRecord>
/**
 * The duty to run a promise's function: the promise's `id`, `state` (`pending`, `acquired`, `suspended`, `halted` or `fulfilled`),
 * `version`, `resumes` (how many awaited promises were settled since), and the holder's `pid` and `ttl` while it is held.
 */
export type TaskRecord = Open<protocol.TaskRecord>
/**
 * A schedule: `id`, `cron`, and what it creates, `promiseId` (a template), `promiseTimeout` in ms, `promiseParam`, `promiseTags`;
 * `createdAt`, `nextRunAt`, and `lastRunAt` once it has fired. Instants are in ms since epoch.
 */
export type ScheduleRecord = Open<protocol.ScheduleRecord>

/** The head of a message. */
export type MessageHead = {
  /** Where the server that sent it is to be asked. */
  serverUrl?: string
}

/** A message of a kind: its `data` as the protocol has it. */
export type MessageOf<M extends { readonly kind: string; readonly data: unknown }> = {
  kind: M['kind']
  head: MessageHead
  data: Open<M['data']>
}

/** A task is ready: acquire it with this version. May come twice, or late. */
export type ExecuteMsg = MessageOf<protocol.ExecuteMessage>
/** A promise that was listened to is settled. May come twice. */
export type UnblockMsg = MessageOf<protocol.UnblockMessage>
/** A task that was held is no longer. Comes only where it was asked for: on a stream opened with `?revoke=1`. */
export type RevokeMsg = MessageOf<protocol.RevokeMessage>

/** What a server sends to every worker. */
export type Message = ExecuteMsg | UnblockMsg

/** Whether an object has fields of these types (as `typeof` names them). */
export function has(value: unknown, types: Readonly<Record<string, string>>): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(types).every(([key, type]) => typeof (value as Record<string, unknown>)[key] === type)
}

/** Whether a value is a payload: `headers` and `data`, both optional. */
export function isValue(value: unknown): value is Value {
  if (!has(value, {})) return false
  const { headers, data } = value as Value
  return (headers === undefined || has(headers, {})) && (data === undefined || typeof data === 'string')
}

/** Whether a value is the record of a promise. */
export function isPromiseRecord(value: unknown): value is PromiseRecord {
  const fields = { id: 'string', state: 'string', tags: 'object', timeoutAt: 'number', createdAt: 'number' }
  if (!has(value, fields)) return false
  const { state, param, value: result, settledAt } = value as PromiseRecord
  const isSettledAt = settledAt === undefined || typeof settledAt === 'number'
  return protocol.PROMISE_STATES.includes(state) && isValue(param) && isValue(result) && isSettledAt
}

/** Whether a value is the record of a task. */
export function isTaskRecord(value: unknown): value is TaskRecord {
  if (!has(value, { id: 'string', state: 'string', version: 'number' })) return false
  return protocol.TASK_STATES.includes((value as TaskRecord).state) && 'resumes' in (value as TaskRecord)
}

/** Whether a value is the record of a schedule. */
export function isScheduleRecord(value: unknown): value is ScheduleRecord {
  return has(value, { id: 'string', cron: 'string', promiseId: 'string', nextRunAt: 'number' })
}

/** Whether a value is a message that servers send to every worker: `execute` or `unblock`. */
export function isMessage(value: unknown): value is Message {
  return isExecuteMsg(value) || isUnblockMsg(value)
}

/** Whether a value is the message that a task is ready. */
export function isExecuteMsg(value: unknown): value is ExecuteMsg {
  return (
    isOf(value, 'execute') && has((value as { data: { task: unknown } }).data.task, { id: 'string', version: 'number' })
  )
}

/** Whether a value is the message that a promise is settled. */
export function isUnblockMsg(value: unknown): value is UnblockMsg {
  return isOf(value, 'unblock') && isPromiseRecord((value as { data: { promise: unknown } }).data.promise)
}

function isOf(value: unknown, kind: string): boolean {
  if (!has(value, { kind: 'string', head: 'object' })) return false
  const message = value as { kind: string; data: unknown }
  return message.kind === kind && has(message.data, {})
}
