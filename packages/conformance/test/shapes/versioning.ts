// Versioning: two versions of one function side by side; each call goes on with the version that it was made with.

import type { AnyFunc, Context } from '@resonatehq/sdk'
import type { Context as AsyncContext } from '@resonatehq/sdk/async'
import type { Shape, Step } from './shape.ts'

export const versioning: Shape = {
  name: 'versioning',
  functions(style, { effect }) {
    function letter(step: Step, text: string): string {
      effect(step, text)
      return text
    }
    const generator = (text: string): AnyFunc =>
      function* (ctx: Context) {
        return yield* ctx.run(letter, text)
      }
    const asynchronous =
      (text: string): AnyFunc =>
      async (ctx: AsyncContext) =>
        ctx.run(letter, text)
    const write = style === 'generator' ? generator : asynchronous
    return [
      ['write', write('old'), 1],
      ['write', write('new'), 2],
    ]
  },
  async use(caller, id) {
    return [await caller.rpc(`${id}-1`, 'write', [], 1), await caller.rpc(`${id}-2`, 'write', [], 2)]
  },
}
