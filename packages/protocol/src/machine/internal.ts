// What the server does unasked. Every step re-checks its own condition against the projected state, so late, early and
// duplicate firings, and several servers sweeping at once, are harmless. Source: the protocol page, section 5.

import { queueOf } from '../address.ts'
import type { Decision, Effect } from './effects.ts'
import { dutyOf, type Env, noop, ok, promiseOf } from './env.ts'
import { timeoutState } from './project.ts'
import { revocations, settlement } from './promise.ts'
import type { Beat, View, Waiters, WorkerRow } from './rows.ts'
import { backoff, later, ready, setBack } from './task.ts'

/** kind → what the step is about. */
export interface StepTable {
  /** A deadline passed: settle. */
  'promise.timeout': { readonly id: string }
  /** A settled promise still lists a callback: wake the awaiter. */
  'promise.resume': { readonly awaited: string; readonly awaiter: string }
  /** A settled promise still lists a listener: owe it an `unblock`. */
  'promise.notify': { readonly awaited: string; readonly address: string }
  /** It was settled at or before `before`, and nothing needs it any more: forget it. `elders`: loaded along with it. */
  'promise.forget': { readonly id: string; readonly before: number; readonly elders: readonly string[] }
  /** An `unblock` was handed over. */
  'unblock.sent': { readonly id: string; readonly address: string }
  /** What was written to a connection just before it ended may never have arrived. */
  'unblock.requeue': { readonly id: string; readonly address: string }
  /** Offer a ready task to a worker, or, with null, push it to its address. */
  'task.dispatch': { readonly id: string; readonly worker: string | null }
  /** An offer could not be delivered, or its connection ended. */
  'task.withdraw': { readonly id: string; readonly version: number; readonly worker: string }
  /** A lease ended. */
  'task.expire': { readonly id: string }
  /** The worker that holds it has had no connection for the grace. */
  'task.disconnect': { readonly id: string; readonly pid: string }
  'schedule.fire': { readonly id: string }
  'worker.connect': { readonly row: WorkerRow }
  'worker.disconnect': { readonly server: string; readonly group: string; readonly pid: string }
  /** All workers connected to this server live. */
  'server.seen': { readonly server: string }
  /** What heartbeats said lately, one entry a worker. */
  'worker.beats': { readonly beats: readonly { readonly pid: string; readonly beat: Beat }[] }
  /** A worker that has been gone for long and holds nothing is forgotten. */
  'worker.forget': { readonly pid: string }
}

export type StepKind = keyof StepTable
export type Step<K extends StepKind = StepKind> = {
  [P in K]: { readonly kind: P; readonly data: StepTable[P] }
}[K]

export function timeoutPromise(env: Env, { id }: StepTable['promise.timeout']): Decision {
  const stored = env.view.promise(id)
  if (stored?.state !== 'pending' || stored.timeoutAt > env.now) return noop()
  const state = timeoutState(stored.tags)
  const { effects } = settlement(env, stored, { state, value: stored.value, settledAt: stored.timeoutAt })
  return ok({}, [...effects, ...revocations(env.view.task(id))])
}

export function resumeAwaiter(env: Env, { awaited, awaiter }: StepTable['promise.resume']): Decision {
  const waiters = env.view.waiters(awaited)
  if (promiseOf(env, awaited)?.state === 'pending' || !waiters.awaiters.includes(awaiter)) return noop()
  const dropped: Effect = { kind: 'callback.drop', awaited, awaiter }
  return ok({}, [dropped, ...rest(env, awaited, waiters), ...wake(env, awaiter)])
}

function wake(env: Env, awaiter: string): Effect[] {
  const task = dutyOf(env, awaiter)?.task
  switch (task?.state) {
    case 'suspended':
      return [{ kind: 'task', row: { ...ready(task, env.now), resumes: 1 } }]
    case 'pending':
    case 'acquired':
    case 'halted':
      return [{ kind: 'task', row: { ...task, resumes: task.resumes + 1 } }]
    case 'fulfilled':
    case undefined:
      return []
  }
}

export function notifyListener(env: Env, { awaited, address }: StepTable['promise.notify']): Decision {
  const waiters = env.view.waiters(awaited)
  if (promiseOf(env, awaited)?.state === 'pending' || !waiters.addresses.includes(address)) return noop()
  const dropped: Effect = { kind: 'listener.drop', awaited, address }
  const owed: Effect = {
    kind: 'unblock.add',
    row: { id: awaited, address, queue: queueOf(address), createdAt: env.now },
  }
  return ok({}, [dropped, ...rest(env, awaited, waiters), owed])
}

/** With its last waiter a settled promise has nothing left to wake for. */
function rest(env: Env, id: string, { awaiters, addresses, more }: Waiters): Effect[] {
  const stored = env.view.promise(id)
  const isLast = awaiters.length + addresses.length === 1 && !more
  return isLast && stored && stored.state !== 'pending' ? [{ kind: 'promise', row: { ...stored, wakeAt: null } }] : []
}

export function unblockSent(_env: Env, { id, address }: StepTable['unblock.sent']): Decision {
  return ok({}, [{ kind: 'unblock.drop', id, address }])
}

export function requeueUnblock(env: Env, { id, address }: StepTable['unblock.requeue']): Decision {
  const promise = promiseOf(env, id)
  if (!promise || promise.state === 'pending') return noop()
  return ok({}, [{ kind: 'unblock.add', row: { id, address, queue: queueOf(address), createdAt: env.now } }])
}

export function dispatchTask(env: Env, { id, worker }: StepTable['task.dispatch']): Decision {
  const task = dutyOf(env, id)?.task
  if (task?.state !== 'pending' || task.dueAt === null || task.dueAt > env.now) return noop()
  const againInMs = worker === null ? env.config.pushRetryMs : env.config.offerTimeoutMs
  const row = { ...task, worker, offeredAt: env.now, dueAt: later(env.now, againInMs) }
  const { version, address } = task
  return ok({}, [
    { kind: 'task', row },
    { kind: 'execute', id, version, address, worker },
  ])
}

export function withdrawOffer(env: Env, { id, version, worker }: StepTable['task.withdraw']): Decision {
  const task = dutyOf(env, id)?.task
  const stands = task?.state === 'pending' && task.version === version && task.worker === worker
  if (!stands || task.offeredAt === null || task.dueAt === null || task.dueAt <= env.now) return noop()
  // Not offered any more: it takes no room in the hands of a worker that never got it.
  return ok({}, [{ kind: 'task', row: { ...task, dueAt: env.now, offeredAt: null } }])
}

export function expireLease(env: Env, { id }: StepTable['task.expire']): Decision {
  const task = dutyOf(env, id)?.task
  if (task?.state !== 'acquired' || task.dueAt === null || task.dueAt > env.now) return noop()
  const lost = task.lost + 1
  return ok({}, [...setBack(env, { ...task, lost }, backoff(lost, 3)), ...revocations(task)])
}

export function disconnectHolder(env: Env, { id, pid }: StepTable['task.disconnect']): Decision {
  const { disconnectGraceMs } = env.config
  const task = dutyOf(env, id)?.task
  if (disconnectGraceMs === 0 || task?.state !== 'acquired' || task.pid !== pid || task.ttl === null) return noop()
  const goneAt = departure(env, env.view.presence(pid))
  const renewedAt = (task.dueAt ?? 0) - task.ttl
  const isAbsent = goneAt !== null && goneAt + disconnectGraceMs <= env.now && renewedAt <= goneAt
  return isAbsent && (task.dueAt ?? 0) > env.now ? ok({}, [{ kind: 'task', row: { ...task, dueAt: env.now } }]) : noop()
}

/** Since when a worker has had no connection anywhere and was not heard from; null: it has, it was, or it never polled. */
function departure(env: Env, presence: readonly WorkerRow[]): number | null {
  let goneAt: number | null = null
  for (const row of presence) {
    const isStale = row.seenAt + env.config.presenceStaleMs <= env.now
    if (row.goneAt === null && !isStale) return null
    const lastAt = row.goneAt ?? row.seenAt
    if (row.goneAt !== null && row.seenAt > row.goneAt) return null
    goneAt = Math.max(goneAt ?? 0, lastAt)
  }
  return goneAt
}

export function connectWorker(_env: Env, { row }: StepTable['worker.connect']): Decision {
  return ok({}, [{ kind: 'worker', row }])
}

export function disconnectWorker(env: Env, { server, group, pid }: StepTable['worker.disconnect']): Decision {
  const row = env.view.presence(pid).find((one) => one.server === server && one.group === group)
  if (!row || row.goneAt !== null) return noop()
  return ok({}, [{ kind: 'worker', row: { ...row, seenAt: env.now, goneAt: env.now } }])
}

export function serverSeen(env: Env, { server }: StepTable['server.seen']): Decision {
  return ok({}, [{ kind: 'server.seen', server, at: env.now }])
}

export function noteBeats(_env: Env, { beats }: StepTable['worker.beats']): Decision {
  return ok(
    {},
    beats.map(({ pid, beat }): Effect => ({ kind: 'worker.beat', pid, beat })),
  )
}

/** How long a worker that left stays known, ms. Its leases have ended long before. */
export const WORKER_FORGET_MS = 3_600_000

export function forgetWorker(env: Env, { pid }: StepTable['worker.forget']): Decision {
  const old = env.view.presence(pid).filter((row) => row.seenAt + WORKER_FORGET_MS <= env.now)
  return ok(
    {},
    old.map(({ server, group }): Effect => ({ kind: 'worker.drop', server, group, pid })),
  )
}

/**
 * The steps that a promise owes as the view has it: its timeout, or waking those who wait for it. Empty: nothing is due.
 * Waiters beyond those loaded are owed again by the rows themselves: `wakeAt` stays.
 */
export function owed(view: View, id: string, now: number): Step[] {
  const promise = view.promise(id)
  if (!promise || promise.wakeAt === null || promise.wakeAt > now) return []
  if (promise.state === 'pending') return [{ kind: 'promise.timeout', data: { id } }]
  const { awaiters, addresses } = view.waiters(id)
  return [
    ...addresses.map((address): Step => ({ kind: 'promise.notify', data: { awaited: id, address } })),
    ...awaiters.map((awaiter): Step => ({ kind: 'promise.resume', data: { awaited: id, awaiter } })),
  ]
}
