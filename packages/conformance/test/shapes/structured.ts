// Structured concurrency: a function that returns while what it began still runs is done when that is, at every level.

import type { Context } from '@resonatehq/sdk'
import type { Context as AsyncContext } from '@resonatehq/sdk/async'
import type { Shape, Step } from './shape.ts'

export const structured: Shape = {
  name: 'structured-concurrency',
  functions(style, { effect }) {
    async function child(step: Step, name: string): Promise<string> {
      effect(step, name)
      return name
    }
    async function distant(step: Step): Promise<void> {
      effect(step, 'distant')
    }
    function* generatorInner(ctx: Context) {
      yield* ctx.beginRun(child, 'grandchild')
      return 'inner'
    }
    function* generator(ctx: Context) {
      yield* ctx.beginRun(child, 'child')
      yield* ctx.beginRpc('distant')
      return yield* ctx.run(generatorInner)
    }
    async function asyncInner(ctx: AsyncContext) {
      ctx.run(child, 'grandchild')
      return 'inner'
    }
    async function asynchronous(ctx: AsyncContext) {
      ctx.run(child, 'child')
      ctx.rpc('distant')
      return ctx.run(asyncInner)
    }
    return [
      ['outer', style === 'generator' ? generator : asynchronous],
      ['distant', distant],
    ]
  },
  use: (caller, id) => caller.rpc(id, 'outer', []),
}
