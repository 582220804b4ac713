// Pipeline: stages one after the other, here and elsewhere, with a stage that is itself a workflow of steps.

import type { AnyFunc, Context } from '@resonatehq/sdk'
import type { Context as AsyncContext } from '@resonatehq/sdk/async'
import type { Shape, Step } from './shape.ts'

export const pipeline: Shape = {
  name: 'pipeline',
  functions(style, { effect }) {
    function extract(step: Step, source: string): string[] {
      effect(step, 'extract')
      return source.split(' ')
    }
    function measure(step: Step, word: string): number {
      effect(step, `measure ${word}`)
      return word.length
    }
    async function load(step: Step, sizes: number[]): Promise<number> {
      effect(step, 'load')
      return sizes.reduce((sum, size) => sum + size, 0)
    }
    const generators: Record<string, AnyFunc> = {
      *transform(ctx: Context, words: string[]) {
        const sizes: number[] = []
        for (const word of words) sizes.push(yield* ctx.run(measure, word))
        return sizes
      },
      *pipeline(ctx: Context, source: string) {
        const words = yield* ctx.run(extract, source)
        const sizes = yield* ctx.run(generators.transform as AnyFunc, words)
        return yield* ctx.rpc<number>('load', sizes)
      },
    }
    const asyncs: Record<string, AnyFunc> = {
      async transform(ctx: AsyncContext, words: string[]) {
        const sizes: number[] = []
        for (const word of words) sizes.push(await ctx.run(measure, word))
        return sizes
      },
      async pipeline(ctx: AsyncContext, source: string) {
        const words = await ctx.run(extract, source)
        const sizes = await ctx.run(asyncs.transform as AnyFunc, words)
        return ctx.rpc<number>('load', sizes)
      },
    }
    const { pipeline } = style === 'generator' ? generators : asyncs
    return [
      ['pipeline', pipeline as AnyFunc],
      ['load', load],
    ]
  },
  use: (caller, id) => caller.rpc(id, 'pipeline', ['durable all the way']),
}
