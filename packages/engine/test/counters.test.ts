// Totals and gauges: what is counted, told by events. That they agree with the rows is the law's to show.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Bench, open } from './world.ts'

async function counted(bench: Bench, ...names: string[]): Promise<number[]> {
  const counters = await bench.engine.counters()
  return names.map((name) => counters.get(name) ?? 0)
}

test('a lost lease is counted once, and once more when another takes the task', async (t) => {
  const bench = await open(t)
  await bench.create('a')
  await bench.acquire('a', 'w1', 0, 1_000)
  assert.deepEqual(await counted(bench, 'total.leases_lost', 'total.reassigned'), [0, 0])
  await bench.advance(2_000)
  assert.deepEqual(await counted(bench, 'total.leases_lost', 'total.reassigned'), [1, 0])
  await bench.acquire('a', 'w2', 1)
  await bench.fulfill('a', 2)
  assert.deepEqual(await counted(bench, 'total.leases_lost', 'total.reassigned'), [1, 1])
  assert.deepEqual(await counted(bench, 'total.created', 'total.claimed', 'total.completed'), [1, 1, 1])
})

test('what no worker ever took is not completed by one', async (t) => {
  const bench = await open(t)
  await bench.create('a')
  await bench.ask({ kind: 'promise.settle', data: { id: 'a', state: 'resolved', value: {} } })
  assert.deepEqual(await counted(bench, 'total.created', 'total.claimed', 'total.completed'), [1, 0, 0])
  assert.deepEqual(await counted(bench, 'tasks.fulfilled'), [1])
})

test('a task that comes and goes within one batch is counted all the way', async (t) => {
  const bench = await open(t)
  const create = { id: 'a', timeoutAt: 9_000_000, param: {}, tags: { 'resonate:target': 'poll://any@g' } }
  const settle = { id: 'a', state: 'resolved', value: {} } as const
  await bench.engine.submitAll([
    { kind: 'task.create', data: { pid: 'w', ttl: 1_000, action: { kind: 'promise.create', data: create } } },
    { kind: 'task.fulfill', data: { id: 'a', version: 1, action: { kind: 'promise.settle', data: settle } } },
  ])
  assert.deepEqual(await counted(bench, 'total.created', 'total.claimed', 'total.completed'), [1, 1, 1])
  assert.deepEqual(await counted(bench, 'promises.pending', 'promises.resolved', 'tasks.acquired@g'), [0, 1, 0])
})

test('a group has counters while it has tasks, and none after', async (t) => {
  const bench = await open(t)
  const namesOf = async () => [...(await bench.engine.counters()).keys()].filter((name) => name.includes('@'))
  await bench.create('a')
  await bench.create('b', 'http://target.test/x')
  assert.deepEqual((await namesOf()).sort(), ['tasks.pending@(pushed)', 'tasks.pending@g'])
  for (const id of ['a', 'b']) await bench.ask({ kind: 'promise.settle', data: { id, state: 'resolved', value: {} } })
  assert.deepEqual(await namesOf(), [])
})
