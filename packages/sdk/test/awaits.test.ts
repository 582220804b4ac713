// An ordinary await inside a workflow, on something that is not durable: it is waited for as long as it takes, whatever else is
// under way, and what cannot be waited for is a failure that says what to do.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PromiseRecord, TaskRecord } from '@resonatehq/protocol'
import type { AnyFunc, Context } from '@resonatehq/sdk'
import { World } from '@resonatehq/sdk/testing'

type Body = (ctx: Context, wait: (ms: number) => Promise<string>) => Promise<unknown>

async function run(body: Body): Promise<{ result: unknown; ms: number }> {
  const world = new World()
  const resonate = world.resonate()
  const wait = (ms: number) => new Promise<string>((resolve) => world.platform.timer(ms, () => resolve('waited')))
  resonate.register('echo', (_: unknown, text: string) => text)
  resonate.register('flow', (ctx: Context) => body(ctx, wait))
  const startAt = world.now()
  const result = await world.until(resonate.run('id', 'flow'))
  await world.stop()
  return { result, ms: world.now() - startAt }
}

const WAITED: readonly (readonly [name: string, body: Body, result: unknown, ms: number])[] = [
  ['alone, for hours', async (_, wait) => wait(10_000_000), 'waited', 10_000_000],
  [
    'between two steps',
    async (ctx, wait) => [await ctx.run(() => 1), await wait(500), await ctx.run(() => 2)],
    [1, 'waited', 2],
    500,
  ],
  [
    'beside a remote call that is over sooner',
    async (ctx, wait) => Promise.all([ctx.rpc('echo', 'a'), wait(5_000)]),
    ['a', 'waited'],
    5_000,
  ],
  [
    'beside a sleep that is over later, with a step after it',
    async (ctx, wait) => {
      const after = wait(1_000).then(() => ctx.run(() => 'step'))
      await ctx.sleep(60_000)
      return after
    },
    'step',
    60_000,
  ],
  [
    'winning a race against a sleep of a day, which is joined',
    async (ctx, wait) => Promise.race([wait(1_000), ctx.sleep(3_600_000)]),
    'waited',
    3_600_000,
  ],
  [
    'through a function of another library',
    async (ctx, wait) => {
      const lines = (async function* () {
        yield await wait(10)
        yield await ctx.run(() => 'step')
      })()
      const all = []
      for await (const line of lines) all.push(line)
      return all
    },
    ['waited', 'step'],
    10,
  ],
]

for (const [name, body, result, ms] of WAITED) {
  test(`an await on something that is not durable goes on: ${name}`, async () => {
    assert.deepEqual(await run(body), { result, ms })
  })
}

test('a generator that yields a promise is told to wrap it', async () => {
  const world = new World()
  const resonate = world.resonate()
  resonate.register('flow', function* () {
    yield Promise.resolve(1)
  })
  await assert.rejects(world.until(resonate.run('id', 'flow')), /yielded a promise.*Wrap other work: yield\* ctx\.run/)
  await world.stop()
})

test('an operation that is begun after its function returned is refused with what to do', async () => {
  const world = new World()
  const resonate = world.resonate()
  const refused = Promise.withResolvers<unknown>()
  resonate.register('flow', async (ctx: Context) => {
    void Promise.resolve()
      .then(() => new Promise<void>((resolve) => world.platform.timer(100, resolve)))
      .then(() => ctx.run(() => 1))
      .catch(refused.resolve)
    return 'done'
  })
  assert.equal(await world.until(resonate.run('id', 'flow')), 'done')
  assert.match(String(await world.until(refused.promise)), /after its function had returned: await everything/)
  await world.stop()
})

test('a workflow that awaits what never comes keeps its task, says so, and ends at its deadline', async () => {
  const said: { fields: object; message: string }[] = []
  const warn = (fields: object, message: string) => void said.push({ fields, message })
  const logger = { debug() {}, info() {}, warn, error: warn } as never
  const world = new World({ logger })
  const resonate = world.resonate({ pid: 'w', ttl: 10_000 })
  resonate.register('flow', async (ctx: Context) => {
    await ctx.run(() => 1)
    await new Promise(() => {})
  })
  const call = resonate.run('id', 'flow', resonate.options({ timeout: 600_000 }))
  const ended = assert.rejects(world.until(call), /timedout/)
  await ended
  const { promise } = await world.ask<{ promise: PromiseRecord }>('promise.get', { id: 'id' })
  assert.equal(promise.state, 'rejected_timedout')
  const { task } = await world.ask<{ task: TaskRecord }>('task.get', { id: 'id' })
  assert.equal(task.version, 1)
  const warnings = said.filter(({ message }) => message.includes('not durable'))
  assert.equal(warnings.length, 1, JSON.stringify(said))
  assert.match((warnings[0] as { message: string }).message, /ctx\.run/)
  await world.stop()
})

/** What is said of functions that stand still, in calls of one with a lease of 10 s, which is renewed every 5 s. */
async function warnings(flow: AnyFunc, calls = 1): Promise<{ fields: Record<string, unknown>; message: string }[]> {
  const said: { fields: Record<string, unknown>; message: string }[] = []
  const warn = (fields: Record<string, unknown>, message: string) => {
    if (fields.ms !== undefined) said.push({ fields, message })
  }
  const world = new World({ logger: { debug() {}, info() {}, warn, error: warn } })
  const resonate = world.resonate({ pid: 'w', ttl: 10_000 })
  resonate.register('flow', flow)
  for (let call = 0; call < calls; call++) {
    const id = `id-${call}`
    await assert.rejects(
      world.until(resonate.run(id, 'flow', resonate.options({ timeout: 60_000 }))),
      /timedout|not yet/,
    )
  }
  await world.stop()
  return said
}

const never = () => new Promise<never>(() => {})

test('a workflow that awaits what never comes before it has begun anything is named, with for how long and what to wrap', async () => {
  const [first, ...more] = await warnings(never)
  assert.ok(first)
  assert.deepEqual(first.fields, { id: 'id-0', func: 'flow', ms: 5_000 })
  assert.match(first.message, /'id-0' \(function 'flow'\) has run for 5 s or more without beginning anything durable/)
  assert.match(first.message, /Wrap it: ctx\.run\(\(\) => …\), or ctx\.promise\(\)/)
  assert.deepEqual(more, [])
})

test('a step that never ends is named too, once for each function, since it may well take its time', async () => {
  const said = await warnings(
    (ctx: Context) =>
      ctx.run(function ask() {
        return never()
      }),
    2,
  )
  assert.deepEqual(
    said.map(({ fields }) => fields.func),
    ['ask'],
  )
})

test('a workflow within a workflow is noticed, and so is one that has begun what it does not wait for yet', async () => {
  const inner = await warnings((ctx: Context) =>
    ctx.run(async function inner(inside: Context) {
      await inside.run(() => 1)
      await never()
    }),
  )
  assert.deepEqual(
    inner.map(({ fields }) => [fields.id, fields.func]),
    [['id-0:0', 'inner']],
  )
  assert.match(inner[0]?.message ?? '', /has awaited something that is not durable for 5 s or more/)
  const beside = await warnings(async (ctx: Context) => {
    const later = ctx.sleep(86_400_000)
    await never()
    await later
  })
  assert.deepEqual(
    beside.map(({ fields }) => fields.func),
    ['flow'],
  )
})

test('nothing is said of what waits for something durable, or is tried again', async () => {
  assert.deepEqual(await warnings((ctx: Context) => ctx.promise()), [])
  const failing = () => {
    throw new Error('not yet')
  }
  assert.deepEqual(await warnings((ctx: Context) => ctx.run(failing, ctx.options({ timeout: 86_400_000 }))), [])
})
