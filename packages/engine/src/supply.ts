// What waits in the store for the workers connected here: ready tasks and owed unblocks, read where there is room for them.
// S1. A queue has one reader at a time; asked for again meanwhile, it is read again. S2. Nothing is read that nobody here
// can take: its queue is remembered as having a backlog, and read when there is room. S3. Where a read fails nothing is
// lost: the rows are there, and the store's recovery reads anew.

import type { Store } from '@resonatehq/store'
import type { Entry } from './batch.ts'
import type { Delivery } from './delivery.ts'
import type { Health } from './health.ts'
import type { Lane } from './lane.ts'
import { type Placement, queuesOf } from './placement.ts'
import type { Platform } from './platform.ts'

export interface SupplyOptions {
  readonly store: Store
  readonly lane: Lane
  readonly placement: Placement
  readonly delivery: Delivery
  readonly platform: Platform
  readonly health: Health
  /** Nothing is to be handed out now: work is paused, or ends. */
  readonly isHeld: () => boolean
  /** Other servers read the same store. */
  readonly hasCompany: () => boolean
  /** Work that is finished before the store is closed. */
  readonly errand: (work: Promise<void>) => void
}

interface WorkerName {
  readonly group: string
  readonly pid: string
}

/** Ready tasks that are read for the workers of a queue at a time. */
const PULL_MAX = 500
/** Tasks that other servers made ready and unblocks that they owe, in one look. */
const LOOK_MAX = 200
/** Workers whose own queues are read in one look; the next ones in the next. */
const LOOK_WORKERS = 250

export class Supply {
  readonly #options: SupplyOptions
  /** Queues that are being read; true: asked again meanwhile. */
  readonly #pulling = new Map<string, boolean>()
  /** Where among the workers the next look begins. */
  #lookedAt = 0

  constructor(options: SupplyOptions) {
    this.#options = options
  }

  /** Offers what waits in a queue, as long as there is room. S1. */
  pull(queue: string): void {
    const { placement, health, isHeld, errand } = this.#options
    if (isHeld()) return placement.leftover(queue)
    if (this.#pulling.has(queue)) return void this.#pulling.set(queue, true)
    this.#pulling.set(queue, false)
    const done = () => {
      const isAskedAgain = this.#pulling.get(queue)
      this.#pulling.delete(queue)
      if (isAskedAgain) this.pull(queue)
    }
    const failed = (error: unknown) => {
      this.#pulling.delete(queue)
      placement.leftover(queue)
      health.failed(error)
    }
    errand(this.#pullAll(queue).then(done, failed))
  }

  async #pullAll(queue: string): Promise<void> {
    const { store, lane, placement, isHeld } = this.#options
    for (;;) {
      const limit = placement.room(queue, PULL_MAX)
      if (limit === 0) return placement.leftover(queue)
      placement.reading(queue)
      const tasks = await store.ready({ queues: [queue], now: await store.now(), limit })
      if (tasks.length === limit) placement.leftover(queue)
      const isPlaced = await lane.settled(this.#turned(tasks).map(({ id }): Entry => ({ kind: 'place', id })))
      if (!isPlaced || isHeld()) return placement.leftover(queue)
      if (tasks.length < limit) return
    }
  }

  /** Servers that read the same tasks at once begin at different ones: who comes second has locked and read for nothing. */
  #turned<T>(tasks: readonly T[]): readonly T[] {
    const { hasCompany, platform } = this.#options
    if (!hasCompany()) return tasks
    const start = Math.floor(platform.random() * tasks.length)
    return [...tasks.slice(start), ...tasks.slice(0, start)]
  }

  /** Offers what waits for any of the workers connected here. */
  pullEach(): void {
    for (const worker of this.#options.placement.workers()) for (const queue of queuesOf(worker)) this.pull(queue)
  }

  /** What other servers have left for the workers connected here, whether they told or not. Never rejects. */
  async look(isComplete: boolean): Promise<void> {
    const { lane, placement, health, isHeld } = this.#options
    if (isHeld()) return
    lane.submit(placement.suspects().map((worker): Entry => ({ kind: 'count', worker })))
    const workers = [...placement.workers()]
    const begins = isComplete
      ? [...Array(Math.ceil(workers.length / LOOK_WORKERS)).keys()].map((page) => page * LOOK_WORKERS)
      : [this.#nextLook(workers.length)]
    try {
      for (const begin of begins) await this.#lookFor(workers.slice(begin, begin + LOOK_WORKERS))
    } catch (error) {
      health.failed(error)
    }
  }

  #nextLook(workers: number): number {
    const begin = this.#lookedAt < workers ? this.#lookedAt : 0
    this.#lookedAt = begin + LOOK_WORKERS
    return begin
  }

  async #lookFor(workers: readonly WorkerName[]): Promise<void> {
    const { store, placement, delivery } = this.#options
    const queues = [...new Set(workers.flatMap(queuesOf))]
    const open = queues.filter((queue) => placement.room(queue, 1) > 0)
    const now = await store.now()
    const ready = open.length === 0 ? [] : await store.ready({ queues: open, now, limit: LOOK_MAX })
    for (const queue of new Set(ready.map((task) => task.queue))) this.pull(queue)
    const heeding = workers.filter((worker) => !delivery.isBehind(worker))
    const own = [...new Set(heeding.flatMap(queuesOf))]
    const owed = own.length === 0 ? [] : await store.unblocks({ queues: own, limit: LOOK_MAX })
    for (const queue of new Set(owed.map((row) => row.queue))) this.catchUp(queue)
  }

  /** Sends what is owed to the readers of a queue. */
  catchUp(queue: string): void {
    const { delivery } = this.#options
    // Any of them may be told what is owed to any.
    const reader = delivery.readersOf(queue).find((worker) => !delivery.isBehind(worker))
    if (reader) this.#sendOwed(reader)
  }

  #sendOwed(worker: WorkerName): void {
    const { delivery, health, errand } = this.#options
    errand(delivery.catchUp(worker).catch((error: unknown) => health.failed(error)))
  }

  /** For a worker that has just connected. Rejects where the store fails. */
  async serve(worker: WorkerName): Promise<void> {
    for (const queue of queuesOf(worker)) this.pull(queue)
    await this.#options.delivery.catchUp(worker)
  }

  /** A connection that was full has room again. */
  refill(worker: WorkerName): void {
    const { placement, delivery } = this.#options
    for (const queue of placement.drained(worker)) this.pull(queue)
    if (delivery.isBehind(worker)) this.#sendOwed(worker)
  }
}
