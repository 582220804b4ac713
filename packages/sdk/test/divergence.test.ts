// A replay whose code asks for something else than what is recorded: the task is halted at once, once, with a message that names
// both operations, their places and what to do; and it ends well when the old code is back.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Explanation, PromiseRecord, TaskRecord } from '@resonatehq/protocol'
import type { AnyFunc, Context, Logger } from '@resonatehq/sdk'
import type { Context as AsyncContext } from '@resonatehq/sdk/async'
import { World } from '@resonatehq/sdk/testing'
import { STYLES, type Style } from './styles.ts'

/** An operation of a workflow, in words. */
type Asked = 'charge' | 'ship' | 'sleep' | 'promise' | 'far' | 'nested' | 'nested otherwise'

function charge() {
  return 'charged'
}

function ship() {
  return 'shipped'
}

/** A workflow that asks for these operations one after the other. */
function asking(style: Style, asked: readonly Asked[]): AnyFunc {
  return style === 'generator' ? generator(asked) : asynchronous(asked)
}

function generator(asked: readonly Asked[]): AnyFunc {
  const one: Record<Asked, (ctx: Context) => unknown> = {
    charge: (ctx) => ctx.run(charge),
    ship: (ctx) => ctx.run(ship),
    sleep: (ctx) => ctx.sleep(10_000),
    promise: (ctx) => ctx.promise(),
    far: (ctx) => ctx.beginRpc('far', ctx.options({ target: 'nobody' })),
    nested: (ctx) => ctx.run(named('nested', generator(['ship', 'sleep']))),
    'nested otherwise': (ctx) => ctx.run(named('nested', generator(['charge', 'sleep']))),
  }
  return function* (ctx: Context) {
    for (const each of asked) yield* one[each](ctx) as Iterable<never>
  }
}

function asynchronous(asked: readonly Asked[]): AnyFunc {
  const one: Record<Asked, (ctx: AsyncContext) => unknown> = {
    charge: (ctx) => ctx.run(charge),
    ship: (ctx) => ctx.run(ship),
    sleep: (ctx) => ctx.sleep(10_000),
    promise: (ctx) => void ctx.promise(),
    far: (ctx) => void ctx.rpc('far', ctx.options({ target: 'nobody' })),
    nested: (ctx) => ctx.run(named('nested', asynchronous(['ship', 'sleep']))),
    'nested otherwise': (ctx) => ctx.run(named('nested', asynchronous(['charge', 'sleep']))),
  }
  return async (ctx: AsyncContext) => {
    for (const each of asked) await one[each](ctx)
  }
}

function named(name: string, fn: AnyFunc): AnyFunc {
  return Object.defineProperty(fn, 'name', { value: name })
}

/** Runs the old code until it sleeps, and then has another worker go on with the new. */
async function changed(style: Style, before: readonly Asked[], now: readonly Asked[]) {
  const said: string[] = []
  const error = (_: object, message: string) => void said.push(message)
  const world = new World({ logger: { debug() {}, info() {}, warn() {}, error } as Logger })
  let acquired = 0
  world.fault = ({ pid, kinds }) => {
    if (pid === 'new' && kinds.includes('task.acquire')) acquired += 1
    return undefined
  }
  const worker = (pid: string, asked: readonly Asked[]) => {
    const resonate = world.resonate({ pid })
    resonate.register('flow', asking(style, asked), { version: 3 })
    return resonate
  }
  const old = worker('old', before)
  await world.until(old.beginRpc('id', 'flow', old.options({ version: 3 })))
  await world.pass(1_000)
  world.crash('old')
  worker('new', now)
  await world.pass(600_000)
  const task = async () => (await world.ask<{ task: TaskRecord }>('task.get', { id: 'id' })).task
  const promise = async () => (await world.ask<{ promise: PromiseRecord }>('promise.get', { id: 'id' })).promise
  return { world, said, task, promise, acquired: () => acquired, worker }
}

const CASES: readonly (readonly [what: string, before: Asked[], now: Asked[], says: RegExp])[] = [
  [
    'a step of another name',
    ['charge', 'sleep'],
    ['ship', 'sleep'],
    /asks for a step of 'ship' as 'id:0' \(operation 1 of 'flow'\), where a step of 'charge' is recorded/,
  ],
  [
    'a sleep where a step was',
    ['charge', 'sleep'],
    ['sleep'],
    /asks for a sleep as 'id:0' \(operation 1 of 'flow'\), where a step of 'charge' is recorded/,
  ],
  [
    'two steps in another order',
    ['charge', 'ship', 'sleep'],
    ['ship', 'charge', 'sleep'],
    /asks for a step of 'ship' as 'id:0' .* where a step of 'charge' is recorded\. A step of 'ship' is recorded as 'id:1'\./,
  ],
  [
    'a step of another name within a step',
    ['charge', 'nested'],
    ['charge', 'nested otherwise'],
    /asks for a step of 'charge' as 'id:1\.0' \(operation 1 of 'nested'\), where a step of 'ship' is recorded/,
  ],
  [
    'an operation that was put in between',
    ['charge', 'sleep'],
    ['charge', 'ship', 'sleep'],
    /asks for a step of 'ship' as 'id:1' \(operation 2 of 'flow'\), where a sleep is recorded/,
  ],
  [
    'a promise where a call elsewhere was',
    ['far', 'sleep'],
    ['promise', 'sleep'],
    /asks for a promise as 'id:0' \(operation 1 of 'flow'\), where a remote call of 'far' is recorded/,
  ],
]

for (const style of STYLES) {
  for (const [what, before, now, says] of CASES) {
    test(`${style}: ${what} halts the task, once, and says what, where and what to do`, async () => {
      const { world, said, task, promise, acquired } = await changed(style, before, now)
      const [message = '', ...more] = said
      assert.match(message, says)
      assert.match(message, /put the old code back, or register the new one as another version/)
      assert.match(message, /register\('flow', fn, \{ version: 4 \}\)/)
      assert.match(message, /resonate tasks continue 'id'/)
      assert.deepEqual(more, [])
      assert.equal((await task()).state, 'halted')
      assert.equal((await promise()).state, 'pending')
      assert.equal(acquired(), 1)
      const { steps } = await world.ask<Explanation>('promise.explain', { id: 'id' })
      assert.match(steps[0]?.text ?? '', /^is halted .* by new: .*The replay of 'id' asks for/)
      await world.stop()
    })
  }

  test(`${style}: with the old code back, a task that was halted for its divergence is continued and ends`, async () => {
    const { world, worker, promise } = await changed(style, ['charge', 'sleep'], ['ship', 'sleep'])
    world.crash('new')
    worker('again', ['charge', 'sleep'])
    await world.ask('task.continue', { id: 'id' })
    await world.pass(60_000)
    assert.equal((await promise()).state, 'resolved')
    await world.stop()
  })
}
