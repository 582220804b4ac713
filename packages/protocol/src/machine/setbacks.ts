// How often a task was set back without progress, in words: for who asks why it stands, and for the reason that is kept
// where it is given up. What follows from the counts is decided with the task.

import type { TaskRow } from './rows.ts'

/** `3 workers lost their lease and 1 release`. One of the counts at least is more than 0. */
export function setbacksText({ lost, released }: Pick<TaskRow, 'lost' | 'released'>): string {
  const parts = [
    ...(lost > 0 ? [many(lost, 'worker lost its lease', 'workers lost their lease')] : []),
    ...(released > 0 ? [many(released, 'release', 'releases')] : []),
  ]
  return parts.join(' and ')
}

export function many(count: number, one: string, more: string): string {
  return `${count} ${count === 1 ? one : more}`
}
