// `debug.*`: a caller who moves the server's time by hand, only where debugging is switched on. While it is paused the
// server does nothing unasked. A tick fires what is due at an instant; what connections do has no part in it, because
// they live in the server's own time.

import { type Answer, type DebugKind, type Request, snapshotOf } from '@resonatehq/protocol'
import type { Store } from '@resonatehq/store'
import type { Entry } from './batch.ts'
import type { Lane } from './lane.ts'
import type { Placement } from './placement.ts'
import type { Retention } from './retention.ts'
import type { Timers } from './timers.ts'

export interface DebugOptions {
  readonly store: Store
  readonly lane: Lane
  readonly placement: Placement
  readonly timers: Timers
  readonly retention: Retention
  readonly serverUrl: string
  /** Work goes on: what waits is to be read. */
  readonly resumed: () => void
  /** The store is empty: what was known of workers is to be told it anew. Called while no batch is in flight. */
  readonly emptied: () => void
}

export class Debug {
  readonly #options: DebugOptions
  /** Also while a tick offers what is due. */
  #isPaused = false

  constructor(options: DebugOptions) {
    this.#options = options
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  /** Rejects where the store fails. `at`: debug time. */
  async answer(request: Request<DebugKind>, at: number | undefined): Promise<Answer> {
    const { store, lane, serverUrl } = this.#options
    switch (request.kind) {
      case 'debug.start':
        await this.#pause()
        return { status: 200, data: {} }
      case 'debug.stop':
        await this.#resume()
        return { status: 200, data: {} }
      case 'debug.reset':
        await lane.alone(() => this.#reset())
        return { status: 200, data: {} }
      case 'debug.tick':
        await this.#tick(request.data.time)
        return { status: 200, data: [] }
      case 'debug.snap': {
        const rows = await lane.alone(() => store.snapshot())
        return { status: 200, data: snapshotOf(rows, { now: at ?? (await store.now()), serverUrl }) }
      }
    }
  }

  async #pause(): Promise<void> {
    const { placement, retention, timers, lane } = this.#options
    this.#isPaused = true
    placement.isPaused = true
    await retention.stop()
    await timers.stop()
    await lane.alone(async () => {})
  }

  async #resume(): Promise<void> {
    const { placement, retention, timers, resumed } = this.#options
    if (!this.#isPaused) return
    this.#isPaused = false
    placement.isPaused = false
    await timers.start()
    retention.start()
    resumed()
  }

  async #reset(): Promise<void> {
    await this.#options.store.reset()
    this.#options.emptied()
  }

  /** Fires all that is due at `time`, until only dispatches that nobody can take are left. */
  async #tick(time: number): Promise<void> {
    const { store, lane, placement, timers } = this.#options
    placement.isPaused = false
    try {
      for (let steps = await timers.dated(time, time); steps.length > 0; steps = await timers.dated(time, time)) {
        // A store that fails is not asked for ever.
        if (!(await lane.settled(steps))) throw new Error('the store failed during a tick')
      }
      const ready = await store.ripened({ after: BEGINNING, until: time, limit: Number.MAX_SAFE_INTEGER })
      await lane.settled(ready.map(({ id }): Entry => ({ kind: 'place', id, now: time })))
    } finally {
      placement.isPaused = this.#isPaused
    }
  }
}

const BEGINNING = { at: 0, id: '' }
