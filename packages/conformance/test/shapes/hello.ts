// Hello: a workflow of two steps.

import type { Context } from '@resonatehq/sdk'
import type { Context as AsyncContext } from '@resonatehq/sdk/async'
import type { Parts, Shape, Step } from './shape.ts'

function steps({ effect }: Parts) {
  return {
    greet(step: Step, name: string): string {
      effect(step, 'greet')
      return `hello ${name}`
    },
    shout(step: Step, text: string): string {
      effect(step, 'shout')
      return `${text.toUpperCase()}!`
    },
  }
}

export const hello: Shape = {
  name: 'hello',
  functions(style, parts) {
    const { greet, shout } = steps(parts)
    function* generator(ctx: Context, name: string) {
      const greeting = yield* ctx.run(greet, name)
      return yield* ctx.run(shout, greeting)
    }
    async function asynchronous(ctx: AsyncContext, name: string) {
      const greeting = await ctx.run(greet, name)
      return ctx.run(shout, greeting)
    }
    return [['hello', style === 'generator' ? generator : asynchronous]]
  },
  use: (caller, id) => caller.rpc(id, 'hello', ['world']),
}
