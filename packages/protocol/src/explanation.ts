// Why an execution does not go on, as it is told: the answer of `promise.explain`. The reasons are found elsewhere.

import type { PromiseState, TaskState } from './records.ts'

/** What an execution waits for. Instants in ms since epoch. */
export type Reason =
  /** Not for the caller to know. */
  | { readonly kind: 'hidden' }
  | { readonly kind: 'settled'; readonly at: number }
  /** A durable sleep. */
  | { readonly kind: 'sleeping'; readonly until: number }
  /** Nobody runs it: somebody outside is to settle it. */
  | { readonly kind: 'unowned'; readonly until: number }
  /** A step inside the function of another promise. */
  | { readonly kind: 'step'; readonly of: string }
  | { readonly kind: 'delayed'; readonly until: number }
  /** Leases lost, or releases, in a row without progress. */
  | { readonly kind: 'backing_off'; readonly until: number; readonly lost: number; readonly released: number }
  /** Sent to a worker that has not acquired it yet. `until`: sent again, or to another, then. */
  | { readonly kind: 'offered'; readonly pid: string; readonly since: number; readonly until: number }
  /** POSTed to a URL. `until`: when again; absent: it is being sent for the first time. `trouble`: that URL takes nothing. */
  | {
      readonly kind: 'pushed'
      readonly address: string
      readonly since?: number
      readonly until?: number
      readonly trouble?: PushTrouble
    }
  | {
      readonly kind: 'no_worker'
      readonly group: string
      /** Only this one may take it. */
      readonly pid?: string
      readonly since: number
      /** Groups that have workers. */
      readonly connected: readonly string[]
    }
  | ({ readonly kind: 'no_function' } & MissingFunction)
  /** Ready, and workers are connected: as many as their capacity have it in hand already, or it goes out this moment. */
  | { readonly kind: 'queued'; readonly group: string; readonly workers: number; readonly since: number }
  | {
      readonly kind: 'held'
      readonly pid: string
      readonly since: number | null
      readonly renewedAt: number
      /** When the lease ends unless it is renewed. */
      readonly until: number
      /** Absent: it never polled here. */
      readonly isConnected?: boolean
      /** How late its event loop was at its last heartbeat since it holds this. */
      readonly lagMs?: number
    }
  /** `by`, `reason`: who halted it and why, as far as that was said. `missing`: what would keep it from going on. */
  | {
      readonly kind: 'halted'
      readonly since: number | null
      readonly by?: string
      readonly reason?: string
      readonly missing?: MissingFunction
    }
  /** Waits for other promises. `on`: the oldest of those that were looked at, and the one that is followed. */
  | {
      readonly kind: 'suspended'
      readonly since: number | null
      readonly count: number
      readonly examined: number
      readonly on: string | null
    }

/** Every worker of the group says which functions it has, and none has this one. */
export interface MissingFunction {
  readonly group: string
  readonly func: string
  readonly version?: number
  readonly workers: number
  /** What they have of that name. */
  readonly versions: readonly number[]
}

/** How POSTs to a URL fail, as the server that was asked has seen it: others may have tried, and know more. */
export interface PushTrouble {
  /** In a row. */
  readonly failures: number
  readonly failedAt: number
  /** What came last where 2xx was hoped for, in words. */
  readonly answer: string
}

export interface ExplainStep {
  readonly id: string
  readonly state: PromiseState
  /** Its deadline. */
  readonly timeoutAt: number
  readonly task?: TaskState
  /** What it calls, where that can be read. */
  readonly func?: string
  readonly reason: Reason
  /** The reason as a sentence. */
  readonly text: string
}

/** From the promise that was asked for down to what holds everything up: the last step. */
export interface Explanation {
  readonly id: string
  /** The instant it speaks of. */
  readonly at: number
  readonly steps: readonly ExplainStep[]
  /** It waits, over others, for itself. */
  readonly isCircular: boolean
  /** There is more below the last step than is followed. */
  readonly isCut: boolean
}
