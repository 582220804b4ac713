// The end of a macrotask, once for all executions of a client: each looks whether it has something to send or to put down,
// then everything that was sent leaves together.

import type { Platform } from '../platform.ts'

export interface Turning {
  /** Everything that was ready in this macrotask has run. */
  turn(): void
}

export class Turn {
  readonly #defer: Platform['defer']
  readonly #flush: () => void
  #waiting = new Set<Turning>()

  constructor(defer: Platform['defer'], flush: () => void) {
    this.#defer = defer
    this.#flush = flush
  }

  /** `turning` wants to be asked at the end of this macrotask. */
  add(turning: Turning): void {
    if (this.#waiting.size === 0) this.#defer(() => this.#run())
    this.#waiting.add(turning)
  }

  #run(): void {
    const turning = this.#waiting
    this.#waiting = new Set()
    for (const each of turning) each.turn()
    this.#flush()
  }
}
