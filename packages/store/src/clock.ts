// A wall clock that never goes back: not when the machine's clock is set back, and not over a restart, because a floor is
// written with the batches about once a second. What was shown as timed out must not become pending again.

/** How often the floor is written, ms. */
const FLOOR_EVERY_MS = 1_000

export class StoreClock {
  readonly #wall: () => number
  #seenAt = 0
  #floorAt = 0

  constructor(wall: () => number) {
    this.#wall = wall
  }

  /** What was persisted by an earlier run. */
  restore(floorAt: number): void {
    this.#seenAt = Math.max(this.#seenAt, floorAt)
    this.#floorAt = floorAt
  }

  now(): number {
    this.#seenAt = Math.max(this.#seenAt, Math.floor(this.#wall()))
    return this.#seenAt
  }

  /** The floor to write with this commit, or null where the stored one is recent enough. */
  floorDue(): number | null {
    return this.#seenAt - this.#floorAt >= FLOOR_EVERY_MS ? this.#seenAt : null
  }

  /** The floor was committed. */
  floored(at: number): void {
    this.#floorAt = at
  }
}
