// Two servers in this process on one real PostgreSQL: what one makes ready or owes reaches the workers of the other, by
// notifications or, without them, by looking. The tests wait for messages, never for time.

import assert from 'node:assert/strict'
import { after, before, type TestContext, test } from 'node:test'
import type { Answer, Message, Request } from '@resonatehq/protocol'
import { nodePlatform } from '@resonatehq/server'
import { type PostgresOptions, postgresStore } from '@resonatehq/store/postgres'
import { command, type PostgresServer, startPostgres, withoutPostgres } from '../../store/test/postgres-server.ts'
import { createEngine, type Engine, type WorkerPort } from '../src/index.ts'

const FAR = 9e15
const skip = withoutPostgres
let server: PostgresServer

before(async () => {
  if (!skip) server = await startPostgres()
})
after(() => server?.stop())

/** A worker connection that is waited on. */
class Port implements WorkerPort {
  readonly group: string
  readonly pid: string
  readonly revoke = true
  readonly capacity?: number
  readonly #arrived: string[] = []
  #wake: () => void = () => {}

  constructor(pid: string, { group = 'g', capacity }: { group?: string; capacity?: number } = {}) {
    this.pid = pid
    this.group = group
    if (capacity !== undefined) this.capacity = capacity
  }

  send(message: Message): boolean {
    const { kind, data } = message
    this.#arrived.push(`${kind} ${'promise' in data ? data.promise.id : data.task.id}`)
    this.#wake()
    return true
  }

  async next(): Promise<string> {
    while (this.#arrived.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return this.#arrived.shift() as string
  }

  get isQuiet(): boolean {
    return this.#arrived.length === 0
  }
}

interface Pair {
  readonly a: Engine
  readonly b: Engine
  readonly url: string
  readonly warnings: string[]
}

async function two(t: TestContext, options: Partial<PostgresOptions>): Promise<Pair> {
  const url = await server.create()
  const warnings: string[] = []
  const log = {
    info() {},
    warn: (_: object, text: string) => void warnings.push(text),
    error: (fields: object, text: string) => assert.fail(`${text}: ${(fields as { err?: Error }).err?.stack}`),
  }
  const open = async (name: string) => {
    const store = postgresStore({ url, server: name, ...options })
    const engine = createEngine({ store, platform: nodePlatform(), log, serverUrl: `http://${name}` })
    await engine.start()
    t.after(() => engine.stop())
    return engine
  }
  return { a: await open('a'), b: await open('b'), url, warnings }
}

function create(id: string, tags: Record<string, string> = { 'resonate:target': 'poll://any@g' }): Request {
  return { kind: 'promise.create', data: { id, timeoutAt: FAR, param: {}, tags } }
}

async function ok(answer: Promise<Answer>): Promise<unknown> {
  const { status, data } = await answer
  assert.equal(status, 200, JSON.stringify(data))
  return data
}

for (const notify of [true, false]) {
  const how = notify ? 'with notifications' : 'without notifications'

  test(`a task created on one server is executed by a worker of the other, ${how}`, { skip }, async (t) => {
    const { a, b } = await two(t, { notify })
    const port = new Port('w')
    b.connect(port)
    for (let n = 0; n < 20; n++) {
      await ok(a.submit(create(`x${n}`)))
      assert.equal(await port.next(), `execute x${n}`)
    }
  })

  test(`an unblock reaches the server that holds the listener's connection, ${how}`, { skip }, async (t) => {
    const { a, b } = await two(t, { notify })
    const port = new Port('w')
    b.connect(port)
    await ok(a.submit(create('x', {})))
    const address = 'poll://uni@g/w'
    await ok(a.submit({ kind: 'promise.register_listener', data: { awaited: 'x', address } }))
    await ok(a.submit({ kind: 'promise.settle', data: { id: 'x', state: 'resolved', value: {} } }))
    assert.equal(await port.next(), 'unblock x')
  })

  test(`what a worker finishes through one server makes room for it at the other, ${how}`, { skip }, async (t) => {
    const { a, b } = await two(t, { notify })
    const port = new Port('w', { capacity: 1 })
    b.connect(port)
    for (let n = 0; n < 10; n++) await ok(a.submit(create(`x${n}`)))
    for (let n = 0; n < 10; n++) {
      const [, id = ''] = (await port.next()).split(' ')
      assert.ok(port.isQuiet, 'more than it can hold')
      await ok(a.submit({ kind: 'task.acquire', data: { id, version: 0, pid: 'w', ttl: 60_000 } }))
      const settle = { kind: 'promise.settle', data: { id, state: 'resolved', value: {} } } as const
      await ok(a.submit({ kind: 'task.fulfill', data: { id, version: 1, action: settle } }))
    }
  })

  test(`a worker that took a task by itself elsewhere is given no more than its capacity, ${how}`, {
    skip,
  }, async (t) => {
    const { a, b } = await two(t, { notify })
    const busy = new Port('busy', { capacity: 1 })
    b.connect(busy)
    await ok(b.submit(create('warm')))
    assert.equal(await busy.next(), 'execute warm')
    await ok(b.submit({ kind: 'promise.settle', data: { id: 'warm', state: 'resolved', value: {} } }))
    const action = create('own') as Request<'promise.create'>
    await ok(a.submit({ kind: 'task.create', data: { pid: 'busy', ttl: 60_000, action } }))
    await ok(b.submit(create('x')))
    // Whoever comes with room gets it: had it been offered to the busy one, nothing would be left.
    const free = new Port('free', { capacity: 1 })
    b.connect(free)
    assert.equal(await free.next(), 'execute x')
    assert.ok(busy.isQuiet)
  })
}

test('a claim that is halted on one server is revoked through the other', { skip }, async (t) => {
  const { a, b } = await two(t, {})
  const port = new Port('w')
  b.connect(port)
  await ok(a.submit(create('x')))
  assert.equal(await port.next(), 'execute x')
  await ok(b.submit({ kind: 'task.acquire', data: { id: 'x', version: 0, pid: 'w', ttl: 60_000 } }))
  await ok(a.submit({ kind: 'task.halt', data: { id: 'x' } }))
  assert.equal(await port.next(), 'revoke x')
})

test('where the worker of a canceled call is gone, another of its group is told, through whichever server', {
  skip,
}, async (t) => {
  const { a, b } = await two(t, {})
  await ok(b.submit(create('x')))
  await ok(b.submit({ kind: 'task.acquire', data: { id: 'x', version: 0, pid: 'dead', ttl: 60_000 } }))
  const [port, stranger] = [new Port('w', { capacity: 1 }), new Port('v', { group: 'h' })]
  b.connect(port)
  b.connect(stranger)
  await ok(a.submit({ kind: 'promise.settle', data: { id: 'x', state: 'rejected_canceled', value: {} } }))
  assert.equal(await port.next(), 'revoke x')
  assert.ok(stranger.isQuiet)
})

test('servers hear each other again after the connections on which they listen were cut', { skip }, async (t) => {
  const { a, b, url, warnings } = await two(t, {})
  const port = new Port('w')
  b.connect(port)
  await ok(a.submit(create('x')))
  assert.equal(await port.next(), 'execute x')
  const cut = `select pg_terminate_backend(pid) from pg_stat_activity where query ~ 'listen resonate|pg_notify' and pid <> pg_backend_pid()`
  assert.ok((await command(url, cut)).length > 0)
  for (let n = 0; n < 5; n++) {
    await ok(a.submit(create(`x${n}`)))
    assert.equal(await port.next(), `execute x${n}`)
  }
  assert.ok(warnings.some((text) => text.includes('on which other servers are heard')))
})
