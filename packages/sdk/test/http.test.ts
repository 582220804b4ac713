// The way to a server: what travels together, what is asked again and when, and what becomes of a stream that goes silent.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Message, RequestEnvelope } from '@resonatehq/protocol'
import { ConsoleLogger, type Logger } from '../src/log.ts'
import type { HttpPort, HttpRequestOptions, HttpResponse, HttpStreamOptions } from '../src/platform.ts'
import { World } from '../src/testing.ts'
import { HttpTransport } from '../src/transport/http.ts'

type Answer = HttpResponse | 'cut'

interface Stream {
  readonly url: string
  readonly options: HttpStreamOptions
  end(): void
}

/** A server that answers each POST with what `answer` says; by default 200 to every envelope. */
function serve({
  extensions = ['batch'],
  answer,
  refusal,
  logger = new ConsoleLogger('error'),
  token = 'secret',
}: {
  extensions?: string[]
  token?: string | (() => string)
  /** Of every stream. */
  refusal?: HttpResponse
  logger?: Logger
  answer?: (posts: number) => Answer | undefined
} = {}) {
  const posts: (RequestEnvelope | RequestEnvelope[])[] = []
  const streams: Stream[] = []
  const http: HttpPort = {
    async request(url: string, { body }: HttpRequestOptions) {
      if (url.endsWith('/health')) return response(200, { extensions })
      const sent = JSON.parse(body ?? '') as RequestEnvelope | RequestEnvelope[]
      posts.push(sent)
      const given = answer?.(posts.length)
      if (given === 'cut') throw new Error('socket hang up')
      return given ?? response(200, Array.isArray(sent) ? sent.map(agreed) : agreed(sent))
    },
    async stream(url, options) {
      if (refusal) {
        options.onText(refusal.body)
        return { status: refusal.status, ended: Promise.resolve() }
      }
      const { promise: ended, resolve, reject } = Promise.withResolvers<void>()
      options.signal.addEventListener('abort', () => reject(new Error('aborted')))
      streams.push({ url, options, end: resolve })
      return { status: 200, ended }
    },
  }
  const world = new World()
  const transport = new HttpTransport({
    url: 'http://server/',
    group: 'a b',
    pid: 'p/1',
    token,
    timeoutMs: 1_000,
    sdk: 'typescript',
    version: '1',
    platform: { ...world.platform, http },
    logger,
  })
  return { world, transport, posts, streams }
}

function response(status: number, body: unknown, retryAfter?: string): HttpResponse {
  return { status, contentType: 'application/json', retryAfter, body: JSON.stringify(body) }
}

function agreed({ kind, head, data }: RequestEnvelope) {
  return { kind, head: { corrId: head.corrId, status: 200, version: head.version }, data }
}

const get = (id: string) => ({ kind: 'promise.get', data: { id } })

test('what is sent in one macrotask travels in one body, in order', async () => {
  const { world, transport, posts } = serve()
  const both = Promise.all([transport.send([get('a'), get('b')]), transport.send([get('c')])])
  const replies = await world.until(both)
  assert.deepEqual(
    replies.flat().map(({ data }) => data),
    [{ id: 'a' }, { id: 'b' }, { id: 'c' }],
  )
  assert.equal(posts.length, 1)
})

test('a single request travels without an array', async () => {
  const { world, transport, posts } = serve()
  await world.until(transport.send([get('a')]))
  assert.equal((posts[0] as RequestEnvelope).kind, 'promise.get')
})

test('a server without batches gets one request a body, those of a group one after the other', async () => {
  const { world, transport, posts } = serve({ extensions: [] })
  await world.until(transport.send([get('a'), get('b')]))
  assert.deepEqual(
    posts.map((post) => (post as RequestEnvelope).data.id),
    ['a', 'b'],
  )
})

test('a group of more than a thousand is sent in pieces, in order', async () => {
  const { world, transport, posts } = serve()
  const calls = Array.from({ length: 2_500 }, (_, at) => get(`p${at}`))
  const replies = await world.until(transport.send(calls))
  assert.deepEqual(
    replies.map(({ data }) => (data as { id: string }).id),
    calls.map(({ data }) => data.id),
  )
  assert.deepEqual(
    posts.map((post) => (post as RequestEnvelope[]).length),
    [1_000, 1_000, 500],
  )
})

test('a cut connection is asked again, and the reply says so', async () => {
  const { world, transport } = serve({ answer: (posts) => (posts < 3 ? 'cut' : undefined) })
  const [reply] = await world.until(transport.send([get('a')]))
  assert.deepEqual([reply?.status, reply?.repeated], [200, true])
})

test('503 waits for as long as the server says', async () => {
  const busy = response(503, { kind: 'promise.get', head: { corrId: '1', status: 503 }, data: 'busy' }, '7')
  const { world, transport } = serve({ answer: (posts) => (posts === 1 ? busy : undefined) })
  const startAt = world.now()
  await world.until(transport.send([get('a')]))
  assert.equal(world.now() - startAt, 7_000)
})

test('a proxy that answers with a page counts as trouble, not as an answer', async () => {
  const page = { status: 502, contentType: 'text/html', retryAfter: undefined, body: '<html>' }
  const { world, transport } = serve({ answer: (posts) => (posts === 1 ? page : undefined) })
  const [reply] = await world.until(transport.send([get('a')]))
  assert.equal(reply?.status, 200)
})

test('who is no server of ours cannot say that a task is gone', async () => {
  for (const status of [200, 404, 409]) {
    const page = { status, contentType: 'text/html', retryAfter: undefined, body: '<html>' }
    const said: unknown[] = []
    const warn = (fields: object) => void said.push(fields)
    const logger = { debug() {}, info() {}, warn, error: warn } as unknown as Logger
    const { world, transport } = serve({ answer: (posts) => (posts < 4 ? page : undefined), logger })
    const [reply] = await world.until(transport.send([get('a'), get('b')]))
    assert.equal(reply?.status, 200)
    const cause =
      `http://server answered ${status} without an envelope, as every answer of a Resonate server is: ` +
      'is the URL right, and is nothing in between?'
    assert.deepEqual(said, [{ url: 'http://server', cause }])
  }
})

test('patience ends with an error that says why', async () => {
  const { world, transport } = serve({ answer: () => 'cut' })
  await assert.rejects(world.until(transport.send([get('a')], { patienceMs: 5_000 })), {
    name: 'ResonateTimeoutException',
    message: 'platform failure: socket hang up',
  })
})

test('a refusal is a reply, and its neighbours keep theirs', async () => {
  const refused = { kind: 'promise.get', head: { corrId: '1', status: 403 }, data: 'not yours' }
  const fine = { kind: 'promise.get', head: { corrId: '2', status: 200 }, data: 'fine' }
  const { world, transport } = serve({ answer: () => response(200, [refused, fine]) })
  const replies = await world.until(transport.send([get('a'), get('b')]))
  assert.deepEqual(
    replies.map(({ status, data }) => [status, data]),
    [
      [403, 'not yours'],
      [200, 'fine'],
    ],
  )
})

test('a stopped transport rejects what is under way and what comes', async () => {
  const { world, transport } = serve({ answer: () => 'cut' })
  const sent = transport.send([get('a')])
  sent.catch(() => {})
  await world.pass(1_000)
  await transport.stop()
  await assert.rejects(world.until(sent), { code: '12' })
  await assert.rejects(transport.send([get('b')]), { code: '12' })
})

test('the message stream carries token, capacity and functions, and its messages arrive', async () => {
  const { world, transport, streams } = serve()
  const messages: Message[] = []
  transport.receive((message) => messages.push(message))
  transport.start(() => ({ capacity: 5, functions: ['f@1', 'g@2'] }))
  await world.pass(1)
  const { url, options } = streams[0] as Stream
  const { pathname, searchParams } = new URL(url)
  assert.equal(pathname, '/poll/a%20b/p%2F1')
  assert.equal(options.headers.authorization, 'Bearer secret')
  assert.equal(searchParams.get('capacity'), '5')
  assert.equal(searchParams.get('functions'), 'f@1,g@2')
  const text = JSON.stringify({ kind: 'execute', head: {}, data: { task: { id: 'a', version: 0 } } })
  options.onText(`: alive\n\ndata: ${text.slice(0, 9)}`)
  options.onText(`${text.slice(9)}\n\n`)
  assert.equal(messages[0]?.kind, 'execute')
  await transport.stop()
})

test('that the stream of messages is there again is told, that it was opened at first is not', async () => {
  const { world, transport, streams } = serve()
  let reopened = 0
  transport.reopened(() => reopened++)
  transport.start(() => ({ capacity: undefined, functions: [] }))
  await world.pass(1_000)
  assert.equal(reopened, 0)
  streams[0]?.end()
  await world.pass(1_000)
  assert.deepEqual([reopened, streams.length], [1, 2])
  await transport.stop()
})

test('a token that is a function is asked anew for each request and each connection', async () => {
  let token = 'first'
  const { world, transport, posts, streams } = serve({ token: () => token })
  transport.start(() => ({ capacity: undefined, functions: [] }))
  await world.until(transport.send([get('a')]))
  token = 'second'
  await world.until(transport.send([get('a')]))
  streams[0]?.end()
  await world.pass(100)
  const auths = posts.flat().map(({ head }) => head.auth)
  assert.deepEqual(auths, ['first', 'second'])
  assert.equal(transport.door.headers.authorization, 'Bearer second')
  assert.deepEqual(
    streams.map(({ options }) => options.headers.authorization),
    ['Bearer first', 'Bearer second'],
  )
  await transport.stop()
})

test('a stream that ends is opened again within 100 ms', async () => {
  const { world, transport, streams } = serve()
  transport.start(() => ({ capacity: undefined, functions: [] }))
  await world.pass(1)
  streams[0]?.end()
  await world.pass(100)
  assert.equal(streams.length, 2)
  await transport.stop()
})

test('a stream without a byte for 45 s is dead, one with comments is not', async () => {
  const { world, transport, streams } = serve()
  transport.start(() => ({ capacity: undefined, functions: [] }))
  await world.pass(30_000)
  streams[0]?.options.onText(': alive\n\n')
  await world.pass(44_000)
  assert.equal(streams.length, 1)
  await world.pass(1_000)
  await world.pass(200)
  assert.equal(streams.length, 2)
  await transport.stop()
})

test('a server that refuses a worker is quoted, once', async () => {
  const said: unknown[] = []
  const warn = (fields: object, message?: string) => void said.push([message, fields])
  const logger = { debug() {}, info() {}, warn, error: warn } as unknown as Logger
  const refusal = response(403, { kind: 'unknown', head: {}, data: 'This token is not for the group "a b"' })
  const { world, transport } = serve({ refusal, logger })
  transport.start(() => ({ capacity: undefined, functions: [] }))
  await world.pass(10_000)
  const cause = 'GET /poll was refused with 403: This token is not for the group "a b"'
  assert.deepEqual(said, [['the server refuses this worker; trying again', { url: 'http://server', cause }]])
  await transport.stop()
})
