// The handler on platforms that do not speak fetch: what reaches it, and what becomes of its answer.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { cloudflare, type Handling, lambda, node, type RequestLimits } from '@resonatehq/sdk/http'
import express, { type RequestHandler } from 'express'

const BODY = '{"kind":"execute","é":"😀"}'

/** A handler that tells what it was given. */
function echo(): Handling & { readonly limits: RequestLimits[] } {
  const limits: RequestLimits[] = []
  return {
    limits,
    handler: async (request, given = {}) => {
      limits.push(given)
      const { method, url, headers } = request
      const told = { method, url, signature: headers.get('resonate-signature'), body: await request.text() }
      return new Response(JSON.stringify(told), { status: 401, headers: { 'x-told': 'yes' } })
    },
  }
}

async function listen(t: TestContext, server: ReturnType<typeof createServer>): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function post(url: string) {
  const headers = { 'resonate-signature': 't=1', 'content-type': 'application/json' }
  const response = await fetch(url, { method: 'POST', headers, body: BODY })
  return { status: response.status, told: response.headers.get('x-told'), ...((await response.json()) as object) }
}

test('Node hands over method, URL, headers and body as they came, and the answer goes back', async (t) => {
  const url = `${await listen(t, createServer(node(echo())))}/tasks?a=1`
  assert.deepEqual(await post(url), { status: 401, told: 'yes', method: 'POST', url, signature: 't=1', body: BODY })
  const read = await fetch(url)
  assert.equal(((await read.json()) as { method: string }).method, 'GET')
})

test('a request that breaks off, or makes no sense as a URL, harms nobody', async (t) => {
  const base = await listen(t, createServer(node(echo())))
  const { port } = new URL(base)
  const ended = new Promise<void>((resolve) => {
    const socket = connect(Number(port), '127.0.0.1', () => {
      socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf', () => socket.destroy())
    })
    socket.on('close', () => resolve())
  })
  await ended
  const host = connect(Number(port), '127.0.0.1')
  host.write('POST / HTTP/1.1\r\nhost: a b/c?\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}')
  const [answer] = await once(host, 'data')
  assert.match(String(answer), /^HTTP\/1\.1 400 /)
  assert.equal((await post(base)).status, 401)
})

test('in Express the body is the one that came, where it was not parsed or only read', async (t) => {
  const app = express()
  const handler = node(echo()) as unknown as RequestHandler
  app.post('/first', handler)
  app.post('/raw', express.raw({ type: '*/*' }), handler)
  app.post('/text', express.text({ type: '*/*' }), handler)
  app.post('/json', express.json(), handler)
  const base = await listen(t, createServer(app))
  for (const path of ['/first', '/raw', '/text', '/json']) {
    const { body } = (await post(base + path)) as unknown as { body: string }
    assert.equal(body, BODY, path)
  }
})

test('a Lambda function URL hands over the event, base64 too, and leaves time to give a task back', async () => {
  const handling = echo()
  const handler = lambda(handling)
  const event = {
    headers: { 'resonate-signature': 't=1' },
    rawPath: '/tasks',
    rawQueryString: 'a=1',
    requestContext: { domainName: 'x.lambda-url.eu-west-1.on.aws', http: { method: 'POST' } },
    body: BODY,
    isBase64Encoded: false,
  }
  const expected = {
    method: 'POST',
    url: 'https://x.lambda-url.eu-west-1.on.aws/tasks?a=1',
    signature: 't=1',
    body: BODY,
  }
  const plain = await handler(event, { getRemainingTimeInMillis: () => 60_000 })
  assert.deepEqual([plain.statusCode, plain.headers['x-told'], JSON.parse(plain.body)], [401, 'yes', expected])
  const encoded = { ...event, body: Buffer.from(BODY).toString('base64'), isBase64Encoded: true }
  assert.deepEqual(JSON.parse((await handler(encoded)).body), expected)
  assert.deepEqual(handling.limits, [{ timeLimit: 55_000 }, {}])
})

test('a Cloudflare Worker is made once of its settings, and answers with them', async () => {
  let made = 0
  const worker = cloudflare<{ SECRET: string }>((env) => {
    made += 1
    return { handler: async () => new Response(env.SECRET) }
  })
  const env = { SECRET: 'x' }
  const ask = async (settings: { SECRET: string }) => {
    const request = new Request('https://w.example/', { method: 'POST', body: BODY })
    return (await worker.fetch(request, settings)).text()
  }
  assert.deepEqual(await Promise.all([ask(env), ask(env)]), ['x', 'x'])
  assert.equal(made, 1)
  assert.equal(await ask({ SECRET: 'y' }), 'y')
})

test('settings that cannot be used are tried anew with the next request', async () => {
  let attempts = 0
  const worker = cloudflare<{ x?: string }>(() => {
    attempts += 1
    if (attempts === 1) throw new Error('the store of secrets does not answer')
    return { handler: async () => new Response('ready') }
  })
  const env = {}
  const ask = () => worker.fetch(new Request('https://w.example/'), env)
  await assert.rejects(ask(), /store of secrets/)
  assert.equal(await (await ask()).text(), 'ready')
})
