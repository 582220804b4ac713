// What the engine tells about its work, and what it can be asked. Metrics are made of it elsewhere.

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
  /** What it said of itself when it connected: sdk, version, host, functions. */
  readonly info: Readonly<Record<string, string>>
  /** What its last heartbeat said of its health. Absent: it says nothing. */
  readonly vitals?: Vitals
}

/** How a worker is, by its own account. Each part may be missing. */
export interface Vitals {
  /** How late its event loop is, ms. */
  readonly lagMs?: number
  readonly rssBytes?: number
  readonly tasks?: number
}

export const NO_OBSERVER: EngineObserver = { batch() {}, sent() {}, scheduled() {} }
