// Simulated time and chance: everything that happens is an event in one queue, drawn from one seed. An event belongs to a
// process, which may be frozen (its events wait) or dead (they never happen). Nothing here knows what a server is.

import type { Platform } from '../../src/index.ts'

interface Event {
  readonly at: number
  readonly turn: number
  readonly owner: Process | null
  readonly fn: () => void
  isCanceled: boolean
}

export class World {
  #now: number
  #turn = 0
  #state: number
  readonly #queue: Event[] = []
  #failure: unknown = null

  constructor({ seed, now }: { seed: number; now: number }) {
    this.#state = seed
    this.#now = now
  }

  get now(): number {
    return Math.floor(this.#now)
  }

  /** What must not be has happened: the run ends with it. */
  fail(error: unknown): void {
    this.#failure ??= error
  }

  /** 0 ≤ x < 1; mulberry32. */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }

  chance(share: number): boolean {
    return this.random() < share
  }

  between(least: number, most: number): number {
    return least + this.random() * (most - least)
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)] as T
  }

  after(delayMs: number, fn: () => void, owner: Process | null = null): () => void {
    const event: Event = { at: this.#now + Math.max(0, delayMs), turn: this.#turn++, owner, fn, isCanceled: false }
    this.#push(event)
    return () => {
      event.isCanceled = true
    }
  }

  pause(delayMs: number, owner: Process): Promise<void> {
    return new Promise((resolve) => void this.after(delayMs, resolve, owner))
  }

  /** Runs what happens until an instant, or until `isDone`. Throws what `fail` was told. */
  async run(until: number, isDone: () => boolean = () => false): Promise<void> {
    while (!isDone()) {
      const event = this.#queue[0]
      if (!event || event.at > until) break
      this.#pop()
      if (event.isCanceled || event.owner?.isDead) continue
      this.#now = Math.max(this.#now, event.at)
      if (event.owner?.isFrozen) {
        event.owner.waiting.push(event.fn)
        continue
      }
      event.fn()
      // All that follows at once: promises settle before the next macrotask.
      await new Promise(setImmediate)
      if (this.#failure) throw this.#failure
    }
    if (!isDone()) this.#now = Math.max(this.#now, until)
  }

  #push(event: Event): void {
    const queue = this.#queue
    let at = queue.push(event) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(event, queue[parent] as Event)) break
      queue[at] = queue[parent] as Event
      at = parent
    }
    queue[at] = event
  }

  #pop(): void {
    const queue = this.#queue
    const last = queue.pop() as Event
    if (queue.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= queue.length) break
      if (child + 1 < queue.length && isBefore(queue[child + 1] as Event, queue[child] as Event)) child++
      if (!isBefore(queue[child] as Event, last)) break
      queue[at] = queue[child] as Event
      at = child
    }
    queue[at] = last
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.turn < b.turn)
}

/** Something that runs, with a clock of its own that may be wrong. */
export class Process {
  readonly name: string
  readonly world: World
  readonly #skewMs: number
  readonly waiting: (() => void)[] = []
  readonly #ends: (() => void)[] = []
  isDead = false
  isFrozen = false
  /** Since when it has been running without a break. */
  runsSince: number

  constructor(world: World, name: string, skewMs = 0) {
    this.world = world
    this.name = name
    this.#skewMs = skewMs
    this.runsSince = world.now
  }

  get isWell(): boolean {
    return !this.isDead && !this.isFrozen
  }

  freeze(): void {
    this.isFrozen = true
  }

  /** All that should have happened meanwhile happens now, in its order. */
  thaw(): void {
    if (!this.isFrozen) return
    this.isFrozen = false
    this.runsSince = this.world.now
    for (const fn of this.waiting.splice(0)) this.world.after(0, fn, this)
  }

  kill(): void {
    this.isDead = true
    this.waiting.length = 0
    for (const end of this.#ends.splice(0)) end()
  }

  /** What the others notice when it is killed. */
  atEnd(fn: () => void): void {
    this.#ends.push(fn)
  }

  platform(): Platform {
    const { world } = this
    return {
      now: () => world.now + this.#skewMs,
      ticks: () => world.now,
      timer: (delayMs, fn) => world.after(delayMs, fn, this),
      defer: (fn) => void world.after(0, fn, this),
      random: () => world.random(),
    }
  }
}
