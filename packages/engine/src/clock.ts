// The store's clock, as this process can tell it without asking: servers of one database may be seconds apart. Good enough
// to know when to look and how long something took; what is decided, is decided at the instant that a transaction reads.

import type { Platform } from './platform.ts'

export class Clock {
  readonly #platform: Platform
  #aheadMs = 0

  constructor(platform: Platform) {
    this.#platform = platform
  }

  /** The store has just said that it is `at`. */
  saw(at: number): void {
    this.#aheadMs = at - this.#platform.now()
  }

  now(): number {
    return this.#platform.now() + this.#aheadMs
  }
}
