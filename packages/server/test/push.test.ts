// Messages to URLs: bounded, fair, and never more than an answer of 2xx counts as delivered.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import type { Message } from '@resonatehq/protocol'
import { createPost } from '../src/dispatch/post.ts'
import { createPush, type Post, type Posted } from '../src/dispatch/push.ts'
import { nodePlatform, silentLogger } from '../src/index.ts'
import { createMetrics } from '../src/metrics.ts'
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
  const metrics = createMetrics({ build: { version: '', node: '' }, process: false })
  const push = createPush({ config: configOf(flags), post, logger: silentLogger, metrics })
  return { push, posts }
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
  const { post, close } = createPost({ connectTimeoutMs: 1_000, requestTimeoutMs: 150, timer: nodePlatform().timer })
  t.after(close)
  assert.deepEqual(await post(`http://127.0.0.1:${port}/`, '{"x":1}').done, { status: 200 })
  assert.deepEqual(await post(`http://127.0.0.1:${port}/moved`, '{}').done, { status: 307 })
  assert.ok('failure' in (await post(`http://127.0.0.1:${port}/hangs`, '{}').done))
  assert.deepEqual(seen, ['POST / {"x":1}', 'POST /moved {}', 'POST /hangs {}'])
  assert.ok('failure' in (await post('ftp://127.0.0.1/', '{}').done))
})
