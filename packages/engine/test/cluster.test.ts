// Three servers on one database, their workers and clients, and everything that can happen to them, in one process under
// simulated time: what is shown by hundreds of seeds here, and by thousands in `npm run test:long`.
//
//   SEED=17 node --test packages/engine/test/cluster.test.ts        one seed
//   SEEDS=1000..2000 node --test packages/engine/test/cluster.test.ts

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulate } from './cluster/run.ts'

const isLong = process.env.RESONATE_TEST_LONG === '1'
const [first, last] = seeds()
const met = new Map<string, number>()

function seeds(): [number, number] {
  const { SEED, SEEDS } = process.env
  if (SEED) return [Number(SEED), Number(SEED)]
  const [from = 1, to = isLong ? 3_000 : 200] = (SEEDS ?? '').split('..').filter(Boolean).map(Number)
  return [from, to]
}

test(`a cluster keeps its promises whatever happens, seeds ${first} to ${last}`, async () => {
  for (let seed = first; seed <= last; seed++) {
    try {
      for (const [kind, times] of (await simulate(seed)).met) met.set(kind, (met.get(kind) ?? 0) + times)
    } catch (error) {
      const again = `SEED=${seed} node --test packages/engine/test/cluster.test.ts`
      throw new Error(`seed ${seed} fails: ${(error as Error).message}\nrun it again with\n  ${again}`, {
        cause: error,
      })
    }
  }
})

test('a seed is one run', async () => {
  const [one, other] = [await simulate(first), await simulate(first)]
  assert.deepEqual([...one.met], [...other.met])
  assert.equal(one.endedAfterMs, other.endedAfterMs)
})

test('a database whose locks do not hold is found out', async () => {
  await assert.rejects(simulate(1, { hasLocks: false }), assert.AssertionError)
})
