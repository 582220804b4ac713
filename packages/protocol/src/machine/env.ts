// What a step is decided on: a view of the rows, one instant, the configuration. Nothing else may be reached for.

import type { Answer, Status } from '../requests.ts'
import { DEFAULT_LIMITS, type RuleLimits } from '../rules.ts'
import type { Decision, Effect } from './effects.ts'
import { projectPromise, projectTask } from './project.ts'
import { Miss, type PromiseRow, type TaskRow, type View } from './rows.ts'

export interface MachineConfig {
  /** What a request may carry, and which address schemes this server can route. */
  readonly limits: RuleLimits
  /** An offer that was not acquired lapses after this, ms. */
  readonly offerTimeoutMs: number
  /** A pushed `execute` that was not acquired is sent again after this, ms. */
  readonly pushRetryMs: number
  /** Lost leases and releases in a row without progress after which a task is halted. 0: it is tried for ever. */
  readonly attemptsMax: number
  /** How long a worker may be without any connection before its leases end, ms. 0: never. */
  readonly disconnectGraceMs: number
  /** A presence row that its server did not touch for this long is a server that died, ms. */
  readonly presenceStaleMs: number
  /** Missed occurrences of a schedule that are made up for; older ones are skipped. */
  readonly catchupLimit: number
  /** Occurrences that one `schedule.fire` creates. */
  readonly occurrencesPerStep: number
  /** Promises in one preload, and their bytes. */
  readonly preloadMax: number
  readonly preloadBytesMax: number
  /** Rows that one search examines, and their bytes. */
  readonly examinedMax: number
  readonly examinedBytesMax: number
}

export const DEFAULT_CONFIG: MachineConfig = {
  limits: DEFAULT_LIMITS,
  offerTimeoutMs: 5_000,
  pushRetryMs: 30_000,
  attemptsMax: 0,
  disconnectGraceMs: 5_000,
  presenceStaleMs: 15_000,
  catchupLimit: 1_000,
  occurrencesPerStep: 100,
  preloadMax: 1_000,
  preloadBytesMax: 1024 * 1024,
  examinedMax: 1_000,
  examinedBytesMax: 4 * 1024 * 1024,
}

export interface Env {
  readonly view: View
  /** Read once, threaded through. */
  readonly now: number
  readonly config: MachineConfig
}

/** The promise as it stands at `env.now`. */
export function promiseOf(env: Env, id: string): PromiseRow | null {
  const row = env.view.promise(id)
  return row && projectPromise(row, env.now)
}

/** A task beside its promise, both as they stand at `env.now`. Null: there is no task of this id. */
export function dutyOf(env: Env, id: string): { task: TaskRow; promise: PromiseRow } | null {
  const promise = promiseOf(env, id)
  const task = env.view.task(id)
  return promise && task && { task: projectTask(task, promise), promise }
}

/** Asks for these rows all at once: for each Miss everything is decided again, and a shared store asked for more locks. */
export function needAll(env: Env, ids: readonly string[]): void {
  const miss = new Miss('several promises')
  for (const id of ids) {
    try {
      env.view.promise(id)
    } catch (error) {
      if (!(error instanceof Miss)) throw error
      miss.needs.ids.add(id)
    }
  }
  if (!miss.needs.isEmpty) throw miss
}

export function ok(data: unknown, effects: readonly Effect[] = []): Decision {
  return { answer: { status: 200, data }, effects }
}

export function refuse(status: Status, message: string): Decision {
  return { answer: { status, data: message } satisfies Answer, effects: [] }
}

const nothing: Decision = ok({})

/** A step whose condition does not hold (any more): late, early and duplicate firings end here. */
export function noop(): Decision {
  return nothing
}
