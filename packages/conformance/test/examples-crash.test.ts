// Each example as it stands in examples/, in a simulated world, killed right before and right after every request that it makes,
// each durable operation's among them, and started again as a person would: it comes to the same, what it does on the way is the
// same, and so are the promises that it leaves. With real processes: examples-kill.test.ts.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { test } from 'node:test'
import { EXAMPLES, type Example } from './examples/all.ts'
import { type Strike, simulate } from './examples/simulation.ts'

for (const example of EXAMPLES) {
  test(`the example ${example.name}, killed right before and right after each of its requests: the same result, the same effects`, async (t) => {
    const calm = await simulate(t, example)
    assert.ok(calm.requests > 0)
    assert.deepEqual(calm.faults, [])
    for (let at = 0; at < 2 * calm.requests; at++) {
      const strike: Strike = { request: Math.floor(at / 2) + 1, when: at % 2 === 0 ? 'before' : 'after' }
      const where = `${strike.when} request ${strike.request} of ${calm.requests}`
      const struck = await simulate(t, example, strike)
      assert.ok(struck.requests >= strike.request, `${where}: never came so far`)
      assert.deepEqual(struck.result, calm.result, where)
      assert.deepEqual(struck.faults, [], where)
      assert.deepEqual(new Set(struck.said), new Set(calm.said), where)
      if (example.remembers !== false) assert.deepEqual(struck.promises, calm.promises, where)
    }
  })
}

test('effects that are no steps happen again, and are found', async (t) => {
  const careless = registerHooks({
    load(url, context, next) {
      const loaded = next(url, context)
      if (!url.includes('/examples/demo/worker.ts')) return loaded
      const source = String(loaded.source).replace('ctx.run(act, orderId, step)', 'act(ctx as never, orderId, step)')
      return { ...loaded, source }
    },
  })
  t.after(() => careless.deregister())
  const demo = EXAMPLES.find(({ name }) => name === 'demo') as Example
  const { requests, faults } = await simulate(t, demo)
  assert.deepEqual(faults, [])
  const struck = await simulate(t, demo, { request: requests, when: 'before' })
  assert.match(struck.faults.join('\n'), /order \d ran reserve again after ship had begun/)
})

test('no example is left out', () => {
  const folders = readdirSync(new URL('../../../examples/', import.meta.url), { withFileTypes: true })
  const names = folders.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  const missing = names.filter((name) => !EXAMPLES.some((example) => example.name === name))
  assert.deepEqual(missing, [], `add to examples/all.ts how one uses ${missing.join(', ')}`)
})
