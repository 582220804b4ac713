// What people ask: why an execution does not go on, who is connected, what waits where. Read from the store without locks,
// beside the batches, so that nobody waits for it: what is shown was true a moment ago. It changes nothing, and every
// read is bounded. Any server of a database gives the same answers, but for what it has seen of the URLs that it pushes to.

import {
  type Answer,
  compareIds,
  covers,
  type ExplainStep,
  type Explanation,
  explainStep,
  type Facts,
  type GroupRecord,
  groupOfCounter,
  type InquiryKind,
  isLive,
  type MachineConfig,
  nextOf,
  type PushTrouble,
  type Request,
  type RequestTable,
  ruleProblem,
  type Sight,
  stateOfGroup,
  type WorkerRecord,
  type WorkerRow,
} from '@resonatehq/protocol'
import type { Store } from '@resonatehq/store'
import type { Beats } from './beats.ts'
import type { Picture } from './observer.ts'
import { type HoldTimes, type ScalingSettings, workersDesired } from './scaling.ts'

export interface InquiryParts {
  readonly store: Store
  readonly config: MachineConfig
  readonly beats: Beats
  readonly holds: HoldTimes
  readonly scaling: ScalingSettings
  readonly pushTrouble?: ((url: string) => PushTrouble | undefined) | undefined
}

/** Presence rows that are read for one answer. */
const WORKERS_MAX = 10_000
/** Steps that an explanation follows. */
const STEPS_MAX = 50
/** Ready tasks of a group that are counted one by one. */
const READY_MAX = 1_000

export function isInquiry(request: Request): request is Request<InquiryKind> {
  return INQUIRIES.has(request.kind)
}

const INQUIRIES: ReadonlySet<string> = new Set<InquiryKind>(['promise.explain', 'worker.search', 'group.search'])

export async function inquire(parts: InquiryParts, request: Request<InquiryKind>, debugTime?: number): Promise<Answer> {
  const problem = ruleProblem(request, parts.config.limits)
  if (problem !== null) return { status: 400, data: problem }
  const now = debugTime ?? (await parts.store.now())
  switch (request.kind) {
    case 'promise.explain':
      return explain(parts, request.data, now)
    case 'worker.search':
      return searchWorkers(parts, request.data, now)
    case 'group.search':
      return searchGroups(parts, request.data, now)
  }
}

// Why it does not go on.

async function explain(
  parts: InquiryParts,
  { id, sight }: RequestTable['promise.explain']['data'],
  now: number,
): Promise<Answer> {
  const setting = { now, workers: await workersNow(parts, now), config: parts.config, ...(sight && { sight }) }
  let facts = await factsOf(parts, id, setting)
  if (!facts) return { status: 404, data: `promise ${JSON.stringify(id)} not found` }
  const steps: ExplainStep[] = []
  const seen = new Set<string>()
  let isCircular = false
  while (facts && steps.length < STEPS_MAX) {
    const step = explainStep(facts)
    seen.add(step.id)
    const next = nextOf(step)
    isCircular = next !== null && seen.has(next)
    const further: Facts | null = next === null || isCircular ? null : await factsOf(parts, next, setting)
    // Tags may name an owner that is not there: then nobody runs this one.
    const isAlone = next !== null && !isCircular && !further
    steps.push(isAlone ? explainStep({ ...facts, isAlone }) : step)
    facts = further
  }
  const data: Explanation = { id, at: now, steps, isCircular, isCut: facts !== null }
  return { status: 200, data }
}

type Setting = Pick<Facts, 'now' | 'workers' | 'config' | 'sight'>

async function factsOf({ store, pushTrouble }: InquiryParts, id: string, setting: Setting): Promise<Facts | null> {
  const [pair] = await store.pairs({ ids: [id] })
  if (!pair) return null
  const awaited = await store.pairs({ ids: pair.task?.awaits?.ids ?? [] })
  const trouble = pair.task ? pushTrouble?.(pair.task.address) : undefined
  return { ...pair, ...setting, trouble, awaited: awaited.map(({ promise }) => promise) }
}

/** Presence with the heartbeats that were not written yet. */
async function workersNow({ store, beats }: InquiryParts, now: number): Promise<WorkerRow[]> {
  const rows = await store.workers({ limit: WORKERS_MAX })
  return rows.map((row) => ({ ...row, beat: beats.latest(row, now) }))
}

// Who is connected.

async function searchWorkers(parts: InquiryParts, data: RequestTable['worker.search']['data'], now: number) {
  const isMeant = ({ group }: WorkerRow) => (data.group === undefined || group === data.group) && isSeen(group, data)
  const rows = (await workersNow(parts, now)).filter(isMeant)
  const workers = [...Map.groupBy(rows, keyOf)].sort(([a], [b]) => compareIds(a, b))
  const page = pageOf(workers, ([key]) => key, data)
  if (!page) return badCursor(data.cursor)
  const records = page.rows.map(async ([, presence]) => workerRecord(parts, presence, now))
  return { status: 200, data: { workers: await Promise.all(records), ...page.cursor } } as const
}

function isSeen(group: string, { sight }: { readonly sight?: Sight }): boolean {
  return sight === undefined || covers(sight.groups, group)
}

/** Group first, then pid. */
function keyOf({ group, pid }: { readonly group: string; readonly pid: string }): string {
  return `${encodeURIComponent(group)}/${encodeURIComponent(pid)}`
}

/** One worker in one group, out of its presence at every server. */
async function workerRecord(parts: InquiryParts, rows: readonly WorkerRow[], now: number): Promise<WorkerRecord> {
  const row = rows.toSorted((a, b) => rank(b, parts, now) - rank(a, parts, now) || b.seenAt - a.seenAt)[0] as WorkerRow
  const { group, pid, capacity, info, beat } = row
  return {
    group,
    pid,
    state: row.goneAt !== null ? 'gone' : isLive(row, { now, config: parts.config }) ? 'connected' : 'silent',
    ...(capacity !== null && { capacity }),
    tasks: await parts.store.inHand({ worker: pid, now }),
    info,
    seenAt: row.seenAt,
    ...(beat && { heartbeatAt: beat.at }),
    ...(beat?.lagMs !== undefined && { lagMs: beat.lagMs }),
    ...(beat?.rssBytes !== undefined && { rssBytes: beat.rssBytes }),
  }
}

function rank(row: WorkerRow, { config }: InquiryParts, now: number): number {
  return isLive(row, { now, config }) ? 2 : row.goneAt === null ? 1 : 0
}

// What waits where.

async function searchGroups(parts: InquiryParts, data: RequestTable['group.search']['data'], now: number) {
  const facts = await groupFacts(parts, now)
  const names = facts.names.filter((group) => isSeen(group, data))
  const page = pageOf(names, (group) => group, data)
  if (!page) return badCursor(data.cursor)
  const groups = await Promise.all(page.rows.map((group) => groupRecord(parts, facts, group)))
  return { status: 200, data: { groups, ...page.cursor } } as const
}

/** All that operators are shown of groups and workers, of one instant. */
export async function pictureNow(parts: InquiryParts, now: number): Promise<Picture> {
  const facts = await groupFacts(parts, now)
  const groups = await Promise.all(facts.names.map((group) => groupRecord(parts, facts, group)))
  return { now, counters: facts.counters, groups, workers: facts.live, store: parts.store.stats?.() }
}

interface GroupFacts {
  readonly now: number
  /** Groups that have a task or a connected worker, in order. */
  readonly names: readonly string[]
  readonly counters: ReadonlyMap<string, number>
  readonly live: readonly WorkerRow[]
  /** Everybody known by group, also who is gone: what they could take at a time, whoever takes their place can. */
  readonly known: ReadonlyMap<string, readonly WorkerRow[]>
}

async function groupFacts(parts: InquiryParts, now: number): Promise<GroupFacts> {
  const [counters, rows] = await Promise.all([parts.store.counters(), workersNow(parts, now)])
  const live = rows.filter((row) => isLive(row, { now, config: parts.config }))
  const busy = [...counters.keys()].map((name) => groupOfCounter(name)?.group).filter((group) => group !== undefined)
  const names = [...new Set([...busy, ...live.map(({ group }) => group)])].sort(compareIds)
  return { now, names, counters, live, known: Map.groupBy(rows, ({ group }) => group) }
}

async function groupRecord(parts: InquiryParts, facts: GroupFacts, group: string): Promise<GroupRecord> {
  const { now, counters, known } = facts
  const { count, oldestAt } = await parts.store.backlog({ queue: `poll://any@${group}`, now, limit: READY_MAX })
  const inState = (state: 'pending' | 'acquired' | 'suspended' | 'halted') =>
    Math.max(0, counters.get(stateOfGroup(state, group)) ?? 0)
  const tasks = {
    pending: inState('pending'),
    acquired: inState('acquired'),
    suspended: inState('suspended'),
    halted: inState('halted'),
  }
  const rows = known.get(group) ?? []
  const live = rows.filter((row) => isLive(row, { now, config: parts.config }))
  const ready = count < READY_MAX ? count : Math.max(count, tasks.pending)
  const demand = {
    held: tasks.acquired,
    waiting: ready,
    holdMs: parts.holds.meanMs(group, now),
    tasksPerWorker: tasksPerWorker(rows) ?? parts.scaling.tasksPerWorker,
    targetWaitMs: parts.scaling.targetWaitMs,
  }
  return {
    group,
    workers: new Set(live.map(({ pid }) => pid)).size,
    tasks,
    ready,
    ...(oldestAt !== null && { oldestReadyAt: oldestAt }),
    workersDesired: workersDesired(demand),
  }
}

/** What the workers of a group state on average. Null: none states anything. */
function tasksPerWorker(rows: readonly WorkerRow[]): number | null {
  const stated = rows.map(({ capacity }) => capacity).filter((capacity) => capacity !== null)
  return stated.length === 0 ? null : Math.max(1, stated.reduce((all, one) => all + one, 0) / stated.length)
}

// Pages. A cursor is the key of the last one shown.

interface PageQuery {
  readonly limit?: number
  readonly cursor?: string
}

const CURSOR = 'after.'

function pageOf<T>(all: readonly T[], keyOf: (item: T) => string, { limit = 100, cursor }: PageQuery) {
  const after = cursor === undefined ? '' : decodeKey(cursor)
  if (after === null) return null
  const beyond = all.filter((item) => compareIds(keyOf(item), after) > 0)
  const rows = beyond.slice(0, limit)
  const last = rows.at(-1)
  const isLast = last === undefined || beyond.length <= limit
  return { rows, cursor: isLast ? {} : { cursor: CURSOR + encodeURIComponent(keyOf(last)) } }
}

function decodeKey(cursor: string): string | null {
  if (!cursor.startsWith(CURSOR)) return null
  try {
    return decodeURIComponent(cursor.slice(CURSOR.length))
  } catch {
    return null
  }
}

function badCursor(cursor = ''): Answer {
  return {
    status: 400,
    data: `data.cursor ${JSON.stringify(cursor.slice(0, 60))} is not one that a search of this server gave`,
  }
}
