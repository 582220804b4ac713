// The effects of a step. A step changes nothing: it reads a view and returns a list, applied together or not at all.
// Order of becoming durable: every row effect of a batch commits in one transaction, BEFORE any answer and any message
// (`execute`, `revoke`, and what `unblock.add` announces) leaves the process. Messages may then be lost or repeated;
// the rows say what is still owed.

import type { Answer } from '../requests.ts'
import type { Beat, PromiseRow, ScheduleRow, TaskRow, UnblockRow, WorkerRow } from './rows.ts'

export type Effect =
  /** Insert or replace. A promise is written twice in its life: created, settled (and its `wakeAt` cleared). */
  | { readonly kind: 'promise'; readonly row: PromiseRow }
  | { readonly kind: 'task'; readonly row: TaskRow }
  /** A settled promise is forgotten, and its task with it: the id is free again. */
  | { readonly kind: 'promise.drop'; readonly id: string }
  /** Adding twice is adding once. */
  | { readonly kind: 'callback.add' | 'callback.drop'; readonly awaited: string; readonly awaiter: string }
  | { readonly kind: 'listener.add' | 'listener.drop'; readonly awaited: string; readonly address: string }
  | { readonly kind: 'schedule'; readonly row: ScheduleRow }
  | { readonly kind: 'schedule.drop'; readonly id: string }
  /** The promise's record is owed to this address until `unblock.drop`. */
  | { readonly kind: 'unblock.add'; readonly row: UnblockRow }
  | { readonly kind: 'unblock.drop'; readonly id: string; readonly address: string }
  | { readonly kind: 'worker'; readonly row: WorkerRow }
  | { readonly kind: 'worker.drop'; readonly server: string; readonly group: string; readonly pid: string }
  /** A pid without a connection was heard from. Narrow: it must not bring back a `goneAt` that its server has cleared. */
  | { readonly kind: 'worker.seen'; readonly pid: string; readonly at: number }
  /** What a worker's last heartbeat said. Narrow, and lost without harm. */
  | { readonly kind: 'worker.beat'; readonly pid: string; readonly beat: Beat }
  /** All connected workers of one server were seen. One narrow update, whatever their number. */
  | { readonly kind: 'server.seen'; readonly server: string; readonly at: number }
  /** Message, not stored: a task that is pending and due is the message. `worker` null: pushed to the address. */
  | {
      readonly kind: 'execute'
      readonly id: string
      readonly version: number
      readonly address: string
      readonly worker: string | null
    }
  /**
   * Message, not stored: this pid's claim has ended without its doing. `queue`: the work was canceled; where that pid is gone,
   * or null because nobody had the task just then, another reader of the queue is told, who cancels what the work had called.
   */
  | {
      readonly kind: 'revoke'
      readonly id: string
      readonly version: number
      readonly pid: string | null
      readonly queue: string | null
    }
  /** For the log: something was left out or given up, and its owner, named by `about`, will want to know of it. */
  | {
      readonly kind: 'note'
      readonly about: { readonly schedule: string } | { readonly id: string }
      readonly text: string
    }

/** What was decided for one request or step. */
export interface Decision {
  readonly answer: Answer
  readonly effects: readonly Effect[]
}
