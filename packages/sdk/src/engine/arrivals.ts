// Settled results on their way to the functions that wait for them, in the order in which every replay hands them over.

import type { Operation, Outcome } from './operations.ts'

/** Longer than the millisecond of a settlement, also where a timer fires a little early. */
export const TICK_MS = 2

export interface Arrival {
  readonly operation: Operation
  readonly outcome: Outcome
  readonly settledAt: number
  /** This pass has settled it, and may not have seen yet what others have settled before. */
  readonly isOurs: boolean
}

/** Handed over from the first settled on. */
export class Arrivals {
  /** The next one last, once it is sorted. */
  #all: Arrival[] = []
  #isSorted = true
  /** The last result from elsewhere that was handed over, and how many operations had begun by then. */
  #elsewhereWas = { settledAt: Number.NEGATIVE_INFINITY, begun: 0 }

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

  /** Takes the next one, to be handed over now, when `begun` operations have begun. */
  take(now: number, begun: number): Arrival {
    const next = this.next as Arrival
    this.#all.pop()
    const { operation, settledAt } = next
    const rank = rankOf(operation)
    if (rank === ELSEWHERE) this.#elsewhereWas = { settledAt, begun }
    if (rank === STEP) noteStep(operation, now)
    return next
  }

  /**
   * A result from elsewhere of this very millisecond was handed over while this step ran, or a step of the same function that stands
   * after it: in a replay this one must not come first.
   */
  isTooSoon({ order, frame: { lastStep } }: Operation, now: number): boolean {
    const { settledAt, begun } = this.#elsewhereWas
    if (order <= begun && now === settledAt) return true
    return lastStep !== undefined && order < lastStep.order && now < lastStep.handedAt + TICK_MS
  }

  clear(): void {
    this.#all = []
  }

  /** When the last of them was settled. */
  get lastAt(): number {
    return this.#all.reduce((last, { settledAt }) => Math.max(last, settledAt), Number.NEGATIVE_INFINITY)
  }
}

function noteStep({ frame, order }: Operation, handedAt: number): void {
  const { lastStep } = frame
  const isAboutThen = lastStep !== undefined && handedAt < lastStep.handedAt + TICK_MS
  frame.lastStep = { handedAt, order: isAboutThen ? Math.max(lastStep.order, order) : order }
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
