// Settled results on their way to the functions that wait for them, in the order in which every replay hands them over.

import type { Operation, Outcome } from './operations.ts'

/** Longer than the millisecond of a settlement, also where a timer fires a little early. */
export const TICK_MS = 2

export interface Arrival {
  readonly operation: Operation
  readonly outcome: Outcome
  readonly settledAt: number
}

/** Handed over from the first settled on. */
export class Arrivals {
  /** The next one last, once it is sorted. */
  #all: Arrival[] = []
  #isSorted = true

  get size(): number {
    return this.#all.length
  }

  add(arrival: Arrival): void {
    this.#all.push(arrival)
    this.#isSorted = false
  }

  /** The one to be handed over next. */
  get next(): Arrival | undefined {
    if (!this.#isSorted) this.#all.sort((a, b) => (isBefore(a, b) ? 1 : -1))
    this.#isSorted = true
    return this.#all.at(-1)
  }

  take(): Arrival {
    const { next } = this
    this.#all.pop()
    return next as Arrival
  }

  clear(): void {
    this.#all = []
  }

  /** When the last of them was settled. */
  get lastAt(): number {
    return this.#all.reduce((last, { settledAt }) => Math.max(last, settledAt), Number.NEGATIVE_INFINITY)
  }
}

/**
 * By when they were settled. Of one millisecond: sleeps first, since whoever sees another's settlement sees that the sleep is
 * over; then steps, since none is settled in the millisecond of a remote result that went before it; then program order.
 */
function isBefore(a: Arrival, b: Arrival): boolean {
  if (a.settledAt !== b.settledAt) return a.settledAt < b.settledAt
  const [first, second] = [rankOf(a.operation), rankOf(b.operation)]
  return first === second ? a.operation.order < b.operation.order : first < second
}

export const SLEEP = 0
export const STEP = 1
export const ELSEWHERE = 2

/** Its place among those that were settled in the same millisecond. */
export function rankOf({ call }: Operation): typeof SLEEP | typeof STEP | typeof ELSEWHERE {
  if (call.kind === 'local') return STEP
  return call.tags['resonate:timer'] === 'true' ? SLEEP : ELSEWHERE
}
