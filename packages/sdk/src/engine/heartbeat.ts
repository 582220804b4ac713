// Renews the leases of all tasks that this process holds, with one request every half lease. It beats only while there is
// something to renew, and tells which tasks the server says are no longer ours.

import type { Platform } from '../platform.ts'
import type { Transport } from '../transport/transport.ts'

/** A task that is held; its lease is moved when the server has renewed it. */
export interface Held {
  readonly id: string
  readonly version: number
  leaseAt: number
}

/** Tasks of one request: far below what a server takes. */
const TASKS_MAX = 10_000

export interface HeartbeatOptions {
  readonly pid: string
  readonly ttl: number
  readonly platform: Platform
  readonly transport: Transport
  /** A task that the server says this process does not hold. */
  readonly lost: (held: Held) => void
}

export class Heartbeat {
  readonly #options: HeartbeatOptions
  readonly #held = new Map<string, Held>()
  #cancel: (() => void) | undefined

  constructor(options: HeartbeatOptions) {
    this.#options = options
  }

  hold(held: Held): void {
    this.#held.set(held.id, held)
    this.#schedule()
  }

  drop(held: Held): void {
    if (this.#held.get(held.id) === held) this.#held.delete(held.id)
  }

  stop(): void {
    this.#held.clear()
    this.#cancel?.()
    this.#cancel = undefined
  }

  #schedule(): void {
    if (this.#cancel) return
    const { platform, ttl } = this.#options
    this.#cancel = platform.timer(
      ttl / 2,
      () => {
        this.#cancel = undefined
        if (this.#held.size === 0) return
        void this.#beat()
        this.#schedule()
      },
      { background: true },
    )
  }

  async #beat(): Promise<void> {
    const { pid, ttl, platform, transport } = this.#options
    const held = [...this.#held.values()]
    for (let at = 0; at < held.length; at += TASKS_MAX) {
      const piece = held.slice(at, at + TASKS_MAX)
      const tasks = piece.map(({ id, version }) => ({ id, version }))
      const sentAt = platform.now()
      try {
        const [reply] = await transport.send([{ kind: 'task.heartbeat', data: { pid, tasks } }], { patienceMs: ttl })
        if (reply?.status === 200) this.#renewed(piece, tasks, sentAt + ttl, lostOf(reply.data))
      } catch {
        // Out of patience or stopped. The leases end by themselves, and the next beat says so.
      }
    }
  }

  /** An answer about a claim that has since been given up or renewed as another says nothing about the new one. */
  #renewed(
    piece: readonly Held[],
    tasks: readonly { version: number }[],
    leaseAt: number,
    lost: ReadonlySet<string>,
  ): void {
    for (const [at, held] of piece.entries()) {
      if (this.#held.get(held.id) !== held || held.version !== tasks[at]?.version) continue
      if (lost.has(held.id)) this.#options.lost(held)
      else held.leaseAt = leaseAt
    }
  }
}

/** Published servers answer without a list. */
function lostOf(data: unknown): ReadonlySet<string> {
  const { lost } = (data ?? {}) as { lost?: string[] }
  return new Set(Array.isArray(lost) ? lost : [])
}
