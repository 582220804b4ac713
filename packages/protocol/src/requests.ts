// One table: what each request carries and what its 200 (or 300) answers. Types only; what they mean is in machine/.
// Source: the protocol page, sections 1 and 4.

import type { Explanation } from './explanation.ts'
import type {
  PromiseRecord,
  PromiseState,
  ScheduleRecord,
  Settlement,
  Tags,
  TaskRecord,
  TaskRef,
  TaskState,
  Value,
} from './records.ts'
import type { Sight } from './scope.ts'

/** The one version every published client announces. */
export const PROTOCOL_VERSION = '2026-04-01'

export interface CreateData {
  readonly id: string
  readonly timeoutAt: number
  readonly param: Value
  readonly tags: Tags
}

export interface SettleData {
  readonly id: string
  readonly state: Settlement
  readonly value: Value
}

export interface CallbackData {
  readonly awaited: string
  readonly awaiter: string
}

/** A request inside a request. Its head is only echoed. */
export interface Action<K extends string, D> {
  readonly kind: K
  readonly head?: { readonly corrId?: string }
  readonly data: D
}

export type CreateAction = Action<'promise.create', CreateData>
export type SettleAction = Action<'promise.settle', SettleData>
export type CallbackAction = Action<'promise.register_callback', CallbackData>

export interface Claim {
  readonly task: TaskRecord
  readonly promise: PromiseRecord
  /** Every other promise of the same `resonate:branch`, in id order, capped: what a replay needs without asking. */
  readonly preload: readonly PromiseRecord[]
}

export interface ActionAnswer {
  readonly kind: string
  readonly head: { readonly corrId: string; readonly status: number; readonly version: string }
  readonly data: unknown
}

export interface DebugSnapshot {
  readonly promises: readonly PromiseRecord[]
  readonly promiseTimeouts: readonly { id: string; timeout: number }[]
  readonly callbacks: readonly { awaiter: string; awaited: string }[]
  readonly listeners: readonly { id: string; address: string }[]
  readonly tasks: readonly TaskRecord[]
  /** type 0: the task is offered (again) at `timeout`; type 1: its lease ends then. */
  readonly taskTimeouts: readonly { id: string; type: 0 | 1; timeout: number }[]
  readonly messages: readonly { address: string; message: unknown }[]
}

/** A worker in one group, as its servers know it. */
export interface WorkerRecord {
  readonly group: string
  readonly pid: string
  /** `gone`: without a connection. `silent`: the server that it was connected to was not heard from lately. */
  readonly state: 'connected' | 'gone' | 'silent'
  /** Tasks in hand at most; absent: any number. */
  readonly capacity?: number
  /** Tasks offered to it or held by it, in whichever group. */
  readonly tasks: number
  /** What it says of itself: sdk, version, host, functions. */
  readonly info: Tags
  /** When it was last known to live. */
  readonly seenAt: number
  /** Its last heartbeat, and what that said. Absent: none came, as from a worker without tasks. */
  readonly heartbeatAt?: number
  readonly lagMs?: number
  readonly rssBytes?: number
}

/** The workers and the tasks of one group. */
export interface GroupRecord {
  readonly group: string
  /** Connected workers. */
  readonly workers: number
  /** Tasks by state, those that are over left out. `pending`: what is delayed, backs off or is on offer too. */
  readonly tasks: Readonly<Record<Exclude<TaskState, 'fulfilled'>, number>>
  /** Tasks that any worker of the group could take now and none was offered. Past a thousand: all that are pending. */
  readonly ready: number
  /** Since when the longest due of them could have been taken. */
  readonly oldestReadyAt?: number
  /** How many workers what waits and what is held need. */
  readonly workersDesired: number
}

type Empty = Readonly<Record<string, never>>

/** Told by the server for a caller who may not see everything, never read from the wire. */
interface Seen {
  readonly sight?: Sight
}

/** kind → what it carries (`data`, as parsed: optional parts filled or absent, never null) and what it answers. */
export interface RequestTable {
  'promise.get': { data: { readonly id: string }; answer: { promise: PromiseRecord } }
  'promise.create': { data: CreateData; answer: { promise: PromiseRecord } }
  'promise.settle': { data: SettleData; answer: { promise: PromiseRecord } }
  'promise.register_callback': { data: CallbackData; answer: { promise: PromiseRecord } }
  'promise.register_listener': {
    data: { readonly awaited: string; readonly address: string }
    answer: { promise: PromiseRecord }
  }
  'promise.search': {
    data: {
      readonly state?: PromiseState
      readonly tags?: Tags
      readonly limit?: number
      readonly cursor?: string
    }
    answer: { promises: PromiseRecord[]; cursor?: string }
  }

  /**
   * Which of these are settled, in the order asked for; unknown ones are passed over. `now`: the instant that holds for. `isCut`:
   * there are more, which one answer does not hold.
   */
  'promise.check': {
    data: { readonly ids: readonly string[] }
    answer: { promises: PromiseRecord[]; now: number; isCut?: true }
  }

  /** Why it does not go on, followed through what it waits for. */
  'promise.explain': { data: Seen & { readonly id: string }; answer: Explanation }

  'task.get': { data: { readonly id: string }; answer: { task: TaskRecord } }
  'task.create': {
    data: { readonly pid: string; readonly ttl: number; readonly action: CreateAction; readonly preload?: boolean }
    answer: Claim
  }
  'task.acquire': {
    data: TaskRef & { readonly pid: string; readonly ttl: number; readonly preload?: boolean }
    answer: Claim
  }
  'task.release': { data: TaskRef; answer: Empty }
  'task.suspend': {
    /** `kept`: so many callbacks of its earlier suspends hold beside those of `actions`; then what has resumed it since counts. */
    data: TaskRef & { readonly actions: readonly CallbackAction[]; readonly kept?: number; readonly preload?: boolean }
    /** `preload` with status 300: something awaited has settled already, go on working. */
    answer: { preload?: readonly PromiseRecord[] }
  }
  'task.fulfill': { data: TaskRef & { readonly action: SettleAction }; answer: { promise: PromiseRecord } }
  'task.fence': {
    data: TaskRef & { readonly action: CreateAction | SettleAction; readonly preload?: boolean }
    answer: { action: ActionAnswer; preload: readonly PromiseRecord[] }
  }
  'task.heartbeat': {
    /** An empty list means the tasks of this pid, as far as they are in sight. */
    data: Seen & { readonly pid: string; readonly tasks: readonly TaskRef[] }
    answer: { lost: string[] }
  }
  'task.halt': {
    /** With a version: by its holder, as only that one may. `by`, `reason`: who halts it and why, for people who ask. */
    data: { readonly id: string; readonly version?: number; readonly by?: string; readonly reason?: string }
    answer: Empty
  }
  'task.continue': { data: { readonly id: string }; answer: Empty }
  'task.search': {
    data: { readonly state?: TaskState; readonly limit?: number; readonly cursor?: string }
    answer: { tasks: TaskRecord[]; cursor?: string }
  }

  'schedule.get': { data: { readonly id: string }; answer: { schedule: ScheduleRecord } }
  'schedule.create': {
    data: {
      readonly id: string
      readonly cron: string
      readonly promiseId: string
      readonly promiseTimeout: number
      readonly promiseParam: Value
      readonly promiseTags: Tags
    }
    answer: { schedule: ScheduleRecord }
  }
  'schedule.delete': { data: { readonly id: string }; answer: Empty }
  'schedule.search': {
    data: { readonly tags?: Tags; readonly limit?: number; readonly cursor?: string }
    answer: { schedules: ScheduleRecord[]; cursor?: string }
  }

  'worker.search': {
    data: Seen & { readonly group?: string; readonly limit?: number; readonly cursor?: string }
    answer: { workers: WorkerRecord[]; cursor?: string }
  }
  'group.search': {
    data: Seen & { readonly limit?: number; readonly cursor?: string }
    answer: { groups: GroupRecord[]; cursor?: string }
  }

  /** What retention would forget among the settled promises from `cursor` on, the oldest first, if they were kept for `ageMs`. */
  'retention.preview': {
    data: { readonly ageMs?: number; readonly limit?: number; readonly cursor?: string }
    answer: { promises: { id: string; settledAt: number }[]; examined: number; cursor?: string }
  }
  /** Writes a copy of the database beside it, while it is in use. */
  'backup.create': { data: { readonly name?: string }; answer: { path: string; bytes: number } }

  'debug.start': { data: Empty; answer: Empty }
  'debug.stop': { data: Empty; answer: Empty }
  'debug.reset': { data: Empty; answer: Empty }
  'debug.tick': { data: { readonly time: number }; answer: readonly never[] }
  'debug.snap': { data: Empty; answer: DebugSnapshot }
}

export type Kind = keyof RequestTable

/** The kinds the machine decides. `debug.*` steer the engine around it; an inquiry shows people what it sees. */
export type DebugKind = Extract<Kind, `debug.${string}`>
export type InquiryKind = 'promise.explain' | 'worker.search' | 'group.search'
/** About the store as a whole. */
export type StoreKind = 'retention.preview' | 'backup.create'
export type MachineKind = Exclude<Kind, DebugKind | InquiryKind | StoreKind>

/** A parsed request. `K` narrows `data`. */
export type Request<K extends Kind = Kind> = {
  [P in K]: { readonly kind: P; readonly data: RequestTable[P]['data'] }
}[K]

export type Status = 200 | 300 | 400 | 401 | 403 | 404 | 409 | 413 | 422 | 429 | 500 | 501 | 503

/** What was decided. On any status other than 200 and 300 `data` is a string that says what is wrong. */
export interface Answer {
  readonly status: Status
  readonly data: unknown
}

/** A request as it travels. */
export interface RequestEnvelope {
  readonly kind: string
  readonly head: {
    readonly corrId: string
    readonly version: string
    readonly auth?: string
    readonly 'resonate:debug_time'?: number
    readonly 'resonate:worker'?: { readonly lagMs?: number; readonly rssBytes?: number; readonly tasks?: number }
  }
  readonly data: Readonly<Record<string, unknown>>
}

/** An answer as it travels: `data` is a text that says what is wrong where the status is neither 200 nor 300. */
export interface ResponseEnvelope {
  readonly kind: string
  readonly head: { readonly corrId: string; readonly status: number; readonly version: string }
  readonly data: unknown
}
