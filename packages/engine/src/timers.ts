// Time. Sleeps until the next instant at which something is due, then submits the steps that are due: timeouts, wakes,
// lease ends, schedules, tasks that became ready, workers that went away. Steps re-check themselves, so a timer may be
// late, early or doubled. It never sleeps longer than `sweepMaxMs`, because other servers arm timers too.
// Where several servers look at once, one does the work and the others have locked and read for nothing: whoever finds that
// little came of its steps looks a little later from then on, and less so each time that most of them were its own.

import type { Step } from '@resonatehq/protocol'
import { WORKER_FORGET_MS } from '@resonatehq/protocol'
import type { DueMark, Store } from '@resonatehq/store'
import type { Entry } from './batch.ts'
import type { Clock } from './clock.ts'
import type { Health } from './health.ts'
import type { Lane } from './lane.ts'
import type { Platform } from './platform.ts'

export interface TimersOptions {
  readonly store: Store
  readonly lane: Lane
  readonly platform: Platform
  readonly clock: Clock
  readonly health: Health
  /** Longest sleep between two looks at the store, ms. */
  readonly sweepMaxMs: number
  /** Ids of one kind in one look. */
  readonly sweepLimit: number
  readonly disconnectGraceMs: number
  readonly presenceStaleMs: number
  /** How long this server must have been up before it ends the leases of workers without a connection, ms. */
  readonly disconnectUptimeMs: number
  readonly canPush: boolean
  /** Whether a worker of this server could take a task of this queue, which has just become due. */
  readonly isServed: (queue: string) => boolean
  /** One of this queue has become due, and nobody here could take it. */
  readonly missed: (queue: string) => void
  /** After each look: what else is checked from time to time. */
  readonly swept: (now: number) => Promise<void>
}

type DatedEntry = Extract<Entry, { kind: 'wake' | 'input' }>

/** How far a server that was too late stays behind the others, ms: at first, and at most. */
const BEHIND_MIN_MS = 4
const BEHIND_MAX_MS = 60
/** Longer than this between two looks: this process was not running, ms. */
const FROZEN_MS = 5_000

export class Timers {
  readonly #options: TimersOptions
  #cancel: (() => void) | null = null
  #wakeAt = Number.POSITIVE_INFINITY
  #sweeping: Promise<void> | null = null
  #isStopped = true
  /** Tasks up to here were looked at when they became ready. */
  #ripe: DueMark = { at: 0, id: '' }
  /** The last look did not get as far as the present. */
  #isRipeMore = false
  #startedAt = 0
  #forgottenAt = 0
  #sweptAt = 0
  #behindMs = 0

  constructor(options: TimersOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    this.#isStopped = false
    // What was due before is read queue by queue, as workers connect; pushed targets are swept.
    const now = await this.#options.store.now()
    this.#options.clock.saw(now)
    this.#ripe = behind(now)
    this.#startedAt = now
    this.#sweptAt = now
    this.arm(now)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancel?.()
    this.#cancel = null
    this.#wakeAt = Number.POSITIVE_INFINITY
    await this.#sweeping
  }

  /** Something is due at `at`, ms since epoch: be awake then. */
  arm(at: number): void {
    if (this.#isStopped || at >= this.#wakeAt) return
    this.#wakeAt = at
    this.#cancel?.()
    const delayMs = Math.min(Math.max(at + this.#behindMs - this.#options.clock.now(), 0), this.#options.sweepMaxMs)
    this.#cancel = this.#options.platform.timer(delayMs, () => this.#fire())
  }

  #fire(): void {
    this.#wakeAt = Number.POSITIVE_INFINITY
    // What was armed while a sweep runs is seen by the look that it takes at its end.
    if (this.#sweeping || this.#isStopped) return
    this.#sweeping = this.#sweep().finally(() => {
      this.#sweeping = null
    })
  }

  async #sweep(): Promise<void> {
    const { store, clock, health, sweepMaxMs } = this.#options
    try {
      const now = await store.now()
      clock.saw(now)
      // Whoever slept knows no more of workers than whoever has just started.
      if (now - this.#sweptAt > FROZEN_MS) this.#startedAt = now
      this.#sweptAt = now
      const isMore = await this.#fireDue(now)
      await this.#options.swept(now)
      const nextAt = isMore ? now : ((await store.nextDueAt(now)) ?? Number.POSITIVE_INFINITY)
      this.#rearm(Math.min(nextAt, now + sweepMaxMs))
    } catch (error) {
      health.failed(error)
      this.#rearm(clock.now() + sweepMaxMs)
    }
  }

  #rearm(at: number): void {
    const armedAt = this.#wakeAt
    this.#wakeAt = Number.POSITIVE_INFINITY
    this.arm(Math.min(at, armedAt))
  }

  /** Submits what is due at `now` and waits until it is committed. True: there may be more. */
  async #fireDue(now: number): Promise<boolean> {
    const { lane, platform, sweepLimit } = this.#options
    const dated = await this.dated(now)
    const others = [...(await this.#ripened(now)), ...(await this.#forgotten(now))]
    // Not counted among what may be more: a lease that is ended is looked at again, and one that must not be stays as it is.
    const absent = await this.#absent(now)
    let acted = 0
    const watched = dated.map((entry) => ({ ...entry, acted: () => void acted++ }))
    const isCommitted = await lane.settled([...watched, ...others, ...absent])
    if (isCommitted && dated.length > 0)
      this.#behindMs = stepped(this.#behindMs, acted * 2 > dated.length, platform.random())
    // A store that fails is asked again after a while, not at once.
    return isCommitted && (dated.length + others.length >= sweepLimit || this.#isRipeMore)
  }

  /** Steps whose instant is in their row, so that all servers submit them at once, and has come: a bounded number. `at`: debug time. */
  async dated(now: number, at?: number): Promise<DatedEntry[]> {
    const { store, sweepLimit: limit } = this.#options
    const { promises, leases, schedules } = await store.due({ now, limit })
    const step = (input: Step): DatedEntry => ({ kind: 'input', input, now: at })
    return [
      ...promises.map((id): DatedEntry => ({ kind: 'wake', id, now: at })),
      ...leases.map((id) => step({ kind: 'task.expire', data: { id } })),
      ...schedules.map((id) => step({ kind: 'schedule.fire', data: { id } })),
    ]
  }

  /** Tasks that became due since the last look, and pushed ones that are. Each is looked at once, taken or not. */
  async #ripened(now: number): Promise<Entry[]> {
    const { store, sweepLimit: limit } = this.#options
    const ripened = await store.ripened({ after: this.#ripe, until: now, limit })
    const last = ripened.at(limit - 1)
    this.#isRipeMore = last !== undefined
    if (last) this.#ripe = { at: last.dueAt as number, id: last.id }
    else if (now >= this.#ripe.at) this.#ripe = behind(now)
    const [served, missed] = partition(ripened, ({ queue }) => this.#options.isServed(queue))
    for (const queue of new Set(missed.map((task) => task.queue))) this.#options.missed(queue)
    // Without a transport for them nobody takes them, and they would be looked at again and again.
    const pushed = this.#options.canPush ? await store.readyPushed({ now, limit }) : []
    const ids = new Set([...served, ...pushed].map((task) => task.id))
    return [...ids].map((id): Entry => ({ kind: 'place', id }))
  }

  /** Leases of workers that are gone: ended at once. */
  async #absent(now: number): Promise<Entry[]> {
    const { store, disconnectGraceMs, presenceStaleMs, disconnectUptimeMs, sweepLimit } = this.#options
    if (disconnectGraceMs === 0 || now - this.#startedAt < disconnectUptimeMs) return []
    const pids = await store.absent({ goneBefore: now - disconnectGraceMs, seenBefore: now - presenceStaleMs })
    const entries: Entry[] = []
    for (const pid of pids) {
      const held = await store.held({ pid, after: '', limit: sweepLimit })
      entries.push(
        ...held.map(({ id }): Entry => ({ kind: 'input', input: { kind: 'task.disconnect', data: { id, pid } } })),
      )
    }
    return entries
  }

  async #forgotten(now: number): Promise<Entry[]> {
    if (now - this.#forgottenAt < WORKER_FORGET_MS / 60) return []
    this.#forgottenAt = now
    const { store, sweepLimit: limit } = this.#options
    const pids = await store.forgettable({ seenBefore: now - WORKER_FORGET_MS, limit })
    return pids.map((pid): Entry => ({ kind: 'input', input: { kind: 'worker.forget', data: { pid } } }))
  }
}

/** Quickly further behind while others are quicker, and back to the front in a few steps when they are gone. */
function stepped(behindMs: number, wasFirst: boolean, chance: number): number {
  if (wasFirst) return behindMs < BEHIND_MIN_MS ? 0 : behindMs / 2
  return Math.min(Math.max(behindMs * 2, BEHIND_MIN_MS) + chance * BEHIND_MIN_MS, BEHIND_MAX_MS)
}

function partition<T>(items: readonly T[], isFirst: (item: T) => boolean): [T[], T[]] {
  return [items.filter(isFirst), items.filter((item) => !isFirst(item))]
}

/** Behind all that is due up to `now`: no id is empty. */
function behind(now: number): DueMark {
  return { at: now + 1, id: '' }
}
