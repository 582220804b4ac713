// What is ambient elsewhere and passed in here: clock, timers, chance, a log. The simulator swaps exactly these.

export interface Platform {
  /** Wall clock, ms since epoch. */
  now(): number
  /** Ms with fractions, for measuring durations only. Never goes backwards and means nothing by itself. */
  ticks(): number
  /** Runs `fn` once after `delayMs`; returns its cancel. */
  timer(delayMs: number, fn: () => void): () => void
  /** Runs `fn` at the next macrotask: after what has arrived was read. */
  defer(fn: () => void): void
  /** 0 ≤ x < 1. */
  random(): number
}

export interface Log {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
