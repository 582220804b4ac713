// What the engine tells about its work, and what it can be asked. Metrics are made of it elsewhere.

import type { GroupRecord, PromiseState, WorkerRow } from '@resonatehq/protocol'
import type { StoreStats } from '@resonatehq/store'

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
