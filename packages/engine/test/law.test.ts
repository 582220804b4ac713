// The law of batching: whatever is submitted together, in whichever cuts, the requests and steps that were executed,
// replayed one by one on the bare machine, give the same answers and the same rows. Batching is invisible, and so is the
// store. The bare machine checks its properties after every input.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import {
  type Answer,
  countForgotten,
  countPromise,
  countTask,
  DEFAULT_CONFIG,
  type Effect,
  handOf,
  isStep,
  type MachineConfig,
  type Message,
  type PromiseRow,
  type Request,
  type TaskRow,
} from '@resonatehq/protocol'
import { memoryStore, type Store } from '@resonatehq/store'
import { postgresStore } from '@resonatehq/store/postgres'
import { sqliteStore } from '@resonatehq/store/sqlite'
import fc from 'fast-check'
import { BareMachine } from '../../protocol/test/bare.ts'
import { lockingStore } from '../../store/test/locking.ts'
import { command, type PostgresServer, startPostgres, withoutPostgres } from '../../store/test/postgres-server.ts'
import { trackedStore } from '../../store/test/tracked.ts'
import { twinStore } from '../../store/test/twin.ts'
import { createEngine, type Engine, type Executed } from '../src/index.ts'
import { ManualPlatform } from './manual-platform.ts'
import { type Op, resolve, stream } from './stream.ts'

const START = Date.UTC(2026, 0, 1)
/** Kinds and statuses that the streams have met: a test that never gets somewhere proves nothing. */
const met = new Set<string>()

/** Small pages and catch-ups, so that their edges are met. */
const config: MachineConfig = {
  ...DEFAULT_CONFIG,
  preloadMax: 2,
  catchupLimit: 7,
  occurrencesPerStep: 3,
  examinedMax: 4,
  attemptsMax: 6,
}
const isLong = process.env.RESONATE_TEST_LONG === '1'

interface World {
  readonly store: Store
  readonly reopen: () => Store
  readonly remove: () => unknown
}

let server: PostgresServer
before(async () => {
  if (!withoutPostgres) server = await startPostgres()
})
after(() => server?.stop())

const worlds: Record<string, (wall: () => number) => World | Promise<World>> = {
  memory: (wall) => {
    const store = memoryStore({ wall })
    return { store, reopen: () => store, remove: () => {} }
  },
  locking: (wall) => {
    const store = lockingStore(memoryStore({ wall }))
    return { store, reopen: () => store, remove: () => {} }
  },
  // Beside the memory store, and every read of the two compared.
  sqlite: (wall) => {
    const folder = mkdtempSync(join(tmpdir(), 'resonate-law-'))
    const memory = memoryStore({ wall })
    const open = () => twinStore(memory, sqliteStore({ path: join(folder, 'law.db'), wall }))
    return { store: open(), reopen: open, remove: () => rmSync(folder, { recursive: true }) }
  },
  postgres: async (wall) => {
    const url = await server.create()
    const memory = memoryStore({ wall })
    const open = () => twinStore(memory, postgresStore({ url, clock: wall, connectionsMax: 3 }))
    const database = new URL(url).pathname.slice(1)
    const remove = () => command(server.urlOf('postgres'), `drop database ${database} with (force)`)
    return { store: open(), reopen: open, remove }
  },
}

/** A round trip to PostgreSQL costs a hundred times a read in this process, so its streams are few and short. */
const sizes: Record<string, { runs: number; length: number }> = {
  sqlite: { runs: 30, length: 600 },
  postgres: { runs: 8, length: 300 },
}

for (const [name, open] of Object.entries(worlds)) {
  const skip = name === 'postgres' && withoutPostgres
  test(`batching over the ${name} store is invisible`, { skip }, async () => {
    const { runs, length } = sizes[name] ?? { runs: 60, length: 600 }
    const world = fc.record({ ops: stream(length), batchMax: fc.constantFrom(1, 2, 5, 1_000) })
    const seed = Number(process.env.SEED ?? 20260101)
    if (process.env.REPLAY) return replay(open, process.env.REPLAY)
    const property = fc.asyncProperty(world, ({ ops, batchMax }) => run(open, ops, batchMax))
    const timeLimitMs = isLong ? 1_400_000 : 220_000
    const outcome = await fc.check(property, {
      numRuns: runs * (isLong ? 8 : 1),
      seed,
      interruptAfterTimeLimit: timeLimitMs,
      // Just before the runner would end it: a stream that never ends must not pass for one that held.
      markInterruptAsFailure: true,
    })
    if (outcome.counterexample) throw shrunk(outcome.counterexample[0], outcome.seed, outcome.errorInstance)
    assert.ok(!outcome.failed, `seed ${seed} was not done after ${timeLimitMs} ms: a stream hangs`)
  })
}

/** The shortest stream that still fails, in a file that a command runs again. */
function shrunk(script: object, seed: number, cause: unknown): Error {
  const file = join(mkdtempSync(join(tmpdir(), 'resonate-law-failure-')), 'script.json')
  writeFileSync(file, JSON.stringify(script, null, 1))
  return new Error(
    `seed ${seed} fails. The shrunk script is in ${file}; run it again with\n` +
      `  REPLAY=${file} node --test packages/engine/test/law.test.ts`,
    { cause },
  )
}

async function replay(open: (wall: () => number) => World | Promise<World>, file: string): Promise<void> {
  const { ops, batchMax } = JSON.parse(readFileSync(file, 'utf8')) as { ops: Op[]; batchMax: number }
  await run(open, ops, batchMax)
}

async function run(
  open: (wall: () => number) => World | Promise<World>,
  ops: readonly Op[],
  batchMax: number,
): Promise<void> {
  const platform = new ManualPlatform({ now: START })
  const world = await open(() => platform.now())
  const bare = new BareMachine(config)
  const life = new Life(platform, bare, batchMax)
  try {
    await life.start(world.store)
    for (const [at, op] of ops.entries()) {
      await life.act(op)
      if (at === ops.length >> 1) await life.restart(world.reopen())
    }
    await life.end()
  } finally {
    await life.abandon()
    await world.remove()
  }
}

/** One engine life after another on one store, and the bare machine that replays them. */
class Life {
  readonly #platform: ManualPlatform
  readonly #bare: BareMachine
  readonly #batchMax: number
  readonly #offers = new Map<string, Message[]>()
  #connections = new Map<string, () => void>()
  #drains: (() => void)[] = []
  #together: Request[] = []
  #engine: Engine | null = null
  #tracked: ReturnType<typeof trackedStore> | null = null
  #failure: unknown = null
  readonly #totals = new Map<string, number>()
  /** Tasks that went with their promises: what they did stays counted. */
  readonly #forgotten: TaskRow[] = []

  constructor(platform: ManualPlatform, bare: BareMachine, batchMax: number) {
    this.#platform = platform
    this.#bare = bare
    this.#batchMax = batchMax
  }

  async start(store: Store): Promise<void> {
    this.#tracked = trackedStore(store)
    this.#engine = createEngine({
      store: this.#tracked.store,
      platform: this.#platform,
      log: {
        info() {},
        warn() {},
        error: (fields, message) => {
          this.#failure ??= new Error(message, { cause: (fields as { err?: unknown }).err })
        },
      },
      serverUrl: 'http://test',
      machine: config,
      limits: { batchMax: this.#batchMax },
      push: async () => true,
      disconnectUptimeMs: 1_000,
      promiseRetentionMs: 10_000,
      promiseRoundMs: 1_000,
      trace: (executed) => this.#replay(executed),
    })
    await this.#engine.start()
  }

  #replay(executed: readonly Executed[]): void {
    try {
      for (const { input, now, decision } of executed) {
        this.#count(decision.effects)
        assert.deepEqual(this.#bare.step(input, now), decision)
        if (decision.effects.length > 0 || !isStep(input)) met.add(`${input.kind} ${decision.answer.status}`)
      }
    } catch (error) {
      this.#failure ??= error
    }
  }

  /** Before the bare machine takes them on. */
  #count(effects: readonly Effect[]): void {
    const rows = new Map<string, TaskRow>()
    for (const effect of effects) {
      if (effect.kind === 'promise.drop') this.#countForgotten(effect.id)
      if (effect.kind !== 'task') continue
      const { row } = effect
      countTask(this.#totals, rows.get(row.id) ?? this.#bare.tables.task(row.id), row)
      rows.set(row.id, row)
    }
  }

  #countForgotten(id: string): void {
    const { promises, tasks } = this.#bare.tables
    const task = tasks.get(id) ?? null
    countForgotten(this.#totals, promises.get(id) as PromiseRow, task)
    if (task) this.#forgotten.push(task)
  }

  async act(op: Op): Promise<void> {
    switch (op.op) {
      case 'request': {
        const versionOf = (id: string) => this.#bare.tables.task(id)?.version ?? 0
        const at = { now: this.#platform.now(), versionOf, isStale: op.isStale }
        this.#together.push(resolve(op.request, at))
        return
      }
      case 'cut':
        return this.#cut()
      case 'advance':
        await this.#cut()
        await this.#platform.advance(op.ms, () => this.#settle())
        return this.#settle()
      case 'connect':
        return this.#connect(op)
      case 'disconnect': {
        const key = `${op.group}/${op.pid}`
        this.#connections.get(key)?.()
        this.#connections.delete(key)
        return this.#settle()
      }
      case 'work':
        this.#live.report(op.pid, { lagMs: 1, tasks: 2 })
        for (const drained of this.#drains) drained()
        for (const message of this.#offers.get(op.pid)?.splice(0) ?? []) {
          if (message.kind !== 'execute') continue
          this.#together.push({ kind: 'task.acquire', data: { ...message.data.task, pid: op.pid, ttl: 60_000 } })
        }
        return
      case 'await': {
        const [id] = this.#bare.tables.held(op.pid)
        if (id === undefined) return
        const version = this.#bare.tables.task(id)?.version ?? 0
        const action = { kind: 'promise.register_callback', data: { awaited: op.awaited, awaiter: id } } as const
        this.#together.push({ kind: 'task.suspend', data: { id, version, actions: [action] } })
      }
    }
  }

  async #connect({ group, pid, capacity }: { group: string; pid: string; capacity?: number }): Promise<void> {
    const key = `${group}/${pid}`
    if (this.#connections.has(key)) return
    const send = (message: Message) => {
      const offers = this.#offers.get(pid) ?? []
      offers.push(message)
      this.#offers.set(pid, offers)
      // Now and then a connection cannot take it.
      return offers.length % 5 !== 4
    }
    const { drained, ended } = this.#live.connect({ group, pid, capacity, send })
    this.#connections.set(key, ended)
    this.#drains.push(drained)
    await this.#settle()
  }

  /** Submits what was drawn since the last cut: some together, some one by one, all before anything is answered. */
  async #cut(): Promise<void> {
    const requests = this.#together.splice(0)
    const half = requests.length >> 1
    const answers: Promise<Answer | Answer[]>[] = requests.slice(0, half).map((one) => this.#live.submit(one))
    answers.push(this.#live.submitAll(requests.slice(half)))
    await Promise.all(answers)
    await this.#settle()
  }

  get #live(): Engine {
    return this.#engine as Engine
  }

  /** Everything that was submitted, and what followed from it, is committed. */
  async #settle(): Promise<void> {
    for (let round = 0; round < 4; round++) await this.#live.submit({ kind: 'debug.snap', data: {} })
    // The clock may only move while nothing is under way.
    await this.#tracked?.idle()
    if (this.#failure) throw this.#failure
    this.#handsAgree()
  }

  /** What a worker is thought to have in hand is what the rows say, and at most the offers besides that have lapsed unnoticed. */
  #handsAgree(): void {
    const now = this.#platform.now()
    const tasks = [...this.#bare.tables.tasks.values()]
    for (const { pid, inHand } of this.#live.stats.workers) {
      const own = tasks.filter((task) => handOf(task) === pid)
      const surely = own.filter((task) => task.state === 'acquired' || (task.dueAt as number) > now)
      const isSo = surely.length <= inHand && inHand <= own.length
      assert.ok(isSo, `${pid} is thought to have ${inHand} tasks, and has ${surely.length} to ${own.length}`)
    }
  }

  async restart(store: Store): Promise<void> {
    await this.#cut()
    await this.#live.stop()
    this.#connections.clear()
    this.#drains = []
    await this.start(store)
  }

  async end(): Promise<void> {
    await this.#cut()
    await this.#platform.advance(2_000, () => this.#settle())
    await this.#settle()
    assert.deepEqual(await this.#tracked?.store.snapshot(), this.#bare.tables.rows())
    await this.#counted()
    await this.#shown()
  }

  /** What operators are shown stands in the rows: with a twin store, each of these reads is compared. */
  async #shown(): Promise<void> {
    const store = this.#tracked?.store as Store
    const { promises, tasks } = this.#bare.tables
    const pairs = await store.pairs({ ids: [...promises.keys(), 'none'] })
    const rows = pairs.map(({ promise, task }): [string, unknown] => [promise.id, { promise, task }])
    const expected = [...promises].map(([id, promise]): [string, unknown] => [
      id,
      { promise, task: tasks.get(id) ?? null },
    ])
    assert.deepEqual(new Map(rows), new Map(expected))
    await store.workers({ limit: 100 })
    const now = await store.now()
    const queues = new Set([...tasks.values()].map(({ queue }) => queue))
    for (const queue of queues) await store.backlog({ queue, now, limit: 2 })
    await this.#edges(store)
  }

  /** Each read that has a bound, right at the rows that there are. */
  async #edges(store: Store): Promise<void> {
    const { promises, tasks, unblocks, workers } = this.#bare.tables
    for (const { id, settledAt: at } of promises.values()) {
      if (at !== null) await store.settled({ after: { at, id }, until: at, limit: 100 })
      if (at !== null) await store.settled({ after: { at, id: '' }, until: at, limit: 2 })
    }
    for (const { id, dueAt, pid, worker } of tasks.values()) {
      if (dueAt !== null) await store.ripened({ after: { at: dueAt, id }, until: dueAt, limit: 100 })
      if (dueAt !== null && worker !== null) await store.inHand({ worker, now: dueAt })
      if (dueAt !== null) await store.nextDueAt(dueAt)
      if (pid !== null) await store.held({ pid, after: id, limit: 100 })
    }
    for (const row of unblocks.values()) {
      await store.unblocksBefore({ createdAt: row.createdAt, limit: 100 })
      await store.unblocksPushed({ after: row, limit: 100 })
      await store.promises({ ids: [row.id, 'none'], bytesMax: 1 })
    }
    for (const { seenAt, goneAt } of [...workers.values()].flat()) {
      await store.forgettable({ seenBefore: seenAt, limit: 100 })
      await store.absent({ goneBefore: goneAt ?? seenAt, seenBefore: seenAt })
      await store.absent({ goneBefore: seenAt, seenBefore: goneAt ?? seenAt + 1 })
    }
  }

  /** The gauges say what counting the rows would, and the totals what counting one event after the other has. */
  async #counted(): Promise<void> {
    const { promises, tasks } = this.#bare.tables
    const counted = new Map([...this.#totals].filter(([name]) => name.startsWith('total.')))
    for (const row of promises.values()) countPromise(counted, null, row)
    for (const row of tasks.values()) countTask(counted, null, row)
    for (const [name] of counted) if (name.startsWith('total.')) counted.set(name, this.#totals.get(name) ?? 0)
    assert.deepEqual(sorted(await this.#live.counters()), sorted(counted))
    const ever = [...tasks.values(), ...this.#forgotten]
    const claimed = ever.filter(({ version }) => version > 0)
    assert.equal(counted.get('total.created') ?? 0, ever.length)
    assert.equal(counted.get('total.claimed') ?? 0, claimed.length)
    assert.equal(counted.get('total.completed') ?? 0, claimed.filter(({ state }) => state === 'fulfilled').length)
  }

  async abandon(): Promise<void> {
    await this.#engine?.stop().catch(() => {})
  }
}

function sorted(counters: ReadonlyMap<string, number>): [string, number][] {
  return [...counters].sort()
}

const skip = process.env.REPLAY ? 'a replayed script is one stream' : false

test('the streams meet every kind of request and step, and every refusal', { skip }, () => {
  const expected = [
    ...[
      'promise.get 200 404',
      'promise.create 200 400',
      'promise.settle 200 404',
      'promise.search 200',
      'promise.check 200',
    ],
    ...['promise.register_callback 200 400 404 422', 'promise.register_listener 200 400 404'],
    ...['task.get 200 404', 'task.create 200 400 409 422', 'task.acquire 200 404 409', 'task.release 200 404 409'],
    ...['task.suspend 200 300 400 404 409 422', 'task.fulfill 200 404 409', 'task.fence 200 400 404 409'],
    ...['task.heartbeat 200', 'task.halt 200 404 409', 'task.continue 200 404 409', 'task.search 200'],
    ...['schedule.get 200 404', 'schedule.create 200', 'schedule.delete 200 404', 'schedule.search 200'],
    ...[
      'promise.timeout 200',
      'promise.resume 200',
      'promise.notify 200',
      'promise.forget 200',
      'unblock.sent 200',
      'task.dispatch 200',
    ],
    ...['task.withdraw 200', 'task.expire 200', 'task.disconnect 200', 'schedule.fire 200', 'worker.connect 200'],
    ...['worker.disconnect 200', 'server.seen 200', 'worker.beats 200'],
  ].flatMap((line) => {
    const [kind, ...statuses] = line.split(' ')
    return statuses.map((status) => `${kind} ${status}`)
  })
  assert.deepEqual(
    expected.filter((one) => !met.has(one)),
    [],
  )
})
