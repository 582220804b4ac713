// The small parts: values as they travel, waits of retries, names of functions, and what calls refuse.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as wire from '@resonatehq/sdk'
import { Constant, type Context, Exponential, Linear, Never, type Resonate, ResonateError } from '@resonatehq/sdk'
import { World } from '@resonatehq/sdk/testing'
import * as published from 'resonate-published'
import { Codec } from '../src/engine/codec.ts'
import { detachedId, joinId } from '../src/engine/operations.ts'

const codec = new Codec()
const VALUES: readonly unknown[] = [
  undefined,
  null,
  0,
  'text',
  'Grüße 👋',
  { a: [1, { b: null }] },
  [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  { at: new Date(0) },
]

for (const value of VALUES) {
  test(`${JSON.stringify(value) ?? 'undefined'} is encoded as by the published SDK, and read back by either`, () => {
    const theirs = new published.Codec()
    assert.deepEqual(codec.encode(value), theirs.encode(value))
    assert.deepEqual(codec.decode(theirs.encode(value)), theirs.decode(theirs.encode(value)))
  })
}

test('an error keeps its class, message, stack, cause, and code; the published SDK reads what it knows of it', () => {
  const error = Object.assign(new TypeError('bad', { cause: new Error('why') }), { code: 'E_BAD' })
  const encoded = codec.encode(error) as published.Value
  const back = codec.decode(encoded) as TypeError & { code: string }
  assert.ok(back instanceof TypeError)
  assert.deepEqual(
    [back.message, back.stack, back.code, (back.cause as Error).message],
    ['bad', error.stack, 'E_BAD', 'why'],
  )
  const theirs = new published.Codec().decode(encoded)
  assert.deepEqual([theirs.name, theirs.message], ['TypeError', 'bad'])
})

test('an error of the published SDK is read as the error it was', () => {
  const theirs = new published.Codec().encode(new RangeError('far'))
  const back = codec.decode(theirs)
  assert.ok(back instanceof RangeError)
  assert.equal(back.message, 'far')
})

for (const [ours, theirs] of [
  [new Exponential(), new published.Exponential()],
  [
    new Exponential({ delay: 10, factor: 3, maxRetries: 4, maxDelay: 500 }),
    new published.Exponential({ delay: 10, factor: 3, maxRetries: 4, maxDelay: 500 }),
  ],
  [new Linear({ delay: 7 }), new published.Linear({ delay: 7 })],
  [new Constant({ maxRetries: 2 }), new published.Constant({ maxRetries: 2 })],
  [new Never(), new published.Never()],
] as const) {
  test(`${JSON.stringify(ours.encode())} waits as the published SDK's does`, () => {
    assert.deepEqual(ours.encode(), theirs.encode())
    const attempts = [0, 1, 2, 3, 4, 5, 6, 7]
    assert.deepEqual(
      attempts.map((at) => ours.next(at)),
      attempts.map((at) => theirs.next(at)),
    )
  })
}

test('ids are minted as by the published SDK', () => {
  assert.deepEqual([joinId('root', '0'), joinId('root:0', '1'), joinId('a.b', '2')], ['root:0', 'root:0.1', 'a.b:2'])
  assert.equal(detachedId('root.1', 'root.1:6'), 'root.1:d0440ba59f149f5')
})

async function inWorld(fn: (resonate: Resonate, world: World) => Promise<void>): Promise<void> {
  const world = new World()
  await fn(world.resonate({ pid: 'w1' }), world)
  await world.stop()
}

const code = (expected: string) => (error: unknown) => error instanceof ResonateError && error.code === expected

test('a call whose id is its own takes a place in order, as with the published SDK', () =>
  inWorld(async (resonate, world) => {
    const idOf = ({ id }: Context) => id
    resonate.register('leaf', idOf)
    resonate.register('f', function* (ctx: Context): Generator<unknown, string[], string> {
      const first = yield* ctx.run(idOf, ctx.options({ id: 'step' }))
      const second = yield* ctx.rpc<string>('leaf', ctx.options({ id: 'call' }))
      return [first, second, yield* ctx.run(idOf)]
    })
    assert.deepEqual(await world.until(resonate.run('id', 'f')), ['step', 'call', 'id:2'])
  }))

test('what a context can do may be taken off it, or be had through an object around it', () =>
  inWorld(async (resonate, world) => {
    resonate.register('off', function* ({ id, run, sleep, date, promise }: Context): Generator<
      unknown,
      unknown,
      never
    > {
      yield* sleep(1)
      return [id, yield* run(() => 3), typeof (yield* date.now()), promise().id]
    })
    resonate.register('around', function* (ctx: Context): Generator<unknown, unknown, number> {
      const traced = new Proxy(ctx, { get: (own, name) => Reflect.get(own, name) })
      const extended = Object.assign(Object.create(ctx) as Context, { tenant: 'a' })
      return [traced.id, yield* traced.run(() => 4), extended.id, yield* extended.run(() => 5), extended.tenant]
    })
    resonate.register('async', async ({ run, rpc }: Context) => [await run(() => 6), rpc('f').id])
    assert.deepEqual(await world.until(resonate.run('a', 'off')), ['a', 3, 'number', 'a:3'])
    assert.deepEqual(await world.until(resonate.run('b', 'around')), ['b', 4, 'b', 5, 'a'])
    resonate.register('f', () => 1)
    assert.deepEqual(await world.until(resonate.run('c', 'async')), [6, 'c:1'])
  }))

test('options have the address that their target means', () =>
  inWorld(async (resonate, world) => {
    assert.equal(resonate.options({ target: 'orders' }).target, 'poll://any@orders')
    assert.equal(resonate.options({ target: 'https://a.b/c' }).target, 'https://a.b/c')
    assert.equal(resonate.options().target, undefined)
    resonate.register('f', (ctx: Context) => ctx.options({ target: 'orders', timeout: 5 }))
    const { target, timeout } = await world.until(resonate.run<{ target: string; timeout: number }>('id', 'f'))
    assert.deepEqual([target, timeout], ['poll://any@orders', 5])
  }))

test('payloads have headers and data also where none were given, as those of the published SDK', () =>
  inWorld(async (resonate, world) => {
    const none = { headers: {}, data: '' }
    await world.until(resonate.promises.create('id', 1e15))
    const settled = await world.until(resonate.promises.resolve('id'))
    assert.deepEqual([settled.param, settled.value], [none, none])
    await world.until(resonate.promises.create('other', 1e15, { headers: { a: 'b' } }))
    const { param, value } = await world.until(resonate.promises.reject('other', { data: 'eA==' }))
    assert.deepEqual(
      [param, value],
      [
        { headers: { a: 'b' }, data: '' },
        { headers: {}, data: 'eA==' },
      ],
    )
    const promiseTags = { 'resonate:target': 'poll://any@g' }
    const made = resonate.schedules.create('s', '0 0 * * *', '{{.id}}-{{.timestamp}}', 1_000, { promiseTags })
    assert.deepEqual((await world.until(made)).promiseParam, none)
  }))

test('a line of the console has the fields of the published SDK', (t) => {
  const { mock } = t.mock.method(console, 'warn', () => {})
  new wire.ConsoleLogger().warn({ id: 'a' }, 'said')
  const { timestamp, ...rest } = JSON.parse(mock.calls[0]?.arguments[0])
  assert.deepEqual([rest, Number.isFinite(Date.parse(timestamp))], [{ level: 'warn', msg: 'said', id: 'a' }, true])
})

test('registering refuses what cannot be told apart later', () =>
  inWorld(async (resonate) => {
    const fn = () => 1
    resonate.register('f', fn)
    assert.throws(() => resonate.register('f', () => 2), code('02'))
    assert.throws(() => resonate.register('g', fn), code('02'))
    assert.throws(() => resonate.register('', () => 2), code('01'))
    assert.throws(() => resonate.register('f', () => 2, { version: 0 }), code('00'))
    resonate.register('f', () => 2, { version: 2 })
  }))

test('a call of nothing, or by no id, says so at once', () =>
  inWorld(async (resonate) => {
    await assert.rejects(resonate.run('id', 'nothing'), code('03'))
    await assert.rejects(
      resonate.rpc('id', () => 1),
      code('03'),
    )
    await assert.rejects(resonate.rpc('', 'f'), code('10'))
    await assert.rejects(resonate.rpc('a:b', 'f'), code('10'))
  }))

test('the id of nothing is an error with the status of the server', () =>
  inWorld(async (resonate, world) => {
    await assert.rejects(world.until(resonate.get('nothing')), (error: ResonateError) => {
      assert.deepEqual([error.code, error.serverError?.code, error.retriable], ['99', 404, false])
      return true
    })
  }))

test('version 0 is the latest, and a stub calls its own', () =>
  inWorld(async (resonate, world) => {
    const first = resonate.register('f', () => 'one', { version: 1 })
    resonate.register('f', () => 'two', { version: 2 })
    assert.equal(await world.until(resonate.run('a', 'f')), 'two')
    assert.equal(await world.until(first.run('b')), 'one')
    assert.equal(await world.until(resonate.rpc('c', 'f', resonate.options({ version: 1 }))), 'one')
  }))

test('a wrong yield is told what to write instead', () =>
  inWorld(async (resonate, world) => {
    resonate.register('f', function* () {
      yield Promise.resolve(1)
    })
    await assert.rejects(world.until(resonate.run('a', 'f')), /Wrap other work: yield\* ctx\.run/)
  }))

test('a result without a JSON form rejects with what it was', () =>
  inWorld(async (resonate, world) => {
    resonate.register('f', function* (ctx: Context) {
      return yield* ctx.run(() => 1n, ctx.options({ retryPolicy: new Never() }))
    })
    await assert.rejects(world.until(resonate.run('a', 'f')), /cannot be encoded as JSON/)
  }))

test('dependencies replace clock and chance', () =>
  inWorld(async (resonate, world) => {
    resonate.setDependency('resonate:date', { now: () => 5 })
    resonate.setDependency('resonate:math', { random: () => 0.5 })
    resonate.register('f', async (ctx: Context) => [await ctx.date.now(), await ctx.math.random()])
    assert.deepEqual(await world.until(resonate.run('a', 'f')), [5, 0.5])
  }))

test('the guards of the wire tell what came, and refuse what only looks like it', async () => {
  const world = new World()
  const resonate = world.resonate()
  const record = await world.until(resonate.promises.create('id', 10_000))
  assert.ok(wire.isPromiseRecord(JSON.parse(JSON.stringify(record))))
  assert.ok(wire.isUnblockMsg({ kind: 'unblock', head: {}, data: { promise: record } }))
  assert.ok(wire.isExecuteMsg({ kind: 'execute', head: {}, data: { task: { id: 'id', version: 1 } } }))
  for (const wrong of [
    null,
    'execute',
    { kind: 'execute' },
    { kind: 'execute', data: null },
    { kind: 'execute', data: {} },
    { kind: 'execute', data: { task: { id: 'id', version: 1 } } },
    { kind: 'revoke', head: {}, data: { task: { id: 'id', version: 1 } } },
  ])
    assert.equal(wire.isMessage(wrong), false, JSON.stringify(wrong))
  assert.equal(wire.isPromiseRecord({ ...record, param: { data: 5 } }), false)
  for (const wrong of [{ state: 'done' }, { settledAt: null }])
    assert.equal(wire.isPromiseRecord({ ...record, ...wrong }), false)
  assert.equal(wire.isTaskRecord({ id: 'id', state: 'pending', version: 1 }), false)
  const answer = { kind: 'promise.get', head: { corrId: 'c', status: 404, version: 'v' }, data: 'no' }
  assert.deepEqual([wire.isResponse(answer), wire.isNotFound(answer), wire.isSuccess(answer)], [true, true, false])
  for (const wrong of [
    { ...answer, kind: 'nothing' },
    { ...answer, head: { ...answer.head, status: 200 }, data: {} },
  ])
    assert.equal(wire.isResponse(wrong), false, JSON.stringify(wrong))
  await world.stop()
})

test('requests and answers of each kind are told apart, and what is not whole is refused', () => {
  const head = { corrId: 'c', version: 'v' }
  const request = { kind: 'promise.get', head, data: { id: 'a' } }
  assert.deepEqual([wire.isPromiseGetReq(request), wire.isRequest(request)], [true, true])
  assert.equal(wire.isTaskGetReq(request), false)
  for (const wrong of [{ ...request, head: {} }, { ...request, data: {} }, { ...request, kind: 'promise.put' }, null])
    assert.equal(wire.isRequest(wrong), false, JSON.stringify(wrong))
  const task = { id: 'a', state: 'acquired', version: 1, resumes: 0 }
  const promise = { id: 'a', state: 'pending', param: {}, value: {}, tags: {}, timeoutAt: 1, createdAt: 0 }
  const answer = { kind: 'task.acquire', head: { ...head, status: 200 }, data: { task, promise, preload: [promise] } }
  assert.equal(wire.isTaskAcquireRes(answer), true)
  assert.equal(wire.isTaskAcquireRes({ ...answer, data: { task, promise } }), false)
  assert.equal(wire.isTaskAcquireRes({ ...answer, head: { ...head, status: 409 }, data: 'taken' }), true)
  const inner = { kind: 'promise.settle', head: { ...head, status: 200 }, data: { promise } }
  const fence = { kind: 'task.fence', head: { ...head, status: 200 }, data: { action: inner, preload: [] } }
  assert.deepEqual([wire.isTaskFenceRes(fence), wire.isPromiseCreateRes(inner)], [true, false])
  const redirect = { kind: 'task.suspend', head: { ...head, status: 300 }, data: { preload: [] } }
  assert.deepEqual([wire.isTaskSuspendRes(redirect), wire.isRedirect(redirect)], [true, true])
})

test('the codec gives a record with its payloads as values', async () => {
  const codec = new wire.Codec()
  const param = (await codec.encode({ a: 1 })) as wire.Value
  const record = { id: 'a', state: 'pending', param, value: {}, tags: {}, timeoutAt: 1, createdAt: 0 } as const
  const decoded = await codec.decodePromise(record)
  assert.deepEqual([decoded.param.data, decoded.value.data, decoded.id], [{ a: 1 }, undefined, 'a'])
})

test('a future says what it came to', async () => {
  const world = new World()
  const resonate = world.resonate()
  resonate.register('flow', function* (ctx: Context) {
    const well = yield* ctx.beginRun(() => 1)
    const badly = yield* ctx.beginRun(() => Promise.reject(new Error('no')), ctx.options({ retryPolicy: new Never() }))
    const before = [well.state, well.value]
    assert.throws(() => well.getValue(), /'id:0' is still pending: await or yield it/)
    yield* well
    try {
      yield* badly
    } catch {}
    assert.throws(() => badly.getValue(), /^Error: no$/)
    return [before, well.state, well.value, well.getValue(), badly.value?.kind]
  })
  assert.deepEqual(await world.until(resonate.run('id', 'flow')), [
    ['pending', null],
    'completed',
    { kind: 'value', value: 1 },
    1,
    'error',
  ])
  await world.stop()
})

test('a function may have another name in another version, and is called by the latest', async () => {
  const world = new World()
  const resonate = world.resonate()
  const fn = () => 1
  resonate.register('old', fn)
  resonate.register('new', fn, { version: 2 })
  assert.throws(() => resonate.register('other', fn, { version: 2 }), /registered already, as 'new'/)
  resonate.register('flow', async (ctx: Context) => await ctx.rpc(fn))
  assert.equal(await world.until(resonate.run('id', 'flow')), 1)
  const { param } = await resonate.promises.get('id:0')
  assert.deepEqual(codec.decode(param), { func: 'new', args: [], version: 2 })
  await world.stop()
})

test('a call that names no version is of the first, whatever is registered since', async () => {
  const world = new World()
  const resonate = world.resonate()
  resonate.register('f', () => 'first')
  resonate.register('f', () => 'second', { version: 2 })
  const tags = { 'resonate:target': 'poll://any@default' }
  await resonate.promises.create('id', 9e12, { value: { func: 'f', args: [] }, tags })
  assert.equal(await world.until((await resonate.get('id')).result()), 'first')
  await world.stop()
})

test('an encryptor that fails in a call is told as what could not be encrypted or decrypted, and why', async () => {
  const world = new World()
  const cause = new Error('the key service is away')
  let isAway = false
  const guard = <T>(value: T) => {
    if (isAway) throw cause
    return value
  }
  const resonate = world.resonate({ encryptor: { encrypt: guard, decrypt: guard } })
  resonate.register('f', () => 1)
  const refused = (code: string, message: RegExp) => (error: unknown) => {
    assert.ok(error instanceof ResonateError)
    assert.deepEqual([error.code, error.type, error.cause, error.retriable], [code, 'Encoding', cause, true])
    assert.match(error.message, message)
    return true
  }
  assert.equal(await world.until(resonate.run('done', 'f')), 1)
  isAway = true
  await assert.rejects(world.until(resonate.run('id', 'f')), refused('06', /call of 'f' cannot be encrypted: the key/))
  const handle = await resonate.get('done')
  await assert.rejects(world.until(handle.result()), refused('07', /result of 'done' cannot be decrypted: the key/))
  await world.stop()
})
