// When a function that threw is tried again, when it is not, and how long it waits.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type CallOptions,
  Constant,
  type Context,
  Exponential,
  Linear,
  type Logger,
  Never,
  type RetryPolicy,
} from '@resonatehq/sdk'
import { World } from '@resonatehq/sdk/testing'
import { decodeRetry } from '../src/engine/retry.ts'
import { STYLES } from './styles.ts'

/** When, in ms after the first, a step that always throws was tried, and with what its function ended. */
async function tries(
  call: CallOptions,
  {
    error = () => new Error('no'),
    own,
    timeout = 1_000_000,
  }: { error?: () => unknown; own?: RetryPolicy; timeout?: number } = {},
): Promise<{ at: number[]; ended: string }> {
  const world = new World()
  const resonate = world.resonate()
  const at: number[] = []
  const step = function step() {
    at.push(world.now())
    throw error()
  }
  if (own) resonate.register('step', step, { retryPolicy: own })
  resonate.register('flow', function* (ctx: Context) {
    yield* ctx.run(step, ctx.options(call))
  })
  const ended = await world.until(
    resonate.run('id', 'flow', resonate.options({ timeout })).then(
      () => 'well',
      (cause: Error) => cause.message,
    ),
  )
  await world.stop()
  return { at: at.map((each) => each - (at[0] as number)), ended }
}

const WAITS: readonly (readonly [name: string, policy: RetryPolicy, at: readonly number[]])[] = [
  ['constant', new Constant({ delay: 100, maxRetries: 3 }), [0, 100, 200, 300]],
  ['linear', new Linear({ delay: 100, maxRetries: 3 }), [0, 100, 300, 600]],
  ['exponential', new Exponential({ delay: 100, maxRetries: 3, maxDelay: 500 }), [0, 200, 600, 1_100]],
  ['never', new Never(), [0]],
]

for (const [name, retryPolicy, at] of WAITS) {
  test(`the waits of a ${name} policy are its own, and the failure stands when it gives up`, async () => {
    assert.deepEqual(await tries({ retryPolicy }), { at, ended: 'no' })
  })

  test(`a ${name} policy is the same after it has travelled`, () => {
    const travelled = decodeRetry(JSON.parse(JSON.stringify(retryPolicy.encode())))
    const waits = (policy?: RetryPolicy) => [1, 2, 3, 4].map((attempt) => policy?.next(attempt))
    assert.deepEqual(waits(travelled), waits(retryPolicy))
  })
}

test('a jitter leaves out up to its part of a wait, and travels', () => {
  const policy = new Constant({ delay: 1_000, jitter: 0.5 })
  const travelled = decodeRetry(policy.encode()) as RetryPolicy
  for (const each of [policy, travelled])
    assert.deepEqual(
      [0, 0.5, 1].map((drawn) => each.next(1, () => drawn)),
      [1_000, 750, 500],
    )
  assert.equal('jitter' in new Constant().encode().data, false)
  assert.throws(() => new Exponential({ jitter: 2 }), /from 0 to 1, got 2/)
})

test('functions that fail together with a jitter are tried again apart', async () => {
  const world = new World()
  const resonate = world.resonate()
  const at = new Set<number>()
  resonate.register('step', (ctx: Context) => {
    if (ctx.attempt === 1) throw new Error('no')
    at.add(world.now())
  })
  const options = resonate.options({ retryPolicy: new Constant({ delay: 1_000, jitter: 1 }) })
  await world.until(Promise.all(Array.from({ length: 10 }, (_, n) => resonate.run(`id-${n}`, 'step', options))))
  assert.ok(at.size > 5, `${at.size} instants for 10 retries`)
  await world.stop()
})

test('a function has the policy that it was registered with, unless its call names another', async () => {
  const own = new Constant({ delay: 10, maxRetries: 2 })
  assert.deepEqual((await tries({}, { own })).at, [0, 10, 20])
  assert.deepEqual((await tries({ retryPolicy: new Never() }, { own })).at, [0])
})

test('an error whose class is listed, or that says so itself, is not tried again', async () => {
  const retryPolicy = new Constant({ delay: 10, maxRetries: 5 })
  const listed = { retryPolicy, nonRetryableErrors: [TypeError] }
  assert.deepEqual((await tries(listed, { error: () => new TypeError('no') })).at, [0])
  assert.equal((await tries(listed, { error: () => new RangeError('no') })).at.length, 6)
  const marked = () => Object.assign(new Error('no'), { nonRetryable: true })
  assert.deepEqual((await tries({ retryPolicy }, { error: marked })).at, [0])
})

test('nothing is tried again at or after the deadline: the failure stands while it can still be told', async () => {
  const retryPolicy = new Constant({ delay: 400 })
  assert.deepEqual(await tries({ retryPolicy, timeout: 1_000 }), { at: [0, 400, 800], ended: 'no' })
})

test('a function that fails on and on is told of, less and less often', async () => {
  const said: object[] = []
  const warn = (fields: object) => void said.push(fields)
  const world = new World({ logger: { debug() {}, info() {}, warn, error: warn } as unknown as Logger })
  const resonate = world.resonate()
  resonate.register('step', () => {
    throw new Error('no')
  })
  const options = resonate.options({ retryPolicy: new Constant({ delay: 10, maxRetries: 45 }) })
  await assert.rejects(world.until(resonate.run('id', 'step', options)), /no/)
  assert.deepEqual(
    said,
    [5, 10, 20, 40].map((attempt) => ({ id: 'id', func: 'step', attempt, waitMs: 10, cause: 'no' })),
  )
  await world.stop()
})

for (const [what, next, cause] of [
  ['throws', () => JSON.parse('no policy') as number, /no policy/],
  ['gives no number', () => Number.NaN, /expected milliseconds or null, got NaN/],
  ['gives a wait below 0', () => -1, /got -1/],
  ['gives nothing', () => undefined as unknown as number, /got undefined/],
] as const)
  test(`a policy of one's own that ${what} has given up: the failure stands, and the log says why`, async () => {
    const said: { cause: string }[] = []
    const error = (fields: { cause: string }) => void said.push(fields)
    const world = new World({ logger: { debug() {}, info() {}, warn() {}, error } as unknown as Logger })
    const resonate = world.resonate()
    resonate.register('step', () => {
      throw new Error('no')
    })
    const retryPolicy = { next, encode: () => ({ type: 'own', data: {} }) }
    resonate.register('flow', async (ctx: Context) => await ctx.run('step', ctx.options({ retryPolicy })))
    await assert.rejects(world.until(resonate.run('id', 'flow')), /^Error: no$/)
    assert.equal(said.length, 1)
    assert.match(said[0]?.cause ?? '', cause)
    await world.stop()
  })

for (const [style, latency] of STYLES.flatMap((style) => [0, 5, 80].map((latency) => [style, latency] as const)))
  test(`${style}, answers after ${latency} ms: a step between two tries goes on with what somebody settles it with`, async () => {
    const world = new World({ latency })
    const resonate = world.resonate()
    let tries = 0
    const flaky = () => {
      tries += 1
      throw new Error('no')
    }
    const retryPolicy = new Constant({ delay: 600_000 })
    if (style === 'async')
      resonate.register('flow', async (ctx: Context) => [
        await ctx.run(flaky, ctx.options({ retryPolicy })),
        await ctx.run(() => 'after'),
      ])
    else
      resonate.register('flow', function* (ctx: Context) {
        const first = yield* ctx.run(flaky, ctx.options({ retryPolicy }))
        return [first, yield* ctx.run(() => 'after')]
      })
    const startAt = world.now()
    const flow = resonate.run('id', 'flow')
    await world.pass(1_000)
    await world.until(resonate.promises.resolve('id:0', { value: 'by hand' }))
    assert.deepEqual(await world.until(flow), ['by hand', 'after'])
    assert.equal(tries, 1)
    assert.ok(world.now() - startAt < 10_000, `${world.now() - startAt} ms`)
    await world.stop()
  })
