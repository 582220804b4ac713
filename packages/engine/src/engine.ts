// What makes a server of a machine and a store, without a socket: the lane, the timers, the placement and the delivery,
// wired. Used by the server, by the SDK's local mode and by the simulator.

import {
  type Answer,
  DEFAULT_CONFIG,
  type DebugKind,
  hasTask,
  type InquiryKind,
  idProblem,
  type MachineConfig,
  type MachineKind,
  type PushTrouble,
  queueGroupOf,
  type Request,
  ruleProblem,
  type StoreKind,
  snapshotOf,
  type TaskRef,
} from '@resonatehq/protocol'
import type { Store } from '@resonatehq/store'
import type { Entry, Executed, Outgoing } from './batch.ts'
import { Beats } from './beats.ts'
import { Clock } from './clock.ts'
import { type Connected, Delivery, type Push, type WorkerPort } from './delivery.ts'
import { Health } from './health.ts'
import { type InquiryParts, inquire, isInquiry, pictureNow } from './inquiry.ts'
import { Lane, type LaneLimits } from './lane.ts'
import { type EngineObserver, type EngineStats, NO_OBSERVER, type Picture, type Vitals } from './observer.ts'
import { type Hint, Peers } from './peers.ts'
import { Placement, queuesOf } from './placement.ts'
import type { Log, Platform } from './platform.ts'
import { previewRetention, Retention, readMark, writeMark } from './retention.ts'
import { DEFAULT_SCALING, HoldTimes, type ScalingSettings } from './scaling.ts'
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
/** Ready tasks that are read for the workers of a queue at a time. */
const PULL_MAX = 500
/** Tasks that other servers made ready and unblocks that they owe, in one look. */
const LOOK_MAX = 200
/** Workers whose own queues are read in one look; the next ones in the next. */
const LOOK_WORKERS = 250
/** How often a server says that its workers live, ms. */
const PRESENCE_EVERY_MS = 5_000
/** Tasks of one heartbeat that are renewed in one batch. */
const HEARTBEAT_PIECE = 500
/** How often old messages are looked for, ms. */
const RETENTION_EVERY_MS = 60_000
/** Workers that are welcomed at a time after an outage. */
const WELCOME_PIECE = 100
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
  readonly #clock: Clock
  /** Null: nobody else works on this store. */
  readonly #peers: Peers | null
  readonly #server: string
  /** Worker connections that are open. */
  readonly #ports = new Set<WorkerPort>()
  readonly #messageRetentionMs: number
  readonly #beats: Beats
  readonly #holds = new HoldTimes()
  readonly #sight: InquiryParts
  /** Queues that are being read; true: asked again meanwhile. */
  readonly #pulling = new Map<string, boolean>()
  /** Reads for workers that are under way: the store is closed after them. */
  readonly #errands = new Set<Promise<void>>()
  #isPaused = false
  #isStopping = false
  #seenAt = 0
  /** Where among the workers the next look begins. */
  #lookedAt = 0
  #retainedAt = 0

  constructor(options: EngineOptions) {
    const { store, platform, log, machine = DEFAULT_CONFIG, observer = NO_OBSERVER } = options
    this.#options = options
    this.#store = store
    this.#server = `server-${Math.floor(platform.random() * 2 ** 48).toString(36)}`
    this.#messageRetentionMs = options.messageRetentionMs ?? 24 * 3_600_000
    const canPush = options.push !== undefined
    this.#beats = new Beats(() => platform.ticks())
    const scaling = options.scaling ?? DEFAULT_SCALING
    const { pushTrouble } = options
    this.#sight = { store, config: machine, beats: this.#beats, holds: this.#holds, scaling, pushTrouble }
    const clock = new Clock(platform)
    const placement = new Placement({ canPush, hasPeers: () => this.#peers?.hasCompany ?? false })
    const health = new Health({ platform, log, recovered: () => this.#errand(this.#recovered()) })
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
          server: this.#server,
          platform,
          log,
          heard: (hint) => this.#heard(hint),
          look: (isComplete) => this.#look(isComplete).catch((error: unknown) => health.failed(error)),
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
    })
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
  }

  async start(): Promise<void> {
    await this.#store.open()
    await this.#timers.start()
    this.#retention.start()
    await this.#peers?.start()
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    this.#placement.isPaused = true
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
  async #longHeartbeat({ data }: Request<'task.heartbeat'>, debugTime: number | undefined): Promise<Answer> {
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
    const { observer, log } = this.#options
    if (outgoing.scheduled > 0) observer?.scheduled(outgoing.scheduled)
    this.#observe(outgoing)
    for (const { about, text } of outgoing.notes) log.warn(about, text)
    const elsewhere = this.#delivery.dispatch(outgoing)
    const { hints, left } = this.#placement.takeNews()
    this.#peers?.tell([...elsewhere, ...hints])
    for (const { id, at } of left) this.#placeLater(id, at)
    for (const queue of this.#placement.takeRelieved()) this.#pull(queue)
    if (armedAt !== null && !this.#isPaused) this.#timers.arm(armedAt)
  }

  #observe({ moves, ends }: Outgoing): void {
    const { observer = NO_OBSERVER, log } = this.#options
    for (const move of moves) {
      const { id, lost } = move.after
      if (lost > move.before.lost)
        log.info({ id, pid: move.before.pid, lost }, 'A worker has lost a task: its lease ended')
      const group = queueGroupOf(move.after)
      const elapsedMs = Math.max(0, move.at - (move.before.sinceAt ?? move.at))
      if (move.after.state === 'acquired') observer.acquired(group, elapsedMs)
      else {
        this.#holds.note(group, elapsedMs, move.at)
        observer.putDown(group, elapsedMs)
      }
    }
    for (const { id, origin, tags, state, createdAt, settledAt } of ends) {
      const kind = id === origin ? 'workflow' : hasTask(tags) ? 'task' : 'promise'
      observer.settled(kind, state, (settledAt ?? createdAt) - createdAt)
    }
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
        if (this.#placement.isServed(hint.queue)) this.#pull(hint.queue)
        return
      case 'returned':
        if (this.#placement.isConnected(hint.worker)) this.#pull(hint.queue)
        return
      case 'owed':
        this.#catchUp(hint.queue)
        return
      case 'hand':
        if (this.#placement.changed(hint.worker)) this.#lane.submit([{ kind: 'count', worker: hint.worker }])
        return
      case 'revoke':
        this.#delivery.revoke(hint, { id: hint.id, version: hint.version })
    }
  }

  /** What other servers have left for the workers connected here, whether they told or not. */
  async #look(isComplete: boolean): Promise<void> {
    if (this.#isPaused) return
    this.#lane.submit(this.#placement.suspects().map((worker): Entry => ({ kind: 'count', worker })))
    const workers = [...this.#placement.workers()]
    const begins = isComplete
      ? [...Array(Math.ceil(workers.length / LOOK_WORKERS)).keys()].map((page) => page * LOOK_WORKERS)
      : [this.#nextLook(workers.length)]
    for (const begin of begins) await this.#lookFor(workers.slice(begin, begin + LOOK_WORKERS))
  }

  #nextLook(workers: number): number {
    const begin = this.#lookedAt < workers ? this.#lookedAt : 0
    this.#lookedAt = begin + LOOK_WORKERS
    return begin
  }

  async #lookFor(workers: readonly { readonly group: string; readonly pid: string }[]): Promise<void> {
    const queues = [...new Set(workers.flatMap(queuesOf))]
    const open = queues.filter((queue) => this.#placement.room(queue, 1) > 0)
    const now = await this.#store.now()
    const ready = open.length === 0 ? [] : await this.#store.ready({ queues: open, now, limit: LOOK_MAX })
    for (const queue of new Set(ready.map((task) => task.queue))) this.#pull(queue)
    const heeding = workers.filter((worker) => !this.#delivery.isBehind(worker))
    const own = [...new Set(heeding.flatMap(queuesOf))]
    const owed = own.length === 0 ? [] : await this.#store.unblocks({ queues: own, limit: LOOK_MAX })
    for (const queue of new Set(owed.map(({ row }) => row.queue))) this.#catchUp(queue)
  }

  /** Sends what is owed to the readers of a queue. */
  #catchUp(queue: string): void {
    // Any of them may be told what is owed to any.
    const [reader] = this.#delivery.readersOf(queue).filter((worker) => !this.#delivery.isBehind(worker))
    if (reader) this.#sendOwed(reader)
  }

  #sendOwed(worker: { readonly group: string; readonly pid: string }): void {
    this.#errand(this.#delivery.catchUp(worker).catch((error: unknown) => this.#health.failed(error)))
  }

  report(pid: string, vitals: Vitals): void {
    // It is refused as a request, later; a name that no database holds must not be written with the others.
    if (idProblem(pid, 'pid') === null) this.#beats.note(pid, vitals)
  }

  connect(port: WorkerPort): Connected {
    this.#ports.add(port)
    this.#delivery.open(port)
    this.#errand(this.#welcome(port))
    return {
      drained: () => {
        if (this.#ports.has(port)) this.#refill(port)
      },
      ended: () => {
        if (this.#ports.delete(port)) this.#farewell(port)
      },
    }
  }

  /** Where the store fails, all are welcomed again when it answers. */
  #welcome(port: WorkerPort): Promise<void> {
    return this.#register(port).catch((error: unknown) => this.#health.failed(error))
  }

  /** After an outage: what only this server knows is told; and what is in its workers' hands, or for them, is read anew. */
  async #recovered(): Promise<void> {
    this.#lane.repeatOwed()
    const ports = [...this.#ports]
    for (let from = 0; from < ports.length && !this.#health.isFailing && !this.#isStopping; from += WELCOME_PIECE) {
      const open = ports.slice(from, from + WELCOME_PIECE).filter((port) => this.#ports.has(port))
      await Promise.all(open.map((port) => this.#welcome(port)))
    }
  }

  async #register(port: WorkerPort): Promise<void> {
    const { group, pid, capacity = null, info = {} } = port
    const now = await this.#store.now()
    const row = { server: this.#server, group, pid, capacity, info, seenAt: now, goneAt: null, beat: null }
    this.#lane.submit([{ kind: 'input', input: { kind: 'worker.connect', data: { row } } }])
    await this.#lane.between(async () => {
      const countedAt = await this.#store.now()
      const inHand = await this.#store.inHand({ worker: pid, now: countedAt })
      if (this.#ports.has(port)) this.#placement.add({ group, pid, capacity }, inHand, countedAt)
    })
    for (const queue of queuesOf(port)) this.#pull(queue)
    await this.#delivery.catchUp(port)
  }

  /** A connection that was full has room again. */
  #refill(port: WorkerPort): void {
    for (const queue of this.#placement.drained(port)) this.#pull(queue)
    if (this.#delivery.isBehind(port)) this.#sendOwed(port)
  }

  #farewell(port: WorkerPort): void {
    if (!this.#delivery.close(port)) return
    const { group, pid } = port
    const withdrawn = this.#placement.remove(port).map(
      ({ id, version }): Entry => ({
        kind: 'input',
        input: { kind: 'task.withdraw', data: { id, version, worker: pid } },
      }),
    )
    const left: Entry = {
      kind: 'input',
      input: { kind: 'worker.disconnect', data: { server: this.#server, group, pid } },
    }
    this.#lane.steps([left, ...withdrawn])
    const graceMs = (this.#options.machine ?? DEFAULT_CONFIG).disconnectGraceMs
    if (!this.#isPaused && graceMs > 0) this.#timers.arm(this.#clock.now() + graceMs + 1)
  }

  /** Offers what waits in a queue, as long as there is room; one reader of a queue at a time, asked again is read again. */
  #pull(queue: string): void {
    if (this.#isPaused || this.#isStopping) return this.#placement.leftover(queue)
    if (this.#pulling.has(queue)) return void this.#pulling.set(queue, true)
    this.#pulling.set(queue, false)
    const done = () => {
      const isAskedAgain = this.#pulling.get(queue)
      this.#pulling.delete(queue)
      if (isAskedAgain) this.#pull(queue)
    }
    const failed = (error: unknown) => {
      this.#pulling.delete(queue)
      this.#placement.leftover(queue)
      this.#health.failed(error)
    }
    this.#errand(this.#pullAll(queue).then(done, failed))
  }

  /** Servers that read the same tasks at once begin at different ones: who comes second has locked and read for nothing. */
  #turned<T>(tasks: readonly T[]): readonly T[] {
    if (!this.#peers?.hasCompany) return tasks
    const start = Math.floor(this.#options.platform.random() * tasks.length)
    return [...tasks.slice(start), ...tasks.slice(0, start)]
  }

  #errand(work: Promise<void>): void {
    const errand = work.finally(() => this.#errands.delete(errand))
    this.#errands.add(errand)
  }

  async #pullAll(queue: string): Promise<void> {
    for (;;) {
      const limit = this.#placement.room(queue, PULL_MAX)
      if (limit === 0) return this.#placement.leftover(queue)
      this.#placement.reading(queue)
      const tasks = await this.#store.ready({ queues: [queue], now: await this.#store.now(), limit })
      if (tasks.length === limit) this.#placement.leftover(queue)
      const isPlaced = await this.#lane.settled(this.#turned(tasks).map(({ id }): Entry => ({ kind: 'place', id })))
      if (!isPlaced || this.#isStopping) return this.#placement.leftover(queue)
      if (tasks.length < limit) return
    }
  }

  /** What is looked at from time to time, along with the timers. */
  async #swept(now: number): Promise<void> {
    // Whoever sends requests stays away from a server that fails: it asks by itself.
    if (this.#health.isFailing) await this.#lane.settled(PROBE)
    if (now - this.#seenAt >= PRESENCE_EVERY_MS && !(this.#delivery.isEmpty && this.#beats.isEmpty)) {
      this.#seenAt = now
      await this.#lane.settled(this.#presence(now))
    }
    await this.#delivery.pushOwed()
    if (now - this.#retainedAt >= RETENTION_EVERY_MS) {
      this.#retainedAt = now
      const old = await this.#store.unblocksBefore({ createdAt: now - this.#messageRetentionMs, limit: SWEEP_LIMIT })
      await this.#lane.settled(
        old.map(
          ({ id, address }): Entry => ({ kind: 'input', input: { kind: 'unblock.sent', data: { id, address } } }),
        ),
      )
    }
  }

  async #aside(request: Request<DebugKind | StoreKind | InquiryKind>, debugTime: number | undefined): Promise<Answer> {
    // What the machine decides it holds against the rules itself.
    const problem = ruleProblem(request, (this.#options.machine ?? DEFAULT_CONFIG).limits)
    if (problem !== null) return { status: 400, data: problem }
    switch (request.kind) {
      case 'promise.explain':
      case 'worker.search':
      case 'group.search':
        return inquire(this.#sight, request, debugTime).catch((error) => this.#unanswered(error))
      case 'retention.preview':
        return this.#previewRetention(request.data).catch((error) => this.#unanswered(error))
      case 'backup.create':
        return (await this.#options.backup?.(request.data.name)) ?? NO_BACKUP
      default:
        return this.#debug(request, debugTime).catch((error) => this.#unanswered(error))
    }
  }

  async #previewRetention({ limit = 1_000, cursor, ...data }: Request<'retention.preview'>['data']): Promise<Answer> {
    const ageMs = data.ageMs ?? this.#options.promiseRetentionMs ?? 0
    if (ageMs === 0) return NO_RETENTION
    const after = cursor === undefined ? null : readMark(cursor)
    if (cursor !== undefined && after === null) return BAD_CURSOR
    const { promises, examined, next } = await previewRetention(
      { store: this.#store, lane: this.#lane },
      { ageMs, after, limit },
    )
    return { status: 200, data: { promises, examined, ...(next && { cursor: writeMark(next) }) } }
  }

  #unanswered(error: unknown): Answer {
    this.#health.failed(error)
    return { status: 503, data: 'the store did not answer: ask again' }
  }

  /** What this server knows of the workers that are connected to it, and of those whose heartbeats came this way. */
  #presence(now: number): Entry[] {
    const seen: Entry = { kind: 'input', input: { kind: 'server.seen', data: { server: this.#server } } }
    const beats = this.#beats.take(now)
    if (beats.length === 0) return [seen]
    return [seen, { kind: 'input', input: { kind: 'worker.beats', data: { beats } } }]
  }

  // debug.*: steering the engine, only where the server has debugging switched on.

  async #debug(request: Request<DebugKind>, debugTime: number | undefined): Promise<Answer> {
    switch (request.kind) {
      case 'debug.start':
        await this.#pause()
        return { status: 200, data: {} }
      case 'debug.stop':
        await this.#resume()
        return { status: 200, data: {} }
      case 'debug.reset':
        await this.#lane.alone(() => this.#store.reset())
        return { status: 200, data: {} }
      case 'debug.tick':
        await this.#tick(request.data.time)
        return { status: 200, data: [] }
      case 'debug.snap': {
        const rows = await this.#lane.alone(() => this.#store.snapshot())
        const now = debugTime ?? (await this.#store.now())
        return { status: 200, data: snapshotOf(rows, { now, serverUrl: this.#options.serverUrl }) }
      }
    }
  }

  async #pause(): Promise<void> {
    this.#isPaused = true
    this.#placement.isPaused = true
    await this.#retention.stop()
    await this.#timers.stop()
    await this.#lane.alone(async () => {})
  }

  async #resume(): Promise<void> {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#placement.isPaused = false
    await this.#timers.start()
    this.#retention.start()
    for (const worker of this.#placement.workers()) for (const queue of queuesOf(worker)) this.#pull(queue)
  }

  /** Fires all that is due at `time`, until only dispatches that nobody can take are left. */
  async #tick(time: number): Promise<void> {
    const wasPaused = this.#placement.isPaused
    this.#placement.isPaused = false
    for (;;) {
      const entries = await this.#timers.due(time, time)
      const steps = entries.filter((entry) => entry.kind !== 'place')
      await this.#lane.settled(steps)
      if (steps.length === 0) break
    }
    const ready = await this.#store.ripened({ after: { at: 0, id: '' }, until: time, limit: Number.MAX_SAFE_INTEGER })
    await this.#lane.settled(ready.map(({ id }): Entry => ({ kind: 'place', id, now: time })))
    this.#placement.isPaused = wasPaused
  }
}

const TOO_BUSY: Answer = { status: 503, data: 'too many requests are waiting for the store: ask again in a second' }

const NO_RETENTION: Answer = {
  status: 400,
  data: 'data.ageMs must be given (--age on the command line): this server keeps settled promises for ever (promises.retention is 0)',
}
const BAD_CURSOR: Answer = { status: 400, data: 'data.cursor must be one that retention.preview answered' }
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
