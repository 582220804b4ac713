// Debugging: a caller who moves the server's time by hand, while its own does not matter.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Answer, DebugSnapshot, Request } from '@resonatehq/protocol'
import { open, START } from './world.ts'

const HOUR = 3_600_000

test('a tick ends no lease of a worker that is connected, or was, while time is the caller’s', async (t) => {
  const bench = await open(t, { disconnectUptimeMs: 0 })
  const port = await bench.connect('w')
  await bench.create('a')
  await bench.acquire('a', 'w', 0, 2 * HOUR)
  await bench.connect('x')
  port.close()
  await bench.settle()
  await bench.ask({ kind: 'debug.start', data: {} })
  await bench.ask({ kind: 'debug.tick', data: { time: START + HOUR } })
  const { data } = await bench.ask({ kind: 'task.get', data: { id: 'a' } })
  assert.equal((data as { task: { state: string } }).task.state, 'acquired')
  const { data: found } = await bench.ask({ kind: 'worker.search', data: {} })
  assert.deepEqual(
    (found as { workers: { pid: string }[] }).workers.map(({ pid }) => pid),
    ['w', 'x'],
  )
})

test('what ripens after a tick to a time yet to come is offered at its own time all the same', async (t) => {
  const bench = await open(t)
  const port = await bench.connect('w')
  await bench.ask({ kind: 'debug.tick', data: { time: START + HOUR } })
  await bench.create('a', 'poll://any@g', { 'resonate:delay': `${START + 500}` })
  await bench.advance(499)
  assert.deepEqual(port.take(), [])
  await bench.advance(2)
  assert.deepEqual(port.take(), ['a'])
})

test('what becomes ready at debug time is offered at debug time', async (t) => {
  const bench = await open(t)
  const port = await bench.connect('w')
  const tags = { 'resonate:target': 'poll://any@g' }
  const data = { id: 'a', timeoutAt: START + 2 * HOUR, param: {}, tags }
  await bench.engine.submit({ kind: 'promise.create', data }, { debugTime: START + HOUR })
  assert.deepEqual(port.take(), ['a'])
})

test('a snapshot shows what was asked for before it, and nothing that was asked for after', async (t) => {
  const bench = await open(t)
  const create = (id: string): Request => ({
    kind: 'promise.create',
    data: { id, timeoutAt: START + HOUR, param: {}, tags: {} },
  })
  const snap: Request = { kind: 'debug.snap', data: {} }
  const [, shown] = await Promise.all([create('a'), snap, create('b')].map((one) => bench.engine.submit(one)))
  assert.deepEqual(
    snapshotOf(shown as Answer).promises.map(({ id }) => id),
    ['a'],
  )
})

test('after a reset a worker has nothing in hand', async (t) => {
  const bench = await open(t)
  const port = await bench.connect('w', { capacity: 1 })
  await bench.create('a')
  assert.deepEqual(port.take(), ['a'])
  await bench.ask({ kind: 'debug.reset', data: {} })
  await bench.create('b')
  assert.deepEqual(port.take(), ['b'])
  const { data } = await bench.ask({ kind: 'worker.search', data: {} })
  assert.equal((data as { workers: unknown[] }).workers.length, 1)
})

test('while it is paused the server wakes, tells and offers nothing; a tick does', async (t) => {
  const bench = await open(t)
  const port = await bench.connect('w')
  await bench.ask({ kind: 'debug.start', data: {} })
  await bench.ask(acquired('a'))
  await bench.ask({ kind: 'promise.create', data: { id: 'x', timeoutAt: START + HOUR, param: {}, tags: {} } })
  const callback = { kind: 'promise.register_callback', data: { awaited: 'x', awaiter: 'a' } } as const
  await bench.ask({ kind: 'task.suspend', data: { id: 'a', version: 1, actions: [callback] } })
  await bench.ask({ kind: 'promise.register_listener', data: { awaited: 'x', address: 'poll://any@g' } })
  await bench.ask({ kind: 'promise.settle', data: { id: 'x', state: 'resolved', value: {} } })
  const paused = snapshotOf(await bench.ask({ kind: 'debug.snap', data: {} }))
  assert.deepEqual(paused.callbacks, [{ awaited: 'x', awaiter: 'a' }])
  assert.deepEqual(paused.listeners, [{ id: 'x', address: 'poll://any@g' }])
  assert.deepEqual(
    paused.tasks.map(({ state }) => state),
    ['suspended'],
  )
  assert.deepEqual(port.take(), [])
  await bench.ask({ kind: 'debug.tick', data: { time: START } })
  const ticked = snapshotOf(await bench.ask({ kind: 'debug.snap', data: {} }))
  assert.deepEqual([ticked.callbacks, ticked.listeners], [[], []])
  assert.deepEqual(port.take(), ['a', '!x'])
})

function acquired(id: string): Request {
  const tags = { 'resonate:target': 'poll://any@g' }
  const action = { kind: 'promise.create', data: { id, timeoutAt: START + HOUR, param: {}, tags } } as const
  return { kind: 'task.create', data: { pid: 'w', ttl: HOUR, action } }
}

function snapshotOf({ data }: Answer): DebugSnapshot {
  return data as DebugSnapshot
}
