// The listener over real sockets, byte by byte: order, limits, timeouts and the end. The engine behind it is a fake that
// answers when a test says so.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Answer } from '@resonatehq/protocol'
import { freePort } from '../../conformance/test/ports.ts'
import { ANYONE } from '../src/auth/caller.ts'
import { originsOf } from '../src/auth/origins.ts'
import { Secret } from '../src/auth/secret.ts'
import type { Poll } from '../src/dispatch/poll.ts'
import { errorOf } from '../src/http/messages.ts'
import type { Http } from '../src/http/routes.ts'
import { nodePlatform, silentLogger } from '../src/index.ts'
import { createListener, createMetricsListener } from '../src/listen.ts'
import { configOf, create, envelope, FakeEngine, post, startServer } from './world.ts'

/** One connection, spoken to in raw bytes. */
class Line {
  readonly socket: Socket
  received = ''
  readonly closed: Promise<void>
  #heard: (() => void)[] = []

  constructor(t: TestContext, url: string) {
    const { hostname, port } = new URL(url)
    this.socket = connect(Number(port), hostname)
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()))
    this.socket.on('error', () => {})
    this.socket.on('data', (data) => {
      this.received += data
      for (const heard of this.#heard.splice(0)) heard()
    })
    t.after(() => this.socket.destroy())
  }

  write(text: string): void {
    this.socket.write(text)
  }

  /** Waits until this much was received. */
  async hears(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.received)) {
      const more = new Promise<'more'>((resolve) => this.#heard.push(() => resolve('more')))
      const how = await Promise.race([more, this.closed])
      if (how !== 'more') assert.match(this.received, pattern)
    }
  }
}

function request(body: string, headers = ''): string {
  return `POST / HTTP/1.1\r\nhost: x\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

function create1(id: string): string {
  return JSON.stringify(envelope('promise.create', create(id), { corrId: id }))
}

/** An engine that answers each request when its id is released. */
class PatientEngine extends FakeEngine {
  readonly #waiting = new Map<string, () => void>()
  readonly #arrivals = new Map<string, () => void>()

  override answer = (request: unknown): Promise<Answer> => {
    const { id } = (request as { data: { id: string } }).data
    return new Promise((resolve) => {
      this.#waiting.set(id, () => resolve({ status: 200, data: { id } }))
      this.#arrivals.get(id)?.()
    })
  }

  arrives(id: string): Promise<void> {
    return this.#waiting.has(id) ? Promise.resolve() : new Promise((resolve) => this.#arrivals.set(id, resolve))
  }

  release(id: string): void {
    this.#waiting.get(id)?.()
  }
}

test('requests sent ahead on one connection are answered in their order, whichever is decided first', async (t) => {
  const engine = new PatientEngine()
  const { url } = await startServer(t, {}, engine)
  const line = new Line(t, url)
  line.write(request(create1('a')) + request(create1('b')) + request(create1('c')))
  await Promise.all(['a', 'b', 'c'].map((id) => engine.arrives(id)))
  for (const id of ['c', 'b', 'a']) engine.release(id)
  await line.hears(/"corrId":"a".*"corrId":"b".*"corrId":"c".*"id":"c"\}\}$/s)
  assert.equal(line.received.split('HTTP/1.1 200 OK').length - 1, 3)
  line.write(request(create1('d')))
  await engine.arrives('d')
  engine.release('d')
  await line.hears(/"corrId":"d"/)
})

test('a worker connects once on a connection: what it asks for behind its stream would never be answered', async (t) => {
  const engine = new FakeEngine()
  const { url } = await startServer(t, {}, engine)
  const line = new Line(t, url)
  line.write('GET /poll/g/w HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(50))
  await line.closed
  assert.equal(engine.ports.length, 1)
  while (engine.disconnects === 0) await new Promise(setImmediate)
})

test('what is not HTTP is told so, in JSON, and the connection ends', async (t) => {
  const { url } = await startServer(t, {}, new FakeEngine())
  const line = new Line(t, url)
  line.write('how do you do\r\n\r\n')
  await line.closed
  assert.match(line.received, /^HTTP\/1\.1 400 Bad Request\r\n.*connection: close.*\{"error":".*not valid HTTP/s)
})

test('nonsense behind a request is never taken for its answer', async (t) => {
  const engine = new PatientEngine()
  const { url } = await startServer(t, {}, engine)
  const line = new Line(t, url)
  line.write(request(create1('a')))
  await engine.arrives('a')
  line.write('how do you do\r\n\r\n')
  await line.closed
  assert.equal(line.received, '')
  const hasty = new Line(t, url)
  hasty.write(`${request(create1('b'))}how do you do\r\n\r\n`)
  await hasty.closed
  assert.equal(hasty.received, '')
})

test('a scrape that fails is told so, and the next one is answered', async (t) => {
  const config = configOf({ 'observability.metrics_port': await freePort(), 'observability.metrics_bind': '127.0.0.1' })
  let scrapes = 0
  const metrics = {
    text: async () => (scrapes++ === 0 ? Promise.reject(new Error('no numbers')) : 'up 1\n'),
    demand: async () => null,
    contentType: 'text/plain',
  }
  const listener = createMetricsListener(config, { metrics, secret: new Secret(), logger: silentLogger })
  const url = `http://127.0.0.1:${await listener.start()}/metrics`
  t.after(() => listener.stop(0))
  assert.deepEqual([(await fetch(url)).status, (await fetch(url)).status], [500, 200])
  const head = await fetch(url, { method: 'HEAD' })
  assert.deepEqual([head.status, head.headers.get('content-length')], [200, '5'])
})

test('headers past their limit are 431', async (t) => {
  const { url } = await startServer(t, { 'server.header_size': '1KiB' }, new FakeEngine())
  const line = new Line(t, url)
  line.write(`GET /health HTTP/1.1\r\nhost: x\r\nx-long: ${'x'.repeat(2000)}\r\n\r\n`)
  await line.closed
  assert.match(line.received, /^HTTP\/1\.1 431 .*server\.header_size/s)
})

test('a body past its limit is refused while it is sent, with the kind and corrId of its start', async (t) => {
  const { url } = await startServer(t, { 'limits.body_size': '1KiB' }, new FakeEngine())
  const body = `{"kind":"promise.create","head":{"corrId":"big","version":"2026-04-01"},"data":"${'x'.repeat(2000)}`
  const declared = new Line(t, url)
  declared.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n${body.slice(0, 200)}`)
  const chunked = new Line(t, url)
  chunked.write('POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n')
  chunked.write(`${body.length.toString(16)}\r\n${body}\r\n`)
  for (const line of [declared, chunked]) {
    await line.hears(/limits\.body_size\)"\}$/)
    assert.match(line.received, /^HTTP\/1\.1 413 .*connection: close.*"kind":"promise.create",.*"corrId":"big"/is)
    // Or the stop would wait for the rest of the body for a while.
    line.socket.destroy()
  }
})

test('a page whose body is too large can read that', async (t) => {
  const flags = { 'limits.body_size': '1KiB', 'server.cors.allow_origins': ['https://page.test'] }
  const { url } = await startServer(t, flags, new FakeEngine())
  const headers = { origin: 'https://page.test' }
  const refused = await fetch(url, { method: 'POST', headers, body: 'x'.repeat(2_000) })
  assert.deepEqual([refused.status, refused.headers.get('access-control-allow-origin')], [413, 'https://page.test'])
  const line = new Line(t, url)
  line.write('POST / HTTP/1.1\r\nhost: x\r\norigin: https://page.test\r\nexpect: 100-continue\r\n')
  line.write('content-length: 5000\r\n\r\n')
  await line.closed
  assert.match(line.received, /^HTTP\/1\.1 413 .*\r\naccess-control-allow-origin: https:\/\/page\.test\r\n/s)
})

test('a client that asks before it sends is told before it sends', async (t) => {
  const { url } = await startServer(t, { 'limits.body_size': '1KiB' }, new FakeEngine())
  const large = new Line(t, url)
  large.write('POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5000\r\n\r\n')
  await large.closed
  assert.match(large.received, /^HTTP\/1\.1 413 /)
  const small = new Line(t, url)
  const body = create1('a')
  small.write(`POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: ${body.length}\r\n\r\n`)
  await small.hears(/^HTTP\/1\.1 100 Continue\r\n/)
  small.write(body)
  await small.hears(/HTTP\/1\.1 200 OK\r\n/)
})

test('bodies past the bytes of the queue are told when to come back, and there is room again afterwards', async (t) => {
  const engine = new PatientEngine()
  const limits = { 'limits.body_size': '1KiB', 'limits.queue_bytes': '1KiB' }
  const { url } = await startServer(t, limits, engine)
  const large = (id: string) => `${create1(id)}${' '.repeat(700)}`
  const first = new Line(t, url)
  first.write(request(large('a')))
  await engine.arrives('a')
  const second = new Line(t, url)
  second.write(request(large('b')))
  await second.closed
  assert.match(second.received, /^HTTP\/1\.1 503 .*retry-after: 1.*"corrId":"b".*limits\.queue_bytes/s)
  engine.release('a')
  await first.hears(/"corrId":"a"/)
  first.write(request(large('c')))
  await engine.arrives('c')
  engine.release('c')
  await first.hears(/"corrId":"c"/)
})

test('a body that comes byte by byte costs its bytes, and not a record for each', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const pieces = 200_000
  const limits = { 'limits.body_size': pieces, 'limits.queue_bytes': pieces }
  const { url } = await startServer(t, limits, new FakeEngine())
  const small = create1('b')
  await post(url, small)
  const line = new Line(t, url)
  collect()
  const before = process.memoryUsage().heapUsed
  line.write('POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n')
  const body = create1('a').padEnd(pieces - 1)
  line.write([...body].map((byte) => `1\r\n${byte}\r\n`).join(''))
  // Until nearly all of it was read: then there is no room for another body.
  while ((await post(url, small)).status !== 503) {}
  collect()
  const heldBytes = process.memoryUsage().heapUsed - before
  assert.ok(heldBytes < 20 * pieces, `${heldBytes} bytes of memory for ${pieces} of a body`)
  line.write('0\r\n\r\n')
  await line.hears(/"corrId":"a"/)
  assert.match(line.received, /^HTTP\/1\.1 200 OK/)
})

test('answers that are not taken leave no room for others, until who takes nothing is cut off', async (t) => {
  const engine = new FakeEngine()
  const length = 32 * 1024 * 1024
  engine.answer = async () => ({ status: 200, data: { text: 'x'.repeat(length) } })
  const limits = { 'limits.unread_bytes': '20MiB', 'server.request_timeout': 1_000 }
  const { url } = await startServer(t, limits, engine)
  const { port } = new URL(url)
  const lazy = connect(Number(port), '127.0.0.1').pause()
  t.after(() => lazy.destroy())
  const answered = new Promise((resolve) => lazy.once('readable', resolve))
  lazy.write(request(create1('a')))
  await answered
  engine.answer = async () => ({ status: 200, data: {} })
  const { status, headers, body } = await post(url, JSON.parse(create1('b')))
  assert.deepEqual([status, headers.get('retry-after')], [503, '1'])
  assert.match(body.data, /limits\.unread_bytes/)
  while ((await post(url, JSON.parse(create1('b')))).status !== 200) {}
  let taken = 0
  lazy.on('error', () => {})
  lazy.on('data', (chunk) => {
    taken += chunk.length
  })
  await once(lazy.resume(), 'close')
  assert.ok(taken < length, `${taken} bytes`)
})

test('a client that says nothing, or does not finish what it says, is cut off', async (t) => {
  const { url } = await startServer(
    t,
    { 'server.header_timeout': 100, 'server.request_timeout': 200 },
    new FakeEngine(),
  )
  const silent = new Line(t, url)
  const unfinished = new Line(t, url)
  unfinished.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"kind"')
  await Promise.all([silent.closed, unfinished.closed])
  assert.match(unfinished.received, /^HTTP\/1\.1 408 .*server\.request_timeout/s)
})

test('a connection past their limit is closed, and the others are served', async (t) => {
  const { url } = await startServer(t, { 'server.max_connections': 1 }, new FakeEngine())
  const first = new Line(t, url)
  first.write(request(create1('a')))
  await first.hears(/"corrId":"a"/)
  await new Line(t, url).closed
  first.write(request(create1('b')))
  await first.hears(/"corrId":"b"/)
})

test('a stop ends connections that ask nothing at once, and answers those that did', async (t) => {
  const engine = new PatientEngine()
  const { server, url } = await startServer(t, {}, engine)
  const [kept, asking, worker] = [new Line(t, url), new Line(t, url), new Line(t, url)]
  kept.write('GET /health HTTP/1.1\r\nhost: x\r\n\r\n')
  worker.write('GET /poll/g/w HTTP/1.1\r\nhost: x\r\n\r\n')
  asking.write(request(create1('a')))
  await Promise.all([kept.hears(/extensions/), worker.hears(/:\n\n/), engine.arrives('a')])
  const stopped = server.stop()
  await Promise.all([kept.closed, worker.closed])
  engine.release('a')
  await Promise.all([asking.closed, stopped])
  assert.match(asking.received, /^HTTP\/1\.1 200 .*connection: close.*"corrId":"a"/is)
  assert.match(worker.received, /0\r\n\r\n$/, 'the stream ended in good order')
})

test('a stop does not wait longer than it may', async (t) => {
  const engine = new PatientEngine()
  const { server, url } = await startServer(t, { 'server.shutdown_timeout': 50 }, engine)
  const line = new Line(t, url)
  line.write(request(create1('a')))
  await engine.arrives('a')
  await Promise.all([server.stop(), line.closed])
  assert.equal(line.received, '')
})

test('a worker whose token makes the server stumble is told so, and the next one is served', async (t) => {
  let isBroken = true
  const identify = () => (isBroken ? Promise.reject(new Error('a bug')) : ANYONE)
  const poll: Poll = { identify, open: () => errorOf(503, 'busy'), connections: 0, stop: () => {} }
  const http = {} as Http
  const listener = createListener({
    config: configOf(),
    http,
    poll,
    origins: originsOf([]),
    platform: nodePlatform(),
    logger: silentLogger,
  })
  t.after(() => listener.stop(0))
  const url = `http://127.0.0.1:${await listener.start()}/poll/g/w`
  assert.equal((await fetch(url)).status, 500)
  isBroken = false
  assert.equal((await fetch(url)).status, 503)
})
