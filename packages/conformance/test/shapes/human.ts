// Human in the loop: a promise that nobody's code settles; the function tells a person its id and waits for the answer.

import type { Context } from '@resonatehq/sdk'
import type { Context as AsyncContext } from '@resonatehq/sdk/async'
import type { Shape, Step } from './shape.ts'

export const human: Shape = {
  name: 'human-in-the-loop',
  functions(style, { effect, person }) {
    async function tell(step: Step, id: string): Promise<void> {
      effect(step, 'tell')
      await person(id, 'granted')
    }
    function file(step: Step, answer: string): string {
      effect(step, 'file')
      return `the request is ${answer}`
    }
    function* generator(ctx: Context) {
      const answer = yield* ctx.promise<string>({ timeout: 60_000, tags: { form: 'approval' } })
      yield* ctx.run(tell, answer.id)
      return yield* ctx.run(file, yield* answer)
    }
    async function asynchronous(ctx: AsyncContext) {
      const answer = ctx.promise<string>({ timeout: 60_000, tags: { form: 'approval' } })
      await ctx.run(tell, answer.id)
      return ctx.run(file, await answer)
    }
    return [['request', style === 'generator' ? generator : asynchronous]]
  },
  use: (caller, id) => caller.rpc(id, 'request', []),
}
