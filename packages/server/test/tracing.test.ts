// That the server's spans reach a collector, in the caller's trace, and that nothing is sent where nobody asked for it.

import assert from 'node:assert/strict'
import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { createServer, nodePlatform, openTracing, silentLogger } from '../src/index.ts'
import { ask, configOf, create } from './world.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'

interface OtlpSpan {
  readonly name: string
  readonly traceId: string
  readonly parentSpanId: string
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
}

interface OtlpBody {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly { key: string; value: { stringValue: string } }[] }
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[]
  }[]
}

/** A collector that takes OTLP over HTTP and JSON, and keeps what it was sent, or answers it all with `status`. */
async function startCollector(t: TestContext, status = 200) {
  const spans: OtlpSpan[] = []
  const services = new Set<string>()
  const collector = createHttpServer(async (request, response) => {
    const { resourceSpans } = (await json(request)) as OtlpBody
    for (const { resource, scopeSpans } of resourceSpans) {
      for (const { key, value } of resource.attributes) if (key === 'service.name') services.add(value.stringValue)
      for (const scope of scopeSpans) spans.push(...scope.spans)
    }
    response.writeHead(status, { 'content-type': 'application/json' }).end('{}')
  })
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
  t.after(() => new Promise((resolve) => collector.close(resolve)))
  return { url: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`, spans, services }
}

/** A server whose spans go there, by the process's own environment, as OpenTelemetry says. */
async function startTraced(t: TestContext, endpoint: string, logger = silentLogger) {
  const variables = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }
  Object.assign(process.env, variables)
  t.after(() => {
    for (const name of Object.keys(variables)) delete process.env[name]
  })
  const tracing = await openTracing(process.env, logger)
  const parts = { platform: nodePlatform(), logger: silentLogger, processMetrics: false, tracing }
  return createServer(configOf(), parts)
}

const param = { headers: { traceparent: `00-${TRACE}-${SPAN}-01` } }

test('requests that change a traced promise, and its wait in the queue, are spans of its trace', async (t) => {
  const { url: endpoint, spans, services } = await startCollector(t)
  const server = await startTraced(t, endpoint)
  const { url } = await server.start()
  await ask(url, 'promise.create', { ...create('order', { 'resonate:target': 'poll://any@orders' }), param })
  await ask(url, 'task.acquire', { id: 'order', version: 0, pid: 'p', ttl: 60_000 })
  await ask(url, 'promise.get', { id: 'order' })
  await ask(url, 'promise.create', create('untraced'))
  const action = { kind: 'promise.settle', data: { id: 'order', state: 'resolved' } }
  await ask(url, 'task.fulfill', { id: 'order', version: 1, action })
  await server.stop()
  assert.deepEqual(
    spans.map(({ name }) => name),
    ['promise.create', 'queued orders', 'task.acquire', 'task.fulfill'],
  )
  for (const { traceId, parentSpanId, startTimeUnixNano, endTimeUnixNano } of spans) {
    assert.deepEqual([traceId, parentSpanId], [TRACE, SPAN])
    assert.ok(BigInt(startTimeUnixNano) <= BigInt(endTimeUnixNano))
  }
  assert.deepEqual([...services], ['resonate'])
})

test('traces are kept only where a variable of OpenTelemetry asks for them', async () => {
  assert.equal(await openTracing({}, silentLogger), undefined)
  assert.equal(
    await openTracing({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://x', OTEL_SDK_DISABLED: 'true' }, silentLogger),
    undefined,
  )
  assert.equal(
    await openTracing({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://x', OTEL_TRACES_EXPORTER: 'none' }, silentLogger),
    undefined,
  )
})

test('a collector that is no URL is refused with what one looks like', async () => {
  for (const place of ['localhost:4318', 'collector', 'grpc://collector:4317'])
    await assert.rejects(
      openTracing({ OTEL_EXPORTER_OTLP_ENDPOINT: place }, silentLogger),
      /must be a URL.*http:\/\/local/,
    )
})

test('a protocol that traces are not sent by is refused with those that they are', async () => {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://x', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }
  await assert.rejects(openTracing(env, silentLogger), /"grpc".*http\/protobuf or http\/json/)
})

test('a collector that takes nothing is named in the log, with what it says', async (t) => {
  const { url: endpoint } = await startCollector(t, 400)
  const said: unknown[] = []
  const note = (fields: object, message: string) => void said.push([message, fields])
  const server = await startTraced(t, endpoint, { ...silentLogger, info: note, warn: note })
  const { url } = await server.start()
  await ask(url, 'promise.create', { ...create('order'), param })
  await server.stop()
  assert.deepEqual(said, [
    ['Traces enabled', { endpoint }],
    ['Traces cannot be sent', { reason: 'Bad Request' }],
  ])
})
