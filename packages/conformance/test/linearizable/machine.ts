// The sequential model of one promise and its task: the protocol's own machine, on the rows of one id. What it cannot know is
// when the server looked at its clock, and what the server did of itself in between (a lease that ended, an awaited promise
// that settled): both are tried wherever the machine allows them.

import {
  type Answer,
  DEFAULT_CONFIG,
  decide,
  type Input,
  MAX_INSTANT,
  type MachineConfig,
  type PromiseRow,
  Tables,
  type TaskRow,
} from '@resonatehq/protocol'
import { type Operation, type Others, type Part, partsById, recordsIn } from './history.ts'
import { check, type Model, type Verdict } from './search.ts'

export interface Rows {
  readonly promise: PromiseRow | null
  readonly task: TaskRow | null
  /** The latest that the server's clock has shown: it does not go back. */
  readonly at: number
}

export interface ModelOptions {
  readonly config?: MachineConfig
  /** How far the server's clock and that of the history may be apart, ms. */
  readonly clockSlackMs?: number
}

/** A promise that stands in for all others. */
const OTHER = 'other:stand-in'
const CLOCK_SLACK_MS = 20

/** What is wrong with a history, or null: in words, with the calls around the point where no order goes further. */
export function problemIn(history: readonly Operation[], options: ModelOptions = {}): string | null {
  for (const [id, parts] of partsById(history)) {
    const verdict = check(parts, machineModel(id, parts, options))
    if (verdict.kind !== 'linearizable') return describe(id, parts, verdict)
  }
  return null
}

export function machineModel(id: string, parts: readonly Part[], options: ModelOptions = {}): Model<Rows, Part> {
  const { config = DEFAULT_CONFIG, clockSlackMs = CLOCK_SLACK_MS } = options
  const instants = instantsOf(id, parts)
  return {
    initial: { promise: null, task: null, at: 0 },
    next(rows, part) {
      const fromAt = Math.max(rows.at, Math.floor(part.calledAt) - clockSlackMs)
      const untilAt = part.returnedAt + clockSlackMs
      const nows = clockReadings(rows, instants, { fromAt, untilAt }, config.disconnectGraceMs)
      return nows.flatMap((now) => {
        const rowsBefore = [rows, ...unasked(id, { rows, now, config })]
        return rowsBefore.flatMap((rows) => after(part, { rows, now, config }))
      })
    },
    key: ({ promise, task, at }) => JSON.stringify([promise?.state, promise?.createdAt, promise?.settledAt, task, at]),
    kind: ({ request }) => JSON.stringify(request),
  }
}

interface Situation {
  readonly rows: Rows
  readonly now: number
  readonly config: MachineConfig
}

/** The rows after a call was decided, if its answer fits: one state or none. Without an answer it must have done something. */
function after({ id, request, others, fits }: Part, situation: Situation): Rows[] {
  const { tables, answer } = decided([request], others, situation)
  const [promise, task] = [tables.promise(id), tables.task(id)]
  const hasChanged = promise !== situation.rows.promise || task !== situation.rows.task
  return (fits ? fits(answer) : hasChanged) ? [{ promise, task, at: situation.now }] : []
}

/** What the server may have done of itself up to now, where that makes a task ready again. */
function unasked(id: string, situation: Situation): Rows[] {
  const { task } = situation.rows
  if (task?.state !== 'acquired' && task?.state !== 'suspended') return []
  const steps = task.pid === null ? [wakeUp(id)] : takeover(id, task.pid, situation)
  const { tables } = decided(steps, 'settled', situation)
  const then = tables.task(id)
  return then?.state === task.state ? [] : [{ ...situation.rows, task: then }]
}

function wakeUp(id: string): Input {
  return { kind: 'promise.resume', data: { awaited: OTHER, awaiter: id } }
}

/** Its worker may have been gone for as long as the server waits, at most: its lease then ends, if it was not renewed since. */
function takeover(id: string, pid: string, { now, config }: Situation): Input[] {
  const goneAt = now - config.disconnectGraceMs
  const row = { server: 's', group: 'g', pid, capacity: null, info: {}, seenAt: goneAt, goneAt, beat: null }
  return [
    { kind: 'worker.connect', data: { row } },
    { kind: 'task.disconnect', data: { id, pid } },
    { kind: 'task.expire', data: { id } },
  ]
}

/** The rows of one id after some inputs, and the answer to the last. */
function decided(inputs: readonly Input[], others: Others, { rows, now, config }: Situation) {
  const tables = new Tables()
  if (rows.promise) tables.apply({ kind: 'promise', row: rows.promise })
  if (rows.task) tables.apply({ kind: 'task', row: rows.task })
  if (rows.task?.state === 'suspended') tables.apply({ kind: 'callback.add', awaited: OTHER, awaiter: rows.task.id })
  let answer: Answer | null = null
  for (const input of [...standIns(inputs, others), ...inputs]) {
    const decision = decide({ view: tables, now, config }, input)
    for (const effect of decision.effects) tables.apply(effect)
    answer = decision.answer
  }
  return { tables, answer: answer as Answer }
}

/** The promises that inputs name besides the one that is looked at, as they must have stood. */
function* standIns(inputs: readonly Input[], others: Others): Generator<Input> {
  const timeoutAt = others === 'pending' ? MAX_INSTANT : 0
  for (const id of others === 'absent' ? [] : inputs.flatMap(awaitedBy)) {
    yield { kind: 'promise.create', data: { id, timeoutAt, param: {}, tags: {} } }
  }
}

function awaitedBy(input: Input): string[] {
  if (input.kind === 'promise.resume') return [input.data.awaited]
  return input.kind === 'task.suspend' ? input.data.actions.map((action) => action.data.awaited) : []
}

interface Span {
  readonly fromAt: number
  readonly untilAt: number
}

/**
 * What the server's clock may have shown: the earliest possible, and each later instant that makes a difference. Others
 * between these change nothing, and an earlier one leaves more to what comes after.
 */
function clockReadings(
  { task }: Rows,
  instants: readonly number[],
  { fromAt, untilAt }: Span,
  graceMs: number,
): number[] {
  if (fromAt > untilAt) return []
  const leaseEnds = task?.dueAt && task.ttl ? [task.dueAt, task.dueAt - task.ttl + graceMs] : []
  const later = [...instants, ...leaseEnds].filter((at) => at > fromAt && at <= untilAt)
  return [...new Set([fromAt, ...later])].sort((a, b) => a - b)
}

/** Every instant of a promise's life that anybody was shown, or asked for and was never answered. */
function instantsOf(id: string, parts: readonly Part[]): number[] {
  const instants = new Set<number>(parts.flatMap(({ request }) => timeoutIn(request)))
  for (const record of parts.flatMap(({ operation }) => recordsIn(operation.answer))) {
    if (record.id !== id) continue
    for (const at of [record.createdAt, record.settledAt, record.timeoutAt]) if (at !== undefined) instants.add(at)
  }
  return [...instants]
}

function timeoutIn(request: Part['request']): number[] {
  if (request.kind === 'promise.create') return [request.data.timeoutAt]
  return request.kind === 'task.create' ? [request.data.action.data.timeoutAt] : []
}

/** How a history fails, for people: the longest order, its end in full, and what could not come next. */
function describe(
  id: string,
  parts: readonly Part[],
  verdict: Exclude<Verdict<Part>, { kind: 'linearizable' }>,
): string {
  const { kind, order, stuck } = verdict
  const shown = (calls: readonly Part[]) => calls.map((call) => `  ${line(call)}`).join('\n')
  const open = parts.filter((call) => call.fits === null && !order.includes(call))
  return [
    `what was seen of ${id} is ${kind}: ${order.length} of ${parts.length} calls are in order, the last of them`,
    shown(order.slice(-12)),
    'and none of these can be next:',
    shown(stuck),
    ...(open.length > 0 ? ['nobody knows what came of:', shown(open.slice(0, 12))] : []),
  ].join('\n')
}

function line({ operation, request, others, calledAt, returnedAt }: Part): string {
  const { client, answer } = operation
  const as = operation.request === request ? '' : ` (as ${request.kind})`
  const with_ = request.kind === 'task.suspend' ? `, the others ${others}` : ''
  const span = `${calledAt.toFixed(3)} to ${returnedAt.toFixed(3)}`
  const answered = answer ? `${answer.status} ${JSON.stringify(answer.data)}` : 'no answer'
  return `${span} ${client}: ${operation.request.kind}${as}${with_} ${JSON.stringify(operation.request.data)} → ${answered}`
}
