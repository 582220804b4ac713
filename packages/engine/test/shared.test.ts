// Two servers on one store in memory, time moved by hand: who gets what, who is told what, and what it costs. That nothing
// breaks whatever happens is shown by cluster.test.ts; a real database stands in servers.test.ts.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { handOf, type Request, type TaskRow } from '@resonatehq/protocol'
import { type Hints, memoryStore, type Store, type Transaction } from '@resonatehq/store'
import { lockingStore } from '../../store/test/locking.ts'
import { createEngine, type Engine, type Platform, type Push } from '../src/index.ts'
import { Peers } from '../src/peers.ts'
import { ManualPlatform, strictLog } from './manual-platform.ts'
import { Port } from './world.ts'

const START = 1_000_000
const FAR = 9e15

class Pair {
  readonly platform = new ManualPlatform({ now: START })
  readonly rows = memoryStore({ wall: () => this.platform.now() })
  readonly told: string[] = []
  readonly engines: Engine[] = []
  readonly #listeners = new Set<(text: string) => void>()

  async open(t: TestContext, { skewMs = 0, push }: { skewMs?: number; push?: Push } = {}): Promise<Engine> {
    const { platform } = this
    const skewed: Platform = {
      now: () => platform.now() + skewMs,
      ticks: () => platform.ticks(),
      timer: (delayMs, fn) => platform.timer(delayMs, fn),
      defer: (fn) => platform.defer(fn),
      random: () => platform.random(),
    }
    const options = { platform: skewed, log: strictLog(), serverUrl: 'http://test', ...(push && { push }) }
    const engine = createEngine({ store: this.#store(), ...options })
    await engine.start()
    t.after(() => engine.stop())
    this.engines.push(engine)
    await this.settle()
    return engine
  }

  #store(): Store {
    const { rows } = this
    const hints: Hints = {
      bytesMax: 1_000,
      tell: async (text) => {
        this.told.push(text)
        for (const heard of this.#listeners) heard(text)
      },
      listen: async (heard) => {
        this.#listeners.add(heard)
        return () => void this.#listeners.delete(heard)
      },
    }
    const begin: Store['begin'] = async (needs) => this.#counting(await rows.begin(needs))
    return new Proxy(rows, {
      get: (_, name) => {
        const member = { begin, hints, isShared: true }[name as string] ?? Reflect.get(rows, name)
        return typeof member === 'function' ? member.bind(rows) : member
      },
    })
  }

  #counting(transaction: Transaction): Transaction {
    return {
      ...transaction,
      inHand: async (workers) => {
        const { tasks } = await this.rows.snapshot()
        const standing = tasks.filter((task) => task.state === 'acquired' || (task.dueAt ?? 0) > transaction.now)
        return new Map(workers.map((pid) => [pid, standing.filter((task) => handOf(task) === pid).length]))
      },
    }
  }

  async settle(): Promise<void> {
    for (let round = 0; round < 8; round++) {
      for (const engine of this.engines) await engine.submit({ kind: 'promise.get', data: { id: 'nobody' } })
    }
  }

  async advance(ms: number): Promise<void> {
    await this.platform.advance(ms, () => this.settle())
    await this.settle()
  }

  async connect(engine: Engine, pid: string, capacity?: number): Promise<Port> {
    const port = new Port(pid, capacity === undefined ? {} : { capacity })
    port.close = engine.connect(port).ended
    await this.settle()
    return port
  }

  /** Asks, and lets what is gathered for other servers go out. */
  async ask(engine: Engine, request: Request): Promise<unknown> {
    const { status, data } = await engine.submit(request)
    assert.equal(status, 200, JSON.stringify(data))
    await this.advance(5)
    return data
  }

  task(id: string): Promise<TaskRow | undefined> {
    return this.rows.snapshot().then(({ tasks }) => tasks.find((task) => task.id === id))
  }
}

function create(id: string, tags: Record<string, string> = { 'resonate:target': 'poll://any@g' }): Request {
  return { kind: 'promise.create', data: { id, timeoutAt: FAR, param: {}, tags } }
}

const settle = (id: string): Request => ({ kind: 'promise.settle', data: { id, state: 'resolved', value: {} } })

/** A task that `pid` ran, and that waits for `y`. */
async function suspended(pair: Pair, engine: Engine, pid: string): Promise<void> {
  await pair.ask(engine, create('x'))
  await pair.ask(engine, create('y', {}))
  await pair.ask(engine, { kind: 'task.acquire', data: { id: 'x', version: 0, pid, ttl: 60_000 } })
  const action = { kind: 'promise.register_callback', data: { awaited: 'y', awaiter: 'x' } } as const
  await pair.ask(engine, { kind: 'task.suspend', data: { id: 'x', version: 1, actions: [action] } })
}

test('a suspended task comes back to the worker that ran it, whichever server wakes it', async (t) => {
  const pair = new Pair()
  const [a, b] = [await pair.open(t), await pair.open(t)]
  const own = await pair.connect(b, 'own')
  await suspended(pair, b, 'own')
  assert.deepEqual(own.take(), ['x'])
  const other = await pair.connect(a, 'other')
  await pair.ask(a, settle('y'))
  assert.deepEqual(own.take(), ['x'])
  await pair.advance(1_000)
  assert.deepEqual(other.take(), [])
})

test('a suspended task whose worker is nowhere goes to another after a moment', async (t) => {
  const pair = new Pair()
  const [a, b] = [await pair.open(t), await pair.open(t)]
  const own = await pair.connect(b, 'own')
  await suspended(pair, b, 'own')
  own.close()
  const other = await pair.connect(a, 'other')
  await pair.ask(a, settle('y'))
  assert.deepEqual(other.take(), [])
  await pair.advance(30)
  assert.deepEqual(other.take(), ['x'])
})

test('an unblock for a URL is left to the server that owes it, and to others once that is gone for half a minute', async (t) => {
  const pair = new Pair()
  const tried: string[] = []
  const trying =
    (server: string): Push =>
    async () =>
      tried.push(server) < 0
  const [a] = [await pair.open(t, { push: trying('a') }), await pair.open(t, { push: trying('b') })]
  await pair.ask(a, create('x', {}))
  await pair.ask(a, { kind: 'promise.register_listener', data: { awaited: 'x', address: 'https://listener.test/' } })
  await pair.ask(a, settle('x'))
  await a.stop()
  pair.engines.shift()
  await pair.advance(29_000)
  assert.ok(tried.includes('a') && !tried.includes('b'), `${tried}`)
  await pair.advance(2_000)
  assert.ok(tried.includes('b'), `${tried}`)
})

test('an offer that has lapsed takes no room, whoever was offered what', async (t) => {
  const pair = new Pair()
  const [a, b] = [await pair.open(t), await pair.open(t)]
  const [p, q] = [await pair.connect(a, 'p', 1), await pair.connect(b, 'q', 1)]
  await pair.ask(a, create('x'))
  await pair.ask(a, create('y'))
  assert.deepEqual([p.take(), q.take()], [['x'], ['y']])
  // Neither acquires, and nobody is there when the offers lapse.
  p.close()
  q.close()
  await pair.advance(5_100)
  const [again, too] = [await pair.connect(b, 'p', 1), await pair.connect(a, 'q', 1)]
  await pair.advance(100)
  assert.deepEqual([...again.take(), ...too.take()].sort(), ['x', 'y'])
})

test('a server that is alone tells nothing but that it is there', async (t) => {
  const pair = new Pair()
  const a = await pair.open(t)
  for (let n = 0; n < 10; n++) await pair.ask(a, create(`x${n}`))
  assert.equal(pair.told.length, 1)
  assert.deepEqual(JSON.parse(pair.told[0] as string).hints, [])
})

test('what happens within a few milliseconds is told once', async (t) => {
  const pair = new Pair()
  const [a] = [await pair.open(t), await pair.open(t)]
  const before = pair.told.length
  await a.submitAll(Array.from({ length: 500 }, (_, n) => create(`x${n}`)))
  await pair.advance(10)
  assert.equal(pair.told.length, before + 1)
  assert.deepEqual(JSON.parse(pair.told.at(-1) as string).hints, [{ kind: 'ready', queue: 'poll://any@g' }])
})

test('more than can be named is told as that, and is found all the same', async (t) => {
  const pair = new Pair()
  const [a, b] = [await pair.open(t), await pair.open(t)]
  const ports = []
  for (let n = 0; n < 40; n++) ports.push(await pair.connect(b, `w${n}`))
  const target = (n: number) => ({ 'resonate:target': `poll://uni@g/w${n}` })
  await a.submitAll(Array.from({ length: 400 }, (_, n) => create(`x${n}`, target(n % 40))))
  await pair.advance(50)
  for (const port of ports) assert.equal(port.take().length, 10)
})

test('a server whose clock is two seconds off is on time', async (t) => {
  for (const skewMs of [-2_000, 2_000]) {
    const pair = new Pair()
    const a = await pair.open(t, { skewMs })
    await pair.advance(1_500)
    const timeoutAt = pair.platform.now() + 700
    await pair.ask(a, { kind: 'promise.create', data: { id: 'x', timeoutAt, param: {}, tags: {} } })
    await pair.advance(694)
    assert.equal((await pair.rows.snapshot()).promises[0]?.state, 'pending')
    await pair.advance(2)
    assert.equal((await pair.rows.snapshot()).promises[0]?.state, 'rejected_timedout')
  }
})

test('a batch names no more locks than its store can take', async (t) => {
  const pair = new Pair()
  const sizes: number[] = []
  const begin: Store['begin'] = (needs) => {
    sizes.push(needs.ids.size)
    return pair.rows.begin(needs)
  }
  const store = new Proxy(pair.rows, {
    get: (rows, name) => {
      const member = { begin, locksMax: 10 }[name as string] ?? Reflect.get(rows, name)
      return typeof member === 'function' ? member.bind(rows) : member
    },
  })
  const engine = createEngine({ store, platform: pair.platform, log: strictLog(), serverUrl: 'http://test' })
  await engine.start()
  t.after(() => engine.stop())
  await Promise.all(Array.from({ length: 95 }, (_, n) => engine.submit(create(`x${n}`, {}))))
  assert.deepEqual(
    sizes.filter((size) => size > 0),
    [...Array(9).fill(10), 5],
  )
  sizes.length = 0
  // The ids of one workflow share a lock.
  await Promise.all(Array.from({ length: 95 }, (_, n) => engine.submit(create(`x.${n}`, {}))))
  assert.deepEqual(
    sizes.filter((size) => size > 0),
    [95],
  )
  sizes.length = 0
  // Nor do the server's own steps, however many there are at once.
  await engine.submitAll(Array.from({ length: 95 }, (_, n) => create(`t${n}`)))
  const port = new Port('w', {})
  const { ended } = engine.connect(port)
  while (port.messages.length < 95) await engine.submit({ kind: 'promise.get', data: { id: 'nobody' } })
  assert.ok(sizes.slice(1).every((size) => size <= 11))
  // What was only offered is withdrawn from a worker that has gone.
  sizes.length = 0
  ended()
  await engine.submit({ kind: 'promise.get', data: { id: 'nobody' } })
  assert.ok(sizes.length >= 10, `${sizes}`)
  assert.ok(
    sizes.every((size) => size <= 11),
    `${sizes}`,
  )
})

test('steps and requests that name their rows only as they are decided are begun again once, however many they are', async (t) => {
  const pair = new Pair()
  let begun = 0
  const rows = lockingStore(pair.rows)
  const begin: Store['begin'] = (needs) => {
    if (needs.schedules.size + needs.held.size > 0) begun++
    return rows.begin(needs)
  }
  const store = new Proxy(rows, { get: (_, name) => (name === 'begin' ? begin : Reflect.get(rows, name)) })
  const engine = createEngine({ store, platform: pair.platform, log: strictLog(), serverUrl: 'http://test' })
  pair.engines.push(engine)
  await engine.start()
  t.after(() => engine.stop())
  const promise = { promiseId: '{{.id}}-{{.timestamp}}', promiseTimeout: 600_000, promiseParam: {} }
  const promiseTags = { 'resonate:target': 'poll://any@g' }
  const ids = Array.from({ length: 40 }, (_, n) => `s${n}`)
  await engine.submitAll(
    ids.map((id) => ({ kind: 'schedule.create', data: { id, cron: '* * * * *', ...promise, promiseTags } })),
  )
  begun = 0
  await pair.platform.advance(60_000, () => engine.submit({ kind: 'promise.get', data: { id: 'nobody' } }))
  assert.equal((await pair.rows.snapshot()).promises.length, 40)
  assert.equal(begun, 2, 'transactions for one minute of all schedules')
  const held = (await pair.rows.snapshot()).tasks.map(({ id }) => id)
  const acquires = held.map(
    (id): Request => ({ kind: 'task.acquire', data: { id, version: 0, pid: 'w', ttl: 60_000 } }),
  )
  for (const { status, data } of await engine.submitAll(acquires)) assert.equal(status, 200, `${data}`)
  begun = 0
  assert.deepEqual(await engine.submit({ kind: 'task.heartbeat', data: { pid: 'w', tasks: [] } }), {
    status: 200,
    data: { lost: [] },
  })
  assert.equal(begun, 2, 'transactions for one heartbeat')
})

test('schedules that missed much make up for it a bounded number of locks at a time', async (t) => {
  const pair = new Pair()
  const sizes: number[] = []
  const rows = lockingStore(pair.rows)
  const begin: Store['begin'] = (needs) => {
    sizes.push(needs.ids.size)
    return rows.begin(needs)
  }
  const store = new Proxy(rows, {
    get: (_, name) => ({ begin, locksMax: 10 })[name as string] ?? Reflect.get(rows, name),
  })
  const options = { store, platform: pair.platform, log: strictLog(), serverUrl: 'http://test' }
  const first = createEngine(options)
  await first.start()
  const promise = { promiseId: '{{.id}}-{{.timestamp}}', promiseTimeout: 600_000, promiseParam: {} }
  const promiseTags = { 'resonate:target': 'poll://any@g' }
  const ids = Array.from({ length: 20 }, (_, n) => `s${n}`)
  await first.submitAll(
    ids.map((id) => ({ kind: 'schedule.create', data: { id, cron: '* * * * * *', ...promise, promiseTags } })),
  )
  await first.stop()
  await pair.platform.advance(20_000, () => Promise.resolve())
  sizes.length = 0
  const second = createEngine(options)
  pair.engines.push(second)
  await second.start()
  t.after(() => second.stop())
  await pair.platform.advance(1, () => second.submit({ kind: 'promise.get', data: { id: 'nobody' } }))
  assert.ok((await pair.rows.snapshot()).promises.length < ids.length * 20, 'requests are answered meanwhile')
  while ((await store.due({ now: pair.platform.now(), limit: 1 })).schedules.length > 0) await pair.advance(1)
  const made = (await pair.rows.snapshot()).promises.length
  assert.ok(made >= 20 * 20, `${made} promises`)
  assert.ok(Math.max(...sizes) <= 51, `${Math.max(...sizes)} at once`)
})

test('whatever keeps a server from hearing others, it tries again, and looks at everything when it hears', async () => {
  const platform = new ManualPlatform({ now: START })
  const looks: boolean[] = []
  const told: string[] = []
  let listens = 0
  const hints: Hints = {
    bytesMax: 1_000,
    tell: async (text) => void told.push(text),
    async listen(_, broken) {
      listens++
      if (listens === 1) throw new Error('refused')
      if (listens === 2) broken(new Error('cut while it was opened'))
      return () => {}
    },
  }
  const log = { info() {}, warn() {}, error: () => assert.fail() }
  const look = async (isComplete: boolean) => void looks.push(isComplete)
  const peers = new Peers({ hints, server: 'a', platform, log, heard() {}, look })
  await peers.start()
  await platform.advance(3_000, () => new Promise(setImmediate))
  assert.equal(listens, 3)
  assert.equal(told.length, 1)
  assert.ok(looks.includes(true))
  await peers.stop()
})
