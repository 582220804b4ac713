// Which workers are connected to this server, and what the store is told of them: that one came, that it left, and every
// few seconds that all of them live, together with what heartbeats said. Only this server knows it, so what could not be
// told while the store failed is told anew when it answers. A worker gets work once its row was sent, and the store was asked
// what is in its hands already.

import { idProblem } from '@resonatehq/protocol'
import type { Store } from '@resonatehq/store'
import type { Entry } from './batch.ts'
import type { Beats } from './beats.ts'
import type { Connected, Delivery, WorkerPort } from './delivery.ts'
import type { Health } from './health.ts'
import type { Lane } from './lane.ts'
import type { Vitals } from './observer.ts'
import type { Placement } from './placement.ts'
import type { Supply } from './supply.ts'

export interface PresenceOptions {
  readonly store: Store
  readonly lane: Lane
  readonly placement: Placement
  readonly delivery: Delivery
  readonly supply: Supply
  readonly health: Health
  readonly beats: Beats
  /** This server's name. */
  readonly server: string
  /** The last connection of a worker to this server ended. */
  readonly left: () => void
  /** Work that is finished before the store is closed. */
  readonly errand: (work: Promise<void>) => void
}

/** How often a server says that its workers live, ms. */
const SEEN_EVERY_MS = 5_000
/** Workers that are welcomed at a time. */
const WELCOME_PIECE = 100

export class Presence {
  readonly #options: PresenceOptions
  /** Worker connections that are open. */
  readonly #ports = new Set<WorkerPort>()
  #seenAt = 0
  #isStopping = false

  constructor(options: PresenceOptions) {
    this.#options = options
  }

  stop(): void {
    this.#isStopping = true
  }

  connect(port: WorkerPort): Connected {
    const { delivery, supply, errand } = this.#options
    this.#ports.add(port)
    delivery.open(port)
    errand(this.#welcome(port))
    return {
      drained: () => {
        if (this.#ports.has(port)) supply.refill(port)
      },
      ended: () => {
        if (this.#ports.delete(port)) this.#farewell(port)
      },
    }
  }

  /** Where the store fails, all are welcomed again when it answers. */
  #welcome(port: WorkerPort): Promise<void> {
    return this.#register(port).catch((error: unknown) => this.#options.health.failed(error))
  }

  /** All are told of anew; and what is in their hands, or for them, is read anew. */
  async welcomeEach(): Promise<void> {
    const { health } = this.#options
    const ports = [...this.#ports]
    for (let from = 0; from < ports.length && !health.isFailing && !this.#isStopping; from += WELCOME_PIECE) {
      const open = ports.slice(from, from + WELCOME_PIECE).filter((port) => this.#ports.has(port))
      await Promise.all(open.map((port) => this.#welcome(port)))
    }
  }

  async #register(port: WorkerPort): Promise<void> {
    const { store, lane, placement, supply, server } = this.#options
    const { group, pid, capacity = null, info = {} } = port
    const now = await store.now()
    const row = { server, group, pid, capacity, info, seenAt: now, goneAt: null, beat: null }
    lane.submit([{ kind: 'input', input: { kind: 'worker.connect', data: { row } } }])
    await lane.between(async () => {
      const countedAt = await store.now()
      const inHand = await store.inHand({ worker: pid, now: countedAt })
      if (this.#ports.has(port)) placement.add({ group, pid, capacity }, inHand, countedAt)
    })
    await supply.serve(port)
  }

  #farewell(port: WorkerPort): void {
    const { lane, delivery, placement, server, left } = this.#options
    if (!delivery.close(port)) return
    const { group, pid } = port
    const withdrawn = placement.remove(port).map(
      ({ id, version }): Entry => ({
        kind: 'input',
        input: { kind: 'task.withdraw', data: { id, version, worker: pid } },
      }),
    )
    lane.steps([{ kind: 'input', input: { kind: 'worker.disconnect', data: { server, group, pid } } }, ...withdrawn])
    left()
  }

  /** The store was emptied: nobody has anything in hand, and nobody is known. */
  startOver(): void {
    for (const port of this.#ports) this.#options.placement.remove(port)
    this.#options.errand(this.welcomeEach())
  }

  /** A heartbeat came. */
  report(pid: string, vitals: Vitals): void {
    // It is refused as a request, later; a name that no database holds must not be written with the others.
    if (idProblem(pid, 'pid') === null) this.#options.beats.note(pid, vitals)
  }

  /** What this server knows of the workers that are connected to it, and of those whose heartbeats came this way. */
  async tell(now: number): Promise<void> {
    const { lane, delivery, beats, server } = this.#options
    if (now - this.#seenAt < SEEN_EVERY_MS || (delivery.isEmpty && beats.isEmpty)) return
    this.#seenAt = now
    const told: Entry[] = [{ kind: 'input', input: { kind: 'server.seen', data: { server } } }]
    const heard = beats.take(now)
    if (heard.length > 0) told.push({ kind: 'input', input: { kind: 'worker.beats', data: { beats: heard } } })
    await lane.settled(told)
  }
}
