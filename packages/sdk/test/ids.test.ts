// An id that a caller chose names one thing for everybody: who comes first decides what, and all others are given that.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallOptions, Context, Resonate } from '@resonatehq/sdk'
import { crashEverywhere, World } from '@resonatehq/sdk/testing'
import { STYLES, type Style } from './styles.ts'

/** Registers `twice`: the same step, under one id or one and another, one call after the other. */
function register(resonate: Resonate, style: Style, step: () => number): void {
  if (style === 'async')
    resonate.register('twice', async (ctx: Context, ids: string[]) => {
      const results: number[] = []
      for (const id of ids) results.push(await ctx.run(step, ctx.options({ id })))
      return results
    })
  else
    resonate.register('twice', function* (ctx: Context, ids: string[]): Generator<unknown, number[], number> {
      const results: number[] = []
      for (const id of ids) results.push(yield* ctx.run(step, ctx.options({ id })))
      return results
    })
}

async function worldOf(style: Style) {
  const world = new World()
  const resonate = world.resonate()
  let runs = 0
  register(resonate, style, () => ++runs)
  const call = (id: string, ...ids: string[]) => world.until(resonate.run(id, 'twice', ids))
  return { world, resonate, call, runs: () => runs }
}

for (const style of STYLES) {
  test(`${style}: a step that another workflow has done is not done again`, async () => {
    const { world, call, runs } = await worldOf(style)
    assert.deepEqual(await call('first', 'charge-42'), [1])
    assert.deepEqual(await call('second', 'charge-42', 'charge-43'), [1, 2])
    assert.equal(runs(), 2)
    await world.stop()
  })

  test(`${style}: a step that stands twice in a workflow is done once`, async () => {
    const { world, call, runs } = await worldOf(style)
    assert.deepEqual(await call('id', 'charge-42', 'charge-42'), [1, 1])
    assert.equal(runs(), 1)
    await world.stop()
  })

  test(`${style}: what somebody settled under the id of a step is its result`, async () => {
    const { world, resonate, call, runs } = await worldOf(style)
    await world.until(resonate.promises.create('charge-42', 9e12))
    await world.until(resonate.promises.resolve('charge-42', { value: 7 }))
    assert.deepEqual(await call('id', 'charge-42'), [7])
    assert.equal(runs(), 0)
    await world.stop()
  })

  test(`${style}: a call elsewhere under the id of what is done already is given what that came to`, async () => {
    const { world, resonate, call } = await worldOf(style)
    await call('done', 'charge-42')
    const options: CallOptions = { id: 'done' }
    const outer =
      style === 'async'
        ? async (ctx: Context) => await ctx.rpc('other', ctx.options(options))
        : function* (ctx: Context): Generator<unknown, unknown, unknown> {
            return yield* ctx.rpc('other', ctx.options(options))
          }
    resonate.register('outer', outer)
    assert.deepEqual(await world.until(resonate.run('id', 'outer')), [1])
    await world.stop()
  })

  test(`${style}: whatever a worker dies at, a step of one id has one result`, async () => {
    const { result } = await crashEverywhere(() => ({
      worker: (resonate) => register(resonate, style, () => 5),
      call: (client) => client.rpc('id', 'twice', ['a', 'a', 'b']),
    }))
    assert.deepEqual(result, [5, 5, 5])
  })
}
