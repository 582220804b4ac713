// Counts what happens, and answers scrapes. A scrape must not fail while the store does; it waits for it a while.

import type { EngineObserver, EngineStats, Picture, Platform, WorkerStats } from '@resonatehq/engine'
import type { GroupRecord } from '@resonatehq/protocol'
import { AggregatorRegistry, collectDefaultMetrics, Registry } from 'prom-client'
import { type Instruments, instruments } from './instruments.ts'
import { firstLabels, GROUP_SERIES_MAX, OTHER, WORKER_SERIES_MAX } from './labels.ts'
import { showStore } from './store.ts'

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

function inTime<T>(work: Promise<T>, timer: Platform['timer']): Promise<T | undefined> {
  return new Promise((resolve) => {
    const cancel = timer(PICTURE_TIMEOUT_MS, () => resolve(undefined))
    void work.then(resolve).finally(cancel)
  })
}
