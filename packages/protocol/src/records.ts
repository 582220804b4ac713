// The records as they travel: what a client sees of promises, tasks, schedules and messages.
// Instants are integer milliseconds since the Unix epoch and end in `At`; durations are milliseconds.
// Absent parts are left out, never null. Source: the protocol page, section 2.

/** Opaque payload. The server never looks inside `data`; SDKs put base64 of JSON there. */
export interface Value {
  readonly headers?: Readonly<Record<string, string>>
  readonly data?: string
}

export type Tags = Readonly<Record<string, string>>

/** How a client may settle a promise. */
export type Settlement = 'resolved' | 'rejected' | 'rejected_canceled'

export type PromiseState = 'pending' | Settlement | 'rejected_timedout'

export const PROMISE_STATES: readonly PromiseState[] = [
  'pending',
  'resolved',
  'rejected',
  'rejected_canceled',
  'rejected_timedout',
]

/** A promise as it is kept: who asked for what, until when, and what came of it. */
export interface PromiseRecord {
  readonly id: string
  readonly state: PromiseState
  readonly param: Value
  readonly value: Value
  readonly tags: Tags
  readonly timeoutAt: number
  readonly createdAt: number
  /** Present once settled. A promise that timed out settled at its `timeoutAt`, not when that was noticed. */
  readonly settledAt?: number
}

export type TaskState = 'pending' | 'acquired' | 'suspended' | 'halted' | 'fulfilled'

export const TASK_STATES: readonly TaskState[] = ['pending', 'acquired', 'suspended', 'halted', 'fulfilled']

/** The duty to run a promise's function. Exists exactly where a promise has a target and is no timer. */
export interface TaskRecord {
  /** The id of its promise. */
  readonly id: string
  readonly state: TaskState
  /** Raised by every acquire; a claim is valid for one version only. */
  readonly version: number
  /** Awaited promises that settled since the task was last acquired or suspended. */
  readonly resumes: number
  /** Lease length, ms. Only while acquired. */
  readonly ttl?: number
  /** The worker that holds it. Only while acquired. */
  readonly pid?: string
}

/** A schedule: which promises are created when. */
export interface ScheduleRecord {
  readonly id: string
  readonly cron: string
  /** Template of the ids it creates; `{{.id}}` and `{{.timestamp}}` are replaced. */
  readonly promiseId: string
  /** How long each created promise may take, ms. */
  readonly promiseTimeout: number
  readonly promiseParam: Value
  readonly promiseTags: Tags
  readonly createdAt: number
  readonly nextRunAt: number
  readonly lastRunAt?: number
}

export interface TaskRef {
  readonly id: string
  readonly version: number
}

/** This task is ready: acquire it with this version. May arrive twice or late. */
export interface ExecuteMessage {
  readonly kind: 'execute'
  readonly head: { readonly serverUrl: string }
  readonly data: { readonly task: TaskRef }
}

/** A promise you listen to settled. Kept until it was handed over; may arrive twice. */
export interface UnblockMessage {
  readonly kind: 'unblock'
  readonly head: Readonly<Record<string, never>>
  readonly data: { readonly promise: PromiseRecord }
}

/** A task you hold is no longer yours. Sent only on connections opened with `?revoke=1`. */
export interface RevokeMessage {
  readonly kind: 'revoke'
  readonly head: Readonly<Record<string, never>>
  readonly data: { readonly task: TaskRef }
}

/** What a server sends to workers. */
export type Message = ExecuteMessage | UnblockMessage | RevokeMessage
