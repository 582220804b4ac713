// Types flow from a function to what its calls give. This file must compile, and each line marked as an error must be one:
// `tsc` checks that. At run time it shows that the typed clients do what their types say.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Context } from '@resonatehq/sdk'
import type { Context as AsyncContext, DurablePromise } from '@resonatehq/sdk/async'
import { World } from '@resonatehq/sdk/testing'

/** Compiles only where both types are the same. */
function same<A, B>(_: (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false): void {}

function charge(_: unknown, order: string, cents: number): { paid: number } {
  return { paid: order.length + cents }
}

async function ship(_: unknown, order: string): Promise<string[]> {
  return [order]
}

function* both(ctx: Context, order: string): Generator<unknown, number, unknown> {
  const { paid } = yield* ctx.run(charge, order, 2)
  return paid
}

/** What another package would export, of which only the type is used. */
const worker = { charge, ship, both, version: 3 }

declare module '@resonatehq/sdk' {
  interface Dependencies {
    readonly stock: ReadonlyMap<string, number>
  }
}

test('a dependency whose type was said has it, where it is put and where it is got', async () => {
  const world = new World()
  const resonate = world.resonate()
  resonate.setDependency('stock', new Map([['chair', 3]]))
  // @ts-expect-error: of another type
  const refused = () => resonate.setDependency('stock', 'none')
  resonate.setDependency('unsaid', 5)
  resonate.register('count', async (ctx: Context, article: string) => {
    const stock = ctx.getDependency('stock')
    same<typeof stock, ReadonlyMap<string, number> | undefined>(true)
    const unsaid = ctx.getDependency<number>('unsaid')
    same<typeof unsaid, number | undefined>(true)
    return [stock?.get(article), unsaid]
  })
  assert.deepEqual(await world.until(resonate.run('one', 'count', 'chair')), [3, 5])
  assert.equal(typeof refused, 'function')
  await world.stop()
})

test('results, arguments and handles have the types of the function, in the root entry', async () => {
  const world = new World()
  const resonate = world.resonate()
  const registered = resonate.register(both)
  resonate.register(charge)
  resonate.register('later', async (ctx: Context) => {
    const receipt = await ctx.run(charge, 'a', 1)
    same<typeof receipt, { paid: number }>(true)
    const things = await ctx.rpc(ship, 'a')
    same<typeof things, string[]>(true)
    const named = await ctx.rpc<Date>('elsewhere')
    same<typeof named, Date>(true)
    // @ts-expect-error: an argument is missing
    ctx.run(charge, 'a')
    // @ts-expect-error: an argument is of another type
    ctx.rpc(ship, 5)
  })
  resonate.register('yielding', function* (ctx: Context) {
    const receipt = yield* ctx.run(charge, 'a', 1)
    same<typeof receipt, { paid: number }>(true)
    const future = yield* ctx.beginRpc(both, 'a')
    const paid = yield* future
    same<typeof paid, number>(true)
    const approved = yield* yield* ctx.promise<boolean>()
    same<typeof approved, boolean>(true)
  })
  const paid = await world.until(registered.run('one', 'a'))
  same<typeof paid, number>(true)
  const handle = await world.until(resonate.beginRun('two', both, 'a'))
  const result = await world.until(handle.result())
  same<typeof result, number>(true)
  // @ts-expect-error: an argument is of another type
  const refused = () => registered.run('three', 5)
  assert.equal(typeof refused, 'function')
  assert.deepEqual([paid, result], [3, 3])
  await world.stop()
})

test('a client has the types of a worker that it knows by its type alone', async () => {
  const world = new World()
  const served = world.resonate({ group: 'orders' })
  served.register(charge)
  served.register(ship)
  const resonate = world.resonate({ group: 'front' })
  const orders = resonate.client<typeof worker>({ target: 'orders' })
  const receipt = await world.until(orders.charge('one', 'abc', 2))
  same<typeof receipt, { paid: number }>(true)
  const handle = await world.until(orders.ship.begin('two', 'abc'))
  const shipped = await world.until(handle.result())
  same<typeof shipped, string[]>(true)
  // @ts-expect-error: no such function
  const absent = () => orders.refund('three')
  // @ts-expect-error: not a function
  const version = () => orders.version('four')
  // @ts-expect-error: an argument is missing
  const short = () => orders.charge('five', 'abc')
  assert.deepEqual(
    [absent, version, short].map((each) => typeof each),
    ['function', 'function', 'function'],
  )
  assert.deepEqual([receipt, shipped], [{ paid: 5 }, ['abc']])
  await world.stop()
})

test('a workflow calls a worker that it knows by its type alone, in both styles', async () => {
  const world = new World()
  const served = world.resonate({ group: 'orders' })
  served.register(charge)
  served.register(ship)
  const root = world.resonate({ group: 'root' })
  const order = root.register('order', function* (ctx: Context) {
    const orders = ctx.client<typeof worker>({ target: 'orders' })
    const { paid } = yield* orders.charge('abc', 2)
    same<typeof paid, number>(true)
    const shipped = yield* orders.ship('abc', ctx.options({ timeout: 5_000 }))
    same<typeof shipped, string[]>(true)
    return { paid, shipped }
  })
  assert.deepEqual(await world.until(order.run('one')), { paid: 5, shipped: ['abc'] })
  const later = world.asyncResonate({ group: 'async' })
  const asyncOrder = later.register('asyncOrder', async (ctx: AsyncContext) => {
    const orders = ctx.client<typeof worker>({ target: 'orders' })
    const [receipt, shipped] = await Promise.all([orders.charge('abc', 2), orders.ship('abc')])
    same<typeof receipt, { paid: number }>(true)
    const running: DurablePromise<{ paid: number }> = ctx.run(charge, 'a', 1)
    same<Awaited<typeof running>, { paid: number }>(true)
    return shipped.length + (await running).paid
  })
  const handle = await world.until(asyncOrder.run('two'))
  const sum = await world.until(handle.result())
  same<typeof sum, number>(true)
  assert.equal(sum, 3)
  await world.stop()
})

test('options stand last also where arguments are left out', async () => {
  const world = new World()
  const resonate = world.resonate()
  const greet = (_: unknown, name: string, greeting?: string, mark?: string) =>
    `${greeting ?? 'hello'} ${name}${mark ?? ''}`
  const registered = resonate.register('greet', greet)
  const options = resonate.options({ tags: { a: 'b' } })
  assert.equal(await world.until(registered.run('a', 'you', options)), 'hello you')
  assert.equal(await world.until(registered.run('b', 'you', 'hi', options)), 'hi you')
  assert.equal(await world.until(registered.run('c', 'you', undefined, '!', options)), 'hello you!')
  assert.equal((await resonate.promises.get('a')).tags.a, 'b')
  // @ts-expect-error: an argument of another type
  const wrong = () => registered.run('d', 'you', 5)
  // @ts-expect-error: one that may not be left out
  const missing = () => registered.run('d', options)
  assert.equal([wrong, missing].length, 2)
  await world.stop()
})
