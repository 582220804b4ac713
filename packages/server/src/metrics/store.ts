// What every server of a database says alike, read from the store at each scrape. It costs as much as there are groups and workers,
// never as much as there are promises: what is stored was counted when it was written. Without the store there are no numbers,
// rather than old ones.

import type { Picture } from '@resonatehq/engine'
import { type GroupRecord, PROMISE_STATES, type Total, type WorkerRow } from '@resonatehq/protocol'
import type { Instruments } from './instruments.ts'
import { GROUP_SERIES_MAX, OTHER, WORKER_SERIES_MAX } from './labels.ts'
import { METRICS } from './table.ts'

const FROM_STORE = Object.entries(METRICS).flatMap(([name, row]) =>
  row.of === 'store' ? [name as keyof typeof METRICS] : [],
)

/** Undefined: the store does not answer. */
export function showStore(all: Instruments, picture: Picture | undefined): void {
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
