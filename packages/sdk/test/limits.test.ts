// What is deep, wide or unusual: calls nested beyond what an id can hold, and errors that hold what has no JSON form.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PromiseRecord } from '@resonatehq/protocol'
import { type Context, Never, type Resonate } from '@resonatehq/sdk'
import { World } from '@resonatehq/sdk/testing'
import { STYLES, type Style } from './styles.ts'

/** `down(n)` calls itself n times, each call within the one before, here and elsewhere in turn. */
function registerDown(resonate: Resonate, style: Style): void {
  if (style === 'generator') {
    resonate.register('down', function* down(ctx: Context, n: number): Generator<unknown, number, unknown> {
      if (n === 0) return 0
      const inner = n % 2 ? yield* ctx.run(down, n - 1) : yield* ctx.rpc<number>('down', n - 1)
      return (inner as number) + 1
    })
  } else {
    resonate.register('down', async function down(ctx: Context, n: number): Promise<number> {
      if (n === 0) return 0
      return (n % 2 ? await ctx.run(down, n - 1) : await ctx.rpc<number>('down', n - 1)) + 1
    })
  }
}

for (const style of STYLES) {
  test(`${style}: calls may be nested deeper than an id is long, and a replay finds them`, async () => {
    const world = new World()
    const root = 'r'.repeat(960)
    registerDown(world.resonate({ pid: 'w1' }), style)
    registerDown(world.resonate({ pid: 'w2' }), style)
    let isCrashed = false
    world.fault = ({ pid, count }) => {
      if (pid !== 'w1' || isCrashed || count < 60) return undefined
      isCrashed = true
      return 'crash before'
    }
    const client = world.resonate({ pid: 'client', group: 'clients' })
    const depth = await world.until(client.rpc(root, 'down', 60, client.options({ target: 'default' })))
    assert.deepEqual([depth, isCrashed], [60, true])
    const { promises } = await world.ask<{ promises: PromiseRecord[] }>('promise.search', { limit: 100 })
    assert.equal(promises.length, 61, 'each call has one promise')
    const flat = promises.filter(({ id }) => /^r+:n[0-9a-f]{28}$/.test(id))
    assert.ok(flat.length > 0)
    assert.ok(promises.every(({ id, tags }) => id === root || tags['resonate:origin'] === root))
    await world.stop()
  })

  test(`${style}: an error that holds a request, itself or a big number is told without them`, async () => {
    const world = new World()
    const resonate = world.resonate()
    const once = resonate.options({ retryPolicy: new Never() })
    const request: Record<string, unknown> = { url: 'https://example.com' }
    request.socket = { request }
    const fail = () => {
      const error = new TypeError('no answer', { cause: Object.assign(new Error('reset'), { count: 5n }) })
      Object.assign(error, { code: 'E_NET', request, again: error })
      Object.defineProperty(error, 'broken', {
        enumerable: true,
        get() {
          throw new Error('of the getter')
        },
      })
      throw error
    }
    const seen = (error: unknown) => {
      const { name, message, code, request, cause } = error as Error & { code: string; request: unknown }
      return { name, message, code, request: request !== undefined, cause: (cause as Error).message }
    }
    if (style === 'generator')
      resonate.register('act', function* (ctx: Context) {
        try {
          yield* ctx.run(fail, once)
        } catch (error) {
          return seen(error)
        }
        return undefined
      })
    else
      resonate.register('act', async (ctx: Context) => {
        try {
          return await ctx.run(fail, once)
        } catch (error) {
          return seen(error)
        }
      })
    const expected = { name: 'TypeError', message: 'no answer', code: 'E_NET', request: false, cause: 'reset' }
    assert.deepEqual(await world.until(resonate.run('id', 'act') as Promise<unknown>), expected)
    await world.stop()
  })

  test(`${style}: a step is told at its own deadline, and its caller then`, async () => {
    const world = new World()
    const resonate = world.resonate()
    const seen: unknown[] = []
    const patient = (ctx: Context) =>
      new Promise<void>((resolve) => {
        ctx.signal.addEventListener('abort', () => {
          seen.push((ctx.signal.reason as Error).name, world.now() - startAt)
          resolve()
        })
      })
    const short = resonate.options({ timeout: 500 })
    if (style === 'generator')
      resonate.register('act', function* (ctx: Context) {
        try {
          yield* ctx.run(patient, short)
        } catch (error) {
          return (error as Error).name
        }
        return undefined
      })
    else
      resonate.register('act', async (ctx: Context) => {
        try {
          return await ctx.run(patient, short)
        } catch (error) {
          return (error as Error).name
        }
      })
    const startAt = world.now()
    const run = world.until(resonate.run('id', 'act') as Promise<unknown>)
    assert.equal(await run, 'PromiseTimedoutError')
    assert.deepEqual(seen, ['PromiseTimedoutError', 500])
    assert.ok(world.now() - startAt < 600)
    await world.stop()
  })

  test(`${style}: a first run is given what a replay is given: -0, and a text that means Infinity`, async () => {
    const world = new World()
    const resonate = world.resonate()
    const zero = () => -0
    const text = () => '__INF__'
    const seen = (values: readonly unknown[]) => values.map((value) => [typeof value, Object.is(value, -0)])
    if (style === 'generator')
      resonate.register('act', function* (ctx: Context) {
        return seen([yield* ctx.run(zero), yield* ctx.run(text)])
      })
    else resonate.register('act', async (ctx: Context) => seen([await ctx.run(zero), await ctx.run(text)]))
    const run = world.until(resonate.run('id', 'act') as Promise<unknown>)
    assert.deepEqual(await run, [
      ['number', false],
      ['number', false],
    ])
    await world.stop()
  })
}

test('a result without a JSON form says so once', async () => {
  const world = new World()
  const resonate = world.resonate()
  resonate.register('act', () => ({ count: 5n }))
  await assert.rejects(world.until(resonate.run('id', 'act')), {
    message: 'The result of id cannot be encoded as JSON: Do not know how to serialize a BigInt',
  })
  await world.stop()
})
