// What a batch reads is bounded, however much is asked of it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Request, RequestTable } from '@resonatehq/protocol'
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
