// A worker of the benchmarks, on our SDK or on the published one: the same program, since the surface is the same.

import type { Context } from '@resonatehq/sdk'

const { RESONATE_URL: url, GROUP: group, SDK: sdk } = process.env
const { Resonate } = (await import(
  sdk === 'published' ? 'resonate-published' : '@resonatehq/sdk'
)) as typeof import('@resonatehq/sdk')

const resonate = new Resonate({ url: url as string, group: group as string })

function step(_: Context, n: number): number {
  return n + 1
}

resonate.register('oneStep', function* (ctx: Context, n: number) {
  return yield* ctx.run(step, n)
})

resonate.register('tenSteps', function* (ctx: Context, n: number) {
  let sum = n
  for (let i = 0; i < 10; i++) sum = yield* ctx.run(step, sum)
  return sum
})

resonate.register('fanOut', function* (ctx: Context, n: number) {
  const futures = []
  const options = ctx.options({ target: group as string })
  for (let i = 0; i < 10; i++) futures.push(yield* ctx.beginRpc<number>('leaf', n + i, options))
  let sum = 0
  for (const future of futures) sum += yield* future
  return sum
})

resonate.register('leaf', (_: Context, n: number) => n)

console.log('ready')
