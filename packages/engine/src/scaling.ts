// How many workers a group needs, out of what waits now and how long a task keeps a worker busy. The formula has no memory
// of its own answers: the same backlog always needs the same workers, more backlog never needs fewer, and none needs none.
//
//   slots   = held + waiting × min(1, hold ÷ target)
//   workers = ⌈slots ÷ tasks a worker works on at a time⌉
//
// `hold`: how long a task of the group is in a worker's hands, on average of the last minutes. What waits is to have
// begun within `target`: in that time one slot takes target ÷ hold tasks, one after the other, but no less than one.

export interface ScalingSettings {
  /** How long a ready task may wait for a worker, ms. */
  readonly targetWaitMs: number
  /** Tasks that one worker works on at a time, where workers do not state their capacity. */
  readonly tasksPerWorker: number
}

export const DEFAULT_SCALING: ScalingSettings = { targetWaitMs: 5_000, tasksPerWorker: 10 }

export interface Demand {
  /** Tasks in the hands of workers. */
  readonly held: number
  /** Ready tasks that nobody has. */
  readonly waiting: number
  /** Mean time in hand, ms. Null: not known, so every waiting task gets a slot of its own. */
  readonly holdMs: number | null
  /** Tasks that one worker works on at a time, at least 1. */
  readonly tasksPerWorker: number
  readonly targetWaitMs: number
}

export function workersDesired({ held, waiting, holdMs, tasksPerWorker, targetWaitMs }: Demand): number {
  const share = holdMs === null ? 1 : Math.min(1, holdMs / targetWaitMs)
  const slots = held + waiting * share
  // A task that waits needs somebody, however quick it will be.
  return Math.max(Math.ceil(slots / tasksPerWorker), held + waiting > 0 ? 1 : 0)
}

/** Half of the time that is looked back on at least, ms. */
const SPAN_MS = 300_000
/** Groups that are measured; beyond them nothing is known. */
const GROUPS_MAX = 1_000

interface Sum {
  readonly count: number
  readonly ms: number
}

/** How long tasks were in hand: those that this server saw put down in the last five to ten minutes, by group. */
export class HoldTimes {
  #current = new Map<string, Sum>()
  #previous = new Map<string, Sum>()
  #turnedAt = 0

  note(group: string, ms: number, now: number): void {
    this.#turn(now)
    const sum = this.#current.get(group)
    if (!sum && this.#current.size >= GROUPS_MAX) return
    this.#current.set(group, { count: (sum?.count ?? 0) + 1, ms: (sum?.ms ?? 0) + Math.max(0, ms) })
  }

  /** Null: none was put down lately. */
  meanMs(group: string, now: number): number | null {
    this.#turn(now)
    const sums = [this.#current.get(group), this.#previous.get(group)].filter((sum) => sum !== undefined)
    const count = sums.reduce((all, sum) => all + sum.count, 0)
    return count === 0 ? null : sums.reduce((all, sum) => all + sum.ms, 0) / count
  }

  #turn(now: number): void {
    const elapsedMs = now - this.#turnedAt
    // A clock that was set back, as tests do, begins anew.
    if (elapsedMs >= 0 && elapsedMs < SPAN_MS) return
    this.#previous = elapsedMs >= 0 && elapsedMs < 2 * SPAN_MS ? this.#current : new Map()
    this.#current = new Map()
    this.#turnedAt = now
  }
}
