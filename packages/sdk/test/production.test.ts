// What keeps workers well in production: bounded work, bounded memory, secrets kept, changed code noticed, lost work let go.

import assert from 'node:assert/strict'
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import type { PromiseRecord, TaskRecord, Value } from '@resonatehq/protocol'
import type { AsyncEncryptor, Context, Encryptor, Logger } from '@resonatehq/sdk'
import type { Context as AsyncContext } from '@resonatehq/sdk/async'
import { World } from '@resonatehq/sdk/testing'

function collected(): { logger: Logger; said: string[] } {
  const said: string[] = []
  const keep = (_fields: object, message?: string) => void said.push(message ?? '')
  return { said, logger: { debug() {}, info() {}, warn: keep, error: keep } as unknown as Logger }
}

const taskOf = async (world: World, id: string) => (await world.ask<{ task: TaskRecord }>('task.get', { id })).task
const promiseOf = async (world: World, id: string) =>
  (await world.ask<{ promise: PromiseRecord }>('promise.get', { id })).promise

test('changed code that asks for another operation than the recorded one halts its task and names both', async () => {
  const { logger, said } = collected()
  const world = new World({ logger })
  const old = world.resonate({ pid: 'old', group: 'g' })
  old.register('flow', function* (ctx: Context) {
    yield* ctx.run(function charge() {
      return 1
    })
    yield* ctx.sleep(10_000)
  })
  await world.until(old.beginRpc('id', 'flow', old.options({ target: 'g' })))
  await world.pass(1_000)
  world.crash('old')
  const changed = world.resonate({ pid: 'changed', group: 'g' })
  changed.register('flow', function* (ctx: Context) {
    yield* ctx.sleep(5)
  })
  await world.pass(60_000)
  assert.equal((await taskOf(world, 'id')).state, 'halted')
  assert.equal((await promiseOf(world, 'id')).state, 'pending')
  const message = said.find((line) => line.includes('charge'))
  assert.ok(message, said.join('\n'))
  assert.match(message, /id:0/)
  assert.match(message, /sleep|timer/i)
  assert.match(message, /version/i)
  await world.stop()
})

/** AES-GCM with the key's name beside each value, so that old values stay readable when the key changes. */
function aesGcm(keys: Record<string, Buffer>, current: string): AsyncEncryptor {
  return {
    async encrypt({ headers, data }: Value): Promise<Value> {
      if (data === undefined) return { headers }
      const iv = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', keys[current] as Buffer, iv)
      const sealed = Buffer.concat([cipher.update(data, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return { headers: { ...headers, key: current, iv: iv.toString('base64') }, data: sealed.toString('base64') }
    },
    async decrypt(value: Value): Promise<Value> {
      const { key: name = '', iv = '', ...headers } = value.headers ?? {}
      const key = keys[name]
      if (!key || value.data === undefined) return value
      const sealed = Buffer.from(value.data, 'base64')
      const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(iv, 'base64')).setAuthTag(sealed.subarray(-16))
      return { headers, data: decipher.update(sealed.subarray(0, -16)).toString('utf8') + decipher.final('utf8') }
    },
  }
}

test('an encryptor that answers later keeps values from the server, also over a change of the key', async () => {
  const keys = { first: randomBytes(32), second: randomBytes(32) }
  const world = new World()
  const flow = function* (ctx: Context, secret: string) {
    const once = yield* ctx.run(function seal() {
      return `${secret} once`
    })
    yield* ctx.sleep(1_000)
    const twice = yield* ctx.run(function reseal() {
      return `${once} twice`
    })
    return twice
  }
  const before = world.resonate({ pid: 'before', encryptor: aesGcm(keys, 'first') })
  before.register('flow', flow)
  await world.until(before.beginRun('id', 'flow', 'my secret'))
  await world.pass(100)
  world.crash('before')
  const after = world.resonate({ pid: 'after', encryptor: aesGcm(keys, 'second') })
  after.register('flow', flow)
  const handle = await world.until(after.get<string>('id'))
  assert.equal(await world.until(handle.result()), 'my secret once twice')
  const { promises } = await world.ask<{ promises: PromiseRecord[] }>('promise.search', {})
  for (const { param, value } of promises) {
    for (const part of [param, value]) {
      assert.ok(
        !Buffer.from(part.data ?? '', 'base64')
          .toString('latin1')
          .includes('secret'),
      )
    }
  }
  assert.equal((await promiseOf(world, 'id:0')).value.headers?.key, 'first')
  assert.equal((await promiseOf(world, 'id')).value.headers?.key, 'second')
  await world.stop()
})

test('frames past the bound leave memory, the least recently used first, and their work is replayed', async () => {
  const passes: string[] = []
  const world = new World()
  const resonate = world.resonate({ pid: 'w', frames: { count: 1 } })
  resonate.register('flow', function* (ctx: Context, name: string) {
    passes.push(name)
    yield* ctx.sleep(10_000)
    return name
  })
  const handles = []
  for (const name of ['a', 'b']) {
    handles.push(await world.until(resonate.beginRun<string>(name, 'flow', name)))
    await world.pass(10)
  }
  assert.deepEqual(await world.until(Promise.all(handles.map((handle) => handle.result()))), ['a', 'b'])
  // `a` was evicted when `b` was suspended: it began again; `b` went on where it stood.
  assert.deepEqual(passes, ['a', 'b', 'a'])
  await world.stop()
})

test('no more tasks are in hand at once than the concurrency allows, and all are done', async () => {
  let running = 0
  let most = 0
  const world = new World()
  const resonate = world.resonate({ pid: 'w', concurrency: 3 })
  resonate.register('busy', async () => {
    running += 1
    most = Math.max(most, running)
    await new Promise<void>((resolve) => world.platform.timer(100, resolve))
    running -= 1
  })
  await world.until(Promise.all(Array.from({ length: 10 }, (_, n) => resonate.rpc(`id-${n}`, 'busy'))))
  assert.equal(most, 3)
  await world.stop()
})

test('a function that is not registered here is left to a worker that has it', async () => {
  const { logger, said } = collected()
  const world = new World({ logger })
  const ignorant = world.resonate({ pid: 'ignorant', group: 'g' })
  const call = ignorant.rpc<number>('id', 'known', ignorant.options({ target: 'g' }))
  await world.pass(30_000)
  const { version } = await taskOf(world, 'id')
  assert.ok(version < 30, `it spun: ${version} claims in 30 s`)
  assert.equal(said.filter((line) => line.includes('known')).length, 1)
  const able = world.resonate({ pid: 'able', group: 'g' })
  able.register('known', () => 42)
  assert.equal(await world.until(call), 42)
  await world.stop()
})

test('who cancels a call aborts the signal of its function, and nothing that it does afterwards counts', async () => {
  const world = new World()
  const resonate = world.resonate({ pid: 'w' })
  const seen: string[] = []
  resonate.register('long', async (ctx: Context) => {
    ctx.signal.addEventListener('abort', () => seen.push('aborted'))
    await ctx.run(async function patient() {
      await new Promise<void>((resolve) => world.platform.timer(60_000, resolve))
    })
    seen.push('went on')
  })
  const handle = await world.until(resonate.beginRun('id', 'long'))
  await world.pass(1_000)
  await world.until(resonate.promises.cancel('id'))
  await assert.rejects(world.until(handle.result()), /canceled/i)
  await world.pass(120_000)
  assert.deepEqual(seen, ['aborted'])
  assert.equal((await promiseOf(world, 'id')).state, 'rejected_canceled')
  await world.stop()
})

test('who cancels a suspended call cancels what it waits for', async () => {
  const world = new World()
  const resonate = world.resonate({ pid: 'w' })
  resonate.register('caller', function* (ctx: Context) {
    return yield* ctx.rpc('nobody has this', ctx.options({ target: 'elsewhere' }))
  })
  const handle = await world.until(resonate.beginRun('id', 'caller'))
  await world.pass(1_000)
  assert.equal((await taskOf(world, 'id')).state, 'suspended')
  await world.until(resonate.promises.cancel('id'))
  await assert.rejects(world.until(handle.result()), /canceled/i)
  await world.pass(1_000)
  assert.equal((await promiseOf(world, 'id:0')).state, 'rejected_canceled')
  await world.stop()
})

test('a worker whose lease ended lets go of its work', async () => {
  const world = new World()
  const effects: string[] = []
  const program = (pid: string) => {
    const resonate = world.resonate({ pid, group: 'g' })
    resonate.register('flow', async (ctx: Context) => {
      await ctx.run(async function first() {
        effects.push(`first ${pid}`)
        await new Promise<void>((resolve) => world.platform.timer(10_000, resolve))
      })
      await ctx.run(function second() {
        effects.push(`second ${pid}`)
      })
    })
    return resonate
  }
  const [one] = [program('one')]
  const call = one.rpc('id', 'flow', one.options({ target: 'g' }))
  await world.pass(1_000)
  const { version } = await taskOf(world, 'id')
  // Someone takes the task away and gives it back to the group, as an operator may.
  await world.ask('task.halt', { id: 'id' })
  assert.equal((await taskOf(world, 'id')).version, version)
  await world.ask('task.continue', { id: 'id' })
  await world.until(call)
  assert.deepEqual(effects.filter((effect) => effect.startsWith('second')).length, 1)
  await world.stop()
})

test('a worker that stops keeps renewing what it lets end, though its connection is gone', async () => {
  const world = new World()
  const program = (pid: string) => {
    const resonate = world.resonate({ pid })
    resonate.register('long', async () => {
      await new Promise<void>((resolve) => world.platform.timer(60_000, resolve))
      return pid
    })
    return resonate
  }
  const client = world.resonate({ pid: 'client', group: 'client' })
  // A server takes no worker for dead in its first half minute.
  await world.pass(60_000)
  const one = program('one')
  await world.pass(10)
  const call = client.rpc('id', 'long')
  await world.pass(1_000)
  program('two')
  await world.until(one.stop({ timeout: 120_000 }))
  assert.equal(await world.until(call), 'one')
  await world.stop()
})

test('a race between a step and a sleep ends when the sleep does, and so it does in a replay', async () => {
  const world = new World()
  const seen: string[] = []
  const program = (pid: string) => {
    const resonate = world.asyncResonate({ pid, group: 'g' })
    resonate.register('race', async (ctx: AsyncContext) => {
      const slow = ctx.run(async function slow() {
        await new Promise<void>((resolve) => world.platform.timer(20_000, resolve))
        return 'step'
      })
      const winner = await Promise.race([slow, ctx.sleep(1_000).then(() => 'sleep')])
      seen.push(`${pid} ${winner} ${world.now() - startAt < 2_000}`)
      await slow
      await ctx.sleep(60_000)
      return winner
    })
    return resonate
  }
  const one = program('one')
  const startAt = world.now()
  const handle = await world.until(one.run<string>('id', 'race', one.options({ target: 'g' })))
  await world.pass(30_000)
  assert.deepEqual(seen, ['one sleep true'])
  world.crash('one')
  const two = program('two')
  assert.equal(await world.until((await world.until(two.get<string>(handle.id))).result()), 'sleep')
  assert.deepEqual(seen, ['one sleep true', 'two sleep false'])
  await world.stop()
})

test('what is awaited elsewhere wins a race against a step that goes on, which is then joined', async () => {
  const world = new World()
  const ends: string[] = []
  const wait = (ms: number) => new Promise<void>((resolve) => world.platform.timer(ms, resolve))
  const resonate = world.asyncResonate({ pid: 'w' })
  resonate.register('elsewhere', () => wait(500).then(() => 'remote'))
  resonate.register('race', async (ctx: AsyncContext) => {
    const slow = ctx.run(async function slow() {
      await wait(20_000)
      ends.push('step')
      return 'step'
    })
    const winner = await Promise.any([slow, ctx.rpc<string>('elsewhere')])
    ends.push(winner)
    return winner
  })
  const startAt = world.now()
  const handle = await world.until(resonate.run<string>('id', 'race'))
  assert.equal(await world.until(handle.result()), 'remote')
  assert.deepEqual(ends, ['remote', 'step'])
  assert.equal(world.now() - startAt, 20_000)
  await world.stop()
})

test('who cancels a call cancels what it has called, at every depth, and lets detached work be', async () => {
  const world = new World()
  const aborted: string[] = []
  const forever = (ctx: AsyncContext) =>
    new Promise<void>((resolve) => {
      ctx.signal.addEventListener('abort', () => aborted.push(ctx.id))
      world.platform.timer(3_600_000, resolve)
    })
  const resonate = world.asyncResonate({ pid: 'w' })
  resonate.register('leaf', forever)
  resonate.register('middle', async (ctx: AsyncContext) => {
    const leaf = ctx.rpc('leaf')
    await ctx.run(forever)
    await leaf
  })
  resonate.register('top', async (ctx: AsyncContext) => {
    await ctx.detached('leaf', ctx.options({ id: 'free' }))
    const middle = ctx.rpc('middle')
    const answer = ctx.promise()
    await ctx.run(forever)
    await Promise.all([middle, answer])
  })
  const handle = await world.until(resonate.run('id', 'top'))
  await world.pass(1_000)
  await world.until(resonate.promises.cancel('id'))
  await assert.rejects(world.until(handle.result()), /canceled/i)
  await world.pass(1_000)
  const { promises } = await world.ask<{ promises: PromiseRecord[] }>('promise.search', {})
  const states = promises.map(({ id, state }) => [id, state])
  assert.deepEqual(
    states.filter(([, state]) => state !== 'rejected_canceled'),
    [['free', 'pending']],
  )
  assert.equal(states.length, 7)
  assert.deepEqual(aborted.sort(), ['id:1.0', 'id:1.1', 'id:3'])
  await world.stop()
})

test('an encryptor that fails for a while, or in one worker, costs another try and never the work', async () => {
  const { logger, said } = collected()
  const world = new World({ logger })
  const downUntil = world.now() + 3_000
  const flaky = (part: 'encrypt' | 'decrypt'): Encryptor => {
    const through = (value: Value) => value
    const down = async (value: Value) => {
      if (world.now() < downUntil) throw new Error('the key service is down')
      return value
    }
    return { encrypt: through, decrypt: through, [part]: down }
  }
  for (const part of ['encrypt', 'decrypt'] as const) {
    const resonate = world.asyncResonate({ pid: part, group: part, encryptor: flaky(part) })
    resonate.register('flow', async (ctx: AsyncContext) => (await ctx.run(() => 20)) + (await ctx.rpc<number>('leaf')))
    resonate.register('leaf', () => 22)
  }
  const client = world.resonate({ pid: 'client', group: 'c' })
  const call = (group: string) => client.rpc<number>(group, 'flow', client.options({ target: group, timeout: 60_000 }))
  assert.deepEqual(await world.until(Promise.all([call('encrypt'), call('decrypt')])), [42, 42])
  assert.ok(said.includes('a task was given back'), said.join('\n'))
  await world.stop()
})

test('a step that someone else settles while it runs gives what is recorded', async () => {
  const world = new World()
  const resonate = world.asyncResonate()
  const step = Promise.withResolvers<number>()
  resonate.register('flow', (ctx: AsyncContext) => ctx.run(() => step.promise))
  const handle = await world.until(resonate.run<number>('id', 'flow'))
  // It takes its time, so it is on the server.
  await world.pass(1_000)
  await world.until(resonate.promises.resolve('id:0', { value: 7 }))
  step.resolve(5)
  assert.equal(await world.until(handle.result()), 7)
  await world.stop()
})

test('results that together are more than one answer holds come all the same', async () => {
  const world = new World()
  const resonate = world.asyncResonate({ pid: 'w', group: 'g' })
  resonate.register('gather', async (ctx: AsyncContext) => {
    const texts = await Promise.all(Array.from({ length: 12 }, () => ctx.promise<string>()))
    return texts.map(({ length }) => length)
  })
  const client = world.resonate({ pid: 'c', group: 'c' })
  const handle = await world.until(client.beginRpc('id', 'gather', client.options({ target: 'g' })))
  await world.pass(1_000)
  const value = 'x'.repeat(200_000)
  const settled = Array.from({ length: 12 }, (_, at) => client.promises.resolve(`id:${at}`, { value }))
  await world.until(Promise.all(settled))
  assert.deepEqual(await world.until(handle.result()), Array(12).fill(200_000))
  await world.stop()
})

/** What is suspended for good, and has called this and that: steps, calls of calls, and work that is detached. */
async function suspendedCaller(world: World, group: string): Promise<void> {
  const far = { target: 'elsewhere' }
  const resonate = world.resonate({ pid: 'w', group, frames: { count: 0 } })
  resonate.register('callee', async (ctx: AsyncContext) => {
    await ctx.rpc('nobody has this', ctx.options(far))
  })
  resonate.register('caller', async (ctx: AsyncContext) => {
    await ctx.detached('on its own', ctx.options(far))
    const inner = ctx.run(async function inner(inside: AsyncContext) {
      await inside.rpc('callee', inside.options({ target: group }))
    })
    await Promise.all([inner, ctx.rpc('nor this', ctx.options(far)), ctx.sleep(86_400_000)])
  })
  const client = world.resonate({ pid: 'c', group: 'c' })
  await world.until(client.beginRpc('id', 'caller', client.options({ target: group })))
  await world.pass(1_000)
  assert.equal((await taskOf(world, 'id')).state, 'suspended')
  assert.equal((await taskOf(world, 'id:1.0')).state, 'suspended')
}

async function statesOf(world: World): Promise<Record<string, string>> {
  const { promises } = await world.ask<{ promises: PromiseRecord[] }>('promise.search', {})
  return Object.fromEntries(promises.map(({ id, state }) => [id.replace(/:d.*/, ':detached'), state]))
}

const CANCELED = {
  id: 'rejected_canceled',
  'id:1': 'rejected_canceled',
  'id:1.0': 'rejected_canceled',
  'id:1.0.0': 'rejected_canceled',
  'id:2': 'rejected_canceled',
  'id:3': 'rejected_canceled',
  'id:detached': 'pending',
}

test('a canceled call whose worker is gone is cleaned up after by another of its group', async () => {
  const world = new World()
  await suspendedCaller(world, 'g')
  world.crash('w')
  world.resonate({ pid: 'other', group: 'g' }).register('unrelated', () => 1)
  await world.pass(10_000)
  await world.ask('promise.settle', { id: 'id', state: 'rejected_canceled', value: {} })
  await world.pass(1_000)
  assert.deepEqual(await statesOf(world), CANCELED)
  await world.stop()
})

test('who cancels a call cancels all that it has called also where no worker is left', async () => {
  const world = new World()
  await suspendedCaller(world, 'g')
  world.crash('w')
  await world.pass(10_000)
  const client = world.resonate({ pid: 'canceler', group: 'c2' })
  await world.until(client.promises.cancel('id'))
  assert.deepEqual(await statesOf(world), CANCELED)
  // Once more changes nothing.
  await world.until(client.promises.cancel('id'))
  assert.deepEqual(await statesOf(world), CANCELED)
  await world.stop()
})

test('who cancels a suspended call cancels what it has called, also where its frame has left memory', async () => {
  const world = new World()
  const far = { target: 'elsewhere' }
  const resonate = world.resonate({ pid: 'w', group: 'g', frames: { count: 0 } })
  resonate.register('caller', async (ctx: AsyncContext) => {
    const { id } = await ctx.detached('on its own', ctx.options(far))
    const inner = ctx.run(async function inner(inside: AsyncContext) {
      await inside.rpc('nobody has this', inside.options(far))
    })
    await Promise.all([inner, ctx.rpc('nor this', ctx.options(far)), ctx.sleep(86_400_000)])
    return id
  })
  const client = world.resonate({ pid: 'c', group: 'c' })
  await world.until(client.beginRpc('id', 'caller', client.options({ target: 'g' })))
  await world.pass(1_000)
  assert.equal((await taskOf(world, 'id')).state, 'suspended')
  await world.until(client.promises.cancel('id'))
  await world.pass(1_000)
  const { promises } = await world.ask<{ promises: PromiseRecord[] }>('promise.search', {})
  const states = promises.map(({ id, state }) => [id.replace(/:d.*/, ':detached'), state])
  assert.deepEqual(states, [
    ['id', 'rejected_canceled'],
    ['id:1', 'rejected_canceled'],
    ['id:1.0', 'rejected_canceled'],
    ['id:2', 'rejected_canceled'],
    ['id:3', 'rejected_canceled'],
    ['id:detached', 'pending'],
  ])
  await world.stop()
})
