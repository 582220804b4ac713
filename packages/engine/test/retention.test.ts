// Retention as the engine runs it: when it looks, how much at a time, and what a preview says. What may be forgotten is the
// machine's to decide, and shown in its transcripts. Time is moved by hand, but where servers share a database.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FORGOTTEN } from '@resonatehq/protocol'
import { nodePlatform } from '@resonatehq/server'
import { postgresStore } from '@resonatehq/store/postgres'
import { startPostgres, withoutPostgres } from '../../store/test/postgres-server.ts'
import { createEngine, type Engine, type Executed } from '../src/index.ts'
import { strictLog } from './manual-platform.ts'
import { type Bench, open, START } from './world.ts'

const AGE_MS = 60_000
const ROUND_MS = 5_000

async function settled(bench: Bench, ids: readonly string[], tags: Record<string, string> = {}): Promise<void> {
  const requests = ids.flatMap((id) => [
    { kind: 'promise.create', data: { id, timeoutAt: START + 100 * AGE_MS, param: {}, tags } } as const,
    { kind: 'promise.settle', data: { id, state: 'resolved', value: {} } } as const,
  ])
  await bench.engine.submitAll(requests)
}

async function ids(bench: Bench): Promise<string[]> {
  return (await bench.store.snapshot()).promises.map(({ id }) => id)
}

function many(count: number, prefix = 'p'): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}${at}`)
}

test('without a configured age nothing is ever forgotten', async (t) => {
  const bench = await open(t)
  await settled(bench, ['a'])
  await bench.advance(3 * AGE_MS)
  assert.deepEqual(await ids(bench), ['a'])
})

test('what was settled longer ago than the age is forgotten within a round, and what is younger is not', async (t) => {
  const bench = await open(t, { promiseRetentionMs: AGE_MS, promiseRoundMs: ROUND_MS })
  await settled(bench, ['old'])
  await bench.advance(AGE_MS - 1_000)
  assert.deepEqual(await ids(bench), ['old'])
  await settled(bench, ['young'])
  await bench.advance(ROUND_MS + 2_000)
  assert.deepEqual(await ids(bench), ['young'])
  const counters = await bench.engine.counters()
  assert.deepEqual([counters.get('promises.resolved'), counters.get(FORGOTTEN)], [1, 1])
})

test('thousands are forgotten a page at a time, within one round', async (t) => {
  const bench = await open(t, { promiseRetentionMs: AGE_MS, promiseRoundMs: ROUND_MS })
  await settled(bench, many(2_345))
  await bench.advance(AGE_MS)
  await bench.advance(2 * ROUND_MS)
  assert.deepEqual(await ids(bench), [])
})

test('what has to stay is passed over, and what lies behind it is forgotten all the same', async (t) => {
  const bench = await open(t, { promiseRetentionMs: AGE_MS, promiseRoundMs: ROUND_MS })
  const root = { id: 'root', timeoutAt: START + 100 * AGE_MS, param: {}, tags: {} }
  await bench.ask({ kind: 'promise.create', data: root })
  await settled(bench, many(250, 'kept'), { 'resonate:parent': 'root' })
  await bench.advance(1)
  await settled(bench, many(20, 'x'))
  await bench.advance(AGE_MS)
  await bench.advance(2 * ROUND_MS)
  assert.deepEqual(await ids(bench), [...many(250, 'kept'), 'root'].sort())
})

test('a preview says what would go, the oldest first, in pages, and changes nothing', async (t) => {
  const bench = await open(t)
  const root = { id: 'root', timeoutAt: START + 100 * AGE_MS, param: {}, tags: {} }
  await bench.ask({ kind: 'promise.create', data: root })
  await settled(bench, ['b'])
  await bench.advance(1)
  await settled(bench, ['kept'], { 'resonate:parent': 'root' })
  await bench.advance(1)
  await settled(bench, ['a', 'c'])
  await bench.advance(AGE_MS)
  const first = await bench.ask({ kind: 'retention.preview', data: { ageMs: AGE_MS, limit: 2 } })
  const { cursor } = first.data as { cursor: string }
  assert.deepEqual(first, {
    status: 200,
    data: { promises: [{ id: 'b', settledAt: START }], examined: 2, cursor },
  })
  const rest = await bench.ask({ kind: 'retention.preview', data: { ageMs: AGE_MS, limit: 100, cursor } })
  assert.deepEqual(rest.data, {
    promises: [
      { id: 'a', settledAt: START + 2 },
      { id: 'c', settledAt: START + 2 },
    ],
    examined: 2,
  })
  assert.deepEqual(await ids(bench), ['a', 'b', 'c', 'kept', 'root'])
})

test('a preview without an age, where none is configured, and one with a cursor of nobody are refused', async (t) => {
  const bench = await open(t)
  const ask = async (data: object) => (await bench.ask({ kind: 'retention.preview', data })).status
  assert.deepEqual([await ask({}), await ask({ ageMs: 1, cursor: 'x' }), await ask({ ageMs: 1 })], [400, 400, 200])
})

test('a store that fails is looked at again with the next round', async (t) => {
  const bench = await open(t)
  let failures = 0
  const errors: string[] = []
  const failing = new Proxy(bench.store, {
    get(store, name) {
      if (name === 'settled' && failures++ < 2) return async () => Promise.reject(new Error('the disk is gone'))
      const member = store[name as keyof typeof store]
      return typeof member === 'function' ? member.bind(store) : member
    },
  })
  await bench.restart({
    store: failing,
    promiseRetentionMs: AGE_MS,
    promiseRoundMs: ROUND_MS,
    log: { info() {}, warn() {}, error: (_fields, message) => void errors.push(message) },
  })
  await settled(bench, ['a'])
  await bench.advance(AGE_MS)
  await bench.advance(2 * ROUND_MS)
  assert.deepEqual(await ids(bench), [])
  assert.equal(errors.length, 2)
})

test('two servers of one database that look at once forget each promise once, and nothing that is needed', {
  skip: withoutPostgres,
}, async (t) => {
  const postgres = await startPostgres()
  t.after(async () => {
    for (const engine of engines) await engine.stop()
    await postgres.stop()
  })
  const url = await postgres.create()
  const forgotten = new Set<string>()
  const all = Promise.withResolvers<void>()
  const trace = (executed: readonly Executed[]) => {
    for (const { decision } of executed)
      for (const effect of decision.effects) if (effect.kind === 'promise.drop') forgotten.add(effect.id)
    if (forgotten.size === 500) all.resolve()
  }
  const engines = ['a', 'b'].map((name) =>
    createEngine({
      ...{
        store: postgresStore({ url, server: name }),
        platform: nodePlatform(),
        log: strictLog(),
        serverUrl: 'http://s',
      },
      ...{ promiseRetentionMs: 1, promiseRoundMs: 10, trace },
    }),
  )
  const [engine] = engines as [Engine]
  await engine.start()
  const [root, child] = [{ id: 'root' }, { id: 'root:0', tags: { 'resonate:parent': 'root' } }]
  const creates = [root, child, ...many(500).map((id) => ({ id }))].map(
    (data) => ({ kind: 'promise.create', data: { timeoutAt: 9e15, param: {}, tags: {}, ...data } }) as const,
  )
  await engine.submitAll(creates)
  const ended = [child, ...many(500).map((id) => ({ id }))].map(
    ({ id }) => ({ kind: 'promise.settle', data: { id, state: 'resolved', value: {} } }) as const,
  )
  await engine.submitAll(ended)
  await engines[1]?.start()
  await all.promise
  for (const one of engines) await one.stop()
  assert.deepEqual([...forgotten].sort(), many(500).sort())
  const store = postgresStore({ url })
  await store.open()
  const counters = await store.counters()
  await store.close()
  assert.deepEqual(
    [counters.get('promises.pending'), counters.get('promises.resolved'), counters.get(FORGOTTEN)],
    [1, 1, 500],
  )
})
