// What the engine does while its store fails, with time moved by hand. The kinds of failing of a real database are in the
// server's tests.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Changes, Needs, Request } from '@resonatehq/protocol'
import { LostRace, memoryStore, type Store, Unacceptable } from '@resonatehq/store'
import { createEngine, type Log } from '../src/index.ts'
import { ManualPlatform, strictLog } from './manual-platform.ts'
import { type Bench, open, START } from './world.ts'

interface Outage {
  readonly bench: Bench
  /** What each `begin` and each read does before the store is asked. */
  fault: (() => void) | null
  begins: number
  /** An id that the store does not accept. */
  refused: string
  readonly said: string[]
  readonly rows: Store
}

async function start(t: TestContext): Promise<Outage> {
  const platform = new ManualPlatform({ now: START })
  const store = memoryStore({ wall: () => platform.now() })
  const said: string[] = []
  const log: Log = {
    info: (_, message) => void said.push(message),
    warn: (_, message) => void said.push(message),
    error: (_, message) => void said.push(message),
  }
  const world = { fault: null as (() => void) | null, begins: 0, refused: '', said, rows: store }
  const failing: Store = new Proxy(store, {
    get(target, name) {
      const own = Reflect.get(target, name)
      if (typeof own !== 'function' || name === 'close' || name === 'open') return own
      return async (...given: unknown[]) => {
        if (name === 'begin') world.begins++
        world.fault?.()
        if (name === 'begin' && (given[0] as Needs).ids.has(world.refused))
          throw new Unacceptable('invalid byte sequence')
        return own.apply(target, given)
      }
    },
  })
  const bench = await open(t, { store: failing, platform, log })
  // The bench moves its own platform; here it is the engine's.
  Object.defineProperty(bench, 'platform', { value: platform })
  return Object.assign(world, { bench })
}

const create = (id: string): Request => ({
  kind: 'promise.create',
  data: { id, timeoutAt: START + 9_999_999, param: {}, tags: { 'resonate:target': 'poll://any@g' } },
})

const down = () => {
  throw new Error('connection refused')
}

test('a race that is lost is run again, and nobody notices', async (t) => {
  const world = await start(t)
  let losses = 3
  world.fault = () => {
    if (losses-- > 0) throw new LostRace('deadlock detected')
  }
  assert.equal((await world.bench.engine.submit(create('a'))).status, 200)
  assert.deepEqual([losses < 0, world.said], [true, []])
})

test('what a lost race has moved is moved back: the one worker of capacity 1 has room again, and only that', async (t) => {
  const world = await start(t)
  const { bench } = world
  const port = await bench.connect('w', { capacity: 1 })
  loseAtCommit(world)
  const action = create('own') as Request<'promise.create'>
  await bench.ask({ kind: 'task.create', data: { pid: 'w', ttl: 1_000, action } })
  await bench.ask({ kind: 'task.fulfill', data: { id: 'own', version: 1, action: settle('own') } })
  loseAtCommit(world)
  await bench.ask(create('a'))
  assert.deepEqual(port.take(), ['a'])
  loseAtCommit(world)
  await bench.engine.submitAll([
    { kind: 'task.acquire', data: { id: 'a', version: 0, pid: 'w', ttl: 1_000 } },
    { kind: 'task.fulfill', data: { id: 'a', version: 1, action: settle('a') } },
  ])
  await bench.engine.submitAll([create('b'), create('c')])
  await bench.settle()
  assert.deepEqual(port.take(), ['b'])
})

const settle = (id: string) =>
  ({ kind: 'promise.settle', data: { id, state: 'resolved', value: {} } }) as Request<'promise.settle'>

/** The next commit that writes anything meets another server. */
function loseAtCommit({ rows }: Outage): void {
  const begin = rows.begin.bind(rows)
  rows.begin = async (needs) => {
    rows.begin = begin
    const transaction = await begin(needs)
    return { ...transaction, commit: () => Promise.reject(new LostRace('deadlock detected')) }
  }
}

test('a store that answers nothing but races is an outage, not a loop', async (t) => {
  const world = await start(t)
  world.fault = () => {
    throw new LostRace('deadlock detected')
  }
  assert.equal((await world.bench.engine.submit(create('a'))).status, 503)
  world.fault = null
})

test('nor is one whose every commit is a race', async (t) => {
  const world = await start(t)
  const begin = world.rows.begin.bind(world.rows)
  let commits = 0
  world.rows.begin = async (needs) => {
    const transaction = await begin(needs)
    const commit = (changes: Changes) => {
      if (++commits > 100) return transaction.commit(changes)
      return Promise.reject(new LostRace('deadlock detected'))
    }
    return { ...transaction, commit }
  }
  assert.equal((await world.bench.engine.submit(create('a'))).status, 503)
  world.rows.begin = begin
})

test('a connection that ends while the store fails is told of when it answers: its worker loses its leases in time', async (t) => {
  const world = await start(t)
  const { bench } = world
  await bench.advance(30_000)
  const port = await bench.connect('w')
  await bench.ask(create('a'))
  await bench.acquire('a', 'w', 0, 3_600_000)
  const other = await bench.connect('other')
  world.fault = down
  port.close()
  assert.equal((await bench.engine.submit(create('b'))).status, 503)
  world.fault = null
  await bench.advance(10_000)
  assert.deepEqual(other.take(), ['a'])
})

test('with the batch that fails all that waits is refused, so that nobody waits for several failures', async (t) => {
  const world = await start(t)
  const before = world.begins
  world.fault = down
  const answers = await Promise.all(
    Array.from({ length: 3_000 }, (_, at) => world.bench.engine.submit(create(`p${at}`))),
  )
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([503]))
  assert.equal(world.begins - before, 1)
  world.fault = null
})

test('what the store does not accept fails who brought it, and nobody beside', async (t) => {
  const world = await start(t)
  world.refused = 'bad'
  const ids = ['a', 'b', 'bad', 'c', 'd', 'e']
  const answers = await Promise.all(ids.map((id) => world.bench.engine.submit(create(id))))
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 500, 200, 200, 200],
  )
  assert.deepEqual(world.said, ['the store did not accept what a request brings'])
  await world.bench.engine.ping()
})

test('a step that the store does not accept does not keep others from their time', async (t) => {
  const world = await start(t)
  const late = ['a', 'bad', 'c', 'd'].map((id): Request => {
    return { kind: 'promise.create', data: { id, timeoutAt: START + 500, param: {}, tags: {} } }
  })
  await world.bench.engine.submitAll(late)
  world.refused = 'bad'
  await world.bench.advance(1_000)
  const { promises } = await world.rows.snapshot()
  assert.deepEqual(
    promises.map(({ id, state }) => [id, state]),
    [
      ['a', 'rejected_timedout'],
      ['bad', 'pending'],
      ['c', 'rejected_timedout'],
      ['d', 'rejected_timedout'],
    ],
  )
  world.refused = ''
  await world.bench.advance(2_000)
  assert.ok((await world.rows.snapshot()).promises.every(({ state }) => state === 'rejected_timedout'))
})

test('an outage has two lines, however many requests meet it, and work goes on without anybody connecting again', async (t) => {
  const world = await start(t)
  const { bench } = world
  const early = await bench.connect('early')
  world.fault = down
  const late = await bench.connect('late', { group: 'h' })
  early.close()
  for (let round = 0; round < 50; round++) assert.equal((await bench.engine.submit(create('a'))).status, 503)
  await bench.advance(5_000)
  await assert.rejects(bench.engine.ping())
  world.fault = null
  await bench.engine.ping()
  // Nothing may have failed for a second before it counts as over.
  await bench.advance(2_500)
  assert.deepEqual(world.said, [
    'The store failed: until it answers again, requests get 503',
    'The store answers again',
  ])
  await bench.create('for h', 'poll://any@h')
  assert.deepEqual(late.take(), ['for h'])
  await bench.create('for g')
  assert.deepEqual(early.take(), [], 'it left during the outage')
})

test('an engine that cannot start lets go of the store that it has opened', async () => {
  const platform = new ManualPlatform({ now: START })
  const rows = memoryStore({ wall: () => platform.now() })
  const calls: string[] = []
  let isAway = true
  const store: Store = new Proxy(rows, {
    get(target, name) {
      const own = Reflect.get(target, name)
      if (typeof own !== 'function') return own
      return async (...given: unknown[]) => {
        if (name === 'open' || name === 'close') calls.push(name)
        if (name === 'now' && isAway) throw new Error('the database is away')
        return own.apply(target, given)
      }
    },
  })
  const engine = () => createEngine({ store, platform, log: strictLog(), serverUrl: 'http://test' })
  await assert.rejects(engine().start(), /the database is away/)
  assert.deepEqual(calls, ['open', 'close'])
  isAway = false
  const again = engine()
  await again.start()
  await again.stop()
})
