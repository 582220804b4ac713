// Watches every commit of the simulated database, in order. What was executed is what the machine alone would have decided;
// every property of the protocol holds after every step; nothing that is due takes effect twice; nobody is offered more
// than its capacity; no lease of a worker that is there is ended.

import assert from 'node:assert/strict'
import {
  type Decision,
  type Effect,
  handOf,
  type Input,
  type MachineConfig,
  type Tables,
  type TaskRow,
} from '@resonatehq/protocol'
import { BareMachine } from '../../../protocol/test/bare.ts'
import type { Executed } from '../../src/index.ts'

export interface Witness {
  /** Tasks in hand at most. */
  capacityOf(pid: string): number
  /** It has been connected to a server that runs, and running itself, for long. */
  isThere(pid: string): boolean
}

/** Their answers show promises that are read without a lock: others may have changed them since. */
const PRELOADS = new Set<string>(['task.acquire', 'task.create', 'task.suspend'])
/** What they do stands on presence, which is read without a lock. */
const PRESENCE = new Set<string>([
  'task.heartbeat',
  'task.disconnect',
  'worker.connect',
  'worker.disconnect',
  'worker.forget',
  'server.seen',
])

export class Auditor {
  readonly #bare: BareMachine
  readonly #witness: Witness
  /** What has happened and must not happen again. */
  readonly #once = new Set<string>()
  /** Kinds of steps and requests that changed something, and how often. */
  readonly met = new Map<string, number>()

  constructor(config: MachineConfig, witness: Witness) {
    this.#bare = new BareMachine(config)
    this.#witness = witness
  }

  get tables(): Tables {
    return this.#bare.tables
  }

  /** As stores count: without offers that have lapsed. */
  inHand(worker: string, now: number): number {
    const tasks = [...(this.tables.inHand.get(worker)?.from() ?? [])].map((id) => this.tables.task(id) as TaskRow)
    return tasks.filter((task) => holderOf(task, now) !== null).length
  }

  /** `counted`: what the batch was told of workers. */
  committed(executed: readonly Executed[], counted: ReadonlyMap<string, number>): void {
    const gains = new Map<string, number>()
    for (const { input, now, decision } of executed) {
      this.#compare(input, now, decision)
      const isEffective = decision.effects.length > 0
      if (isEffective) this.#note(input)
      this.#gain(gains, decision.effects, now)
      this.#bare.apply(input, now, decision)
      if (isEffective && input.kind === 'task.dispatch') this.#roomy(input.data.worker, counted, gains)
    }
  }

  #compare(input: Input, now: number, { answer, effects }: Decision): void {
    if (PRESENCE.has(input.kind)) return
    const expected = this.#bare.decide(input, now)
    const what = `${JSON.stringify(input)} at ${now}`
    assert.equal(answer.status, expected.answer.status, what)
    assert.deepEqual(effects, expected.effects, what)
    if (!PRELOADS.has(input.kind)) assert.deepEqual(answer, expected.answer, what)
  }

  #note(input: Input): void {
    this.met.set(input.kind, (this.met.get(input.kind) ?? 0) + 1)
    const key = onceKey(input, this.tables)
    assert.ok(key === null || !this.#once.has(key), `${key} took effect twice`)
    if (key !== null) this.#once.add(key)
    if (input.kind !== 'task.disconnect') return
    const { pid, id } = input.data
    assert.ok(!this.#witness.isThere(pid), `the lease of ${pid} on ${id} was ended, and ${pid} is there`)
  }

  #gain(gains: Map<string, number>, effects: readonly Effect[], now: number): void {
    for (const effect of effects) {
      if (effect.kind !== 'task') continue
      const before = this.tables.task(effect.row.id)
      const moves = [[before ? holderOf(before, now) : null, -1] as const, [holderOf(effect.row, now), 1] as const]
      for (const [worker, by] of moves) if (worker !== null) gains.set(worker, (gains.get(worker) ?? 0) + by)
    }
  }

  /** By what the batch was told, and what it has moved itself. */
  #roomy(worker: string | null, counted: ReadonlyMap<string, number>, gains: ReadonlyMap<string, number>): void {
    const capacity = worker === null ? Number.POSITIVE_INFINITY : this.#witness.capacityOf(worker)
    if (worker === null || capacity === Number.POSITIVE_INFINITY) return
    const inHand = (counted.get(worker) ?? Number.NaN) + (gains.get(worker) ?? 0)
    assert.ok(inHand <= capacity, `${worker} was offered a task, and has ${inHand} of ${capacity} in hand`)
  }
}

function holderOf(task: TaskRow, now: number): string | null {
  return task.state === 'pending' && (task.dueAt ?? 0) <= now ? null : handOf(task)
}

/** What a due step is about: it may take effect once. */
function onceKey(input: Input, tables: Tables): string | null {
  switch (input.kind) {
    case 'promise.timeout':
      return `the timeout of ${input.data.id}`
    case 'promise.resume':
      return `waking ${input.data.awaiter} for ${input.data.awaited}`
    case 'promise.notify':
      return `telling ${input.data.address} of ${input.data.awaited}`
    case 'task.expire':
      return `the lease of ${input.data.id} at version ${tables.task(input.data.id)?.version}`
    case 'schedule.fire':
      return `the run of ${input.data.id} at ${tables.schedule(input.data.id)?.nextRunAt}`
    default:
      return null
  }
}
