// Examples as real processes: killed with SIGKILL right before and right after a request that they make, seen by a proxy between
// them and their server, and started again. In a short run at one request in the middle, in a long one at every request; in
// simulation always at every one: examples-crash.test.ts.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EXAMPLES } from './examples/all.ts'
import { run, type Strike } from './examples/real.ts'
import { isLong } from './processes.ts'

/** Those that simulations show only in part: they use sockets and threads, are called by HTTP, or are started with others. */
const SAMPLE = ['encryption', 'express', 'human-in-the-loop', 'worker', 'serverless', 'demo']

/** Right before and right after one request in the middle, or every one. */
function strikes(posts: number, isEvery: boolean): Strike[] {
  const all = Array.from({ length: posts }, (_, at) => at + 1)
  const struck = isEvery ? all : [Math.ceil(posts / 2)]
  return struck.flatMap((post): Strike[] => [
    { post, when: 'before' },
    { post, when: 'after' },
  ])
}

for (const example of EXAMPLES) {
  const isSample = SAMPLE.includes(example.name)
  if (!isSample && !isLong) continue
  const isEvery = isLong && isSample
  const where = isEvery ? 'each of its requests' : 'a request in the middle'
  test(`the example ${example.name}, its process killed right before and right after ${where}: the same result, the same effects`, async (t) => {
    const calm = await run(t, example)
    assert.ok(calm.posts > 0)
    assert.deepEqual(calm.faults, [])
    let struck = 0
    for (const strike of strikes(calm.posts, isEvery)) {
      const told = `${strike.when} request ${strike.post} of ${calm.posts}`
      const { result, faults, isStruck } = await run(t, example, strike)
      struck += isStruck ? 1 : 0
      assert.deepEqual(result, calm.result, told)
      assert.deepEqual(faults, [], told)
    }
    // What travels together differs from run to run, and with it the number of the last requests.
    assert.ok(struck > 0, 'it never made so many requests again')
  })
}
