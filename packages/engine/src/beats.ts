// Heartbeats that reached this server, whichever server their workers are connected to. They are kept in memory until they
// are written together with the presence of the connected workers, so a heartbeat costs no write of its own. Bounded: what
// a worker says again replaces what it said. Losing them loses nothing but what operators are shown.

import type { Beat, WorkerRow } from '@resonatehq/protocol'
import type { Vitals } from './observer.ts'

/** Workers that are remembered between two writes. */
const WORKERS_MAX = 10_000

export class Beats {
  readonly #ticks: () => number
  /** `ticks`: when it came. The store's clock is only known when they are written. */
  readonly #unwritten = new Map<string, { readonly ticks: number; readonly vitals: Vitals }>()

  constructor(ticks: () => number) {
    this.#ticks = ticks
  }

  note(pid: string, vitals: Vitals): void {
    if (this.#unwritten.size >= WORKERS_MAX && !this.#unwritten.has(pid)) return
    this.#unwritten.set(pid, { ticks: this.#ticks(), vitals })
  }

  get isEmpty(): boolean {
    return this.#unwritten.size === 0
  }

  /** Those that were not written yet, at the store's instant `now`. */
  take(now: number): { readonly pid: string; readonly beat: Beat }[] {
    const taken = [...this.#unwritten.keys()].map((pid) => ({ pid, beat: this.#beat(pid, now) as Beat }))
    this.#unwritten.clear()
    return taken
  }

  /** The last known heartbeat of the worker of a row, written or not. */
  latest({ pid, beat }: WorkerRow, now: number): Beat | null {
    return this.#beat(pid, now) ?? beat
  }

  #beat(pid: string, now: number): Beat | null {
    const noted = this.#unwritten.get(pid)
    if (!noted) return null
    const { lagMs, rssBytes, tasks } = noted.vitals
    return {
      at: Math.round(now - (this.#ticks() - noted.ticks)),
      ...(lagMs !== undefined && { lagMs }),
      ...(rssBytes !== undefined && { rssBytes }),
      ...(tasks !== undefined && { tasks }),
    }
  }
}
