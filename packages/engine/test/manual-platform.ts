// A platform whose time is moved by hand: nothing happens until `advance`, and everything that is due then does, in order.

import type { Log, Platform } from '@resonatehq/engine'

export class ManualPlatform implements Platform {
  #now: number
  #timers: { at: number; fn: () => void }[] = []
  #state: number

  constructor({ now, seed = 1 }: { now: number; seed?: number }) {
    this.#now = now
    this.#state = seed
  }

  now(): number {
    return this.#now
  }

  ticks(): number {
    return this.#now
  }

  timer(delayMs: number, fn: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, delayMs), fn }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  defer(fn: () => void): void {
    setImmediate(fn)
  }

  /** mulberry32: small, seeded, good enough to mix a simulation. */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }

  /** Time passes, and nothing runs: the process, or the machine, stood still. */
  freeze(ms: number): void {
    this.#now += ms
  }

  /** Lets time pass, firing timers in order; `settle` is awaited after each so that what it started can arm others. */
  async advance(byMs: number, settle: () => Promise<unknown>): Promise<void> {
    const until = this.#now + byMs
    for (;;) {
      const next = this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0]
      if (!next) break
      this.#timers = this.#timers.filter((other) => other !== next)
      this.#now = Math.max(this.#now, next.at)
      next.fn()
      await settle()
    }
    this.#now = until
  }
}

/** A log that throws on errors and keeps warnings: a healthy run says nothing. */
export function strictLog(): Log & { warnings: string[] } {
  const warnings: string[] = []
  return {
    warnings,
    info() {},
    warn: (_fields, message) => void warnings.push(message),
    error: (fields, message) => {
      throw new Error(`${message}: ${String((fields as { err?: Error }).err?.stack ?? JSON.stringify(fields))}`)
    },
  }
}
