// What a server does while its PostgreSQL fails, each way that a database has of failing, and when it is back: a real
// database, behind a proxy that cuts, stalls and refuses. Nothing here waits for a time to pass: each step waits for the
// answer that shows it, and the server's own timeouts are set short.

import assert from 'node:assert/strict'
import { after, before, type TestContext, test } from 'node:test'
import { type DatabaseProxy, startProxy } from '../../store/test/postgres-proxy.ts'
import { command, type PostgresServer, startPostgres, withoutPostgres } from '../../store/test/postgres-server.ts'
import { createLogger, createServer, nodePlatform } from '../src/index.ts'
import { configOf, create, envelope, post } from './world.ts'

const skip = withoutPostgres
/** The longest that a request may wait for its 503: connecting, a lock, a statement that stalls, and the machine's own pace. */
const ANSWER_MAX_MS = 30_000
const TIMEOUTS = {
  'storage.postgres.connect_timeout': 1_500,
  'storage.postgres.lock_timeout': 1_000,
  'storage.postgres.statement_timeout': 2_000,
}

let database: PostgresServer

before(async () => {
  if (!skip) database = await startPostgres({ isDurable: true })
})
after(() => database?.stop())

interface World {
  readonly url: string
  readonly direct: string
  readonly proxy: DatabaseProxy
  /** Log lines of level warn and error, and those about the store. */
  readonly lines: string[]
  /** Ids whose creation was answered 200. */
  readonly acknowledged: string[]
  /** Creates a promise with a task; its status. */
  ask(): Promise<number>
  /** Asks until the answer has this status. */
  until(status: number): Promise<void>
  readyStatus(): Promise<number>
  untilReady(): Promise<void>
}

async function open(t: TestContext, timeouts: Record<string, number> = TIMEOUTS): Promise<World> {
  const direct = await database.create()
  const proxy = await startProxy(direct)
  const lines: string[] = []
  const write = (line: string) => {
    const { level, msg } = JSON.parse(line) as { level: string; msg: string }
    if (level !== 'info' || msg.startsWith('The store')) lines.push(msg)
  }
  const flags = { 'storage.type': 'postgres', 'storage.postgres.url': proxy.url, ...timeouts }
  const logger = createLogger({ level: 'info', format: 'json', write })
  const server = createServer(configOf(flags), { platform: nodePlatform(), logger, processMetrics: false })
  t.after(async () => {
    proxy.pass()
    await server.stop()
    await proxy.close()
  })
  const started = await server.start()
  let asked = 0
  const acknowledged: string[] = []
  const world: World = {
    url: started.url,
    direct,
    proxy,
    lines,
    acknowledged,
    async ask() {
      const id = `p${asked++}`
      const startedAt = performance.now()
      const tags = { 'resonate:target': 'poll://any@g' }
      const { status, headers } = await post(started.url, envelope('promise.create', create(id, tags)))
      assert.ok(performance.now() - startedAt < ANSWER_MAX_MS, `answered after ${performance.now() - startedAt} ms`)
      assert.ok(status === 200 || (status === 503 && headers.get('retry-after') === '1'), `${status}`)
      if (status === 200) acknowledged.push(id)
      return status
    },
    async until(status) {
      while ((await world.ask()) !== status) {}
    },
    readyStatus: async () => (await fetch(`${started.url}/ready`)).status,
    async untilReady() {
      while ((await world.readyStatus()) !== 200) {}
    },
  }
  return world
}

/** Work went on by itself, all that was acknowledged is there, and the outage was said once, at its two ends. */
async function recovered(world: World, { cuts = 1 } = {}): Promise<void> {
  await world.until(200)
  await world.untilReady()
  const rows = await command(world.direct, 'select id from promises')
  const stored = new Set(rows.map(({ id }) => id))
  assert.deepEqual(
    world.acknowledged.filter((id) => !stored.has(id)),
    [],
  )
  await calm(world)
  const [ofPeers, ofStore] = [true, false].map((is) =>
    world.lines.filter((line) => line.includes('other servers') === is),
  )
  // On a machine that is busy with other things a second one may follow. Never is there a line for each request.
  const ends = ['The store failed: until it answers again, requests get 503', 'The store answers again']
  assert.deepEqual(ofStore, (ofStore?.length ?? 0) > 2 ? [...ends, ...ends] : ends)
  // Said by the way each time that connections broke: that other servers are not heard, and that they are again.
  assert.ok((ofPeers?.length ?? 0) <= 2 * cuts, `${ofPeers}`)
}

/** The second line comes once nothing has failed for a second. */
async function calm({ lines, ask }: World): Promise<void> {
  while (lines.findLast((line) => line.startsWith('The store')) !== 'The store answers again') await ask()
}

/** A worker that takes what it is sent; resolves with the ids. */
async function connectWorker(t: TestContext, url: string): Promise<{ received: string[]; next: () => Promise<void> }> {
  const ended = new AbortController()
  t.after(() => ended.abort())
  const response = await fetch(`${url}/poll/g/w`, { signal: ended.signal })
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  const decoder = new TextDecoder()
  let text = ''
  const received: string[] = []
  const next = async () => {
    const { value } = await reader.read()
    const lines = (text + decoder.decode(value, { stream: true })).split('\n')
    text = lines.pop() ?? ''
    for (const [, id] of lines.join('\n').matchAll(/"task":\{"id":"([^"]+)"/g)) received.push(id as string)
  }
  return { received, next }
}

test('a failover: connections are cut, new ones refused, then there is a primary again', { skip }, async (t) => {
  const world = await open(t)
  await Promise.all(Array.from({ length: 50 }, () => world.ask()))
  const inFlight = Array.from({ length: 200 }, () => world.ask())
  world.proxy.refuse()
  world.proxy.cut()
  await Promise.all(inFlight)
  await world.until(503)
  assert.equal(await world.readyStatus(), 503)
  for (let round = 0; round < 20; round++) await Promise.all(Array.from({ length: 20 }, () => world.ask()))
  world.proxy.pass()
  await recovered(world)
})

test('a database that is killed and started again', { skip }, async (t) => {
  const world = await open(t)
  const inFlight = Array.from({ length: 300 }, () => world.ask())
  await world.ask()
  database.signal('SIGKILL')
  await Promise.all(inFlight)
  await world.until(503)
  assert.equal(await world.readyStatus(), 503)
  await database.restart()
  await recovered(world)
})

test('a network that swallows everything, or a disk that stands still', { skip }, async (t) => {
  const world = await open(t)
  await world.until(200)
  world.proxy.stall()
  const answers = await Promise.all(Array.from({ length: 300 }, () => world.ask()))
  assert.deepEqual(new Set(answers), new Set([503]))
  assert.equal(await world.readyStatus(), 503)
  assert.ok(world.proxy.connections <= 10, `${world.proxy.connections} connections`)
  world.proxy.cut()
  world.proxy.pass()
  await recovered(world)
})

test('a database process that is frozen, and goes on', { skip }, async (t) => {
  const world = await open(t)
  await world.until(200)
  database.signal('SIGSTOP')
  const answers = await Promise.all(Array.from({ length: 100 }, () => world.ask()))
  database.signal('SIGCONT')
  assert.deepEqual(new Set(answers), new Set([503]))
  await recovered(world)
})

test('a lock on a table, for long', { skip }, async (t) => {
  const world = await open(t)
  await world.until(200)
  const locker = await session(world.direct)
  await locker.query('begin; lock table tasks in access exclusive mode')
  const answers = await Promise.all(Array.from({ length: 100 }, () => world.ask()))
  assert.deepEqual(new Set(answers), new Set([503]))
  assert.equal(await world.readyStatus(), 503)
  await locker.query('commit')
  await locker.end()
  await recovered(world)
})

test('too many connections', { skip }, async (t) => {
  const world = await open(t)
  await world.until(200)
  const others: Awaited<ReturnType<typeof session>>[] = []
  // Takes the places of the server's connections as they are cut.
  let cuts = 0
  for (;;) {
    world.proxy.cut()
    cuts += 1
    const other = await session(world.direct).catch(() => null)
    if (other === null) break
    others.push(other)
  }
  await world.until(503)
  assert.equal(await world.readyStatus(), 503)
  for (const other of others) await other.end()
  await recovered(world, { cuts })
})

test('a snapshot that is held for long costs time and no answers', { skip }, async (t) => {
  const world = await open(t, {})
  const holder = await session(world.direct)
  await holder.query('begin isolation level repeatable read; select count(*) from promises')
  const worker = await connectWorker(t, world.url)
  for (let round = 0; round < 20; round++) {
    const answers = await Promise.all(Array.from({ length: 50 }, () => world.ask()))
    assert.deepEqual(new Set(answers), new Set([200]))
  }
  while (worker.received.length < 1_000) await worker.next()
  await holder.query('commit')
  await holder.end()
  assert.deepEqual(world.lines, [])
})

test('what workers said and missed during an outage is made up for: each has its work without connecting again', {
  skip,
}, async (t) => {
  const world = await open(t)
  await world.until(200)
  const early = await connectWorker(t, world.url)
  while (early.received.length === 0) await early.next()
  world.proxy.refuse()
  world.proxy.cut()
  await world.until(503)
  const late = await connectWorker(t, world.url)
  world.proxy.pass()
  await recovered(world)
  const all = () => new Set([...early.received, ...late.received])
  while (world.acknowledged.some((id) => !all().has(id))) await Promise.race([early.next(), late.next()])
})

async function session(url: string) {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  return client
}
