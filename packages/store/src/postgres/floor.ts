// What makes the database's clock one that never goes back, whichever machine the database runs on.
// F1. No answer leaves that shows an instant more than FLOOR_EVERY_MS beyond the floor that is stored. F2. At start, and
// after a connection was lost, nothing is decided before the clock has passed the floor by that much: it may be another
// machine's, and another server may have shown more than this one.

import { FLOOR_EVERY_MS, type StoreClock } from '../clock.ts'

export interface FloorOptions {
  readonly clock: StoreClock
  /** Reads the clock and the stored floor. */
  readonly read: () => Promise<unknown>
  readonly write: (floorAt: number) => Promise<unknown>
  readonly pause: (ms: number) => Promise<unknown>
  /** A clock that is moved by hand: nothing waits for it. */
  readonly isTrusted: boolean
  readonly where: string
}

/** A server that froze for a moment is waited for; a clock that is further behind than this many pauses is an outage. */
const PAUSES_MAX = 3

export class Floor {
  readonly #options: FloorOptions
  /** How often there was reason to doubt, and how many of these reasons are dealt with. */
  #doubts = 1
  #settled = 0
  #writing: Promise<void> | null = null

  constructor(options: FloorOptions) {
    this.#options = options
  }

  /** The next connection may lead elsewhere. */
  doubt(): void {
    this.#doubts++
  }

  /** F2. Rejects where that takes too long: whoever asks again waits again. */
  async passed(): Promise<void> {
    if (this.#doubts === this.#settled || this.#options.isTrusted) return
    const doubts = this.#doubts
    const { clock, read, pause, where } = this.#options
    await read()
    // As it was when it was asked: floors that others store meanwhile come from the clock that is waited for.
    const { unshownAt } = clock
    for (let pauses = 0; clock.wall() < unshownAt; pauses++) {
      const behindMs = unshownAt - clock.wall()
      if (pauses === PAUSES_MAX) {
        throw new Error(
          `the clock of ${where} is ${behindMs} ms behind what was shown before: set it right, or wait until it has caught up`,
        )
      }
      await pause(Math.min(behindMs, FLOOR_EVERY_MS))
      await read()
    }
    this.#settled = doubts
  }

  /** F1. Resolves when what was read from the clock so far may be shown. */
  async kept(): Promise<void> {
    for (let floorAt = this.#options.clock.floorDue(); floorAt !== null; floorAt = this.#options.clock.floorDue()) {
      this.#writing ??= this.#write(floorAt)
      await this.#writing
    }
  }

  async #write(floorAt: number): Promise<void> {
    try {
      await this.#options.write(floorAt)
      this.#options.clock.floored(floorAt)
    } finally {
      this.#writing = null
    }
  }
}
