// What a batch reads and writes is bounded, however much is asked of it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_CONFIG, type Request, type RequestTable } from '@resonatehq/protocol'
import { type EngineObserver, NO_OBSERVER } from '../src/index.ts'
import { open, START } from './world.ts'

type Found = RequestTable['promise.search']['answer']

test('a thousand searches in one batch find shorter pages than one alone, and all of them something', async (t) => {
  const bench = await open(t)
  const param = { data: 'x'.repeat(100_000) }
  const ids = Array.from({ length: 60 }, (_, n) => `p${n}`)
  await bench.engine.submitAll(
    ids.map((id): Request => ({ kind: 'promise.create', data: { id, timeoutAt: START + 9e6, param, tags: {} } })),
  )
  const search = (limit: number): Request => ({ kind: 'promise.search', data: { limit } })
  const alone = await bench.engine.submit(search(1_000))
  assert.ok((alone.data as Found).promises.length > 30)
  const many = await bench.engine.submitAll(Array.from({ length: 1_000 }, (_, n) => search(n + 1)))
  for (const { status, data } of many) {
    const { promises, cursor } = data as Found
    assert.deepEqual([status, promises.length, cursor !== undefined], [200, 1, true])
  }
})

test('a page that is cut short holds nothing of what its batch creates beyond it, and the next begins there', async (t) => {
  const bench = await open(t, { machine: { ...DEFAULT_CONFIG, examinedBytesMax: 250_000 } })
  const param = { data: 'x'.repeat(100_000) }
  const create = (id: string): Request => ({
    kind: 'promise.create',
    data: { id, timeoutAt: START + 9e6, param, tags: {} },
  })
  await bench.engine.submitAll(['a', 'b', 'c', 'd'].map(create))
  const search = (cursor?: string): Request => ({
    kind: 'promise.search',
    data: cursor === undefined ? {} : { cursor },
  })
  const [, first] = await bench.engine.submitAll([create('z'), search()])
  const found: string[][] = []
  for (let page = first?.data as Found; ; ) {
    found.push(page.promises.map(({ id }) => id))
    if (page.cursor === undefined) break
    page = (await bench.engine.submit(search(page.cursor))).data as Found
  }
  assert.deepEqual(found, [
    ['a', 'b', 'c'],
    ['d', 'z'],
  ])
})

test('large values that come at once are written in several batches, whether they are params or values', async (t) => {
  const batches: number[] = []
  const observer: EngineObserver = { ...NO_OBSERVER, batch: ({ requests }) => void batches.push(requests) }
  const bench = await open(t, { observer, limits: { bytesMax: 250_000 } })
  const payload = { data: 'x'.repeat(100_000) }
  const ids = ['a', 'b', 'c', 'd']
  const create = (id: string): Request => ({
    kind: 'promise.create',
    data: { id, timeoutAt: START + 9e6, param: payload, tags: {} },
  })
  await Promise.all(ids.map((id) => bench.engine.submit(create(id))))
  assert.deepEqual(batches.splice(0), [2, 2])
  const settle = (id: string): Request => ({ kind: 'promise.settle', data: { id, state: 'resolved', value: payload } })
  await Promise.all(ids.map((id) => bench.engine.submit(settle(id))))
  assert.deepEqual(batches, [2, 2])
})
