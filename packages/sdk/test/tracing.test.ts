// What a trace shows: one tree for an execution, whichever processes it ran in.

import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { context, propagation, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import type { PromiseRecord } from '@resonatehq/protocol'
import { type Context, Never } from '../src/async.ts'
import { openTelemetry } from '../src/opentelemetry.ts'
import { World } from '../src/testing.ts'
import type { Tracing } from '../src/tracing.ts'

const exporter = new InMemorySpanExporter()
const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] })

before(() => {
  trace.setGlobalTracerProvider(provider)
  context.setGlobalContextManager(new AsyncLocalStorageContextManager())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
})
after(() => {
  trace.disable()
  context.disable()
  propagation.disable()
})
beforeEach(() => exporter.reset())

/** Each span as the names from the top of its trace down to it. */
function paths(): string[] {
  const spans = exporter.getFinishedSpans()
  const byId = new Map(spans.map((span) => [span.spanContext().spanId, span]))
  const path = (span: ReadableSpan): string => {
    const parent = byId.get(span.parentSpanContext?.spanId ?? '')
    return parent ? `${path(parent)} > ${span.name}` : span.name
  }
  return spans.map(path).sort()
}

function worldOf(tracing: Tracing | undefined) {
  const world = new World({ seed: 1 })
  const orders = world.asyncResonate({ group: 'orders', ...(tracing && { tracing }) })
  const parcels = world.asyncResonate({ group: 'parcels', ...(tracing && { tracing }) })
  orders.register('order', async (ctx: Context, amount: number) => {
    const charged = await ctx.run(charge, amount)
    return `${await ctx.rpc<string>('ship', charged, ctx.options({ target: 'parcels' }))} for ${charged}`
  })
  parcels.register('ship', async () => 'shipped')
  parcels.register('sink', async (ctx: Context) => ctx.run(sink, ctx.options({ retryPolicy: new Never() })))
  return { world, orders, parcels }
}

async function charge(_ctx: Context, amount: number): Promise<number> {
  await Promise.resolve()
  trace.getTracer('test').startSpan('bank').end()
  return amount
}

async function sink(): Promise<void> {
  throw new Error('the ship has sunk')
}

test('a call, its passes, its steps and the calls that it makes are one trace, also what a step starts itself', async () => {
  const { world, orders } = worldOf(openTelemetry())
  const { result } = await world.until(orders.rpc<string>('order-1', 'order', 7))
  assert.equal(await world.until(result()), 'shipped for 7')
  await world.stop()
  assert.deepEqual(paths(), [
    'order',
    'order > order',
    'order > order',
    'order > order > charge',
    'order > order > charge > bank',
    'order > order > ship',
  ])
})

test('what was called without a trace has one of its own for all of its passes', async () => {
  const { world } = worldOf(openTelemetry())
  const param = { data: btoa(JSON.stringify({ func: 'order', args: [7] })) }
  const tags = { 'resonate:target': 'poll://any@orders' }
  await world.ask('promise.create', { id: 'order-1', timeoutAt: world.now() + 60_000, param, tags })
  await world.pass(1_000)
  await world.stop()
  assert.deepEqual(paths(), ['order', 'order > charge', 'order > charge > bank', 'order > order', 'order > ship'])
})

test('a failure is told by the spans of the step and of the task', async () => {
  const { world, parcels } = worldOf(openTelemetry())
  const { result } = await world.until(parcels.rpc('sink-1', 'sink'))
  await assert.rejects(world.until(result()), /the ship has sunk/)
  await world.stop()
  const failed = exporter.getFinishedSpans().filter(({ status }) => status.code === SpanStatusCode.ERROR)
  assert.deepEqual(
    failed.map(({ name, status }) => `${name}: ${status.message}`),
    ['sink: the ship has sunk', 'sink: the ship has sunk'],
  )
})

test('without tracing nothing is added to what is stored', async () => {
  const { world, orders } = worldOf(undefined)
  await world.until(orders.rpc('order-1', 'order', 7))
  await world.pass(1_000)
  const { promise } = await world.ask<{ promise: PromiseRecord }>('promise.get', { id: 'order-1:1' })
  assert.deepEqual(promise.param.headers, {})
  assert.deepEqual(paths(), ['bank'], 'what the step starts by itself, and nothing else')
  await world.stop()
})
