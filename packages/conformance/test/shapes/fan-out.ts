// Fan-out: many calls at once, in this process and elsewhere, and their results together, in the order of the calls.

import type { Context } from '@resonatehq/sdk'
import type { Context as AsyncContext } from '@resonatehq/sdk/async'
import type { Shape, Step } from './shape.ts'

export const fanOut: Shape = {
  name: 'fan-out',
  functions(style, { effect }) {
    async function square(step: Step, n: number): Promise<number> {
      effect(step, `square ${n}`)
      return n * n
    }
    async function cube(step: Step, n: number): Promise<number> {
      effect(step, `cube ${n}`)
      return n * n * n
    }
    function* generator(ctx: Context, numbers: number[]) {
      const near = []
      const far = []
      for (const n of numbers) near.push(yield* ctx.beginRun(square, n))
      for (const n of numbers) far.push(yield* ctx.beginRpc<number>('cube', n))
      const results: number[] = []
      for (const future of [...near, ...far]) results.push(yield* future)
      return results
    }
    async function asynchronous(ctx: AsyncContext, numbers: number[]) {
      const near = numbers.map((n) => ctx.run(square, n))
      const far = numbers.map((n) => ctx.rpc<number>('cube', n))
      const results: number[] = []
      for (const promise of [...near, ...far]) results.push(await promise)
      return results
    }
    return [
      ['fan', style === 'generator' ? generator : asynchronous],
      ['cube', cube],
    ]
  },
  use: (caller, id) => caller.rpc(id, 'fan', [[1, 2, 3]]),
}
