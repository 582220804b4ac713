// The networks that the published SDK exports, made by hand: a worker runs on each, and each says what is wrong with it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Context,
  HttpNetwork,
  isNotFound,
  isSuccess,
  LocalNetwork,
  type Network,
  PollMessageSource,
  type PromiseGetReq,
  Resonate,
  ResonateTimeoutException,
} from '@resonatehq/sdk'
import type { HttpRequestOptions } from '../src/platform.ts'
import { World } from '../src/testing.ts'
import { serve } from './servers.ts'

const HEAD = { corrId: 'c', version: '2026-04-01' }
const get = (id: string): PromiseGetReq => ({ kind: 'promise.get', head: HEAD, data: { id } })

/** A workflow that suspends, so that a message has to come for it to end. */
async function suspends(network: Network): Promise<unknown> {
  const resonate = new Resonate({ network, logLevel: 'error' })
  resonate.register('double', (_: unknown, x: number) => x * 2)
  resonate.register('flow', async (ctx: Context) => {
    const doubled = await ctx.rpc<number>('double', 4)
    await ctx.sleep(1)
    return doubled
  })
  try {
    return await resonate.rpc('id', 'flow')
  } finally {
    await resonate.stop()
  }
}

test('a worker runs on an HttpNetwork that receives from a PollMessageSource', async (t) => {
  const { url } = await serve(t)
  const adapter = new PollMessageSource({ url: `${url}/poll/default/w%2F1` })
  assert.deepEqual([adapter.unicast, adapter.match('g')], ['poll://uni@default/w/1', 'poll://any@g'])
  assert.equal(await suspends(new HttpNetwork({ url, adapter })), 8)
})

test('a worker runs on a LocalNetwork, whose answers are those of a server', async () => {
  assert.equal(await suspends(new LocalNetwork()), 8)
  const network = new LocalNetwork({ pid: 'p', group: 'g' })
  await network.init()
  assert.equal(network.unicast, 'poll://uni@g/p')
  const absent = await network.send(get('none'))
  assert.ok(isNotFound(absent))
  assert.equal(absent.head.corrId, 'c')
  const data = { id: 'a', timeoutAt: Number.MAX_SAFE_INTEGER, param: {}, tags: {} }
  const created = await network.send({ kind: 'promise.create', head: HEAD, data })
  assert.ok(isSuccess(created))
  assert.equal(created.data.promise.state, 'pending')
  await network.stop()
})

/** A platform whose server answers with `body`, and whose environment is `env`. */
function platformOf({ body, env = {} }: { body: unknown; env?: Record<string, string> }) {
  const sent: { url: string; options: HttpRequestOptions }[] = []
  const http = {
    async request(url: string, options: HttpRequestOptions) {
      sent.push({ url, options })
      return { status: 200, contentType: 'application/json', retryAfter: undefined, body: JSON.stringify(body) }
    },
    stream: () => Promise.reject(new Error('no stream here')),
  }
  return { sent, platform: { ...new World().platform, http, env: (name: string) => env[name] } }
}

test('an HttpNetwork takes server, token and timeout from the environment, and adds its headers', async () => {
  const body = { kind: 'promise.get', head: { ...HEAD, status: 404 }, data: 'there is none' }
  const env = { RESONATE_URL: 'http://there:1/', RESONATE_TOKEN: 'secret', RESONATE_TIMEOUT: '5' }
  const { sent, platform } = platformOf({ body, env })
  await new HttpNetwork({ headers: { 'x-region': 'eu' }, platform }).send(get('a'))
  assert.equal(sent[0]?.url, 'http://there:1/')
  assert.equal(sent[0]?.options.timeoutMs, 5)
  const headers = { 'content-type': 'application/json', 'x-region': 'eu', authorization: 'Bearer secret' }
  assert.deepEqual(sent[0]?.options.headers, headers)
})

test('what is no answer to a request is none: a page of a proxy, the answer to another request', async () => {
  for (const body of ['<html>', { kind: 'promise.get', head: { ...HEAD, corrId: 'other', status: 200 } }]) {
    const { platform } = platformOf({ body })
    await assert.rejects(new HttpNetwork({ platform }).send(get('a')), ResonateTimeoutException)
  }
})

test('an HttpNetwork without an adapter, and a source without a stream, say what to give them', () => {
  assert.throws(
    () => new HttpNetwork().unicast,
    /without an adapter has no 'unicast': give it one, new PollMessageSource/,
  )
  assert.throws(
    () => new PollMessageSource({ url: 'http://localhost:8001' }),
    /takes the URL of a stream, http:.*poll\/<group>/,
  )
})

test('a task whose suspension is answered late is put down, not taken up again for nothing', async () => {
  const world = new World()
  const { platform } = world
  const inner = new LocalNetwork({ platform })
  // Longer than it takes until what is awaited elsewhere is watched.
  const late = () => new Promise<void>((resolve) => platform.timer(200, resolve))
  const send: Network['send'] = async (request) => {
    const response = await inner.send(request)
    if (request.kind === 'task.suspend') await late()
    return response
  }
  const { unicast, anycast } = inner
  const network: Network = {
    unicast,
    anycast,
    send,
    match: (target) => inner.match(target),
    init: () => inner.init(),
    stop: () => inner.stop(),
    recv: (callback) => inner.recv(callback),
  }
  const resonate = new Resonate({ network, platform, logLevel: 'error' })
  resonate.register('flow', async (ctx: Context) => {
    const asked = ctx.promise<string>()
    await ctx.run(() => 'step')
    return asked
  })
  const handle = await world.until(resonate.beginRun('id', 'flow'))
  await world.pass(5_000)
  await world.until(resonate.promises.resolve('id:0', { value: 'answer' }))
  assert.equal(await world.until(handle.result()), 'answer')
  const { promises } = await world.until(resonate.promises.search({}))
  assert.deepEqual(
    promises.map(({ id }) => id),
    ['id', 'id:0', 'id:1'],
  )
  await world.until(resonate.stop({ timeout: 0 }))
  await world.stop()
})
