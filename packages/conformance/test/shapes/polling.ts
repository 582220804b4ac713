// Polling: a step asks another system again and again, with a durable sleep between, until it is ready.

import type { Context } from '@resonatehq/sdk'
import type { Context as AsyncContext } from '@resonatehq/sdk/async'
import type { Shape, Step } from './shape.ts'

const READY_AT = 3

export const polling: Shape = {
  name: 'polling',
  countsTries: true,
  functions(style, { effect, times }) {
    function look(step: Step): string {
      effect(step, 'look')
      return times('look') < READY_AT ? 'pending' : 'ready'
    }
    function* generator(ctx: Context) {
      for (;;) {
        const state = yield* ctx.run(look)
        if (state === 'ready') return state
        yield* ctx.sleep({ for: 10 })
      }
    }
    async function asynchronous(ctx: AsyncContext) {
      for (;;) {
        const state = await ctx.run(look)
        if (state === 'ready') return state
        await ctx.sleep({ for: 10 })
      }
    }
    return [['poll', style === 'generator' ? generator : asynchronous]]
  },
  use: (caller, id) => caller.rpc(id, 'poll', []),
}
