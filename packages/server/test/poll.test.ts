// Worker connections: what goes over the wire, what they are told, and when one counts as gone. Streams are stand-ins, time is
// moved by hand; one test goes over a real socket.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Message } from '@resonatehq/protocol'
import { ManualPlatform } from '../../engine/test/manual-platform.ts'
import { ANYONE } from '../src/auth/caller.ts'
import { openGuard } from '../src/auth/guard.ts'
import { createPoll, type Stream } from '../src/dispatch/poll.ts'
import { silentLogger } from '../src/index.ts'
import { createMetrics } from '../src/metrics/scrape.ts'
import { ask, configOf, create, FakeEngine, startServer } from './world.ts'

const EXECUTE: Message = { kind: 'execute', head: { serverUrl: 'http://s' }, data: { task: { id: 'a', version: 0 } } }

/** A stream that keeps what is written, and flushes it when told to. */
class FakeStream implements Stream {
  written = ''
  isEnded = false
  isDestroyed = false
  readonly #flushes: (() => void)[] = []

  write(text: string, flushed: () => void): void {
    this.written += text
    this.#flushes.push(flushed)
  }

  flush(): void {
    for (const flushed of this.#flushes.splice(0)) flushed()
  }

  end(): void {
    this.isEnded = true
  }

  destroy(): void {
    this.isDestroyed = true
  }
}

function open(flags: Record<string, unknown> = {}) {
  const platform = new ManualPlatform({ now: 0 })
  const engine = new FakeEngine()
  const metrics = createMetrics({ build: { version: '', node: '' }, process: false })
  const parts = {
    config: configOf(flags),
    engine: () => engine,
    guard: openGuard,
    platform,
    logger: silentLogger,
    metrics,
  }
  const poll = createPoll(parts)
  const connect = (path: string, query = '') => {
    const attach = poll.open({ path, query, authorization: undefined }, ANYONE)
    assert.ok(typeof attach === 'function', JSON.stringify(attach))
    const stream = new FakeStream()
    const ended = attach(stream)
    return { stream, ended, port: engine.ports.at(-1) as NonNullable<(typeof engine.ports)[0]> }
  }
  const refused = (path: string, query = '') => {
    const response = poll.open({ path, query, authorization: undefined }, ANYONE)
    assert.ok(typeof response !== 'function')
    return response
  }
  return { platform, engine, poll, connect, refused }
}

/** What was deferred has run. */
const ticked = () => new Promise((resolve) => setImmediate(resolve))

test('a message is one event, and those of one tick leave in one write', async () => {
  const { connect } = open()
  const { stream, port } = connect('/poll/g/w')
  stream.written = ''
  assert.equal(port.send(EXECUTE), true)
  assert.equal(port.send(EXECUTE), true)
  assert.equal(stream.written, '')
  await ticked()
  const event = `data: ${JSON.stringify(EXECUTE)}\n\n`
  assert.equal(stream.written, event + event)
})

test('group and pid are percent-decoded, and the query says who connects', () => {
  const { connect } = open()
  const { port } = connect('/poll/gr%C3%BCn/a%2Fb', 'capacity=3&sdk=ts&functions=f@1,g@2&other=x')
  assert.deepEqual(
    [port.group, port.pid, port.capacity, port.info],
    ['grün', 'a/b', 3, { sdk: 'ts', functions: 'f@1,g@2' }],
  )
})

test('what cannot be a worker is refused by name', () => {
  const { refused } = open()
  const cases: [string, string, RegExp][] = [
    ['/poll/g', '', /\/poll\/\{group\}\/\{pid\}/],
    ['/poll/g/w/x', '', /\/poll\/\{group\}\/\{pid\}/],
    ['/poll/%ff/w', '', /percent-encoded/],
    ['/poll/g/', '', /pid/],
    ['/poll/a%2Fb/w', '', /slash/],
    ['/poll/g/w', 'capacity=many', /capacity/],
    ['/poll/g/w', 'revoke=yes', /revoke/],
  ]
  for (const [path, query, message] of cases) {
    const { status, body } = refused(path, query)
    assert.equal(status, 400, path)
    assert.match(JSON.parse(body).data, message)
  }
})

test('a comment at least every fifteen seconds keeps a connection alive', async () => {
  const { platform, connect } = open()
  const { stream } = connect('/poll/g/w')
  for (let window = 0; window < 4; window++) {
    stream.written = ''
    await platform.advance(15_000, async () => stream.flush())
    assert.match(stream.written, /^(:\n\n)+$/)
  }
  assert.equal(stream.isDestroyed, false)
})

test('a clock that is set back holds back no comment, and no peer that takes nothing', async () => {
  const { platform, connect } = open()
  const { stream } = connect('/poll/g/w')
  const sleeper = connect('/poll/g/v')
  stream.written = ''
  platform.now = () => platform.ticks() - 3_600_000
  await platform.advance(15_000, async () => stream.flush())
  assert.match(stream.written, /^(:\n\n)+$/)
  assert.deepEqual([stream.isDestroyed, sleeper.stream.isDestroyed], [false, true])
})

test('a peer that takes nothing is cut off within a keep-alive window', async () => {
  const { platform, connect } = open()
  const { stream, port } = connect('/poll/g/w')
  stream.flush()
  port.send(EXECUTE)
  await ticked()
  await platform.advance(15_000, async () => {})
  assert.equal(stream.isDestroyed, true)
})

test('a full buffer takes nothing more, and says when it does again; what it refused was never written', async () => {
  const { connect, engine } = open({ 'transports.http_poll.buffer_size': 2 })
  const { stream, port } = connect('/poll/g/w')
  stream.flush()
  assert.deepEqual([port.send(EXECUTE), port.send(EXECUTE), port.send(EXECUTE)], [true, true, false])
  await ticked()
  assert.equal(stream.written.split('data:').length - 1, 2)
  assert.equal(engine.drains, 0)
  stream.flush()
  assert.equal(engine.drains, 1)
  assert.equal(port.send(EXECUTE), true)
})

test('a connection holds no more bytes than its limit, but one message always fits', async () => {
  const bytes = Buffer.byteLength(`data: ${JSON.stringify(EXECUTE)}\n\n`)
  for (const [limit, taken] of [
    [2 * bytes, [true, true, false]],
    [2 * bytes - 1, [true, false, false]],
    [1, [true, false, false]],
  ] as const) {
    const { stream, port } = open({ 'transports.http_poll.buffer_bytes': limit }).connect('/poll/g/w')
    stream.flush()
    assert.deepEqual([port.send(EXECUTE), port.send(EXECUTE), port.send(EXECUTE)], taken)
    await ticked()
    stream.flush()
    assert.equal(port.send(EXECUTE), true)
  }
})

test('all connections together hold no more bytes than their limit: slow readers cannot use up the memory', async () => {
  const bytes = Buffer.byteLength(`data: ${JSON.stringify(EXECUTE)}\n\n`)
  const { platform, engine, connect } = open({ 'transports.http_poll.buffer_bytes_total': 2 * bytes })
  const [a, b, c] = ['/poll/g/a', '/poll/g/b', '/poll/g/c'].map((path) => connect(path))
  for (const { stream } of [a, b, c] as { stream: FakeStream }[]) stream.flush()
  assert.deepEqual([a?.port.send(EXECUTE), b?.port.send(EXECUTE), c?.port.send(EXECUTE)], [true, true, false])
  await ticked()
  a?.stream.flush()
  b?.stream.flush()
  // The one that was refused is told with the next look at all of them.
  await platform.advance(3_000, async () => {})
  assert.equal(engine.drains, 1)
  assert.equal(c?.port.send(EXECUTE), true)
})

test('room that one connection gives back is told to as many of the others as it is enough for', async () => {
  const bytes = Buffer.byteLength(`data: ${JSON.stringify(EXECUTE)}\n\n`)
  const { engine, connect } = open({ 'transports.http_poll.buffer_bytes_total': bytes })
  const [first, ...others] = ['/poll/g/a', '/poll/g/b', '/poll/g/c'].map((path) => connect(path))
  assert.equal(first?.port.send(EXECUTE), true)
  for (const { port } of others) assert.equal(port.send(EXECUTE), false)
  await ticked()
  first?.stream.flush()
  assert.equal(engine.drains, 1)
  assert.equal(others[0]?.port.send(EXECUTE), true)
  await ticked()
  others[0]?.stream.flush()
  assert.equal(engine.drains, 2)
})

test('a message that goes to many is written as text once', () => {
  const { connect } = open()
  const ports = ['/poll/g/a', '/poll/g/b', '/poll/g/c'].map((path) => connect(path).port)
  let times = 0
  const message = Object.assign({ ...EXECUTE }, { toJSON: () => ++times })
  for (const port of ports) assert.equal(port.send(message), true)
  assert.equal(times, 1)
})

test('the engine hears of the end of a connection once', () => {
  const { engine, connect } = open()
  const { ended, port } = connect('/poll/g/w')
  ended()
  ended()
  assert.equal(engine.disconnects, 1)
  assert.equal(port.send(EXECUTE), false)
})

test('past the limit of connections the next one is told the limit', () => {
  const { connect, refused } = open({ 'transports.http_poll.max_connections': 1 })
  const { ended } = connect('/poll/g/w')
  const { status, body, headers } = refused('/poll/g/v')
  assert.equal(status, 503)
  assert.equal(headers['retry-after'], '1')
  assert.match(JSON.parse(body).data, /max_connections/)
  ended()
  connect('/poll/g/v')
})

test('a stop writes what was taken and ends every stream', () => {
  const { poll, connect } = open()
  const { stream, port } = connect('/poll/g/w')
  port.send(EXECUTE)
  poll.stop()
  assert.match(stream.written, /"execute"/)
  assert.equal(stream.isEnded, true)
  assert.equal(port.send(EXECUTE), false, 'it would be written behind the end')
})

test('over a socket: a worker gets its task, and is gone when it hangs up', async (t) => {
  const { url } = await startServer(t)
  const abort = new AbortController()
  const response = await fetch(`${url}/poll/g/w`, { signal: abort.signal })
  assert.equal(response.headers.get('content-type'), 'text/event-stream')
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  await ask(url, 'promise.create', create('a', { 'resonate:target': 'poll://any@g' }))
  let text = ''
  while (!text.includes('"execute"')) text += new TextDecoder().decode((await reader.read()).value)
  assert.match(
    text,
    /data: \{"kind":"execute","head":\{"serverUrl":"http[^}]+\},"data":\{"task":\{"id":"a","version":0\}\}\}\n\n/,
  )
  abort.abort()
})

test('a worker whose token runs out is sent away then, and the engine hears of it at once', async () => {
  const { platform, engine, poll } = open()
  const caller = { ...ANYONE, expiresAt: 100_000 }
  const attach = poll.open({ path: '/poll/g/w', query: '', authorization: undefined }, caller)
  assert.ok(typeof attach === 'function')
  const stream = new FakeStream()
  attach(stream)
  const flush = async () => stream.flush()
  await platform.advance(99_999, flush)
  assert.ok(!stream.isEnded)
  const [port] = engine.ports
  assert.ok(port)
  assert.ok(port.send(EXECUTE))
  await platform.advance(1, flush)
  assert.ok(stream.isEnded)
  assert.match(stream.written, /"execute"/)
  assert.deepEqual([engine.disconnects, poll.connections, port.send(EXECUTE)], [1, 0, false])
})

test('a worker whose token has run out and who reads nothing is cut off a window later, one who reads is not', async () => {
  const { platform, poll } = open()
  const connect = () => {
    const request = { path: '/poll/g/w', query: '', authorization: undefined }
    const attach = poll.open(request, { ...ANYONE, expiresAt: 1_000 })
    assert.ok(typeof attach === 'function')
    const stream = new FakeStream()
    return { stream, ended: attach(stream) }
  }
  const [reader, sleeper] = [connect(), connect()]
  await platform.advance(1_000, async () => {})
  assert.ok(reader.stream.isEnded && sleeper.stream.isEnded)
  reader.ended()
  await platform.advance(15_000, async () => {})
  assert.deepEqual([reader.stream.isDestroyed, sleeper.stream.isDestroyed], [false, true])
})

test('a token that is good for longer than a timer can wait is good until it runs out', async () => {
  const { platform, poll } = open({ 'transports.http_poll.keep_alive': 15_000 })
  const years = 365 * 24 * 3_600_000
  const attach = poll.open({ path: '/poll/g/w', query: '', authorization: undefined }, { ...ANYONE, expiresAt: years })
  assert.ok(typeof attach === 'function')
  const waits: number[] = []
  const { timer } = platform
  platform.timer = (delayMs, fn) => {
    waits.push(delayMs)
    return timer.call(platform, delayMs, fn)
  }
  attach(new FakeStream())
  assert.ok(waits.every((delayMs) => delayMs <= 2 ** 31 - 1))
})
