// The ordered set that keeps rows in the order of ids and of time, against a sorted array.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ordered } from '@resonatehq/protocol'
import fc from 'fast-check'

test('an ordered set holds what a sorted array would', () => {
  const entry = fc.integer({ min: 0, max: 3_000 })
  const change = fc.record({
    isAdded: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, fc.constant(false)),
    entry,
  })
  fc.assert(
    fc.property(fc.array(change, { minLength: 500, maxLength: 5_000, size: 'max' }), entry, (changes, from) => {
      const ordered = new Ordered<number>((a, b) => a - b)
      const model = new Set<number>()
      for (const { isAdded, entry } of changes) {
        if (isAdded) model.add(entry)
        else model.delete(entry)
        if (isAdded) ordered.add(entry)
        else ordered.delete(entry)
      }
      const sorted = [...model].sort((a, b) => a - b)
      assert.deepEqual([...ordered.from()], sorted)
      assert.deepEqual(
        [...ordered.from(from)],
        sorted.filter((one) => one >= from),
      )
      assert.equal(ordered.size, sorted.length)
      assert.equal(ordered.first, sorted[0])
    }),
    { numRuns: 30 },
  )
})
