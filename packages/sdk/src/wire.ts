// The protocol as those see it who write a network or talk to a server by themselves: the shapes of records and messages, and
// tests of what came over the wire. A guard looks at the shape only, as far as the code behind it relies on it.

import type { Message, PromiseRecord, ResponseEnvelope, ScheduleRecord, TaskRecord, Value } from '@resonatehq/protocol'

export type {
  Message,
  PromiseRecord,
  RequestEnvelope,
  ResponseEnvelope,
  ScheduleRecord,
  TaskRecord,
  Value,
} from '@resonatehq/protocol'

type Answer = Pick<ResponseEnvelope, 'head'>

const answered =
  (...statuses: number[]) =>
  ({ head }: Answer): boolean =>
    statuses.includes(head.status)

export const isSuccess = answered(200)
export const isRedirect = answered(300)
export const isBadRequest = answered(400)
export const isUnauthorized = answered(401)
export const isForbidden = answered(403)
export const isNotFound = answered(404)
export const isConflict = answered(409)
export const isUnprocessable = answered(422)
export const isRateLimited = answered(429)
export const isError = answered(500)
export const isNotImplemented = answered(501)

function has(value: unknown, types: Readonly<Record<string, string>>): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(types).every(([key, type]) => typeof (value as Record<string, unknown>)[key] === type)
}

export function isResponse(value: unknown): value is ResponseEnvelope {
  return has(value, { kind: 'string', head: 'object' }) && has((value as Answer).head, { status: 'number' })
}

export function isValue(value: unknown): value is Value {
  if (!has(value, {})) return false
  const { headers, data } = value as Value
  return (headers === undefined || has(headers, {})) && (data === undefined || typeof data === 'string')
}

export function isPromiseRecord(value: unknown): value is PromiseRecord {
  const fields = { id: 'string', state: 'string', tags: 'object', timeoutAt: 'number', createdAt: 'number' }
  return has(value, fields) && isValue((value as PromiseRecord).param) && isValue((value as PromiseRecord).value)
}

export function isTaskRecord(value: unknown): value is TaskRecord {
  return has(value, { id: 'string', state: 'string', version: 'number' })
}

export function isScheduleRecord(value: unknown): value is ScheduleRecord {
  return has(value, { id: 'string', cron: 'string', promiseId: 'string', nextRunAt: 'number' })
}

export function isMessage(value: unknown): value is Message {
  return isExecuteMsg(value) || isUnblockMsg(value) || isOf(value, 'revoke')
}

export function isExecuteMsg(value: unknown): value is Extract<Message, { kind: 'execute' }> {
  return (
    isOf(value, 'execute') && has((value as { data: { task: unknown } }).data.task, { id: 'string', version: 'number' })
  )
}

export function isUnblockMsg(value: unknown): value is Extract<Message, { kind: 'unblock' }> {
  return isOf(value, 'unblock') && isPromiseRecord((value as { data: { promise: unknown } }).data.promise)
}

function isOf(value: unknown, kind: string): boolean {
  if (!has(value, { kind: 'string' })) return false
  const message = value as { kind: string; data: unknown }
  return message.kind === kind && has(message.data, {})
}
