// What several operations at once come to is the same wherever the worker is killed: all, race, any and allSettled decide in a
// replay as they did before; and functions of both styles call each other.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Context, Never, type Resonate } from '@resonatehq/sdk'
import type { Context as AsyncContext } from '@resonatehq/sdk/async'
import { crashEverywhere, faultsAtRandom, type Program, World } from '@resonatehq/sdk/testing'

const isLong = process.env.RESONATE_TEST_LONG === '1'

const once = (ctx: Context) => ctx.options({ retryPolicy: new Never() })

function fails(_: unknown, text: string): never {
  throw new Error(text)
}

/** Goes on after so many milliseconds, and gives its name. */
async function after(ctx: Context, ms: number, name: string): Promise<string> {
  await ctx.sleep(ms)
  return name
}

async function afterwards(ctx: Context, ms: number, text: string): Promise<never> {
  await ctx.sleep(ms)
  throw new Error(text)
}

const COMBINED: Readonly<Record<string, readonly [body: (ctx: Context) => Promise<unknown>, result: unknown]>> = {
  'all of steps, calls and sleeps': [
    (ctx) => Promise.all([ctx.run(() => 'step'), ctx.rpc(after, 20, 'call'), ctx.sleep(5), ctx.run(after, 10, 'flow')]),
    ['step', 'call', null, 'flow'],
  ],
  'all, of which one fails': [
    (ctx) =>
      Promise.all([
        ctx.rpc(after, 50, 'late'),
        ctx.rpc(afterwards, 5, 'first failure'),
        ctx.rpc(afterwards, 20, 'second'),
      ]).catch((error: Error) => error.message),
    'first failure',
  ],
  'a race of calls': [(ctx) => Promise.race([ctx.rpc(after, 30, 'slow'), ctx.rpc(after, 5, 'quick')]), 'quick'],
  'a race of a step of many and a sleep': [
    (ctx) => Promise.race([ctx.run(after, 40, 'flow'), ctx.sleep(10).then(() => 'sleep')]),
    'sleep',
  ],
  'a race that a failure wins': [
    (ctx) =>
      Promise.race([ctx.rpc(after, 30, 'slow'), ctx.rpc(afterwards, 5, 'failed first')]).catch(
        (error: Error) => error.message,
      ),
    'failed first',
  ],
  'any, whatever fails before': [
    (ctx) =>
      Promise.any([ctx.run(fails, 'no', once(ctx)), ctx.rpc(afterwards, 5, 'neither'), ctx.rpc(after, 20, 'yes')]),
    'yes',
  ],
  'any, when all fail': [
    (ctx) =>
      Promise.any([ctx.run(fails, 'no', once(ctx)), ctx.rpc(afterwards, 5, 'neither')]).catch((error: AggregateError) =>
        error.errors.map(({ message }) => message),
      ),
    ['no', 'neither'],
  ],
  allSettled: [
    async (ctx) => {
      const outcomes = await Promise.allSettled([
        ctx.rpc(after, 20, 'call'),
        ctx.run(fails, 'no', once(ctx)),
        ctx.sleep(5),
      ])
      return outcomes.map((outcome) =>
        outcome.status === 'fulfilled' ? (outcome.value ?? null) : outcome.reason.message,
      )
    },
    ['call', 'no', null],
  ],
  'the order in which results come': [
    async (ctx) => {
      const order: string[] = []
      const noted = (name: string) => (): void => void order.push(name)
      const calls = [30, 10, 20].map((ms) => ctx.rpc(after, ms, `${ms}`).then(noted(`${ms}`)))
      await Promise.all([...calls, ctx.sleep(15).then(noted('sleep')), ctx.run(() => 1).then(noted('step'))])
      return order
    },
    ['step', '10', 'sleep', '20', '30'],
  ],
}

/**
 * A workflow that tells the world outside what `body` came to. A crash may well change who is first; but once someone was told,
 * that is who it was, whoever replays it. `came` gets the result of each run.
 */
function telling(body: (ctx: Context) => Promise<unknown>, came: unknown[] = []): Program<unknown> {
  const told: string[] = []
  const tell = (_: unknown, what: unknown) => {
    told.push(JSON.stringify(what))
    return what
  }
  return {
    worker(resonate) {
      for (const fn of [after, afterwards, at]) resonate.register(fn)
      resonate.register('flow', async (ctx: Context) => ctx.run(tell, await body(ctx)))
    },
    async call(client) {
      const result = await client.rpc('id', 'flow')
      came.push(result)
      return { isTold: told.length > 0, others: told.filter((each) => each !== JSON.stringify(result)) }
    },
  }
}

for (const [name, [body, result]] of Object.entries(COMBINED)) {
  test(`${name}: a replay decides as it was decided`, async () => {
    const calm: unknown[] = []
    const program = () => telling(body, calm)
    assert.deepEqual((await crashEverywhere(program)).result, { isTold: true, others: [] })
    assert.deepEqual(calm[0], result)
  })
}

/** Names in the order in which their results came, of what is settled within a few milliseconds. */
async function inOrder(results: Readonly<Record<string, Promise<unknown>>>): Promise<string[]> {
  const order: string[] = []
  await Promise.all(Object.entries(results).map(([name, result]) => result.then(() => order.push(name))))
  return order
}

const TIED: Readonly<Record<string, (ctx: Context) => Promise<unknown>>> = {
  'calls that race': (ctx) => Promise.race(['a', 'b', 'c'].map((name) => ctx.rpc(at, name))),
  'calls that sleep equally long': (ctx) => Promise.race(['a', 'b', 'c'].map((name) => ctx.rpc(after, 5, name))),
  'calls in the order of their results': (ctx) =>
    inOrder(Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [name, ctx.rpc(at, name)]))),
  'calls, sleeps and a step': (ctx) =>
    inOrder({
      step: ctx.run(() => 1),
      a: ctx.rpc(after, 1, 'a'),
      b: ctx.rpc(at, 'b'),
      c: ctx.rpc(after, 1, 'c'),
      d: ctx.rpc(at, 'd'),
      sleep: ctx.sleep(1),
    }),
}

async function at(_: unknown, name: string): Promise<string> {
  return name
}

for (const [name, body] of Object.entries(TIED)) {
  test(`within one millisecond, ${name}: a replay decides as it was decided`, async () => {
    const program = () => telling(body)
    await crashEverywhere(program)
    await faultsAtRandom(program, { runs: isLong ? 400 : 40, crash: 0.15, loseAnswer: 0.1 })
  })
}

for (const count of [2, 150, 2_500]) {
  test(`of ${count} that are waited for, two of one millisecond, the later heard of first: a replay decides as it was decided`, async () => {
    const world = new World()
    const begin = (pid: string) => {
      const worker = world.asyncResonate({ pid, group: 'g' })
      worker.register('race', async (ctx: AsyncContext) => {
        const names = Array.from({ length: count }, (_, at) => ctx.promise().then(() => at))
        const winner = await Promise.race(names)
        const recorded = await ctx.run(() => winner)
        await ctx.sleep(60_000)
        return [recorded, winner]
      })
    }
    begin('first')
    const client = world.resonate({ pid: 'client', group: 'c' })
    const handle = await world.until(client.beginRpc('id', 'race', client.options({ target: 'g' })))
    await world.pass(1_000)
    const settle = (at: number) => world.ask('promise.settle', { id: `id:${at}`, state: 'resolved', value: {} })
    await settle(count - 1)
    await settle(0)
    await world.pass(1_000)
    world.crash('first')
    begin('second')
    await world.pass(120_000)
    const rest = Array.from({ length: count - 2 }, (_, at) => client.promises.resolve(`id:${at + 1}`))
    await world.until(Promise.all(rest))
    const [recorded, winner] = (await world.until(handle.result())) as number[]
    assert.equal(winner, recorded)
    await world.stop()
  })
}

for (const how of ['race', 'any'] as const) {
  test(`${how} of functions of this process that end in one millisecond: a replay decides as it was decided`, async () => {
    const racing = (): Program<unknown> => ({
      worker(resonate) {
        const nest = async (ctx: Context) => {
          await ctx.run(() => 1)
          await ctx.run(() => 2)
        }
        resonate.register('racing', async (ctx: Context) => {
          const all = [ctx.run(nest), ctx.run(() => 3)]
          const won = await Promise[how](all.map((each, at) => each.then(() => at)))
          const recorded = await ctx.run(() => won)
          await ctx.sleep(10)
          assert.equal(won, recorded)
        })
      },
      call: (client) => client.rpc('id', 'racing'),
    })
    await crashEverywhere(racing)
  })
}

for (const gap of [0, 1, 2, 3, 4, 5, 6]) {
  test(`of many results that each come ${gap} turns after the worker has looked, none is missed`, async () => {
    const world = new World()
    const seen: number[] = []
    // More than a suspend names again: that they are waited for all along is no help to the others.
    const [forever, others] = [20, 30]
    world.asyncResonate({ pid: 'w', group: 'g' }).register('gather', async (ctx: AsyncContext) => {
      const all = Array.from({ length: forever + others }, () => ctx.promise())
      const came = all.slice(forever).map((each, at) => each.then(() => seen.push(at)))
      await Promise.race([Promise.all(came), ...all.slice(0, forever)])
    })
    const client = world.resonate({ pid: 'c', group: 'c' })
    await world.until(client.beginRpc('id', 'gather', client.options({ target: 'g' })))
    await world.pass(10)
    let next = forever
    const settleNext = (turns: number): void => {
      if (turns > 0) return world.platform.defer(() => settleNext(turns - 1))
      if (next === forever + others) return
      void world.ask('promise.settle', { id: `id:${next++}`, state: 'resolved', value: {} })
    }
    world.fault = ({ kinds }) => {
      if (kinds.includes('promise.check')) settleNext(gap)
      return undefined
    }
    settleNext(0)
    await world.pass(100)
    assert.equal(seen.length, others)
    await world.stop()
  })
}

test('generators and async functions call each other, here and elsewhere', async () => {
  const register = (resonate: Resonate) => {
    function* generator(ctx: Context, depth: number): Generator<unknown, string, unknown> {
      if (depth === 0) return 'end'
      const here = yield* ctx.run(asynchronous, depth - 1)
      const there = yield* ctx.rpc<string>('asynchronous', depth - 1)
      return `generator(${here}, ${there})`
    }
    async function asynchronous(ctx: Context, depth: number): Promise<string> {
      if (depth === 0) return 'end'
      const here = await ctx.run(generator, depth - 1)
      const there = await ctx.rpc<string>('generator', depth - 1)
      return `asynchronous(${here}, ${there})`
    }
    resonate.register('generator', generator)
    resonate.register('asynchronous', asynchronous)
  }
  const program = (): Program<string> => ({
    worker: register,
    call: (client) => client.rpc<string>('id', 'generator', 2),
  })
  const { result } = await crashEverywhere(program)
  assert.equal(result, 'generator(asynchronous(end, end), asynchronous(end, end))')
})
