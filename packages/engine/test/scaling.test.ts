// How many workers a group needs.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Demand, HoldTimes, workersDesired } from '../src/scaling.ts'

const base: Demand = { held: 0, waiting: 0, holdMs: 1_000, tasksPerWorker: 1, targetWaitMs: 5_000 }
const demand = fc.record({
  held: fc.nat(10_000),
  waiting: fc.nat(1_000_000),
  holdMs: fc.option(fc.integer({ min: 0, max: 3_600_000 }), { nil: null }),
  tasksPerWorker: fc.integer({ min: 1, max: 1_000 }),
  targetWaitMs: fc.integer({ min: 1, max: 600_000 }),
})

test('nothing held and nothing waiting needs nobody, and anything else somebody', () => {
  assert.equal(workersDesired(base), 0)
  fc.assert(fc.property(demand, (one) => workersDesired(one) > 0 === one.held + one.waiting > 0))
})

test('more backlog never needs fewer workers, and a longer wait never more', () => {
  fc.assert(
    fc.property(demand, fc.nat(1_000), (one, more) => {
      const workers = workersDesired(one)
      assert.ok(workersDesired({ ...one, waiting: one.waiting + more }) >= workers)
      assert.ok(workersDesired({ ...one, held: one.held + more }) >= workers)
      assert.ok(workersDesired({ ...one, targetWaitMs: one.targetWaitMs + more }) <= workers)
    }),
  )
})

test('quick tasks share a slot within the target wait, slow ones do not', () => {
  assert.equal(workersDesired({ ...base, waiting: 100, holdMs: 50 }), 1)
  assert.equal(workersDesired({ ...base, waiting: 100, holdMs: 1_000 }), 20)
  assert.equal(workersDesired({ ...base, waiting: 100, holdMs: 60_000 }), 100)
  assert.equal(workersDesired({ ...base, waiting: 100, holdMs: null, tasksPerWorker: 10 }), 10)
})

test('the mean time in hand is that of the last minutes', () => {
  const holds = new HoldTimes()
  const start = 1_000_000_000
  assert.equal(holds.meanMs('g', start), null)
  holds.note('g', 100, start)
  holds.note('g', 300, start + 1_000)
  assert.equal(holds.meanMs('g', start + 2_000), 200)
  holds.note('g', 800, start + 301_000)
  assert.equal(holds.meanMs('g', start + 302_000), 400)
  assert.equal(holds.meanMs('g', start + 602_000), 800)
  assert.equal(holds.meanMs('g', start + 2_000_000), null)
  holds.note('g', 50, start)
  assert.equal(holds.meanMs('g', start), 50)
})
