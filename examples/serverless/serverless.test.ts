// The functions on each platform, called by a real server: a process for Cloud Run, and for the other two an HTTP server that
// does what the platform does around the handler.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { before, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Resonate } from '@resonatehq/sdk/async'
import { createServer as createResonate, loadConfig, nodePlatform, silentLogger } from '@resonatehq/server'

const SECRET = 'between us'

before(() => {
  process.env.RESONATE_SECRET = SECRET
})

async function order(t: TestContext, target: string): Promise<string> {
  const flags = {
    'storage.type': 'memory',
    'server.port': 0,
    'server.bind': '127.0.0.1',
    'observability.metrics_port': 0,
    'transports.http_push.private_networks': ['127.0.0.0/8', '::1/128'],
    'transports.http_push.secret': SECRET,
  }
  const loaded = loadConfig({ flags })
  assert.ok('config' in loaded)
  const server = createResonate(loaded.config, {
    platform: nodePlatform(),
    logger: silentLogger,
    processMetrics: false,
  })
  t.after(() => server.stop())
  const { url } = await server.start()
  const resonate = new Resonate({ url })
  t.after(() => resonate.stop({ timeout: 0 }))
  const handle = await resonate.rpc<string>('order-1', 'order', 'a lamp', resonate.options({ target }))
  return handle.result()
}

test('on Cloud Run', async (t) => {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url))
  const child = spawn(process.execPath, [main], {
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  const url = await new Promise<string>((resolve) => {
    child.stdout.on('data', (text) => resolve(/http:\S+/.exec(String(text))?.[0] ?? ''))
  })
  assert.equal(await order(t, url), 'charged for a lamp, shipped a lamp')
  child.kill('SIGTERM')
  assert.equal(await new Promise((resolve) => child.once('exit', resolve)), 0)
})

test('on AWS Lambda', async (t) => {
  const { handler } = await import('./lambda.ts')
  const url = await serve(t, async (request, body) => {
    const requestContext = { domainName: 'f.lambda-url.test', http: { method: request.method ?? '' } }
    const headers = request.headers as Record<string, string>
    const { statusCode, body: text } = await handler({ requestContext, headers, body, rawPath: '/' })
    return { status: statusCode, text }
  })
  assert.equal(await order(t, url), 'charged for a lamp, shipped a lamp')
})

test('on Cloudflare Workers', async (t) => {
  const { default: worker } = await import('./worker.ts')
  const env = { RESONATE_SECRET: SECRET }
  const url = await serve(t, async ({ method, headers }, body) => {
    const request = new Request('https://f.workers.test/', { method, headers: headers as Record<string, string>, body })
    const response = await worker.fetch(request, env)
    return { status: response.status, text: await response.text() }
  })
  assert.equal(await order(t, url), 'charged for a lamp, shipped a lamp')
})

type Answer = { readonly status: number; readonly text: string }

async function serve(
  t: TestContext,
  invoke: (request: IncomingMessage, body: string) => Promise<Answer>,
): Promise<string> {
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const { status, text } = await invoke(request, body)
    response.writeHead(status).end(text)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}
