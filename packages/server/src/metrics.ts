// Every number the server shows: one table of names, and the functions that count. A metric is one row here.
// Labels must stay bounded whatever clients send: an unknown kind counts as "unknown", and workers past the first few
// hundred are added up under "other".

import type { EngineObserver, EngineStats, WorkerStats } from '@resonatehq/engine'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

interface MetricRow {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly name: string
  readonly labels: readonly string[]
  readonly help: string
  readonly buckets?: readonly number[]
}

const FAST_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const COUNTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]

/** Name, labels and meaning of each, by the name the code calls it. The reference page is printed from this. */
export const METRICS = {
  requests: {
    type: 'counter',
    name: 'resonate_request_total',
    labels: ['kind', 'status'],
    help: 'Requests answered, refused ones included.',
  },
  requestSeconds: {
    type: 'histogram',
    name: 'resonate_request_duration_seconds',
    labels: ['kind'],
    help: 'From the last byte of a request to its answer.',
    buckets: FAST_SECONDS,
  },
  messages: {
    type: 'counter',
    name: 'resonate_messages_total',
    labels: ['kind'],
    help: 'Messages handed to a worker or a target: execute, unblock, revoke.',
  },
  deliveries: {
    type: 'counter',
    name: 'resonate_deliveries_total',
    labels: ['transport', 'status'],
    help: 'Attempts to deliver a message. success: taken. error: refused or failed. dropped: no room for it.',
  },
  schedulePromises: {
    type: 'counter',
    name: 'resonate_schedule_promises_total',
    labels: [],
    help: 'Promises created by schedules.',
  },
  batchRequests: {
    type: 'histogram',
    name: 'resonate_batch_requests',
    labels: [],
    help: 'Requests and steps decided and committed together.',
    buckets: COUNTS,
  },
  queueSeconds: {
    type: 'histogram',
    name: 'resonate_queue_wait_seconds',
    labels: [],
    help: 'How long the oldest request of a batch waited for it to start.',
    buckets: FAST_SECONDS,
  },
  storeSeconds: {
    type: 'histogram',
    name: 'resonate_store_seconds',
    labels: ['phase'],
    help: 'Time a batch spent in the store: load, then write with commit.',
    buckets: FAST_SECONDS,
  },
  dispatchSeconds: {
    type: 'histogram',
    name: 'resonate_dispatch_delay_seconds',
    labels: [],
    help: 'From the instant a task was ready to the moment it was handed to a worker.',
    buckets: FAST_SECONDS,
  },
  queueLength: {
    type: 'gauge',
    name: 'resonate_queue_length',
    labels: [],
    help: 'Requests accepted and not yet answered.',
  },
  workers: {
    type: 'gauge',
    name: 'resonate_workers',
    labels: ['group'],
    help: 'Workers connected to this server.',
  },
  tasksInHand: {
    type: 'gauge',
    name: 'resonate_worker_tasks',
    labels: ['group', 'pid'],
    help: 'Tasks offered to or held by each connected worker.',
  },
  workerInfo: {
    type: 'gauge',
    name: 'resonate_worker_info',
    labels: ['group', 'pid', 'sdk', 'version', 'host'],
    help: 'Always 1. What each connected worker says of itself.',
  },
  workerLag: {
    type: 'gauge',
    name: 'resonate_worker_event_loop_lag_seconds',
    labels: ['group', 'pid'],
    help: 'How late the event loop of each worker is, by its last heartbeat.',
  },
  workerMemory: {
    type: 'gauge',
    name: 'resonate_worker_resident_memory_bytes',
    labels: ['group', 'pid'],
    help: 'Resident memory of each worker, by its last heartbeat.',
  },
  pollConnections: {
    type: 'gauge',
    name: 'resonate_poll_connections',
    labels: [],
    help: 'Open worker connections.',
  },
  pushInFlight: {
    type: 'gauge',
    name: 'resonate_push_in_flight',
    labels: [],
    help: 'POSTs to targets that are under way.',
  },
  pushWaiting: {
    type: 'gauge',
    name: 'resonate_push_waiting',
    labels: [],
    help: 'Messages that wait for a place at their target.',
  },
  build: {
    type: 'gauge',
    name: 'resonate_build_info',
    labels: ['version', 'node'],
    help: 'Always 1. What is running.',
  },
} as const satisfies Record<string, MetricRow>

/** Series of resonate_workers and resonate_worker_tasks at most, each. */
const WORKER_SERIES_MAX = 500

export interface TransportStats {
  pollConnections(): number
  pushInFlight(): number
  pushWaiting(): number
}

export interface Metrics {
  /** One answered envelope. `kind` must be a known one or "unknown". */
  answered(kind: string, status: number, durationMs: number): void
  delivered(transport: 'poll' | 'push', status: 'success' | 'error' | 'dropped'): void
  readonly observer: EngineObserver
  /** Where gauges are read from at each scrape. */
  watch(sources: { engine?: () => EngineStats | undefined; transports?: TransportStats }): void
  /** The Prometheus text. */
  text(): Promise<string>
  readonly contentType: string
}

export interface MetricsOptions {
  readonly build: { readonly version: string; readonly node: string }
  /** Off in tests: they would read the real process. */
  readonly process: boolean
}

export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry()
  if (options.process) collectDefaultMetrics({ register: registry })
  const counter = (row: MetricRow) => new Counter({ ...common(row), registers: [registry] })
  const gauge = (row: MetricRow) => new Gauge({ ...common(row), registers: [registry] })
  const histogram = (row: MetricRow) =>
    new Histogram({ ...common(row), buckets: [...(row.buckets ?? [])], registers: [registry] })

  const requests = counter(METRICS.requests)
  const requestSeconds = histogram(METRICS.requestSeconds)
  const messages = counter(METRICS.messages)
  const deliveries = counter(METRICS.deliveries)
  const schedulePromises = counter(METRICS.schedulePromises)
  const batchRequests = histogram(METRICS.batchRequests)
  const queueSeconds = histogram(METRICS.queueSeconds)
  const storeSeconds = histogram(METRICS.storeSeconds)
  const dispatchSeconds = histogram(METRICS.dispatchSeconds)
  const queueLength = gauge(METRICS.queueLength)
  const workers = gauge(METRICS.workers)
  const tasksInHand = gauge(METRICS.tasksInHand)
  const workerInfo = gauge(METRICS.workerInfo)
  const workerLag = gauge(METRICS.workerLag)
  const workerMemory = gauge(METRICS.workerMemory)
  const pollConnections = gauge(METRICS.pollConnections)
  const pushInFlight = gauge(METRICS.pushInFlight)
  const pushWaiting = gauge(METRICS.pushWaiting)
  gauge(METRICS.build).set({ ...options.build }, 1)

  let engine: () => EngineStats | undefined = () => undefined
  let transports: TransportStats | undefined

  const readGauges = (): void => {
    pollConnections.set(transports?.pollConnections() ?? 0)
    pushInFlight.set(transports?.pushInFlight() ?? 0)
    pushWaiting.set(transports?.pushWaiting() ?? 0)
    const stats = engine()
    queueLength.set(stats?.queueLength ?? 0)
    for (const each of [workers, tasksInHand, workerInfo, workerLag, workerMemory]) each.reset()
    const series = workerSeries(stats?.workers ?? [])
    for (const [group, count] of series.groups) workers.set({ group }, count)
    for (const { group, pid, inHand, info, vitals } of series.workers) {
      const { sdk = '', version = '', host = '' } = info
      tasksInHand.set({ group, pid }, inHand)
      workerInfo.set({ group, pid, sdk, version, host }, 1)
      if (vitals?.lagMs !== undefined) workerLag.set({ group, pid }, vitals.lagMs / 1000)
      if (vitals?.rssBytes !== undefined) workerMemory.set({ group, pid }, vitals.rssBytes)
    }
  }

  return {
    answered(kind, status, durationMs) {
      requests.inc({ kind, status })
      requestSeconds.observe({ kind }, durationMs / 1000)
    },
    delivered: (transport, status) => deliveries.inc({ transport, status }),
    observer: {
      batch(batch) {
        batchRequests.observe(batch.requests)
        queueSeconds.observe(batch.waitMs / 1000)
        storeSeconds.observe({ phase: 'load' }, batch.loadMs / 1000)
        storeSeconds.observe({ phase: 'commit' }, batch.commitMs / 1000)
      },
      sent(kind, delayMs) {
        messages.inc({ kind })
        if (delayMs !== undefined) dispatchSeconds.observe(Math.max(0, delayMs) / 1000)
      },
      scheduled: (promises) => schedulePromises.inc(promises),
    },
    watch(sources) {
      engine = sources.engine ?? engine
      transports = sources.transports ?? transports
    },
    async text() {
      readGauges()
      return registry.metrics()
    },
    contentType: registry.contentType,
  }
}

/** The metrics as a Markdown page. */
export function metricsPage(): string {
  const rows = Object.values(METRICS).map(
    (row) => `| \`${row.name}\` | ${row.type} | ${row.labels.join(', ') || '-'} | ${row.help} |`,
  )
  return ['# Metrics', '', '| name | type | labels | meaning |', '| --- | --- | --- | --- |', ...rows, ''].join('\n')
}

function common(row: MetricRow): { name: string; help: string; labelNames: string[] } {
  return { name: row.name, help: row.help, labelNames: [...row.labels] }
}

/** The first few hundred by name, the rest added up under "other". */
function workerSeries(all: EngineStats['workers']): {
  groups: ReadonlyMap<string, number>
  workers: Iterable<WorkerStats>
} {
  const groups = new Map<string, number>()
  const workers: WorkerStats[] = []
  let otherInHand = 0
  let others = 0
  for (const worker of all) {
    const { group, inHand } = worker
    const label = groups.has(group) || groups.size < WORKER_SERIES_MAX ? group : 'other'
    groups.set(label, (groups.get(label) ?? 0) + 1)
    if (workers.length < WORKER_SERIES_MAX) workers.push(worker)
    else [others, otherInHand] = [others + 1, otherInHand + inHand]
  }
  if (others > 0) workers.push({ group: 'other', pid: 'other', inHand: otherInHand, info: {} })
  return { groups, workers }
}
