// Rpc: one function calls others by their names, wherever they run, and hands what they give from one to the next.

import type { Context } from '@resonatehq/sdk'
import type { Context as AsyncContext } from '@resonatehq/sdk/async'
import type { Shape, Step } from './shape.ts'

export const rpc: Shape = {
  name: 'rpc',
  functions(style, { effect }) {
    async function price(step: Step, article: string): Promise<number> {
      effect(step, 'price')
      return article.length * 100
    }
    async function tax(step: Step, net: number): Promise<number> {
      effect(step, 'tax')
      return net * 0.2
    }
    function* generator(ctx: Context, article: string) {
      const net = yield* ctx.rpc<number>('price', article)
      const added = yield* ctx.rpc<number>('tax', net)
      return { net, gross: net + added }
    }
    async function asynchronous(ctx: AsyncContext, article: string) {
      const net = await ctx.rpc<number>('price', article)
      const added = await ctx.rpc<number>('tax', net)
      return { net, gross: net + added }
    }
    return [
      ['quote', style === 'generator' ? generator : asynchronous],
      ['price', price],
      ['tax', tax],
    ]
  },
  use: (caller, id) => caller.rpc(id, 'quote', ['chair']),
}
