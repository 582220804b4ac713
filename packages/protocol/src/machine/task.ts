// Tasks: get, create, acquire, fence, heartbeat, suspend, fulfill, release, halt, continue.
// A claim is (id, version): only the holder of the version that the last acquire gave may act. Every guard looks at the
// task beside its projected promise, so what time has settled cannot be worked on.

import { quote } from '../quote.ts'
import type { PromiseRecord } from '../records.ts'
import { PROTOCOL_VERSION, type RequestTable } from '../requests.ts'
import { ruleProblem } from '../rules.ts'
import { covers, type Scope } from '../scope.ts'
import type { Decision, Effect } from './effects.ts'
import { dutyOf, type Env, type MachineConfig, needAll, ok, promiseOf, refuse } from './env.ts'
import { projectPromise, promiseRecord, taskRecord } from './project.ts'
import { birth, createPromise, revocations, settlement, settlePromise } from './promise.ts'
import { type Halt, MAX_INSTANT, type PromiseRow, type Scan, type TaskRow } from './rows.ts'
import { setbacksText } from './setbacks.ts'
import { fitting } from './tables.ts'

type Data<K extends keyof RequestTable> = RequestTable[K]['data']

export function getTask(env: Env, { id }: Data<'task.get'>): Decision {
  const duty = dutyOf(env, id)
  return duty ? ok({ task: taskRecord(duty.task) }) : missing(id)
}

export function createTask(env: Env, data: Data<'task.create'>): Decision {
  const create = data.action.data
  const existing = promiseOf(env, create.id)
  if (!existing) return bornAcquired(env, data)
  const duty = dutyOf(env, create.id)
  if (!duty) return refuse(422, `promise ${quote(create.id)} exists without a task: it has no resonate:target`)
  const { task, promise } = duty
  switch (task.state) {
    case 'fulfilled':
      return ok({ task: taskRecord(task), promise: promiseRecord(promise), preload: [] })
    case 'pending':
      return claimed(env, task, promise, data)
    case 'acquired':
    case 'suspended':
    case 'halted':
      return refuse(409, `task ${quote(task.id)} is ${task.state} already`)
  }
}

function bornAcquired(env: Env, data: Data<'task.create'>): Decision {
  const { promise, task } = birth(data.action.data, env.now)
  if (!task) return refuse(400, `promise ${quote(promise.id)} needs a resonate:target to have a task`)
  const born: Effect[] = [{ kind: 'promise', row: promise }]
  if (promise.state !== 'pending') {
    const answer = { task: taskRecord(task), promise: promiseRecord(promise), preload: [] }
    return ok(answer, [...born, { kind: 'task', row: task }])
  }
  const claim = claimed(env, task, promise, data)
  return ok(claim.answer.data, [...born, ...claim.effects])
}

export function acquireTask(env: Env, data: Data<'task.acquire'>): Decision {
  const duty = dutyOf(env, data.id)
  if (!duty) return missing(data.id)
  const { task, promise } = duty
  if (task.state !== 'pending') return refuse(409, `task ${quote(task.id)} is ${task.state}, not pending`)
  if (task.version !== data.version) return wrongVersion(task, data.version)
  return claimed(env, task, promise, data)
}

interface Claimant {
  readonly pid: string
  readonly ttl: number
  readonly preload?: boolean
}

function claimed(env: Env, pending: TaskRow, promise: PromiseRow, { pid, ttl, preload }: Claimant): Decision {
  const task: TaskRow = {
    ...pending,
    state: 'acquired',
    version: pending.version + 1,
    ttl,
    pid,
    dueAt: later(env.now, ttl),
    sinceAt: env.now,
    offeredAt: null,
    resumes: 0,
    worker: pid,
  }
  const answer = { task: taskRecord(task), promise: promiseRecord(promise), preload: preloadOf(env, promise, preload) }
  return ok(answer, [{ kind: 'task', row: task }])
}

export function releaseTask(env: Env, data: Data<'task.release'>): Decision {
  const held = holding(env, data)
  if ('answer' in held) return held
  const released = held.task.released + 1
  return ok({}, setBack(env, { ...held.task, released }, backoff(released, 4)))
}

/** Awaited ids that are kept in the task's row. */
const AWAITS_KEPT = 8

export function suspendTask(env: Env, data: Data<'task.suspend'>): Decision {
  const held = holding(env, data)
  if ('answer' in held) return held
  const awaited = data.actions.map((action) => action.data.awaited)
  const promises = awaited.map((id) => promiseOf(env, id))
  const absent = promises.indexOf(null)
  if (absent >= 0) return refuse(422, `awaited promise ${quote(awaited[absent] as string)} not found`)
  // Of what is not named again one may have settled meanwhile: it resumed the task that was in hand, and is no callback any more.
  const isResumed = data.kept !== undefined && held.task.resumes > 0
  if (isResumed || promises.some((promise) => promise?.state !== 'pending')) return goOn(env, held, data.preload)
  const task: TaskRow = {
    ...held.task,
    state: 'suspended',
    ttl: null,
    pid: null,
    dueAt: null,
    sinceAt: env.now,
    resumes: 0,
    lost: 0,
    released: 0,
    awaits: { ids: awaited.slice(0, AWAITS_KEPT), count: awaited.length + (data.kept ?? 0) },
  }
  const callbacks = awaited.map((id): Effect => ({ kind: 'callback.add', awaited: id, awaiter: data.id }))
  return ok({}, [{ kind: 'task', row: task }, ...callbacks])
}

/** Something awaited has settled already: nothing is registered, the task stays with its holder. */
function goOn(env: Env, { task, promise }: Held, preload?: boolean): Decision {
  const effects: Effect[] = task.resumes === 0 ? [] : [{ kind: 'task', row: { ...task, resumes: 0 } }]
  return { answer: { status: 300, data: { preload: preloadOf(env, promise, preload) } }, effects }
}

export function fulfillTask(env: Env, data: Data<'task.fulfill'>): Decision {
  const held = holding(env, data)
  if ('answer' in held) return held
  const { state, value } = data.action.data
  const { promise, effects } = settlement(env, held.promise, { state, value, settledAt: env.now })
  return ok({ promise: promiseRecord(promise) }, effects)
}

export function fenceTask(env: Env, data: Data<'task.fence'>): Decision {
  const held = holding(env, data)
  if ('answer' in held) return held
  const { action } = data
  const inner = atFrontDoor(env, action)
  const { status, data: answer } = inner.answer
  const head = { corrId: action.head?.corrId ?? '0', status, version: PROTOCOL_VERSION }
  const effects = status === 200 ? [...progress(held.task), ...inner.effects] : inner.effects
  return ok({ action: { kind: action.kind, head, data: answer }, preload: [] }, effects)
}

/** The inner action, decided as if it had come by itself: a rule that it breaks is its own answer. */
function atFrontDoor(env: Env, action: Data<'task.fence'>['action']): Decision {
  const problem = ruleProblem(action, env.config.limits)
  if (problem !== null) return refuse(400, problem)
  return action.kind === 'promise.create' ? createPromise(env, action.data) : settlePromise(env, action.data)
}

/** A fence that succeeds is progress: what was counted against the task is forgotten. */
function progress(task: TaskRow): Effect[] {
  return task.lost + task.released === 0 ? [] : [{ kind: 'task', row: { ...task, lost: 0, released: 0 } }]
}

export function heartbeat(env: Env, { pid, tasks, sight }: Data<'task.heartbeat'>): Decision {
  const held = tasks.length > 0 ? tasks : heldWithin(env, pid, sight?.ids)
  const lost: string[] = []
  const effects: Effect[] = []
  for (const { id, version } of held) {
    const task = dutyOf(env, id)?.task
    if (task?.state === 'acquired' && task.pid === pid && (version === null || task.version === version)) {
      effects.push({ kind: 'task', row: { ...task, dueAt: later(env.now, task.ttl as number) } })
    } else lost.push(id)
  }
  const presence = env.view.presence(pid)
  const isAway = presence.length > 0 && presence.every((row) => row.goneAt !== null)
  if (isAway) effects.push({ kind: 'worker.seen', pid, at: env.now })
  return ok({ lost }, effects)
}

/** At whichever version it has them. */
function heldWithin(env: Env, pid: string, scope: Scope | undefined): { id: string; version: null }[] {
  const ids = env.view.held(pid).filter((id) => scope === undefined || covers(scope, id))
  needAll(env, ids)
  return ids.map((id) => ({ id, version: null }))
}

export function haltTask(env: Env, data: Data<'task.halt'>): Decision {
  const { id, version } = data
  if (version !== undefined) return haltHeld(env, { ...data, version })
  const duty = dutyOf(env, id)
  if (!duty) return missing(id)
  const { task } = duty
  if (task.state === 'fulfilled') return refuse(409, `task ${quote(id)} is fulfilled: there is nothing to halt`)
  if (task.state === 'halted') return ok({})
  // A suspended one may go on where it stands when it is continued.
  const told = task.state === 'acquired' ? revocations(task) : []
  return ok({}, [{ kind: 'task', row: halted(task, env.now, data) }, ...told])
}

/** Its holder knows that it cannot go on, and may have suspended it before it knew: nobody has to be told. */
function haltHeld(env: Env, data: Data<'task.halt'> & { readonly version: number }): Decision {
  const duty = dutyOf(env, data.id)
  const held = duty?.task.state === 'suspended' ? duty : holding(env, data)
  if ('answer' in held) return held
  if (held.task.version !== data.version) return wrongVersion(held.task, data.version)
  return ok({}, [{ kind: 'task', row: halted(held.task, env.now, data) }])
}

function halted(task: TaskRow, now: number, { by, reason }: Omit<Halt, 'at'>): TaskRow {
  return {
    ...task,
    state: 'halted',
    ttl: null,
    pid: null,
    dueAt: null,
    sinceAt: now,
    offeredAt: null,
    worker: null,
    awaits: null,
    halt: by || reason ? { at: now, ...(by && { by }), ...(reason && { reason }) } : null,
  }
}

/** Without progress once more, which its counts say already: ready after this back-off, or halted where it was enough. */
export function setBack(env: Env, task: TaskRow, backoffMs: number): Effect[] {
  const { attemptsMax } = env.config
  if (attemptsMax === 0 || task.lost + task.released < attemptsMax)
    return [{ kind: 'task', row: ready(task, later(env.now, backoffMs)) }]
  const reason = `${setbacksText(task)} in a row without progress (tasks.max_attempts)`
  return [
    { kind: 'task', row: halted(task, env.now, { by: 'the server', reason }) },
    { kind: 'note', about: { id: task.id }, text: `Task halted: ${reason}` },
  ]
}

export function continueTask(env: Env, { id }: Data<'task.continue'>): Decision {
  const duty = dutyOf(env, id)
  if (!duty) return missing(id)
  if (duty.task.state !== 'halted') return refuse(409, `task ${quote(id)} is ${duty.task.state}, not halted`)
  return ok({}, [{ kind: 'task', row: { ...ready(duty.task, env.now), lost: 0, released: 0 } }])
}

/** Pending again, due at `dueAt`. Who had it last stays in `worker`. */
export function ready(task: TaskRow, dueAt: number): TaskRow {
  return {
    ...task,
    state: 'pending',
    ttl: null,
    pid: null,
    dueAt,
    sinceAt: dueAt,
    offeredAt: null,
    awaits: null,
    halt: null,
  }
}

/** 0 before the `from`th time in a row, then 1 s, doubling, to 60 s. */
export function backoff(times: number, from: number): number {
  return times < from ? 0 : Math.min(1_000 * 2 ** (times - from), 60_000)
}

/** `at + durationMs`, not past what an instant can be. */
export function later(at: number, durationMs: number): number {
  return Math.min(at + durationMs, MAX_INSTANT)
}

interface Held {
  readonly task: TaskRow
  readonly promise: PromiseRow
}

/** The guard of all that only a holder may do: 404, then 409 unless acquired at this version. */
function holding(env: Env, { id, version }: { readonly id: string; readonly version: number }): Held | Decision {
  const duty = dutyOf(env, id)
  if (!duty) return missing(id)
  if (duty.task.state !== 'acquired') return refuse(409, `task ${quote(id)} is ${duty.task.state}, not acquired`)
  return duty.task.version === version ? duty : wrongVersion(duty.task, version)
}

function preloadOf(env: Env, promise: PromiseRow, wanted = true): PromiseRecord[] {
  if (!wanted || promise.branch === null) return []
  const page = env.view.scan(branchScan(promise.branch, env.config))
  const others = page.rows.filter((row) => row.id !== promise.id).slice(0, env.config.preloadMax)
  return fitting(others, env.config.preloadBytesMax).map((row) => promiseRecord(projectPromise(row, env.now)))
}

/** The promises of one branch, as many as a preload may show, and the task's own. */
export function branchScan(branch: string, config: MachineConfig): Scan<'promises'> {
  const { preloadMax, preloadBytesMax } = config
  return { table: 'promises', branch, after: '', limit: preloadMax + 1, bytesMax: preloadBytesMax }
}

function missing(id: string): Decision {
  return refuse(404, `task ${quote(id)} not found`)
}

function wrongVersion({ id, version }: TaskRow, asked: number): Decision {
  return refuse(409, `task ${quote(id)} is at version ${version}, not ${asked}`)
}
