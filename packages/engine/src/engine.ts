// What makes a server of a machine and a store, without a socket: the lane, the timers, the placement, the supply and the
// delivery, wired; and the way that each request takes. Used by the server, by the SDK's local mode and by the simulator.

import {
  type Answer,
  DEFAULT_CONFIG,
  type DebugKind,
  type InquiryKind,
  type MachineConfig,
  type MachineKind,
  type PushTrouble,
  type Request,
  ruleProblem,
  type StoreKind,
  type TaskRef,
} from '@resonatehq/protocol'
import type { Store } from '@resonatehq/store'
import type { Entry, Executed, Outgoing } from './batch.ts'
import { Beats } from './beats.ts'
import { Clock } from './clock.ts'
import { Debug } from './debug.ts'
import { type Connected, Delivery, type Push, type WorkerPort } from './delivery.ts'
import { Health } from './health.ts'
import { type InquiryParts, inquire, isInquiry, pictureNow } from './inquiry.ts'
import { Lane, type LaneLimits } from './lane.ts'
import {
  type EngineObserver,
  type EngineStats,
  NO_OBSERVER,
  type Observers,
  observe,
  type Picture,
  type Vitals,
} from './observer.ts'
import { type Hint, Peers } from './peers.ts'
import { Placement } from './placement.ts'
import type { Log, Platform } from './platform.ts'
import { Presence } from './presence.ts'
import { Retention } from './retention.ts'
import { DEFAULT_SCALING, HoldTimes, type ScalingSettings } from './scaling.ts'
import { Supply } from './supply.ts'
import { Timers } from './timers.ts'

export interface EngineOptions {
  readonly store: Store
  readonly platform: Platform
  readonly log: Log
  /** How to reach this server, as told in `execute` messages. */
  readonly serverUrl: string
  readonly machine?: MachineConfig
  readonly limits?: Partial<LaneLimits>
  /** Absent: pushed targets are not served. */
  readonly push?: Push
  /** How the last POSTs to a URL have failed; undefined: they have not. For people who ask what an execution waits for. */
  readonly pushTrouble?: (url: string) => PushTrouble | undefined
  readonly observer?: EngineObserver
  /** How often comments are written to worker connections, ms. */
  readonly keepAliveMs?: number
  /** How long this server must have been up before it ends leases of workers without a connection, ms. */
  readonly disconnectUptimeMs?: number
  /** Unblocks that nobody fetched are dropped after this, ms. */
  readonly messageRetentionMs?: number
  /** How long settled promises are kept, ms. 0, and by default: for ever. */
  readonly promiseRetentionMs?: number
  /** How often old promises are looked for, ms. */
  readonly promiseRoundMs?: number
  /** Copies the store to a file of this name, or of one of its own. Absent: this store has no file. */
  readonly backup?: (name: string | undefined) => Promise<Answer>
  /** What the number of workers that a group needs is reckoned with. */
  readonly scaling?: ScalingSettings
  /** Every executed request and step, just before it is written, for tests. */
  readonly trace?: (executed: readonly Executed[]) => void
}

export interface Engine {
  /** Decides one request. Resolves after the commit that made the answer true; never rejects. */
  submit(request: Request, options?: SubmitOptions): Promise<Answer>
  /** Decides several in this order, in one batch. */
  submitAll(requests: readonly Request[], options?: SubmitOptions): Promise<Answer[]>
  /** A heartbeat came, with what its worker says of itself. Shown to operators; nothing depends on it. */
  report(pid: string, vitals: Vitals): void
  /** A worker connected. */
  connect(port: WorkerPort): Connected
  /** Resolves while requests are carried out. */
  ping(): Promise<void>
  /** The stored gauges and totals by name. */
  counters(): Promise<Map<string, number>>
  /** What the store knows of workers and tasks, as metrics show it. */
  picture(): Promise<Picture>
  readonly stats: EngineStats
  start(): Promise<void>
  /** Stops timers and dispatch, finishes the batches in flight, closes the store. */
  stop(): Promise<void>
}

export interface SubmitOptions {
  /** Decide at this instant instead of the store's. */
  readonly debugTime?: number
}

const DEFAULT_LANE: LaneLimits = { batchMax: 1_000, queueMax: 20_000, bytesMax: 8 * 1024 * 1024 }
const SWEEP_MAX_MS = 1_000
const SWEEP_LIMIT = 500
/** Tasks of one heartbeat that are renewed in one batch. */
const HEARTBEAT_PIECE = 500
/** Changes nothing, and takes the way of all requests through the store: its id stands for no promise. */
const PROBE: readonly Entry[] = [{ kind: 'wake', id: 'resonate:probe' }]

export function createEngine(options: EngineOptions): Engine {
  return new StoreEngine(options)
}

class StoreEngine implements Engine {
  readonly #options: EngineOptions
  readonly #store: Store
  readonly #placement: Placement
  readonly #health: Health
  readonly #lane: Lane
  readonly #timers: Timers
  readonly #delivery: Delivery
  readonly #retention: Retention
  readonly #supply: Supply
  readonly #presence: Presence
  readonly #debug: Debug
  readonly #clock: Clock
  /** Null: nobody else works on this store. */
  readonly #peers: Peers | null
  readonly #observers: Observers
  readonly #sight: InquiryParts
  /** Reads for workers that are under way: the store is closed after them. */
  readonly #errands = new Set<Promise<void>>()
  #isStopping = false

  constructor(options: EngineOptions) {
    const { store, platform, log, machine = DEFAULT_CONFIG, observer = NO_OBSERVER } = options
    this.#options = options
    this.#store = store
    const server = `server-${Math.floor(platform.random() * 2 ** 48).toString(36)}`
    const canPush = options.push !== undefined
    const holds = new HoldTimes()
    this.#observers = { observer, log, holds }
    const beats = new Beats(() => platform.ticks())
    const scaling = options.scaling ?? DEFAULT_SCALING
    const { pushTrouble } = options
    this.#sight = { store, config: machine, beats, holds, scaling, pushTrouble }
    const clock = new Clock(platform)
    const hasCompany = () => this.#peers?.hasCompany ?? false
    const errand = (work: Promise<void>) => this.#errand(work)
    const placement = new Placement({ canPush, hasPeers: hasCompany })
    const health = new Health({ platform, log, recovered: () => this.#recovered() })
    const lane = new Lane({
      store,
      machine,
      platform,
      observer,
      log,
      limits: { ...DEFAULT_LANE, ...options.limits },
      dispatcher: placement,
      health,
      committed: (outgoing, armedAt) => this.#committed(outgoing, armedAt),
      trace: options.trace,
    })
    this.#clock = clock
    this.#placement = placement
    this.#health = health
    this.#lane = lane
    this.#peers = !store.isShared
      ? null
      : new Peers({
          hints: store.hints,
          server,
          platform,
          log,
          heard: (hint) => this.#heard(hint),
          look: (isComplete) => this.#supply.look(isComplete),
        })
    this.#delivery = new Delivery({
      store,
      lane,
      placement,
      platform,
      clock,
      observer,
      push: options.push ?? null,
      serverUrl: options.serverUrl,
      keepAliveMs: options.keepAliveMs ?? 15_000,
      retentionMs: options.messageRetentionMs ?? 24 * 3_600_000,
    })
    const delivery = this.#delivery
    const isHeld = () => this.#isStopping || this.#debug.isPaused
    const supply = new Supply({ store, lane, placement, delivery, platform, health, isHeld, hasCompany, errand })
    this.#supply = supply
    const left = () => {
      if (machine.disconnectGraceMs > 0) this.#timers.arm(clock.now() + machine.disconnectGraceMs + 1)
    }
    this.#presence = new Presence({ store, lane, placement, delivery, supply, health, beats, server, left, errand })
    this.#retention = new Retention({
      store,
      lane,
      platform,
      log,
      ageMs: options.promiseRetentionMs ?? 0,
      roundMs: options.promiseRoundMs ?? 60_000,
    })
    this.#timers = new Timers({
      store,
      lane,
      platform,
      clock,
      health,
      sweepMaxMs: SWEEP_MAX_MS,
      sweepLimit: SWEEP_LIMIT,
      canPush,
      isServed: (queue) => placement.isServed(queue),
      missed: (queue) => this.#peers?.tell([{ kind: 'ready', queue }]),
      disconnectGraceMs: machine.disconnectGraceMs,
      presenceStaleMs: machine.presenceStaleMs,
      disconnectUptimeMs: options.disconnectUptimeMs ?? 30_000,
      swept: (now) => this.#swept(now),
    })
    this.#debug = new Debug({
      store,
      lane,
      placement,
      timers: this.#timers,
      retention: this.#retention,
      serverUrl: options.serverUrl,
      resumed: () => supply.pullEach(),
      emptied: () => this.#presence.startOver(),
    })
  }

  async start(): Promise<void> {
    await this.#store.open()
    try {
      await this.#timers.start()
      this.#retention.start()
      await this.#peers?.start()
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    this.#placement.isPaused = true
    this.#presence.stop()
    await this.#peers?.stop()
    await this.#retention.stop()
    await this.#timers.stop()
    await Promise.all(this.#errands)
    await this.#lane.drained()
    await this.#store.close()
  }

  async ping(): Promise<void> {
    if (!(await this.#lane.settled(PROBE))) throw new Error('the store does not answer')
  }

  counters(): Promise<Map<string, number>> {
    return this.#store.counters()
  }

  async picture(): Promise<Picture> {
    return pictureNow(this.#sight, await this.#store.now())
  }

  get stats(): EngineStats {
    return { queueLength: this.#lane.length, workers: this.#placement.workers() }
  }

  async submit(request: Request, options?: SubmitOptions): Promise<Answer> {
    const [answer] = await this.submitAll([request], options)
    return answer as Answer
  }

  submitAll(requests: readonly Request[], { debugTime }: SubmitOptions = {}): Promise<Answer[]> {
    if (requests.some(isAside) || requests.some(isLongHeartbeat)) return this.#oneByOne(requests, debugTime)
    return this.#decide(requests as readonly Request<MachineKind>[], debugTime)
  }

  #decide(requests: readonly Request<MachineKind>[], now: number | undefined): Promise<Answer[]> {
    if (this.#lane.isFull) return Promise.resolve(requests.map(() => TOO_BUSY))
    for (const { kind, data } of requests) if (kind === 'task.acquire') this.#placement.heard(data.pid)
    return new Promise((resolve) => {
      const answers: Answer[] = []
      const answer = (given: Answer) => {
        if (answers.push(given) === requests.length) resolve(answers)
      }
      if (requests.length === 0) return resolve(answers)
      this.#lane.submit(requests.map((input): Entry => ({ kind: 'input', input, now, answer })))
    })
  }

  async #oneByOne(requests: readonly Request[], debugTime: number | undefined): Promise<Answer[]> {
    const answers: Answer[] = []
    for (const request of requests) {
      if (isAside(request)) answers.push(await this.#aside(request, debugTime))
      else if (isLongHeartbeat(request)) answers.push(await this.#longHeartbeat(request, debugTime))
      else answers.push(...(await this.#decide([request as Request<MachineKind>], debugTime)))
    }
    return answers
  }

  /** Many tasks are renewed in several batches, so that others get their turn between them. */
  async #longHeartbeat(request: Request<'task.heartbeat'>, debugTime: number | undefined): Promise<Answer> {
    // All of it, before a part is carried out.
    const problem = this.#problemOf(request)
    if (problem !== null) return { status: 400, data: problem }
    const { data } = request
    const lost: string[] = []
    for (let from = 0; from < data.tasks.length; from += HEARTBEAT_PIECE) {
      const tasks: readonly TaskRef[] = data.tasks.slice(from, from + HEARTBEAT_PIECE)
      const [answer] = await this.#decide([{ kind: 'task.heartbeat', data: { pid: data.pid, tasks } }], debugTime)
      if (answer?.status !== 200) return answer as Answer
      lost.push(...(answer.data as { lost: string[] }).lost)
    }
    return { status: 200, data: { lost } }
  }

  #committed(outgoing: Outgoing, armedAt: number | null): void {
    observe(outgoing, this.#observers)
    const elsewhere = this.#delivery.dispatch(outgoing)
    const { hints, left } = this.#placement.takeNews()
    this.#peers?.tell([...elsewhere, ...hints])
    for (const { id, at } of left) this.#placeLater(id, at)
    for (const queue of this.#placement.takeRelieved()) this.#supply.pull(queue)
    if (armedAt !== null) this.#timers.arm(armedAt)
  }

  /** A task that was left to another server: whoever wants it may have it now. */
  #placeLater(id: string, at: number): void {
    const delayMs = Math.max(0, at - this.#clock.now()) + 1
    this.#peers?.later(delayMs, () => this.#lane.submit([{ kind: 'place', id, isNew: true }]))
  }

  /** Another server says that there is something to look at. */
  #heard(hint: Hint): void {
    switch (hint.kind) {
      case 'ready':
        if (this.#placement.isServed(hint.queue)) this.#supply.pull(hint.queue)
        return
      case 'returned':
        if (this.#placement.isConnected(hint.worker)) this.#supply.pull(hint.queue)
        return
      case 'owed':
        this.#supply.catchUp(hint.queue)
        return
      case 'hand':
        if (this.#placement.changed(hint.worker)) this.#lane.submit([{ kind: 'count', worker: hint.worker }])
        return
      case 'revoke':
        this.#delivery.revoke(hint, { id: hint.id, version: hint.version })
    }
  }

  report(pid: string, vitals: Vitals): void {
    this.#presence.report(pid, vitals)
  }

  connect(port: WorkerPort): Connected {
    return this.#presence.connect(port)
  }

  /** The store answers again: what only this server knows is told. */
  #recovered(): void {
    this.#lane.repeatOwed()
    this.#errand(this.#presence.welcomeEach())
  }

  #errand(work: Promise<void>): void {
    const errand = work.finally(() => this.#errands.delete(errand))
    this.#errands.add(errand)
  }

  /** What is looked at from time to time, along with the timers. */
  async #swept(now: number): Promise<void> {
    // Whoever sends requests stays away from a server that fails: it asks by itself.
    if (this.#health.isFailing) await this.#lane.settled(PROBE)
    await this.#presence.tell(now)
    await this.#delivery.pushOwed()
    await this.#delivery.forgetOld(now)
  }

  async #aside(request: Request<DebugKind | StoreKind | InquiryKind>, debugTime: number | undefined): Promise<Answer> {
    // What the machine decides it holds against the rules itself.
    const problem = this.#problemOf(request)
    if (problem !== null) return { status: 400, data: problem }
    switch (request.kind) {
      case 'promise.explain':
      case 'worker.search':
      case 'group.search':
        return inquire(this.#sight, request, debugTime).catch((error) => this.#unanswered(error))
      case 'retention.preview':
        return this.#retention.preview(request.data).catch((error) => this.#unanswered(error))
      case 'backup.create':
        return (await this.#options.backup?.(request.data.name)) ?? NO_BACKUP
      default:
        return this.#debug.answer(request, debugTime).catch((error) => this.#unanswered(error))
    }
  }

  #problemOf(request: Request): string | null {
    return ruleProblem(request, (this.#options.machine ?? DEFAULT_CONFIG).limits)
  }

  #unanswered(error: unknown): Answer {
    this.#health.failed(error)
    return { status: 503, data: 'the store did not answer: ask again' }
  }
}

const TOO_BUSY: Answer = { status: 503, data: 'too many requests are waiting for the store: ask again in a second' }

const NO_BACKUP: Answer = {
  status: 400,
  data: 'this server keeps no file: a PostgreSQL database is backed up by pg_dump, and what is in memory by nothing',
}

/** What the machine has no say in. */
function isAside(request: Request): request is Request<DebugKind | StoreKind | InquiryKind> {
  return (
    isInquiry(request) ||
    request.kind.startsWith('debug.') ||
    request.kind === 'retention.preview' ||
    request.kind === 'backup.create'
  )
}

function isLongHeartbeat(request: Request): request is Request<'task.heartbeat'> {
  return request.kind === 'task.heartbeat' && request.data.tasks.length > HEARTBEAT_PIECE
}
