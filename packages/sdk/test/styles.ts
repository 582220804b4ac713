// The same workflows in both styles, so that each test proves its sentence twice.

import type { AnyFunc, Context } from '@resonatehq/sdk'
import { Exponential } from '@resonatehq/sdk'
import { World, type WorldOptions } from '@resonatehq/sdk/testing'

/** What a workflow's steps do outside: the effects that a test counts. */
export type Effects = string[]

export const STYLES = ['generator', 'async'] as const
export type Style = (typeof STYLES)[number]

/** Each workflow as a generator and as an async function, which must not differ in anything but their looks. */
export function workflows(style: Style, effects: Effects): Record<string, AnyFunc> {
  const step = (name: string, value?: unknown) =>
    named(name, () => {
      effects.push(name)
      return value ?? name
    })
  const broken = named('broken', () => {
    effects.push('broken')
    throw Object.assign(new TypeError('out of order'), { code: 'E_BROKEN' })
  })
  const patient = new Exponential({ delay: 1000, maxRetries: 2 })
  return style === 'generator' ? generators({ step, broken, patient }) : asyncs({ step, broken, patient })
}

interface Parts {
  step(name: string, value?: unknown): (context: unknown) => unknown
  broken(context: unknown): never
  patient: Exponential
}

function generators({ step, broken, patient }: Parts): Record<string, AnyFunc> {
  return {
    steps: function* (ctx: Context) {
      const first = yield* ctx.run(step('first'))
      const second = yield* ctx.run(step('second'))
      return [first, second]
    },
    nested: function* (ctx: Context) {
      const both = yield* ctx.run(function* inner(inside: Context) {
        const one = yield* inside.run(step('one', 1))
        yield* inside.sleep(1_000)
        const two = yield* inside.run(step('two', 2))
        return [one, two]
      })
      return { inner: both, last: yield* ctx.run(step('last')) }
    },
    doubled: function* (ctx: Context, x: number) {
      yield* ctx.assert(x >= 0)
      return x * 2
    },
    remote: function* (ctx: Context) {
      const a = yield* ctx.rpc<number>('doubled', 4)
      yield* ctx.run(step('between'))
      const b = yield* ctx.rpc<number>('doubled', a)
      return b
    },
    fan: function* (ctx: Context) {
      const futures = []
      for (let i = 0; i < 5; i++) futures.push(yield* ctx.beginRpc<number>('doubled', i))
      let sum = 0
      for (const future of futures) sum += yield* future
      return sum
    },
    month: function* (ctx: Context) {
      yield* ctx.sleep({ for: 30 * 86_400_000 })
      return yield* ctx.run(step('woken'))
    },
    latent: function* (ctx: Context) {
      const asked = yield* ctx.promise<string>({ timeout: 86_400_000, tags: { ask: 'boss' } })
      return [asked.id, yield* asked]
    },
    failing: function* (ctx: Context) {
      try {
        yield* ctx.run(broken, ctx.options({ retryPolicy: patient }))
      } catch (error) {
        return seen(error)
      }
    },
    thrown: function* (ctx: Context) {
      yield* ctx.run(step('before'))
      throw new RangeError('too far')
    },
    detaching: function* (ctx: Context) {
      const handle = yield* ctx.detached('steps')
      return handle.id
    },
    forgetful: function* (ctx: Context) {
      yield* ctx.beginRpc('doubled', 1)
      yield* ctx.beginRun(step('forgotten'))
      return 'done'
    },
  }
}

function asyncs({ step, broken, patient }: Parts): Record<string, AnyFunc> {
  return {
    steps: async (ctx: Context) => {
      const first = await ctx.run(step('first'))
      const second = await ctx.run(step('second'))
      return [first, second]
    },
    nested: async (ctx: Context) => {
      const both = await ctx.run(async function inner(inside: Context) {
        const one = await inside.run(step('one', 1))
        await inside.sleep(1_000)
        const two = await inside.run(step('two', 2))
        return [one, two]
      })
      return { inner: both, last: await ctx.run(step('last')) }
    },
    doubled: async (_ctx: Context, x: number) => x * 2,
    remote: async (ctx: Context) => {
      const a = await ctx.rpc<number>('doubled', 4)
      await ctx.run(step('between'))
      const b = await ctx.rpc<number>('doubled', a)
      return b
    },
    fan: async (ctx: Context) => {
      const all = await Promise.all([0, 1, 2, 3, 4].map((i) => ctx.rpc<number>('doubled', i)))
      return all.reduce((sum, each) => sum + each, 0)
    },
    month: async (ctx: Context) => {
      await ctx.sleep({ for: 30 * 86_400_000 })
      return ctx.run(step('woken'))
    },
    latent: async (ctx: Context) => {
      const asked = ctx.promise<string>({ timeout: 86_400_000, tags: { ask: 'boss' } })
      return [asked.id, await asked]
    },
    failing: async (ctx: Context) => {
      try {
        return await ctx.run(broken, ctx.options({ retryPolicy: patient }))
      } catch (error) {
        return seen(error)
      }
    },
    thrown: async (ctx: Context) => {
      await ctx.run(step('before'))
      throw new RangeError('too far')
    },
    detaching: async (ctx: Context) => {
      const handle = await ctx.detached('steps')
      return handle.id
    },
    forgetful: async (ctx: Context) => {
      ctx.rpc('doubled', 1)
      ctx.run(step('forgotten'))
      return 'done'
    },
  }
}

function seen(error: unknown): unknown {
  const { name, message, code } = error as Error & { code?: string }
  return { name, message, code, isTypeError: error instanceof TypeError }
}

function named<F extends (...args: never[]) => unknown>(name: string, fn: F): F {
  return Object.defineProperty(fn, 'name', { value: name })
}

/** A world with a worker of group `default` that has every workflow of a style. */
export function worldWith(style: Style, options: WorldOptions = {}) {
  const effects: Effects = []
  const world = new World(options)
  const worker = (pid: string) => {
    const resonate = world.resonate({ pid })
    for (const [name, fn] of Object.entries(workflows(style, effects))) resonate.register(name, fn)
    return resonate
  }
  return { world, effects, worker }
}
