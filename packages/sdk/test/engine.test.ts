// What a durable function may rely on, in both styles: results, order, retries, waiting, and what is recorded.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PromiseRecord } from '@resonatehq/protocol'
import { STYLES, worldWith } from './styles.ts'

const YEAR_MS = 365 * 86_400_000

const RESULTS: readonly (readonly [name: string, result: unknown, effects: readonly string[]])[] = [
  ['steps', ['first', 'second'], ['first', 'second']],
  ['nested', { inner: [1, 2], last: 'last' }, ['one', 'two', 'last']],
  ['remote', 16, ['between']],
  ['fan', 20, []],
  ['month', 'woken', ['woken']],
  [
    'failing',
    { name: 'TypeError', message: 'out of order', code: 'E_BROKEN', isTypeError: true },
    ['broken', 'broken', 'broken'],
  ],
  ['forgetful', 'done', ['forgotten']],
]

for (const style of STYLES) {
  for (const [name, result, expected] of RESULTS) {
    test(`${style}: ${name}: gives its result, and each step happens once`, async () => {
      const { world, effects, worker } = worldWith(style)
      const resonate = worker('w1')
      const startAt = world.now()
      assert.deepEqual(await world.until(resonate.run('id', name, resonate.options({ timeout: YEAR_MS }))), result)
      if (name === 'month') assert.equal(Math.round((world.now() - startAt) / 86_400_000), 30)
      assert.deepEqual(effects, expected)
      assert.deepEqual(await world.until(resonate.run('id', name)), result, 'asked again, the same call gives the same')
      assert.deepEqual(effects, expected)
      await world.stop()
    })
  }

  test(`${style}: a rejection reaches who asked, with its class and message`, async () => {
    const { world, worker } = worldWith(style)
    const resonate = worker('w1')
    await assert.rejects(world.until(resonate.rpc('id', 'thrown')), RangeError('too far'))
    await world.stop()
  })

  test(`${style}: a retry waits 2 s, then 4 s`, async () => {
    const { world, worker } = worldWith(style)
    const resonate = worker('w1')
    const startAt = world.now()
    await world.until(resonate.run('id', 'failing'))
    assert.equal(world.now() - startAt, 6_000)
    await world.stop()
  })

  test(`${style}: a latent promise waits for who settles it by its id`, async () => {
    const { world, worker } = worldWith(style)
    const resonate = worker('w1')
    const handle = await world.until(resonate.beginRpc('id', 'latent'))
    await world.pass(3_600_000)
    const { promise } = await world.ask<{ promise: PromiseRecord }>('promise.get', { id: 'id:0' })
    assert.deepEqual([promise.state, promise.tags.ask], ['pending', 'boss'])
    await world.until(resonate.promises.resolve('id:0', { value: 'yes' }))
    assert.deepEqual(await world.until(handle.result()), ['id:0', 'yes'])
    await world.stop()
  })

  test(`${style}: detached work outlives its caller and has a flat id below the root`, async () => {
    const { world, effects, worker } = worldWith(style)
    const resonate = worker('w1')
    const id = await world.until(resonate.run<string>('root', 'detaching'))
    assert.match(id, /^root:d[0-9a-f]{14}$/)
    const handle = await world.until(resonate.get(id))
    assert.deepEqual(await world.until(handle.result()), ['first', 'second'])
    assert.deepEqual(effects, ['first', 'second'])
    await world.stop()
  })

  test(`${style}: a function is done only when all that it started is`, async () => {
    const { world, worker } = worldWith(style)
    const resonate = worker('w1')
    await world.until(resonate.run('id', 'forgetful'))
    const { promises } = await world.ask<{ promises: PromiseRecord[] }>('promise.search', {})
    assert.deepEqual(
      promises.map(({ id, state }) => [id, state]),
      [
        ['id', 'resolved'],
        ['id:0', 'resolved'],
        ['id:1', 'resolved'],
      ],
    )
    await world.stop()
  })
}

test('both styles record the same promises for the same program', async () => {
  const trees = []
  for (const style of STYLES) {
    const { world, worker } = worldWith(style)
    const resonate = worker('w1')
    for (const [name] of RESULTS)
      if (name !== 'failing') await world.until(resonate.rpc(name, name, resonate.options({ timeout: YEAR_MS })))
    const { promises } = await world.ask<{ promises: PromiseRecord[] }>('promise.search', { limit: 1000 })
    trees.push(promises.map(({ id, state, tags, param, value }) => ({ id, state, tags, param, value })))
    await world.stop()
  }
  assert.ok((trees[0]?.length ?? 0) > 20)
  assert.deepEqual(trees[0], trees[1])
})
