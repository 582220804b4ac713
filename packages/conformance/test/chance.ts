// Seeded chance: everything random in a test comes from here, so that its seed repeats it.

export class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** 0 ≤ x < 1, by the public-domain mulberry32. */
  share(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }

  /** A whole number, 0 ≤ n < `end`. */
  below(end: number): number {
    return Math.floor(this.share() * end)
  }

  between(from: number, to: number): number {
    return from + this.share() * (to - from)
  }

  happens(share: number): boolean {
    return this.share() < share
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T
  }

  /** Another source, which does not depend on how much is drawn from this one later. */
  fork(): Chance {
    return new Chance(this.below(2 ** 32))
  }
}
