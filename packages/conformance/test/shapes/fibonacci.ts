// Fibonacci by rpc: a function that calls itself through the server, twice, down to its leaves.

import type { Context } from '@resonatehq/sdk'
import type { Context as AsyncContext } from '@resonatehq/sdk/async'
import type { Shape } from './shape.ts'

export const fibonacci: Shape = {
  name: 'fibonacci',
  functions(style) {
    function* generator(ctx: Context, n: number): Generator<unknown, number> {
      if (n < 2) return n
      const one = yield* ctx.beginRpc<number>('fibonacci', n - 1)
      const two = yield* ctx.beginRpc<number>('fibonacci', n - 2)
      return (yield* one) + (yield* two)
    }
    async function asynchronous(ctx: AsyncContext, n: number): Promise<number> {
      if (n < 2) return n
      const one = ctx.rpc<number>('fibonacci', n - 1)
      const two = ctx.rpc<number>('fibonacci', n - 2)
      return (await one) + (await two)
    }
    return [['fibonacci', style === 'generator' ? generator : asynchronous]]
  },
  use: (caller, id) => caller.rpc(id, 'fibonacci', [4]),
}
