// The protocol as those see it who write a network or talk to a server by themselves: the shapes of records and messages, and
// tests of what came over the wire. A guard looks at the shape only, as far as the code behind it relies on it.

import type {
  ExecuteMessage,
  PromiseRecord,
  RevokeMessage,
  ScheduleRecord,
  TaskRecord,
  UnblockMessage,
  Value,
} from '@resonatehq/protocol'

export type {
  PromiseRecord,
  RequestEnvelope,
  ResponseEnvelope,
  ScheduleRecord,
  TaskRecord,
  Value,
} from '@resonatehq/protocol'

/** The head of a message. */
export interface MessageHead {
  /** Where the server that sent it is to be asked. */
  readonly serverUrl?: string
}

/** A message of a kind: its `data` as the protocol has it. */
export interface MessageOf<M extends { readonly kind: string; readonly data: unknown }> {
  readonly kind: M['kind']
  readonly head: MessageHead
  readonly data: M['data']
}

/** A task is ready: acquire it with this version. May come twice, or late. */
export type ExecuteMsg = MessageOf<ExecuteMessage>
/** A promise that was listened to is settled. May come twice. */
export type UnblockMsg = MessageOf<UnblockMessage>
/** A task that was held is no longer; only servers of ours send it, and only to who asked for it. */
export type RevokeMsg = MessageOf<RevokeMessage>

/** What a server sends to workers. */
export type Message = ExecuteMsg | UnblockMsg | RevokeMsg

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
  return has(value, fields) && isValue((value as PromiseRecord).param) && isValue((value as PromiseRecord).value)
}

/** Whether a value is the record of a task. */
export function isTaskRecord(value: unknown): value is TaskRecord {
  return has(value, { id: 'string', state: 'string', version: 'number' })
}

/** Whether a value is the record of a schedule. */
export function isScheduleRecord(value: unknown): value is ScheduleRecord {
  return has(value, { id: 'string', cron: 'string', promiseId: 'string', nextRunAt: 'number' })
}

/** Whether a value is a message of the server: `execute`, `unblock` or `revoke`. */
export function isMessage(value: unknown): value is Message {
  return isExecuteMsg(value) || isUnblockMsg(value) || isOf(value, 'revoke')
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
  if (!has(value, { kind: 'string' })) return false
  const message = value as { kind: string; data: unknown }
  return message.kind === kind && has(message.data, {})
}
