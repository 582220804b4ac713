// What must be true of everything that was seen, whatever went wrong meanwhile. Each check gives the problems that it found, in
// words; none of them changes anything.

import type { PromiseRecord, TaskRecord } from '@resonatehq/protocol'
import type { Operation } from '../linearizable/history.ts'
import type { Incident } from './faults.ts'

/** A step of a worker did something outside. */
export interface Effect {
  readonly id: string
  /** Of the worker. */
  readonly name: string
  /** When the step began that did it. */
  readonly beganAt: number
}

/** Ids of all promises that somebody was told to exist. */
export function acknowledged(history: readonly Operation[]): Set<string> {
  const ids = new Set<string>()
  for (const { answer } of history) {
    const { promise, action } = (answer?.data ?? {}) as {
      promise?: PromiseRecord
      action?: { data?: { promise?: PromiseRecord } }
    }
    for (const record of [promise, action?.data?.promise]) if (record) ids.add(record.id)
  }
  return ids
}

/** No two workers were given the same task at the same version. */
export function sharedClaims(history: readonly Operation[]): string[] {
  const holders = new Map<string, string>()
  const problems: string[] = []
  for (const { request, answer } of history) {
    if (request.kind !== 'task.acquire' && request.kind !== 'task.create') continue
    const { task } = (answer?.data ?? {}) as { task?: TaskRecord }
    if (task?.state !== 'acquired') continue
    const claim = `${task.id} at version ${task.version}`
    const holder = holders.get(claim)
    if (holder !== undefined && holder !== task.pid) problems.push(`${claim} was given to ${holder} and to ${task.pid}`)
    holders.set(claim, task.pid as string)
  }
  return problems
}

/** How long a worker that stood still may take to learn what it has lost, once it goes on. */
const WAKING_MS = 1_000
/** The database's clock and ours. */
const CLOCK_SLACK_MS = 20

/**
 * A step whose result is recorded is begun by nobody any more. Only who stood still in between, and could not know, may begin it
 * as it wakes up: nothing but a fence around the effect itself prevents that.
 */
export function repeatedEffects(
  effects: readonly Effect[],
  steps: ReadonlyMap<string, PromiseRecord | null>,
  incidents: readonly Incident[],
): string[] {
  return effects.flatMap(({ id, name, beganAt }) => {
    const step = steps.get(id)
    if (!step) return [`${name} began ${id} at ${beganAt}, and there is no record of it`]
    if (step.settledAt === undefined) return [`${name} began ${id} at ${beganAt}, and it is still ${step.state}`]
    const settledAt = step.settledAt + CLOCK_SLACK_MS
    const freezes = incidents.filter((incident) => incident.name === name && incident.how === 'SIGSTOP')
    const couldNotKnow = freezes.some(({ fromAt, toAt }) => fromAt <= settledAt && beganAt <= toAt + WAKING_MS)
    return beganAt <= settledAt || couldNotKnow
      ? []
      : [`${name} began ${id} at ${beganAt}, when it had been settled at ${step.settledAt}`]
  })
}

/** All that was asked about a workflow and what it has called, in order, for people. */
export function storyOf(id: string, history: readonly Operation[]): string {
  const about = history.filter((operation) => JSON.stringify(operation.request.data).includes(`"${id}`))
  const lines = about
    .sort((a, b) => a.calledAt - b.calledAt)
    .map(({ client, request, answer, calledAt, returnedAt }) => {
      const answered = answer ? `${answer.status} ${JSON.stringify(answer.data).slice(0, 300)}` : 'no answer'
      const span = `${calledAt.toFixed(0)} to ${returnedAt.toFixed(0)}`
      return `  ${span} ${client}: ${request.kind} ${JSON.stringify(request.data).slice(0, 200)} → ${answered}`
    })
  return [`the story of ${id}:`, ...lines].join('\n')
}
