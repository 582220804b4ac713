// What a case is: something measured on each server, a number of times. Shared types; nothing runs here.

export interface Target {
  readonly name: string
  readonly url: string
  /** Process id where we started it; null for a server that was there. */
  readonly pid: number | null
}

export interface Settings {
  readonly isQuick: boolean
  readonly sdk: 'ours' | 'published'
}

/** One number of one round. `case` and `what` together name a row of the table. */
export interface Sample {
  readonly case: string
  readonly what: string
  readonly unit: string
  readonly server: string
  readonly value: number
}

export interface Case {
  readonly name: string
  readonly meaning: string
  /** One round on one server. A case without a server of its own is given null. */
  run(target: Target | null, settings: Settings): Promise<Sample[]>
  /** Measures something in this process, or brings its own servers. */
  readonly isOwn?: boolean
}

export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** Says on the side what is missing in the tables, and why. */
export function skipped(reason: string): void {
  process.stderr.write(`left out: ${reason}\n`)
}
