// What the engine tells about its work, and what it can be asked. Metrics are made of it elsewhere.

import { type GroupRecord, hasTask, type PromiseState, queueGroupOf, type WorkerRow } from '@resonatehq/protocol'
import type { StoreStats } from '@resonatehq/store'
import type { Outgoing } from './batch.ts'
import type { Log } from './platform.ts'
import type { HoldTimes } from './scaling.ts'

/** Called on hot paths: must be quick and must not throw. Durations in ms, fractions allowed. */
export interface EngineObserver {
  /** A batch committed. `waitMs`: how long its oldest request waited. */
  batch(batch: {
    readonly requests: number
    readonly waitMs: number
    readonly loadMs: number
    readonly commitMs: number
  }): void
  /** A message was handed over. `delayMs`: since its task was ready; absent for messages that are not about one. */
  sent(kind: 'execute' | 'unblock' | 'revoke', delayMs?: number): void
  /** A ready task was acquired, `waitMs` after it could have been. */
  acquired(group: string, waitMs: number): void
  /** A worker has a task no longer: fulfilled, suspended, released, halted or lost. */
  putDown(group: string, heldMs: number): void
  /** A promise was settled: the root of its tree, one that a worker runs, or any other. */
  settled(kind: 'workflow' | 'task' | 'promise', state: PromiseState, durationMs: number): void
  /** A schedule created promises. */
  scheduled(promises: number): void
}

export interface EngineStats {
  /** Requests accepted and not yet answered. */
  readonly queueLength: number
  /** The workers connected to this server, each once however many connections it has. */
  readonly workers: Iterable<WorkerStats>
}

export interface WorkerStats {
  readonly group: string
  readonly pid: string
  /** Tasks offered to it or held by it. */
  readonly inHand: number
}

/** What the store knows, of one instant: the same at every server of a database. */
export interface Picture {
  readonly now: number
  readonly counters: ReadonlyMap<string, number>
  readonly groups: readonly GroupRecord[]
  /** Presence of connected workers, a row for each server that one is connected to. */
  readonly workers: readonly WorkerRow[]
  /** Absent: a store that knows nothing of itself. */
  readonly store?: StoreStats
}

/** How a worker is, by its own account. Each part may be missing. */
export interface Vitals {
  /** How late its event loop is, ms. */
  readonly lagMs?: number
  readonly rssBytes?: number
  readonly tasks?: number
}

export const NO_OBSERVER: EngineObserver = {
  batch() {},
  sent() {},
  acquired() {},
  putDown() {},
  settled() {},
  scheduled() {},
}

export interface Observers {
  readonly observer: EngineObserver
  readonly log: Log
  readonly holds: HoldTimes
}

/** What a commit has to tell. */
export function observe({ scheduled, notes, moves, ends }: Outgoing, { observer, log, holds }: Observers): void {
  if (scheduled > 0) observer.scheduled(scheduled)
  for (const { about, text } of notes) log.warn(about, text)
  for (const { before, after, at } of moves) {
    if (after.lost > before.lost)
      log.info({ id: after.id, pid: before.pid, lost: after.lost }, 'A worker has lost a task: its lease ended')
    const group = queueGroupOf(after)
    const elapsedMs = Math.max(0, at - (before.sinceAt ?? at))
    if (after.state === 'acquired') observer.acquired(group, elapsedMs)
    else {
      holds.note(group, elapsedMs, at)
      observer.putDown(group, elapsedMs)
    }
  }
  for (const { id, origin, tags, state, createdAt, settledAt } of ends) {
    const kind = id === origin ? 'workflow' : hasTask(tags) ? 'task' : 'promise'
    observer.settled(kind, state, (settledAt ?? createdAt) - createdAt)
  }
}
