// Messages to URLs: bounded, fair, and never more than an answer of 2xx counts as delivered.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import type { Message } from '@resonatehq/protocol'
import { networksOf } from '../src/dispatch/networks.ts'
import { createPost } from '../src/dispatch/post.ts'
import { createPush, type Post, type Posted } from '../src/dispatch/push.ts'
import { type Logger, nodePlatform, silentLogger } from '../src/index.ts'
import { createMetrics } from '../src/metrics/scrape.ts'
import { configOf } from './world.ts'

const MESSAGE: Message = { kind: 'execute', head: { serverUrl: 'http://s' }, data: { task: { id: 'a', version: 0 } } }

/** POSTs that end when they are told to. */
function open(flags: Record<string, unknown> = {}) {
  const posts: { url: string; end: (posted: Posted) => void }[] = []
  const post: Post = (url) => {
    const { promise, resolve } = Promise.withResolvers<Posted>()
    posts.push({ url, end: resolve })
    return { done: promise, abort: () => resolve({ failure: 'aborted' }) }
  }
  const clock = { now: 0, setBackMs: 0 }
  const platform = { now: () => clock.now - clock.setBackMs, ticks: () => clock.now }
  const metrics = createMetrics({ build: { version: '', node: '' }, process: false })
  const warnings: { failures: number }[] = []
  const logger = { ...silentLogger, warn: (facts: { failures: number }) => void warnings.push(facts) } as Logger
  const push = createPush({ config: configOf(flags), post, logger, metrics, platform })
  return { push, posts, clock, warnings }
}

test('2xx is delivered; everything else is not', async () => {
  const { push, posts } = open()
  const outcomes: Posted[] = [
    { status: 200 },
    { status: 204 },
    { status: 302 },
    { status: 500 },
    { failure: 'refused' },
  ]
  for (const [at, outcome] of outcomes.entries()) {
    const delivered = push.deliver(`http://t${at}/`, MESSAGE)
    posts[at]?.end(outcome)
    assert.equal(await delivered, at < 2, JSON.stringify(outcome))
  }
})

test('how a target fails is known until it answers', async () => {
  const { push, posts } = open()
  assert.equal(push.troubleOf('http://t/'), undefined)
  const answers: (string | undefined)[] = []
  for (const outcome of [{ failure: 'ECONNREFUSED' }, { status: 401 }, { status: 200 }]) {
    const delivered = push.deliver('http://t/', MESSAGE)
    posts.at(-1)?.end(outcome)
    await delivered
    const { failures, answer } = push.troubleOf('http://t/') ?? {}
    answers.push(answer && `${failures} ${answer}`)
  }
  const hint = 'the target does not accept our proof: see transports.http_push.auth and secret'
  assert.deepEqual(answers, ['1 ECONNREFUSED', `2 status 401 (${hint})`, undefined])
})

test('a target that fails on and on is told of, less and less often', async () => {
  const { push, posts, clock, warnings } = open()
  for (let failures = 0; failures < 20; failures++) {
    const delivered = push.deliver('http://t/', MESSAGE)
    posts.at(-1)?.end({ status: 500 })
    await delivered
    clock.now += 60_000
  }
  assert.deepEqual(
    warnings.map(({ failures }) => failures),
    [1, 2, 4, 8, 16],
  )
})

test('a slow target delays nobody else', async () => {
  const { push, posts } = open({ 'transports.http_push.concurrency': 2, 'transports.http_push.target_concurrency': 2 })
  for (let n = 0; n < 50; n++) void push.deliver('http://slow/', MESSAGE)
  const quick = push.deliver('http://quick/', MESSAGE)
  posts.find(({ url }) => url === 'http://quick/')?.end({ status: 200 })
  assert.equal(await quick, true)
  assert.ok(posts.filter(({ url }) => url === 'http://slow/').length <= 3)
  push.stop()
})

test('a queue that is full refuses at once, and a stop gives up what waits', async () => {
  const { push } = open({ 'transports.http_push.target_concurrency': 1, 'transports.http_push.target_queue': 2 })
  const deliveries = Array.from({ length: 5 }, () => push.deliver('http://t/', MESSAGE))
  assert.equal(await deliveries[4], false)
  assert.equal(push.inFlight, 1)
  push.stop()
  assert.deepEqual(await Promise.all(deliveries), [false, false, false, false, false])
})

test('a clock that is set back lets no target rest longer', async () => {
  const { push, posts, clock } = open()
  const deliver = (): Promise<boolean> => {
    const delivered = push.deliver('http://t/', MESSAGE)
    posts.shift()?.end({ status: 500 })
    return delivered
  }
  for (let failure = 0; failure < 3; failure++) {
    await deliver()
    clock.now += 1
  }
  assert.equal(posts.length, 0)
  clock.setBackMs = 3_600_000
  clock.now += 1_000
  push.deliver('http://t/', MESSAGE)
  assert.equal(posts.length, 1)
})

test('past the limit of targets a new one waits for a later try, and known ones go on', async () => {
  const { push, posts } = open({ 'transports.http_push.max_targets': 1 })
  const first = push.deliver('http://a/', MESSAGE)
  assert.equal(await push.deliver('http://b/', MESSAGE), false)
  const second = push.deliver('http://a/', MESSAGE)
  for (const { end } of posts) end({ status: 200 })
  assert.deepEqual([await first, await second], [true, true])
  const other = push.deliver('http://b/', MESSAGE)
  posts.at(-1)?.end({ status: 200 })
  assert.equal(await other, true)
})

test('past the limit of bytes nothing more is kept in memory, but one message always fits', async () => {
  const { push, posts } = open({ 'transports.http_push.queue_bytes': 1 })
  const first = push.deliver('http://a/', MESSAGE)
  assert.equal(await push.deliver('http://b/', MESSAGE), false)
  posts[0]?.end({ status: 200 })
  assert.equal(await first, true)
  const other = push.deliver('http://b/', MESSAGE)
  posts.at(-1)?.end({ status: 200 })
  assert.equal(await other, true)
})

test('a target that fails again and again rests, longer and longer, is tried with one POST, and is itself again after a success', async () => {
  const { push, posts, clock } = open()
  const attempt = async (posted: Posted) => {
    const before = posts.length
    const delivered = push.deliver('http://t/', MESSAGE)
    if (posts.length === before) return 'rests'
    posts.at(-1)?.end(posted)
    return (await delivered) ? 'taken' : 'failed'
  }
  const down: Posted = { status: 500 }
  for (const restMs of [0, 0, 1_000, 2_000, 4_000]) {
    assert.equal(await attempt(down), 'failed')
    if (restMs > 0) assert.equal(await attempt(down), 'rests')
    clock.now += restMs
  }
  const probe = push.deliver('http://t/', MESSAGE)
  const waiting = push.deliver('http://t/', MESSAGE)
  assert.equal(push.inFlight, 1)
  posts.at(-1)?.end({ status: 200 })
  assert.equal(await probe, true)
  posts.at(-1)?.end({ status: 200 })
  assert.equal(await waiting, true)
  const many = [1, 2, 3].map(() => push.deliver('http://t/', MESSAGE))
  assert.equal(push.inFlight, 3)
  for (const { end } of posts) end({ status: 200 })
  assert.deepEqual(await Promise.all(many), [true, true, true])
})

test('POSTs that were under way together and fail together are one failure', async () => {
  const { push, posts, clock } = open()
  const many = Array.from({ length: 20 }, () => push.deliver('http://t/', MESSAGE))
  for (const { end } of posts) {
    clock.now += 1
    end({ failure: 'ECONNREFUSED' })
    await Promise.resolve()
  }
  assert.ok((await Promise.all(many)).every((delivered) => !delivered))
  const next = push.deliver('http://t/', MESSAGE)
  assert.equal(posts.length, 21)
  posts[20]?.end({ status: 200 })
  assert.equal(await next, true)
})

test('a target that says how long to leave it alone is left alone for that long, at most a minute', async () => {
  const { push, posts, clock } = open()
  const first = push.deliver('http://t/', MESSAGE)
  posts[0]?.end({ status: 503, retryAfterMs: 5_000_000 })
  assert.equal(await first, false)
  clock.now += 59_999
  assert.equal(await push.deliver('http://t/', MESSAGE), false)
  clock.now += 1
  const next = push.deliver('http://t/', MESSAGE)
  posts[1]?.end({ status: 200 })
  assert.equal(await next, true)
})

test('what waits for a target that begins to rest is left to a later try, and others are not held up', async () => {
  const { push, posts } = open({ 'transports.http_push.target_concurrency': 1 })
  const failing = push.deliver('http://t/', MESSAGE)
  const waiting = push.deliver('http://t/', MESSAGE)
  posts[0]?.end({ status: 429, retryAfterMs: 1_000 })
  assert.deepEqual([await failing, await waiting], [false, false])
  assert.equal(push.waiting, 0)
  const other = push.deliver('http://u/', MESSAGE)
  posts.at(-1)?.end({ status: 200 })
  assert.equal(await other, true)
})

test('a connection to a target is kept for the next message, and closed when there is none for a while', async (t) => {
  // An answer may take longer than that.
  const target = createServer((_request, response) => void setTimeout(() => response.end(), 100))
  // It would keep the connection for ever.
  target.keepAliveTimeout = 0
  let connections = 0
  const closed = new Promise((resolve) =>
    target.on('connection', (socket) => {
      connections++
      socket.once('close', resolve)
    }),
  )
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
  t.after(() => target.close())
  const { post, close } = createPost({
    connectTimeoutMs: 1_000,
    requestTimeoutMs: 60_000,
    idleTimeoutMs: 50,
    timer: nodePlatform().timer,
    networks: networksOf(['any']),
    headersFor: async () => ({}),
  })
  t.after(close)
  const url = `http://127.0.0.1:${(target.address() as { port: number }).port}/`
  assert.deepEqual([await post(url, '{}').done, await post(url, '{}').done], [{ status: 200 }, { status: 200 }])
  assert.equal(connections, 1)
  await closed
})

test('over a socket: the message is the body, a redirect is not followed, and a target that hangs is given up', async (t) => {
  const seen: string[] = []
  const target = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      seen.push(`${request.method} ${request.url} ${body}`)
      if (request.url === '/hangs') return
      response.writeHead(request.url === '/moved' ? 307 : 200, { location: '/' }).end()
    })
  })
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    target.closeAllConnections()
    target.close()
  })
  const { port } = target.address() as { port: number }
  const { post, close } = createPost({
    connectTimeoutMs: 1_000,
    requestTimeoutMs: 150,
    timer: nodePlatform().timer,
    networks: networksOf(['any']),
    headersFor: async () => ({}),
  })
  t.after(close)
  assert.deepEqual(await post(`http://127.0.0.1:${port}/`, '{"x":1}').done, { status: 200 })
  assert.deepEqual(await post(`http://127.0.0.1:${port}/moved`, '{}').done, { status: 307 })
  assert.ok('failure' in (await post(`http://127.0.0.1:${port}/hangs`, '{}').done))
  assert.deepEqual(seen, ['POST / {"x":1}', 'POST /moved {}', 'POST /hangs {}'])
  assert.ok('failure' in (await post('ftp://127.0.0.1/', '{}').done))
})
