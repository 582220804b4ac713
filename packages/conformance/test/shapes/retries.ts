// Retries: a step that fails twice before it works, and one that never does.

import type { Context } from '@resonatehq/sdk'
import type { Context as AsyncContext } from '@resonatehq/sdk/async'
import type { Shape, Step } from './shape.ts'

const WORKS_AT = 3

export const retries: Shape = {
  name: 'retries',
  countsTries: true,
  functions(style, { effect, times, constant }) {
    async function flaky(step: Step): Promise<string> {
      effect(step, 'flaky')
      if (times('flaky') < WORKS_AT) throw new Error('not yet')
      return 'worked'
    }
    async function broken(step: Step): Promise<never> {
      effect(step, 'broken')
      throw new Error('out of order')
    }
    function* generator(ctx: Context) {
      const retryPolicy = constant(1, 3)
      const first = yield* ctx.run(flaky, ctx.options({ retryPolicy }))
      try {
        yield* ctx.run(broken, ctx.options({ retryPolicy }))
      } catch (error) {
        return [first, (error as Error).message]
      }
    }
    async function asynchronous(ctx: AsyncContext) {
      const retryPolicy = constant(1, 3)
      const first = await ctx.run(flaky, ctx.options({ retryPolicy }))
      try {
        await ctx.run(broken, ctx.options({ retryPolicy }))
      } catch (error) {
        return [first, (error as Error).message]
      }
    }
    return [['retrying', style === 'generator' ? generator : asynchronous]]
  },
  use: (caller, id) => caller.rpc(id, 'retrying', []),
}
