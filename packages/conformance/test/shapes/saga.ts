// Saga: steps that are undone, the last one first, when a later one fails for good.

import type { AnyFunc, Context } from '@resonatehq/sdk'
import type { Context as AsyncContext } from '@resonatehq/sdk/async'
import { failure, type Shape, type Step } from './shape.ts'

export const saga: Shape = {
  name: 'saga',
  functions(style, { effect, never }) {
    const act = (name: string): AnyFunc => {
      const run = (step: Step) => {
        effect(step, name)
        return name
      }
      return Object.defineProperty(run, 'name', { value: name.replace(' ', '_') })
    }
    function pay(step: Step, amount: number): string {
      effect(step, 'pay')
      if (amount > 100) throw new Error('card declined')
      return 'paid'
    }
    const bookings = ['flight', 'hotel']
    function* generator(ctx: Context, amount: number) {
      const booked: string[] = []
      try {
        for (const booking of bookings) {
          yield* ctx.run(act(`book ${booking}`))
          booked.push(booking)
        }
        return yield* ctx.run(pay, amount, ctx.options({ retryPolicy: never() }))
      } catch (error) {
        for (const booking of booked.reverse()) yield* ctx.run(act(`cancel ${booking}`))
        throw error
      }
    }
    async function asynchronous(ctx: AsyncContext, amount: number) {
      const booked: string[] = []
      try {
        for (const booking of bookings) {
          await ctx.run(act(`book ${booking}`))
          booked.push(booking)
        }
        return await ctx.run(pay, amount, ctx.options({ retryPolicy: never() }))
      } catch (error) {
        for (const booking of booked.reverse()) await ctx.run(act(`cancel ${booking}`))
        throw error
      }
    }
    return [['travel', style === 'generator' ? generator : asynchronous]]
  },
  async use(caller, id) {
    return [
      await failure(caller.rpc(`${id}-cheap`, 'travel', [50])),
      await failure(caller.rpc(`${id}-dear`, 'travel', [500])),
    ]
  },
}
