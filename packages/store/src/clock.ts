// A clock that never goes back: not when the clock under it is set back, not over a restart, and not when a database moves
// to a machine whose clock is behind. A floor is stored about once a second; before anything is shown that is more than
// that beyond the stored floor, a new one is stored. So whoever starts with nothing but the floor knows what may have been
// shown, and waits until the clock has passed it: what was shown as timed out must not become pending again.

/** How often the floor is written, ms. */
export const FLOOR_EVERY_MS = 1_000

export class StoreClock {
  readonly #wall: () => number
  #seenAt = 0
  #floorAt = 0

  constructor(wall: () => number) {
    this.#wall = wall
  }

  /** What was persisted, by an earlier run or by another server. */
  restore(floorAt: number): void {
    this.#seenAt = Math.max(this.#seenAt, floorAt)
    this.#floorAt = floorAt
  }

  now(): number {
    this.#seenAt = Math.max(this.#seenAt, this.wall())
    return this.#seenAt
  }

  /** What the clock under this one says; it may have gone back. */
  wall(): number {
    return Math.floor(this.#wall())
  }

  /** By the stored floor, nobody has shown this instant or a later one. 0: nobody has shown anything. */
  get unshownAt(): number {
    return this.#floorAt === 0 ? 0 : this.#floorAt + FLOOR_EVERY_MS
  }

  /** The floor to write before `now` is shown, or null where the stored one is recent enough. */
  floorDue(): number | null {
    return this.#seenAt - this.#floorAt >= FLOOR_EVERY_MS ? this.#seenAt : null
  }

  /** The floor was committed. */
  floored(at: number): void {
    this.#floorAt = Math.max(this.#floorAt, at)
  }
}
