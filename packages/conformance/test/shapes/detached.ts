// Detached: work that a function starts and does not wait for; it is found later by its id.

import type { Context } from '@resonatehq/sdk'
import type { Context as AsyncContext } from '@resonatehq/sdk/async'
import type { Shape, Step } from './shape.ts'

export const detached: Shape = {
  name: 'detached',
  functions(style, { effect }) {
    async function mail(step: Step, to: string): Promise<string> {
      effect(step, 'mail')
      return `mail to ${to}`
    }
    function take(step: Step, order: number): string {
      effect(step, 'take')
      return `order ${order}`
    }
    function* generator(ctx: Context, order: number) {
      const taken = yield* ctx.run(take, order)
      const { id } = yield* ctx.detached('mail', 'customer')
      return { taken, id }
    }
    async function asynchronous(ctx: AsyncContext, order: number) {
      const taken = await ctx.run(take, order)
      const { id } = await ctx.detached('mail', 'customer')
      return { taken, id }
    }
    return [
      ['order', style === 'generator' ? generator : asynchronous],
      ['mail', mail],
    ]
  },
  async use(caller, id) {
    const answer = (await caller.rpc(id, 'order', [7])) as { id: string }
    return { ...answer, later: await caller.result(answer.id) }
  },
}
