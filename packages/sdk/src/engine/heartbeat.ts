// Renews the leases of all tasks that this process holds, with one request every half lease. It beats only while there is
// something to renew, and tells which tasks the server says are no longer ours. Where the platform has threads, one of them
// stands in while the event loop is blocked, until that has lasted for longer than the limit.

import type { Pacemaker, Platform } from '../platform.ts'
import type { Transport } from '../transport/transport.ts'

/** A task that is held; its lease is moved when the server has renewed it. */
export interface Held {
  readonly id: string
  readonly version: number
  leaseAt: number
  /** Its lease is about to be renewed once more. */
  beat(): void
}

/** Tasks of one request: far below what a server takes. */
const TASKS_MAX = 10_000
/** A server waits for some seconds before it takes what a worker without a connection holds. */
const LEAVING_MS = 1_500
/** How often the loop shows that it turns, at least. */
const SAMPLE_MAX_MS = 1_000

export interface HeartbeatOptions {
  readonly pid: string
  readonly ttl: number
  /** How long the loop may be blocked before its leases are left to end, ms. */
  readonly lagLimitMs: number
  readonly platform: Platform
  readonly transport: Transport
  /** A task that the server says this process does not hold. */
  readonly lost: (held: Held) => void
}

export class Heartbeat {
  readonly #options: HeartbeatOptions
  readonly #held = new Map<string, Held>()
  #cancel: (() => void) | undefined
  #pacemaker: Pacemaker | undefined
  #cancelSample: (() => void) | undefined
  /** The longest that a timer of ours was late since the last beat, ms. */
  #lagMs = 0
  #isLeaving = false

  constructor(options: HeartbeatOptions) {
    this.#options = options
  }

  hold(held: Held): void {
    this.#held.set(held.id, held)
    this.#pace()
    this.#schedule()
  }

  drop(held: Held): void {
    if (this.#held.get(held.id) === held) this.#held.delete(held.id)
    this.#pacemaker?.held(this.#held.size)
  }

  /** The connection of this worker ends before its work does: often enough that the server does not take it for dead. */
  leave(): void {
    this.#isLeaving = true
    this.#cancel?.()
    this.#cancel = undefined
    if (this.#held.size > 0) this.#schedule()
  }

  stop(): void {
    this.#held.clear()
    this.#cancel?.()
    this.#cancel = undefined
    this.#cancelSample?.()
    this.#pacemaker?.stop()
    this.#pacemaker = undefined
  }

  /** Shows the thread that the loop turns, as long as there is something to renew; the first task starts it. */
  #pace(): void {
    const { platform, transport, pid, ttl, lagLimitMs } = this.#options
    const { door } = transport
    if (!door || !platform.pacemaker) return
    this.#pacemaker ??= platform.pacemaker({ ...door, pid, ttlMs: ttl, lagLimitMs })
    if (!this.#cancelSample) {
      this.#pacemaker?.turned()
      this.#sample()
    }
    this.#pacemaker?.held(this.#held.size)
  }

  #sample(): void {
    const { platform, ttl } = this.#options
    const waitMs = Math.min(ttl / 16, SAMPLE_MAX_MS)
    const dueAt = platform.now() + waitMs
    this.#cancelSample = platform.timer(
      waitMs,
      () => {
        this.#cancelSample = undefined
        this.#late(dueAt)
        if (this.#held.size === 0) return
        this.#pacemaker?.turned()
        this.#sample()
      },
      { background: true },
    )
  }

  #late(dueAt: number): void {
    this.#lagMs = Math.max(this.#lagMs, this.#options.platform.now() - dueAt)
  }

  #schedule(): void {
    if (this.#cancel) return
    const { platform, ttl } = this.#options
    const waitMs = this.#isLeaving ? Math.min(ttl / 2, LEAVING_MS) : ttl / 2
    const dueAt = platform.now() + waitMs
    this.#cancel = platform.timer(
      waitMs,
      () => {
        this.#cancel = undefined
        if (this.#held.size === 0) return
        this.#late(dueAt)
        void this.#beat()
        this.#schedule()
      },
      { background: true },
    )
  }

  async #beat(): Promise<void> {
    const { pid, ttl, platform, transport } = this.#options
    const held = [...this.#held.values()]
    for (const each of held) each.beat()
    if (transport.door) this.#pacemaker?.renew(transport.door)
    const vitals = { lagMs: Math.round(this.#lagMs), rssBytes: platform.rssBytes?.(), tasks: held.length }
    const head = { 'resonate:worker': vitals }
    this.#lagMs = 0
    for (let at = 0; at < held.length; at += TASKS_MAX) {
      const piece = held.slice(at, at + TASKS_MAX)
      const tasks = piece.map(({ id, version }) => ({ id, version }))
      const sentAt = platform.now()
      try {
        const [reply] = await transport.send([{ kind: 'task.heartbeat', head, data: { pid, tasks } }], {
          patienceMs: ttl,
        })
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
