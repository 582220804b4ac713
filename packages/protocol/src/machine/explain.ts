// Why an execution does not go on, in words for people. Pure: one promise with its task, and who is connected, in; the
// reason out. Following a reason to the next promise is its reader's business. Nothing is decided on what this says, so it
// may guess where the machine must not: it reads the function's name out of the param, as SDKs write it there.

import { type Address, parseAddress } from '../address.ts'
import { formatDuration } from '../duration.ts'
import type { ExplainStep, MissingFunction, PushTrouble, Reason } from '../explanation.ts'
import { compareIds } from '../ids.ts'
import { quote } from '../quote.ts'
import type { PromiseState, Value } from '../records.ts'
import { covers, type Sight } from '../scope.ts'
import { isTimer, TAG_BRANCH, TAG_SCOPE } from '../tags.ts'
import type { MachineConfig } from './env.ts'
import { projectPromise, projectTask } from './project.ts'
import type { Beat, PromiseRow, TaskRow, WorkerRow } from './rows.ts'
import { many, setbacksText } from './setbacks.ts'

/** What a reason is found in. */
export interface Facts {
  readonly promise: PromiseRow
  readonly task: TaskRow | null
  /** The promises that its task is known to wait for; empty unless suspended. */
  readonly awaited: readonly PromiseRow[]
  /** Whoever its tags call its owner is not there. */
  readonly isAlone?: boolean
  /** What is known of the URL that its task is pushed to, where that fails. */
  readonly trouble?: PushTrouble | undefined
  readonly workers: readonly WorkerRow[]
  /** What may be named to whoever asks. Absent: everything. */
  readonly sight?: Sight
  readonly now: number
  readonly config: Pick<MachineConfig, 'presenceStaleMs'>
}

export function explainStep(facts: Facts): ExplainStep {
  const promise = projectPromise(facts.promise, facts.now)
  const task = facts.task && projectTask(facts.task, promise)
  const reason = reasonOf({ ...facts, promise, task })
  const called = calledBy(promise.param)
  return {
    id: promise.id,
    state: promise.state,
    timeoutAt: promise.timeoutAt,
    ...(task && { task: task.state }),
    ...(called && { func: called.func }),
    reason,
    text: reasonText(reason, promise, facts.now),
  }
}

/** The promise to look at next; null: this one is the end of the matter. */
export function nextOf({ reason }: ExplainStep): string | null {
  if (reason.kind === 'suspended') return reason.on
  return reason.kind === 'step' ? reason.of : null
}

function reasonOf(facts: Facts): Reason {
  const { promise, task } = facts
  if (promise.state !== 'pending') return { kind: 'settled', at: promise.settledAt as number }
  if (task) return taskReason(facts, task)
  if (isTimer(promise.tags)) return { kind: 'sleeping', until: promise.timeoutAt }
  const owner = promise.tags[TAG_BRANCH]
  const isStep = promise.tags[TAG_SCOPE] === 'local' && owner !== undefined && owner !== promise.id
  return isStep && !facts.isAlone ? { kind: 'step', of: owner } : { kind: 'unowned', until: promise.timeoutAt }
}

function taskReason(facts: Facts, task: TaskRow): Reason {
  switch (task.state) {
    case 'pending':
      return pendingReason(facts, task)
    case 'acquired':
      return heldInVainReason(facts, task) ?? heldReason(facts, task)
    case 'suspended':
      return suspendedReason(facts, task)
    case 'halted':
      return haltedReason(facts, task)
    case 'fulfilled':
      return { kind: 'settled', at: facts.promise.settledAt ?? facts.now }
  }
}

function suspendedReason({ awaited, now }: Facts, task: TaskRow): Reason {
  const pending = awaited.filter((row) => projectPromise(row, now).state === 'pending')
  const [oldest] = pending.sort((a, b) => a.createdAt - b.createdAt || compareIds(a.id, b.id))
  const count = task.awaits?.count ?? awaited.length
  return { kind: 'suspended', since: task.sinceAt, count, examined: awaited.length, on: oldest?.id ?? null }
}

function haltedReason(facts: Facts, task: TaskRow): Reason {
  const address = parseAddress(task.address)
  const missing = address === null || address.kind === 'push' ? null : missingFunction(facts, takersOf(facts, address))
  const { at = null, ...said } = task.halt ?? {}
  return { kind: 'halted', since: task.sinceAt, ...(at === task.sinceAt && said), ...(missing && { missing }) }
}

function pendingReason(facts: Facts, task: TaskRow): Reason {
  const early = earlyReason(facts, task)
  if (early?.kind === 'delayed') return early
  const address = parseAddress(task.address)
  if (address === null || address.kind === 'push') return early ?? pushedReason(facts, task)
  const here = takersOf(facts, address)
  const pid = address.kind === 'uni' ? address.pid : undefined
  if (here.length === 0) return early ?? noWorkerReason(facts, task, { ...address, pid })
  // What nobody can run is given back again and again: that it backs off is the lesser half of it.
  const missing = missingFunction(facts, here)
  if (missing) return { kind: 'no_function', ...missing }
  return early ?? waitingReason(task, address.group, here, facts.now)
}

/** The connected workers that may take what is sent there. */
function takersOf(facts: Facts, address: Exclude<Address, { kind: 'push' }>): readonly WorkerRow[] {
  const { group, pid } = address.kind === 'uni' ? address : { group: address.group, pid: undefined }
  const isTaker = (row: WorkerRow) => row.group === group && (pid === undefined || row.pid === pid)
  return workersOf(facts).filter(isTaker)
}

/** Those that are connected. With a capacity of 0 one only listens, as command lines do that wait for a result. */
function workersOf(facts: Facts): readonly WorkerRow[] {
  return facts.workers.filter((row) => row.capacity !== 0 && isLive(row, facts))
}

/** It is not its time yet; null: it is. */
function earlyReason({ now }: Facts, { sinceAt, lost, released }: TaskRow): Reason | null {
  if (sinceAt === null || sinceAt <= now) return null
  const isSetBack = lost + released > 0
  return isSetBack ? { kind: 'backing_off', until: sinceAt, lost, released } : { kind: 'delayed', until: sinceAt }
}

function pushedReason({ trouble, now }: Facts, { address, offeredAt, dueAt }: TaskRow): Reason {
  const times = offeredAt === null ? {} : { since: offeredAt, until: dueAt ?? now }
  return { kind: 'pushed', address, ...times, ...(trouble && { trouble }) }
}

function noWorkerReason(
  facts: Facts,
  task: TaskRow,
  { group, pid }: { group: string; pid: string | undefined },
): Reason {
  const groups = workersOf(facts).map((row) => row.group)
  const connected = [...new Set(groups)].filter((name) => facts.sight === undefined || covers(facts.sight.groups, name))
  const since = task.sinceAt ?? facts.now
  return { kind: 'no_worker', group, ...(pid !== undefined && { pid }), since, connected: connected.sort() }
}

function waitingReason(task: TaskRow, group: string, here: readonly WorkerRow[], now: number): Reason {
  const { worker, offeredAt, dueAt } = task
  if (worker !== null && offeredAt !== null && dueAt !== null && dueAt > now)
    return { kind: 'offered', pid: worker, since: offeredAt, until: dueAt }
  return { kind: 'queued', group, workers: new Set(here.map((row) => row.pid)).size, since: task.sinceAt ?? now }
}

/** Only where there are workers and all of them say what they have: a worker that says nothing may have anything. */
function missingFunction({ promise }: Facts, rows: readonly WorkerRow[]): MissingFunction | null {
  const called = calledBy(promise.param)
  const stated = rows.map(({ info }) => info.functions)
  const [first] = rows
  if (called === null || !first || stated.includes(undefined)) return null
  const { func, version } = called
  const versions = stated.flatMap((names) => versionsOf(names as string, func))
  const isThere = version === undefined || version === 0 ? versions.length > 0 : versions.includes(version)
  if (isThere) return null
  const workers = new Set(rows.map((row) => row.pid)).size
  const had = [...new Set(versions)].sort((a, b) => a - b)
  return { group: first.group, func, ...(version !== undefined && { version }), workers, versions: had }
}

/** `greet@1,greet@2,other@1` */
function versionsOf(functions: string, func: string): number[] {
  return functions.split(',').flatMap((name) => {
    const at = name.lastIndexOf('@')
    return name.slice(0, at) === func ? [Number(name.slice(at + 1))] : []
  })
}

/** Given back before, and held by one that does not have the function either: it waits a little before it gives it back. */
function heldInVainReason(facts: Facts, task: TaskRow): Reason | null {
  const address = parseAddress(task.address)
  if (task.released === 0 || address === null || address.kind === 'push') return null
  const here = takersOf(facts, address)
  const missing = here.some(({ pid }) => pid === task.pid) ? missingFunction(facts, here) : null
  return missing && { kind: 'no_function', ...missing }
}

function heldReason(facts: Facts, task: TaskRow): Reason {
  const { workers, now } = facts
  const pid = task.pid as string
  const until = task.dueAt ?? now
  const presence = workers.filter((row) => row.pid === pid)
  const beat = presence.map((row) => row.beat).reduce(later, null)
  return {
    kind: 'held',
    pid,
    since: task.sinceAt,
    renewedAt: until - (task.ttl ?? 0),
    until,
    ...(presence.length > 0 && { isConnected: presence.some((row) => isLive(row, facts)) }),
    // What was said before it had this task is no news.
    ...(beat?.lagMs !== undefined && beat.at >= (task.sinceAt ?? 0) && { lagMs: beat.lagMs }),
  }
}

function later(a: Beat | null, b: Beat | null): Beat | null {
  return a === null || (b !== null && b.at > a.at) ? b : a
}

/** Connected, and its server was heard from lately. */
export function isLive(row: WorkerRow, { now, config }: Pick<Facts, 'now' | 'config'>): boolean {
  return row.goneAt === null && row.seenAt + config.presenceStaleMs > now
}

/** What a param calls, where it says so as SDKs write it: base64 of `{"func", "version"?, …}`. Null: it does not. */
export function calledBy({ data }: Value): { readonly func: string; readonly version?: number } | null {
  if (data === undefined || data.length > PARAM_MAX) return null
  try {
    const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0))
    const { func, version } = JSON.parse(new TextDecoder().decode(bytes)) ?? {}
    if (typeof func !== 'string' || func === '') return null
    return { func, ...(typeof version === 'number' && { version }) }
  } catch {
    // Encrypted, or of another codec: it calls nothing that can be read here.
    return null
  }
}

/** Characters of a param that are read for a name: arguments may be as long as they like. */
const PARAM_MAX = 128 * 1024

function reasonText(reason: Reason, { state }: PromiseRow, now: number): string {
  switch (reason.kind) {
    case 'hidden':
      return 'waits for something that is not shown'
    case 'settled':
      return `${SETTLED[state]} ${ago(reason.at, now)}`
    case 'sleeping':
      return `sleeps; it wakes ${toCome(reason.until, now)}`
    case 'unowned':
      return `waits until somebody settles it: no worker runs it; it times out ${toCome(reason.until, now)}`
    case 'step':
      return `is a step of ${quote(reason.of)}, and is run by whoever runs that`
    case 'delayed':
      return `is delayed; it may start ${toCome(reason.until, now)}`
    case 'backing_off':
      return `is tried again ${toCome(reason.until, now)}: ${setbacksText(reason)} in a row without progress`
    case 'offered':
      return `was offered to worker ${quote(reason.pid)} ${ago(reason.since, now)}, and is offered again ${toCome(reason.until, now)} unless it is acquired`
    case 'pushed':
      return pushedText(reason, now)
    case 'no_worker': {
      const who = reason.pid === undefined ? '' : `${quote(reason.pid)} `
      const others = reason.connected.length === 0 ? 'no worker is connected at all' : listed(reason.connected)
      return `has been ready for ${past(reason.since, now)}: no worker ${who}is connected in group ${quote(reason.group)} (${others})`
    }
    case 'no_function':
      return `cannot start: ${missingText(reason)}`
    case 'queued':
      return `has been ready for ${past(reason.since, now)}, and waits for room at ${many(reason.workers, 'worker', 'workers')} of group ${quote(reason.group)}`
    case 'held':
      return heldText(reason, now)
    case 'halted':
      return haltedText(reason, now)
    case 'suspended':
      return suspendedText(reason, now)
  }
}

const SETTLED: Readonly<Record<PromiseState, string>> = {
  pending: 'was settled',
  resolved: 'was resolved',
  rejected: 'was rejected',
  rejected_canceled: 'was canceled',
  rejected_timedout: 'timed out',
}

type Of<K extends Reason['kind']> = Extract<Reason, { kind: K }>

function missingText({ group, workers, versions, ...called }: MissingFunction): string {
  const there = `${many(workers, 'worker is', 'workers are')} connected${had(versions)}`
  return `no worker of group ${quote(group)} has ${wanted(called)} (${there})`
}

function wanted({ func, version }: Pick<MissingFunction, 'func' | 'version'>): string {
  return `the function ${quote(func)}${version === undefined || version === 0 ? '' : ` in version ${version}`}`
}

function had(versions: readonly number[]): string {
  return versions.length === 0 ? '' : `, with version ${versions.join(', ')}`
}

function heldText({ pid, since, renewedAt, until, isConnected, lagMs }: Of<'held'>, now: number): string {
  const lease = until > now ? `its lease ends ${toCome(until, now)}` : `its lease ended ${ago(until, now)}`
  const facts = [
    `last renewed ${ago(renewedAt, now)}`,
    lease,
    ...(isConnected === false ? ['it is not connected'] : []),
    ...(lagMs === undefined ? [] : [`its event loop was ${formatDuration(lagMs)} late`]),
  ]
  return `is in the hands of worker ${quote(pid)}${during(since, now)} (${facts.join('; ')})`
}

function pushedText({ address, since, until, trouble }: Of<'pushed'>, now: number): string {
  if (since === undefined || until === undefined) return `is being sent to ${quote(address)}`
  const failed =
    trouble === undefined
      ? ''
      : `: ${many(trouble.failures, 'attempt', 'attempts')} failed, the last by ${trouble.answer}`
  return `was sent to ${quote(address)} ${ago(since, now)}, and was not acquired${failed}; it is sent again ${toCome(until, now)}`
}

function haltedText({ since, by, reason, missing }: Of<'halted'>, now: number): string {
  const who = by === undefined ? '' : ` by ${by}`
  const why = reason === undefined ? '' : `: ${JSON.stringify(reason)}`
  const next = missing ? `, and could not start then: ${missingText(missing)}` : ''
  return `is halted${during(since, now)}${who}${why}${why === '' ? ': it' : '; it'} goes on when somebody continues it${next}`
}

function suspendedText({ count, examined, on, since }: Of<'suspended'>, now: number): string {
  if (on === null) return 'has nothing left to wait for: it is about to go on'
  const which = count > examined ? 'one of them' : 'the oldest'
  const what = count === 1 ? `for ${quote(on)}` : `for ${count} promises, ${which} ${quote(on)}`
  return `waits ${what}${since === null ? '' : `, suspended${during(since, now)}`}`
}

function listed(groups: readonly string[]): string {
  const shown = groups.slice(0, GROUPS_SHOWN).map((group) => quote(group))
  const rest = groups.length - shown.length
  const others = rest > 0 ? ` and ${many(rest, 'other', 'others')}` : ''
  return groups.length === 1 ? `connected is ${shown[0]}` : `connected are ${shown.join(', ')}${others}`
}

const GROUPS_SHOWN = 8

function past(at: number, now: number): string {
  return formatDuration(now - at)
}

function ago(at: number, now: number): string {
  return `${past(at, now)} ago`
}

/** Nothing where it is not known since when. */
function during(since: number | null, now: number): string {
  return since === null ? '' : ` for ${past(since, now)}`
}

function toCome(at: number, now: number): string {
  return at >= Number.MAX_SAFE_INTEGER ? 'never' : `in ${formatDuration(at - now)}`
}
