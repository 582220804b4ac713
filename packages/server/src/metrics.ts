// Every number the server shows: one table of names, and the functions that count. A metric is one row here.
// Labels must stay bounded whatever clients send: an unknown kind counts as "unknown", and groups and workers past the
// first few hundred are added up under "other". A scrape costs as much as there are groups and workers, never as much as
// there are promises: what is stored was counted when it was written. It must not fail while the store does.

import type { EngineObserver, EngineStats, Picture, Platform, WorkerStats } from '@resonatehq/engine'
import { type GroupRecord, PROMISE_STATES, type Total, type WorkerRow } from '@resonatehq/protocol'
import {
  type Aggregator,
  AggregatorRegistry,
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  Registry,
} from 'prom-client'

interface MetricRow {
  readonly type: 'counter' | 'gauge' | 'histogram'
  /** Who says the same: every server of a database (aggregate with max), or each only what it did (with sum). */
  readonly of: 'store' | 'server'
  readonly name: string
  readonly labels: readonly string[]
  readonly help: string
  readonly buckets?: readonly number[]
  /** How the processes of one command are summed up, where it is not by adding. */
  readonly aggregator?: Aggregator
}

const FAST_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const LONG_SECONDS = [0.005, 0.02, 0.1, 0.5, 1, 5, 15, 60, 300, 1_800, 7_200, 86_400, 604_800]
const COUNTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]

/** Name, labels and meaning of each, by the name the code calls it. The reference page is printed from this. */
export const METRICS = {
  promises: {
    type: 'gauge',
    of: 'store',
    name: 'promises_total',
    labels: ['state'],
    help: 'Promises that are kept, by state. pending: the backlog of the whole system.',
  },
  tasks: {
    type: 'counter',
    of: 'store',
    name: 'tasks_total',
    labels: ['state'],
    help: 'Tasks that ever came to: created; claimed, also as acquired: a worker took it for the first time; completed, also as fulfilled: over, after a worker had taken it. Claimed less completed is never negative.',
  },
  tasksNow: {
    type: 'gauge',
    of: 'store',
    name: 'resonate_tasks',
    labels: ['group', 'state'],
    help: 'Tasks that are not over, by the group of their target and by state: pending, acquired, suspended, halted. Tasks pushed to URLs are the group (pushed).',
  },
  groupReady: {
    type: 'gauge',
    of: 'store',
    name: 'resonate_group_ready_tasks',
    labels: ['group'],
    help: 'Tasks that any worker of the group could take now and that none was offered. Past a thousand: all that are pending.',
  },
  groupOldest: {
    type: 'gauge',
    of: 'store',
    name: 'resonate_group_oldest_ready_seconds',
    labels: ['group'],
    help: 'How long the ready task that is due longest could have been taken. 0: none is ready.',
  },
  groupDesired: {
    type: 'gauge',
    of: 'store',
    name: 'resonate_group_workers_desired',
    labels: ['group'],
    help: 'Workers that what is held and what waits need, so that what waits begins within scaling.target_wait. 0: nothing is held and nothing waits.',
  },
  workers: {
    type: 'gauge',
    of: 'store',
    name: 'resonate_workers',
    labels: ['group'],
    help: 'Connected workers, whichever server they are connected to.',
  },
  workerInfo: {
    type: 'gauge',
    of: 'store',
    name: 'resonate_worker_info',
    labels: ['group', 'pid', 'sdk', 'version', 'host'],
    help: 'Always 1. What each connected worker says of itself.',
  },
  workerCapacity: {
    type: 'gauge',
    of: 'store',
    name: 'resonate_worker_capacity',
    labels: ['group', 'pid'],
    help: 'Tasks that each connected worker takes at a time. Absent: any number.',
  },
  workerBeat: {
    type: 'gauge',
    of: 'store',
    name: 'resonate_worker_heartbeat_age_seconds',
    labels: ['group', 'pid'],
    help: 'Time since the last heartbeat of each connected worker. A worker without tasks sends none.',
  },
  workerLag: {
    type: 'gauge',
    of: 'store',
    name: 'resonate_worker_event_loop_lag_seconds',
    labels: ['group', 'pid'],
    help: 'How late the event loop of each worker is, by its last heartbeat.',
  },
  workerMemory: {
    type: 'gauge',
    of: 'store',
    name: 'resonate_worker_resident_memory_bytes',
    labels: ['group', 'pid'],
    help: 'Resident memory of each worker, by its last heartbeat.',
  },
  leasesLost: {
    type: 'counter',
    of: 'store',
    name: 'resonate_leases_lost_total',
    labels: [],
    help: 'Leases that ended without the doing of their holder: it died, or was stuck, or out of reach.',
  },
  reassigned: {
    type: 'counter',
    of: 'store',
    name: 'resonate_tasks_reassigned_total',
    labels: [],
    help: 'Tasks taken again after a lease on them was lost.',
  },
  released: {
    type: 'counter',
    of: 'store',
    name: 'resonate_tasks_released_total',
    labels: [],
    help: 'Tasks given back by their holder: it stops, or has no such function.',
  },
  forgotten: {
    type: 'counter',
    of: 'store',
    name: 'resonate_promises_forgotten_total',
    labels: [],
    help: 'Settled promises deleted by promises.retention.',
  },
  schema: {
    type: 'gauge',
    of: 'store',
    name: 'resonate_schema_version',
    labels: [],
    help: 'The last migration of the database. 0: this store has none.',
  },
  acquireSeconds: {
    type: 'histogram',
    of: 'server',
    name: 'resonate_acquire_wait_seconds',
    labels: ['group'],
    help: 'From the instant a task could be taken until a worker acquired it.',
    buckets: FAST_SECONDS,
  },
  heldSeconds: {
    type: 'histogram',
    of: 'server',
    name: 'resonate_task_held_seconds',
    labels: ['group'],
    help: 'How long a worker had a task in hand at a time, until it was fulfilled, suspended, released or lost.',
    buckets: LONG_SECONDS,
  },
  taskSeconds: {
    type: 'histogram',
    of: 'server',
    name: 'resonate_task_duration_seconds',
    labels: ['state'],
    help: 'From creation to settlement of promises that a worker runs, roots left out.',
    buckets: LONG_SECONDS,
  },
  workflowSeconds: {
    type: 'histogram',
    of: 'server',
    name: 'resonate_workflow_duration_seconds',
    labels: ['state'],
    help: 'From creation to settlement of the roots of call trees.',
    buckets: LONG_SECONDS,
  },
  requests: {
    type: 'counter',
    of: 'server',
    name: 'resonate_request_total',
    labels: ['kind', 'status'],
    help: 'Requests answered, refused ones included.',
  },
  requestSeconds: {
    type: 'histogram',
    of: 'server',
    name: 'resonate_request_duration_seconds',
    labels: ['kind'],
    help: 'From the last byte of a request to its answer.',
    buckets: FAST_SECONDS,
  },
  messages: {
    type: 'counter',
    of: 'server',
    name: 'resonate_messages_total',
    labels: ['kind'],
    help: 'Messages handed to a worker or a target: execute, unblock, revoke.',
  },
  deliveries: {
    type: 'counter',
    of: 'server',
    name: 'resonate_deliveries_total',
    labels: ['transport', 'status'],
    help: 'Attempts to deliver a message. success: taken. error: refused or failed. dropped: no room for it.',
  },
  schedulePromises: {
    type: 'counter',
    of: 'server',
    name: 'resonate_schedule_promises_total',
    labels: [],
    help: 'Promises created by schedules.',
  },
  batchRequests: {
    type: 'histogram',
    of: 'server',
    name: 'resonate_batch_requests',
    labels: [],
    help: 'Requests and steps decided and committed together.',
    buckets: COUNTS,
  },
  queueSeconds: {
    type: 'histogram',
    of: 'server',
    name: 'resonate_queue_wait_seconds',
    labels: [],
    help: 'How long the oldest request of a batch waited for it to start.',
    buckets: FAST_SECONDS,
  },
  storeSeconds: {
    type: 'histogram',
    of: 'server',
    name: 'resonate_store_seconds',
    labels: ['phase'],
    help: 'Time a batch spent in the store: load, then write with commit.',
    buckets: FAST_SECONDS,
  },
  dispatchSeconds: {
    type: 'histogram',
    of: 'server',
    name: 'resonate_dispatch_delay_seconds',
    labels: [],
    help: 'From the instant a task was ready to the moment it was handed to a worker.',
    buckets: FAST_SECONDS,
  },
  queueLength: {
    type: 'gauge',
    of: 'server',
    name: 'resonate_queue_length',
    labels: [],
    help: 'Requests accepted and not yet answered.',
  },
  tasksInHand: {
    type: 'gauge',
    of: 'server',
    name: 'resonate_worker_tasks',
    labels: ['group', 'pid'],
    help: 'Tasks offered to or held by each worker that is connected to this server.',
  },
  pollConnections: {
    type: 'gauge',
    of: 'server',
    name: 'resonate_poll_connections',
    labels: [],
    help: 'Open worker connections.',
  },
  pushInFlight: {
    type: 'gauge',
    of: 'server',
    name: 'resonate_push_in_flight',
    labels: [],
    help: 'POSTs to targets that are under way.',
  },
  pushWaiting: {
    type: 'gauge',
    of: 'server',
    name: 'resonate_push_waiting',
    labels: [],
    help: 'Messages that wait for a place at their target.',
  },
  storeUp: {
    type: 'gauge',
    of: 'server',
    name: 'resonate_store_up',
    aggregator: 'min',
    labels: [],
    help: '1: the store answered this scrape. 0: what is read from it is missing here.',
  },
  storeConnections: {
    type: 'gauge',
    of: 'server',
    name: 'resonate_store_connections',
    labels: ['state'],
    help: 'The pool of database connections: open, idle, and requests waiting for one.',
  },
  build: {
    type: 'gauge',
    of: 'server',
    name: 'resonate_build_info',
    aggregator: 'first',
    labels: ['version', 'node'],
    help: 'Always 1. What is running.',
  },
} as const satisfies Record<string, MetricRow>

/** Groups, and workers, that have series of their own at most. */
const GROUP_SERIES_MAX = 200
const WORKER_SERIES_MAX = 500
const OTHER = 'other'

/** How long a scrape waits for the store. */
const PICTURE_TIMEOUT_MS = 3_000

export interface TransportStats {
  pollConnections(): number
  pushInFlight(): number
  pushWaiting(): number
}

/** Where gauges are read from at each scrape. */
export interface MetricSources {
  readonly engine?: () => EngineStats | undefined
  readonly transports?: TransportStats
  /** Undefined while there is no engine. Rejects while the store does not answer. */
  readonly picture?: () => Promise<Picture | undefined>
}

export interface Metrics {
  /** One answered envelope. `kind` must be a known one or "unknown". */
  answered(kind: string, status: number, durationMs: number): void
  delivered(transport: 'poll' | 'push', status: 'success' | 'error' | 'dropped'): void
  readonly observer: EngineObserver
  watch(sources: MetricSources): void
  /** The Prometheus text. */
  text(): Promise<string>
  /** The same, for another process to sum up. */
  json(): Promise<MetricsJson>
  /** What a group has to do, for whoever starts and stops its workers. Null: the store does not answer. */
  demand(group: string): Promise<GroupDemand | null>
  readonly contentType: string
}

/** The figures that a group is scaled by, all of the store: the same at every server. */
export interface GroupDemand {
  readonly group: string
  /** Tasks that wait and could be taken now. */
  readonly backlog: number
  /** Tasks that workers have in hand. */
  readonly acquired: number
  readonly workers: number
  readonly workersDesired: number
}

/** The metrics of one process, as they pass to another. */
export type MetricsJson = readonly object[]

/** One text for several processes of one command: what each did is added up, what all read from the store is said once. */
export function sumUp(processes: readonly MetricsJson[]): Promise<string> {
  return AggregatorRegistry.aggregate(processes.map((metrics) => [...metrics])).metrics()
}

export interface MetricsOptions {
  readonly build: { readonly version: string; readonly node: string }
  /** Off in tests: they would read the real process. */
  readonly process: boolean
  /** Bounds the wait for the store. Absent: it is waited for. */
  readonly timer?: Platform['timer']
}

export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry()
  if (options.process) collectDefaultMetrics({ register: registry })
  const all = instruments(registry)
  all.build.set({ ...options.build }, 1)
  const labelOf = firstLabels(GROUP_SERIES_MAX)
  let sources: MetricSources = {}
  let reading: Promise<Picture | undefined> | undefined

  /** One reading at a time, whoever scrapes meanwhile; undefined: the store does not answer in time. */
  const picture = (): Promise<Picture | undefined> => {
    reading ??= (sources.picture?.() ?? Promise.resolve(undefined))
      .catch(() => undefined)
      .finally(() => {
        reading = undefined
      })
    return options.timer ? inTime(reading, options.timer) : reading
  }

  const show = async () => {
    showServer(all, sources)
    showStore(all, await picture())
  }

  return {
    answered(kind, status, durationMs) {
      all.requests.inc({ kind, status })
      all.requestSeconds.observe({ kind }, durationMs / 1000)
    },
    delivered: (transport, status) => all.deliveries.inc({ transport, status }),
    observer: observerOf(all, labelOf),
    watch(more) {
      sources = { ...sources, ...more }
    },
    async text() {
      await show()
      return registry.metrics()
    },
    async json() {
      await show()
      return registry.getMetricsAsJSON()
    },
    async demand(group) {
      const shown = await picture()
      return shown ? demandOf(group, shown.groups) : null
    },
    contentType: registry.contentType,
  }
}

/** A group that nobody has worked in, and nothing waits for, needs nobody. */
function demandOf(group: string, groups: readonly GroupRecord[]): GroupDemand {
  const found = groups.find((each) => each.group === group)
  if (!found) return { group, backlog: 0, acquired: 0, workers: 0, workersDesired: 0 }
  const { ready, tasks, workers, workersDesired } = found
  return { group, backlog: ready, acquired: tasks.acquired, workers, workersDesired }
}

type Instruments = {
  readonly [K in keyof typeof METRICS]: {
    counter: Counter
    gauge: Gauge
    histogram: Histogram
  }[(typeof METRICS)[K]['type']]
}

function instruments(registry: Registry): Instruments {
  const make = (row: MetricRow) => {
    const aggregator: Aggregator = row.of === 'store' ? 'max' : (row.aggregator ?? 'sum')
    const common = { name: row.name, help: row.help, labelNames: [...row.labels], registers: [registry], aggregator }
    switch (row.type) {
      case 'counter':
        return new Counter(common)
      case 'gauge':
        return new Gauge(common)
      case 'histogram':
        return new Histogram({ ...common, buckets: [...(row.buckets ?? [])] })
    }
  }
  return Object.fromEntries(Object.entries(METRICS).map(([name, row]) => [name, make(row)])) as unknown as Instruments
}

function observerOf(all: Instruments, labelOf: (group: string) => string): EngineObserver {
  return {
    batch(batch) {
      all.batchRequests.observe(batch.requests)
      all.queueSeconds.observe(batch.waitMs / 1000)
      all.storeSeconds.observe({ phase: 'load' }, batch.loadMs / 1000)
      all.storeSeconds.observe({ phase: 'commit' }, batch.commitMs / 1000)
    },
    sent(kind, delayMs) {
      all.messages.inc({ kind })
      if (delayMs !== undefined) all.dispatchSeconds.observe(Math.max(0, delayMs) / 1000)
    },
    acquired: (group, waitMs) => all.acquireSeconds.observe({ group: labelOf(group) }, waitMs / 1000),
    putDown: (group, heldMs) => all.heldSeconds.observe({ group: labelOf(group) }, heldMs / 1000),
    settled(kind, state, durationMs) {
      if (kind === 'workflow') all.workflowSeconds.observe({ state }, durationMs / 1000)
      if (kind === 'task') all.taskSeconds.observe({ state }, durationMs / 1000)
    },
    scheduled: (promises) => all.schedulePromises.inc(promises),
  }
}

/** What this server knows by itself. */
function showServer(all: Instruments, { engine, transports }: MetricSources): void {
  all.pollConnections.set(transports?.pollConnections() ?? 0)
  all.pushInFlight.set(transports?.pushInFlight() ?? 0)
  all.pushWaiting.set(transports?.pushWaiting() ?? 0)
  const stats = engine?.()
  all.queueLength.set(stats?.queueLength ?? 0)
  all.tasksInHand.reset()
  for (const { group, pid, inHand } of boundedHands(stats?.workers ?? [])) all.tasksInHand.set({ group, pid }, inHand)
}

/** The first few hundred by themselves, the rest added up. */
function boundedHands(workers: Iterable<WorkerStats>): WorkerStats[] {
  const all = [...workers]
  const rest = all.slice(WORKER_SERIES_MAX)
  if (rest.length === 0) return all
  const inHand = rest.reduce((sum, worker) => sum + worker.inHand, 0)
  return [...all.slice(0, WORKER_SERIES_MAX), { group: OTHER, pid: OTHER, inHand }]
}

const FROM_STORE = Object.entries(METRICS).flatMap(([name, row]) =>
  row.of === 'store' ? [name as keyof typeof METRICS] : [],
)

/** What every server of the database says alike. Without the store there are no numbers, rather than old ones. */
function showStore(all: Instruments, picture: Picture | undefined): void {
  for (const name of FROM_STORE) all[name].reset()
  all.storeConnections.reset()
  all.storeUp.set(picture ? 1 : 0)
  if (!picture) return
  showCounters(all, picture.counters)
  for (const group of boundedGroups(picture)) showGroup(all, group)
  for (const row of boundedWorkers(picture.workers)) showWorker(all, row, picture.now)
  all.schema.set(picture.store?.schemaVersion ?? 0)
  const { open, idle, waiting } = picture.store?.connections ?? {}
  if (open !== undefined) all.storeConnections.set({ state: 'open' }, open)
  if (idle !== undefined) all.storeConnections.set({ state: 'idle' }, idle)
  if (waiting !== undefined) all.storeConnections.set({ state: 'waiting' }, waiting)
}

function showCounters(all: Instruments, counters: ReadonlyMap<string, number>): void {
  const total = (what: Total | 'forgotten') => counters.get(`total.${what}`) ?? 0
  for (const state of PROMISE_STATES) all.promises.set({ state }, counters.get(`promises.${state}`) ?? 0)
  all.tasks.inc({ state: 'created' }, total('created'))
  // Each by its name of today and by the one that dashboards of earlier servers know.
  for (const state of ['claimed', 'acquired']) all.tasks.inc({ state }, total('claimed'))
  for (const state of ['completed', 'fulfilled']) all.tasks.inc({ state }, total('completed'))
  all.leasesLost.inc(total('leases_lost'))
  all.reassigned.inc(total('reassigned'))
  all.released.inc(total('released'))
  all.forgotten.inc(total('forgotten'))
}

interface ShownGroup extends GroupRecord {
  /** Since the longest due ready task could have been taken, ms. */
  readonly oldestMs: number
}

/** The first few hundred groups by name, the rest added up: every server draws the line at the same place. */
function boundedGroups({ groups, now }: Picture): ShownGroup[] {
  const all = groups.map((group) => ({ ...group, oldestMs: Math.max(0, now - (group.oldestReadyAt ?? now)) }))
  const rest = all.slice(GROUP_SERIES_MAX)
  const [first, ...others] = rest
  if (!first) return all
  return [...all.slice(0, GROUP_SERIES_MAX), others.reduce(addUp, { ...first, group: OTHER })]
}

function addUp(a: ShownGroup, b: ShownGroup): ShownGroup {
  const tasks = { ...a.tasks }
  for (const state of GROUP_STATES) tasks[state] += b.tasks[state]
  return {
    ...a,
    tasks,
    workers: a.workers + b.workers,
    ready: a.ready + b.ready,
    oldestMs: Math.max(a.oldestMs, b.oldestMs),
    workersDesired: a.workersDesired + b.workersDesired,
  }
}

const GROUP_STATES = ['pending', 'acquired', 'suspended', 'halted'] as const

function showGroup(all: Instruments, { group, tasks, ready, workers, workersDesired, oldestMs }: ShownGroup): void {
  for (const state of GROUP_STATES) all.tasksNow.set({ group, state }, tasks[state])
  all.workers.set({ group }, workers)
  all.groupReady.set({ group }, ready)
  all.groupDesired.set({ group }, workersDesired)
  all.groupOldest.set({ group }, oldestMs / 1000)
}

/** A worker may be connected to several servers: the one that heard from it last speaks. */
function boundedWorkers(rows: readonly WorkerRow[]): WorkerRow[] {
  const shown = new Map<string, WorkerRow>()
  for (const row of rows) {
    const key = JSON.stringify([row.group, row.pid])
    const known = shown.get(key)
    if (known ? row.seenAt > known.seenAt : shown.size < WORKER_SERIES_MAX) shown.set(key, row)
  }
  return [...shown.values()]
}

function showWorker(all: Instruments, { group, pid, info, capacity, beat }: WorkerRow, now: number): void {
  const { sdk = '', version = '', host = '' } = info
  all.workerInfo.set({ group, pid, sdk, version, host }, 1)
  if (capacity !== null) all.workerCapacity.set({ group, pid }, capacity)
  if (!beat) return
  all.workerBeat.set({ group, pid }, Math.max(0, now - beat.at) / 1000)
  if (beat.lagMs !== undefined) all.workerLag.set({ group, pid }, beat.lagMs / 1000)
  if (beat.rssBytes !== undefined) all.workerMemory.set({ group, pid }, beat.rssBytes)
}

/** The first `max` names stand for themselves, as long as the process lives; all others are one. */
function firstLabels(max: number): (name: string) => string {
  const known = new Set<string>()
  return (name) => {
    if (known.has(name)) return name
    if (known.size >= max) return OTHER
    known.add(name)
    return name
  }
}

function inTime<T>(work: Promise<T>, timer: Platform['timer']): Promise<T | undefined> {
  return new Promise((resolve) => {
    const cancel = timer(PICTURE_TIMEOUT_MS, () => resolve(undefined))
    void work.then(resolve).finally(cancel)
  })
}

/** The metrics as a Markdown page. */
export function metricsPage(): string {
  const table = ['| metric | meaning |', '| --- | --- |', ...Object.values<MetricRow>(METRICS).map(metricRow)]
  return ['# Metrics', '', ...PREFACE, ...table, '', ...QUERIES, ''].join('\n')
}

function metricRow({ name, type, of, labels, help }: MetricRow): string {
  const by = labels.length > 0 ? `, by ${labels.map((label) => `\`${label}\``).join(', ')}` : ''
  return `| \`${name}\`<br>${type} of the ${of}${by} | ${help} |`
}

const PREFACE = [
  '`GET /metrics` on the port `observability.metrics_port` (9090) answers in the Prometheus text format. Beside these there',
  'are `process_*` and `nodejs_*`, of the process itself.',
  '',
  'A row *of the store* says the same at every server of one database: aggregate it with `max by (…)`. A row *of the',
  'server* is what that server did or holds: aggregate it with `sum by (…)`. A scrape never counts promises, so it costs',
  'the same whatever is stored. Groups past the first 200, and workers past the first 500, are `other`.',
  '',
]

const QUERIES = [
  '## Queries',
  '',
  '| question | query |',
  '| --- | --- |',
  '| how fast is work done | `max(rate(tasks_total{state="completed"}[5m]))` |',
  '| what is not settled yet | `max(promises_total{state="pending"})` |',
  '| claimed, not completed | `max(tasks_total{state="claimed"}) - max(tasks_total{state="completed"})` |',
  '| what waits for a worker, by group | `max by (group) (resonate_group_ready_tasks)` |',
  '| for how long | `max by (group) (resonate_group_oldest_ready_seconds)` |',
  '| how many workers that needs | `max by (group) (resonate_group_workers_desired)` |',
  '| share of requests that failed | `sum(rate(resonate_request_total{status=~"5.."}[5m])) / sum(rate(resonate_request_total[5m]))` |',
  '| slowest 5 % of requests | `histogram_quantile(0.95, sum by (le) (rate(resonate_request_duration_seconds_bucket[5m])))` |',
  '',
  'A difference of two states needs an aggregation, or `ignoring(state)`, on one side at least: Prometheus pairs series whose',
  'labels are equal, and `state` differs.',
  '',
  '## How many workers a group needs',
  '',
  '`resonate_group_workers_desired` is what to scale on. It is reckoned from what is held and what waits at this moment:',
  '',
  '```text',
  'slots   = held + waiting × min(1, hold ÷ scaling.target_wait)',
  'workers = ⌈slots ÷ tasks a worker takes at a time⌉',
  '```',
  '',
  '*hold* is how long a task was in hand on average in the last five to ten minutes, as far as the server saw it itself;',
  'while that is unknown, each waiting task gets a slot. The tasks that a worker takes at a time are what the workers of the',
  'group state as their capacity, or `scaling.tasks_per_worker`. The number has no memory: the same backlog gives the same',
  'workers, more never gives fewer, and nothing held and nothing waiting gives 0. What is delayed, or backs off, does not',
  'count before its time.',
  '',
  'The SDK states its `concurrency` as the capacity, 1,000 unless you set it. Set it to what one worker can really work on at',
  'a time: a worker that says it takes a thousand tasks is thought to be enough for a thousand.',
  '',
  'The same as JSON, for a scaler that does not ask Prometheus, is at `GET /scaling/{group}` on the same port: `backlog`,',
  '`acquired`, `workers` and `workersDesired`. A group that nobody has worked in has zeros; while the store does not answer',
  'it is 503.',
]
