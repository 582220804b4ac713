// Recovery: a countdown of steps with durable sleeps between them. Whoever takes over goes on counting where it was.

import type { Context } from '@resonatehq/sdk'
import type { Context as AsyncContext } from '@resonatehq/sdk/async'
import type { Shape, Step } from './shape.ts'

const PAUSE_MS = 20

export const recovery: Shape = {
  name: 'recovery',
  functions(style, { effect }) {
    function say(step: Step, count: number): number {
      effect(step, `say ${count}`)
      return count
    }
    function* generator(ctx: Context, from: number) {
      const said: number[] = []
      for (let count = from; count > 0; count--) {
        said.push(yield* ctx.run(say, count))
        yield* ctx.sleep(PAUSE_MS)
      }
      return said
    }
    async function asynchronous(ctx: AsyncContext, from: number) {
      const said: number[] = []
      for (let count = from; count > 0; count--) {
        said.push(await ctx.run(say, count))
        await ctx.sleep(PAUSE_MS)
      }
      return said
    }
    return [['countdown', style === 'generator' ? generator : asynchronous]]
  },
  use: (caller, id) => caller.rpc(id, 'countdown', [3]),
}
