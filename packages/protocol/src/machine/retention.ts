// Retention: when a settled promise may be forgotten, and its task with it. Forgetting frees the id, and whoever asks for it
// again starts anew; so a promise stays while anything may still ask.
// R1. Someone waits for it, or an `unblock` that tells of it was not handed over. R2. Its branch, its parent or its root is
// pending, or was settled later than what is forgotten now: a replay, or who looks at the tree, wants it. R3. The schedule
// that made it would make it again.

import { eldersOf, TAG_SCHEDULE } from '../tags.ts'
import type { Decision } from './effects.ts'
import { type Env, noop, ok } from './env.ts'
import type { StepTable } from './internal.ts'
import type { PromiseRow } from './rows.ts'
import { remakes } from './schedule.ts'

export function forgetPromise(env: Env, { id, before }: StepTable['promise.forget']): Decision {
  const stored = env.view.promise(id)
  if (!stored || !isOver(stored, before)) return noop()
  if (stored.wakeAt !== null || env.view.isOwed(id)) return noop() // R1
  const elders = eldersOf(id, stored.tags).map((elder) => env.view.promise(elder))
  if (elders.some((elder) => elder !== null && !isOver(elder, before))) return noop() // R2
  const scheduleId = stored.tags[TAG_SCHEDULE]
  if (scheduleId !== undefined && remakes(env.view.schedule(scheduleId), id)) return noop() // R3
  return ok({ isForgotten: true }, [{ kind: 'promise.drop', id }])
}

/** As it is stored: one whose deadline has passed is settled by its timeout first. */
function isOver({ settledAt }: PromiseRow, before: number): boolean {
  return settledAt !== null && settledAt <= before
}
