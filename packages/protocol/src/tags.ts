// The `resonate:*` tags and what follows from them. Only these few mean anything to the server; every other tag is the
// client's, kept and matched but never read. Source: the protocol page, "Tags that mean something".

import type { Tags } from './records.ts'

/** Address of who runs it. Gives the promise a task, unless it is a timer. */
export const TAG_TARGET = 'resonate:target'
/** `"true"`: a durable sleep, which resolves at its `timeoutAt` instead of timing out. */
export const TAG_TIMER = 'resonate:timer'
/** Instant in ms as decimal digits: the task is not dispatched before it. */
export const TAG_DELAY = 'resonate:delay'
/** `"true"`: someone outside the owning worker settles it. */
export const TAG_EXTERNAL = 'resonate:external'
/** `"global"` or `"local"`: who settles it. Shown, never acted upon. */
export const TAG_SCOPE = 'resonate:scope'
/** The root promise of the whole call tree. */
export const TAG_ORIGIN = 'resonate:origin'
/** The nearest ancestor that has a task, or itself: what one replay covers. */
export const TAG_BRANCH = 'resonate:branch'
/** The direct caller. */
export const TAG_PARENT = 'resonate:parent'
/** What ids of detached work are minted from. */
export const TAG_PREFIX = 'resonate:prefix'
/** The schedule that created it. */
export const TAG_SCHEDULE = 'resonate:schedule'

export function targetOf(tags: Tags): string | null {
  return tags[TAG_TARGET] ?? null
}

export function isTimer(tags: Tags): boolean {
  return tags[TAG_TIMER] === 'true'
}

/** Whether a promise with these tags has a task: somebody is to run it, and a timer is run by nobody. */
export function hasTask(tags: Tags): boolean {
  return tags[TAG_TARGET] !== undefined && !isTimer(tags)
}

const DIGITS = /^[0-9]+$/

/** Not before this instant, ms. Null where there is no delay, or where it is not decimal digits (which a rule refuses). */
export function delayOf(tags: Tags): number | null {
  const text = tags[TAG_DELAY]
  if (text === undefined || !DIGITS.test(text)) return null
  return Math.min(Number(text), Number.MAX_SAFE_INTEGER)
}

/** The root of the call tree that promise `id` belongs to: what its tag says, or itself. */
export function originOf(id: string, tags: Tags): string {
  return tags[TAG_ORIGIN] ?? id
}

export function branchOf(tags: Tags): string | null {
  return tags[TAG_BRANCH] ?? null
}

/** Whose replay or tree wants to see promise `id` while they last: its branch, its parent and its root, itself left out. */
export function eldersOf(id: string, tags: Tags): string[] {
  const named = [tags[TAG_BRANCH], tags[TAG_PARENT], tags[TAG_ORIGIN]]
  return [...new Set(named)].filter((elder) => elder !== undefined && elder !== id) as string[]
}

/** What a schedule writes on each promise that it makes: it is the root of its own tree. These win over the user's. */
export function occurrenceTags(scheduleId: string, promiseId: string): Tags {
  return {
    [TAG_SCHEDULE]: scheduleId,
    [TAG_ORIGIN]: promiseId,
    [TAG_BRANCH]: promiseId,
    [TAG_PARENT]: promiseId,
    [TAG_PREFIX]: promiseId,
  }
}
