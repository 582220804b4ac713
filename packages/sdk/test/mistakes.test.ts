// What a caller gets wrong is refused at once, where it was written, by a message that says what was expected: never waited for,
// and never taken for something else.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  Constant,
  type Context,
  type Encryptor,
  Exponential,
  Linear,
  type Logger,
  PromiseTimedoutError,
  Resonate,
  type ResonateOptions,
  type RetryPolicy,
  type SleepOptions,
} from '@resonatehq/sdk'
import { World } from '@resonatehq/sdk/testing'
import { STYLES, type Style } from './styles.ts'

type Operation = PromiseLike<unknown> & Iterable<unknown>

/** A function that does one thing with its context and nothing else, in both styles. */
function doing(style: Style, act: (ctx: Context) => Operation) {
  if (style === 'async') return async (ctx: Context) => await act(ctx)
  return function* (ctx: Context): Generator<unknown, unknown, unknown> {
    return yield* act(ctx) as unknown as Generator<unknown, unknown, unknown>
  }
}

async function outcome(style: Style, act: (ctx: Context) => Operation) {
  const world = new World()
  const resonate = world.resonate()
  resonate.register('act', doing(style, act))
  const startAt = world.now()
  try {
    return { value: await world.until(resonate.run('id', 'act')), ms: world.now() - startAt }
  } catch (error) {
    return { error: error as Error, ms: world.now() - startAt }
  } finally {
    await world.stop()
  }
}

const DURATIONS: readonly (readonly [duration: unknown, got: string])[] = [
  ['1000', "got '1000'"],
  [{ for: '1000' }, 'got {"for":"1000"}'],
  [{ seconds: 5 }, 'got {"seconds":5}'],
  [new Date(0), 'got "1970-01-01T00:00:00.000Z"'],
  [{ until: 5_000 }, 'got {"until":5000}'],
  [{ until: new Date('never') }, 'got {"until":null}'],
  [null, 'got null'],
  [Number.POSITIVE_INFINITY, 'got Infinity'],
  [Number.NaN, 'got NaN'],
  [5n, 'got 5'],
]

for (const style of STYLES) {
  for (const [duration, got] of DURATIONS) {
    test(`${style}: a sleep that is no time is refused: ${got}`, async () => {
      const { error, ms } = await outcome(style, (ctx) => ctx.sleep(duration as SleepOptions))
      assert.ok(error instanceof TypeError)
      assert.ok(ms < 1_000, 'it is not tried again')
      assert.equal(error.message, `ctx.sleep takes milliseconds, {for: ms} or {until: Date}, ${got}`)
    })
  }

  for (const duration of [undefined, {}, 0, -5, { for: -5 }, { until: new Date(0) }, { for: undefined }]) {
    test(`${style}: a sleep of ${JSON.stringify(duration) ?? 'nothing'} is over at once`, async () => {
      const { error, ms } = await outcome(style, (ctx) => ctx.sleep(duration))
      assert.deepEqual([error, ms < 10], [undefined, true])
    })
  }

  test(`${style}: a sleep that its function cannot outlive is made known, once for each function`, async () => {
    const said: string[] = []
    const quiet = () => {}
    const logger = { debug: quiet, info: quiet, error: quiet, warn: (_: object, msg: string) => void said.push(msg) }
    const world = new World()
    const resonate = world.resonate({ logger })
    resonate.register(
      'act',
      doing(style, (ctx) => ctx.sleep({ for: 2 * 86_400_000 })),
    )
    for (const id of ['a', 'b']) await assert.rejects(world.until(resonate.run(id, 'act')), PromiseTimedoutError)
    const week = resonate.options({ timeout: 7 * 86_400_000 })
    await world.until(resonate.run('c', 'act', week))
    assert.equal(said.length, 1)
    assert.match(
      said[0] as string,
      /^'a' \(function 'act'\) sleeps until its deadline or longer, .*: call it with a longer timeout/,
    )
    await world.stop()
  })

  test(`${style}: a timeout that is no number is refused by ctx.promise`, async () => {
    for (const timeout of [Number.NaN, '100', -1]) {
      const { error } = await outcome(style, (ctx) => ctx.promise({ timeout: timeout as number }))
      assert.match(String(error), /^TypeError: The option 'timeout' must be a number of at least 0, got /)
    }
  })

  test(`${style}: a mistake in the first call of a function fails it at once, and is not tried again for a day`, async () => {
    const unknown = await outcome(style, (ctx) => ctx.run('nowhere'))
    assert.match(String(unknown.error), /Function 'nowhere' is not registered here/)
    const colon = await outcome(style, (ctx) => ctx.run(() => 1, ctx.options({ id: 'a:b' })))
    assert.match(String(colon.error), /The id of a call must not contain ':'/)
    assert.ok(unknown.ms < 1_000 && colon.ms < 1_000)
  })

  test(`${style}: a call of what is no function, or by the id of its caller, fails at once`, async () => {
    for (const what of [undefined, '', 5] as unknown as string[])
      for (const call of ['run', 'rpc', 'detached'] as const) {
        const { error, ms } = await outcome(style, (ctx) => (ctx[call] as (what: string) => Operation).call(ctx, what))
        assert.match(String(error), /A call takes a function or the name of one, got/)
        assert.ok(ms < 1_000)
      }
    const { error, ms } = await outcome(style, (ctx) => ctx.rpc('act', ctx.options({ id: ctx.id })))
    assert.match(String(error), /The id of a call must not be that of its caller, got 'id'/)
    assert.ok(ms < 1_000)
  })

  test(`${style}: an operation that is returned or handed on, instead of its result, is named`, async () => {
    const world = new World()
    const resonate = world.resonate()
    const step = () => 1
    if (style === 'generator') {
      resonate.register('returned', function* (ctx: Context) {
        return { step: yield* ctx.beginRun(step) }
      })
      resonate.register('handed', function* (ctx: Context) {
        return yield* ctx.rpc('step', [yield* ctx.beginRun(step)])
      })
    } else {
      resonate.register('returned', async (ctx: Context) => ({ step: ctx.run(step) }))
      resonate.register('handed', async (ctx: Context) => ctx.rpc('step', [ctx.run(step)]))
    }
    const named = /cannot be encoded as JSON: the operation '[ab]:0' is in it: await or yield it first/
    await assert.rejects(world.until(resonate.run('a', 'returned')), named)
    await assert.rejects(world.until(resonate.run('b', 'handed')), named)
    await world.stop()
  })

  test(`${style}: a timeout of Infinity ends no call, step or promise before its caller`, async () => {
    const world = new World()
    const resonate = world.resonate()
    const forever = resonate.options({ timeout: Number.POSITIVE_INFINITY })
    resonate.register('step', () => 1)
    resonate.register(
      'act',
      doing(style, (ctx) => ctx.rpc('step', forever)),
    )
    assert.equal(await world.until(resonate.run('id', 'act', forever)), 1)
    const [root, step] = [await resonate.promises.get('id'), await resonate.promises.get('id:0')]
    assert.deepEqual([root.timeoutAt, step.timeoutAt], [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER])
    await world.stop()
  })
}

for (const param of [{}, { func: '' }, { func: 5, args: [] }, { func: 'f', args: 'x' }, null, 'f'])
  test(`a task that calls nothing fails with what was expected: ${JSON.stringify(param)}`, async () => {
    const world = new World()
    const resonate = world.resonate()
    resonate.register('f', () => 1)
    const tags = { 'resonate:target': 'poll://any@default' }
    await resonate.promises.create('id', 9e12, { value: param, tags })
    const error = /cannot be decoded.* expected {func, args, version}/
    await assert.rejects(world.until((await resonate.get('id')).result()), error)
    await world.stop()
  })

test('a policy that is none is refused before anything has failed', () => {
  const policy = { delay: 5 } as unknown as RetryPolicy
  const message = /The option 'retryPolicy' is a policy, as in new Exponential.* got {"delay":5}/
  const resonate = new World().resonate()
  assert.throws(() => resonate.options({ retryPolicy: policy }), message)
  assert.throws(() => resonate.register('f', () => 1, { retryPolicy: policy }), message)
  assert.throws(() => new World().resonate({ retryPolicy: policy }), message)
})

test('a policy of negative waits, or of none that is a number, is refused', () => {
  assert.throws(() => new Constant({ delay: -5 }), /The 'delay' of a retry policy is a number of at least 0, got -5/)
  assert.throws(() => new Linear({ maxRetries: Number.NaN }), /'maxRetries' .* got NaN/)
  assert.throws(() => new Exponential({ maxDelay: '5' as unknown as number }), /'maxDelay' .* got 5/)
})

test('a target that is no text, tags that are none, and the tag that makes a sleep are refused', () => {
  const resonate = new World().resonate()
  assert.throws(() => resonate.options({ target: 5 as unknown as string }), /'target' must be a text .* got 5/)
  assert.throws(() => resonate.options({ target: '' }), /'target' must be a text that is not empty, got ''/)
  assert.throws(() => resonate.options({ tags: { a: 1 as unknown as string } }), /The tag 'a' must be a text, got 1/)
  assert.throws(
    () => resonate.options({ tags: { 'resonate:timer': 'true' } }),
    /makes a sleep of a call: use ctx.sleep/,
  )
})

test('errors that end the retries are classes', () => {
  const names = ['TypeError'] as unknown as []
  assert.throws(() => new World().resonate().options({ nonRetryableErrors: names }), /is a list of error classes/)
})

const REFUSED: readonly (readonly [options: ResonateOptions, message: RegExp])[] = [
  [{ group: 'a/b' }, /The option 'group' is a name without '\/', as in 'orders', got 'a\/b'/],
  [{ group: '' }, /The option 'group' must not be empty/],
  [{ group: 5 as unknown as string }, /The option 'group' must be a text, got 5/],
  [{ pid: '' }, /The option 'pid' must not be empty/],
  [{ frames: { count: Number.NaN } }, /The option 'frames.count' must be a number of at least 0, got NaN/],
  [{ logger: { debug() {}, warn() {} } as unknown as Logger }, /The option 'logger' has .* info, error missing/],
  [{ encryptor: {} as unknown as Encryptor }, /The option 'encryptor' has encrypt and decrypt/],
  [{ url: 'http://localhost:8001/?token=a' }, /The option 'url' must be the http\(s\) URL of a server/],
]

for (const [options, message] of REFUSED) {
  test(`a client of ${JSON.stringify(options)} is refused when it is made, not when it first fails`, () => {
    assert.throws(() => new Resonate({ url: 'http://localhost:1', ...options }), message)
  })
}

test('an id that the server would refuse is refused before it is asked', async () => {
  const resonate = new World().resonate()
  resonate.register('f', () => 1)
  for (const [id, message] of [
    ['', /The id of a call must not be empty/],
    ['a\0b', /must not contain NUL/],
    ['\ud800', /must be valid Unicode/],
    ['x'.repeat(1025), /must be at most 1024 bytes of UTF-8, got 1025/],
    [5 as unknown as string, /must be a text, got 5/],
  ] as const) {
    await assert.rejects(resonate.run(id, 'f'), message)
  }
})

test('a path that is empty is no file, and keeps nothing: it is refused', () => {
  assert.throws(() => Resonate.local({ path: '' }), /The option 'path' is a file, as in 'app.db'/)
})
