// A clock that never goes back: not when the clock under it is set back, not over a restart, and not when a database moves
// to a machine whose clock is behind. A floor is stored about once a second; before anything is shown that is more than
// that beyond the stored floor, a new one is stored. So whoever starts with nothing but the floor knows what may have been
// shown, and waits until the clock has passed it: what was shown as timed out must not become pending again.

/** How often the floor is written, ms. */
export const FLOOR_EVERY_MS = 1_000

export class StoreClock {
  readonly #wall: () => number
  readonly #goesOn: boolean
  #seenAt = 0
  #floorAt = 0
  /** When it was last looked at, by the clock under it. */
  #lookedAt = Number.POSITIVE_INFINITY
  /** What is gone beyond `#seenAt`, less than 1 ms. */
  #beyondMs = 0

  /** `goesOn`: while the clock under it is behind, it goes on at half the pace, until that has caught up. */
  constructor(wall: () => number, { goesOn = false } = {}) {
    this.#wall = wall
    this.#goesOn = goesOn
  }

  /** What was persisted, by an earlier run or by another server. */
  restore(floorAt: number): void {
    this.#seenAt = Math.max(this.#seenAt, floorAt)
    this.#floorAt = floorAt
  }

  now(): number {
    const wallAt = this.wall()
    if (wallAt >= this.#seenAt) this.#seenAt = wallAt
    else if (this.#goesOn) this.#goOn(wallAt - this.#lookedAt)
    this.#lookedAt = wallAt
    return this.#seenAt
  }

  #goOn(passedMs: number): void {
    const exact = this.#beyondMs + Math.max(passedMs, 0) / 2
    this.#beyondMs = exact % 1
    this.#seenAt += Math.floor(exact)
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
