// A worker of the benchmarks, on our SDK or on the published one: the same program, since the surface is the same.

import type { Context } from '@resonatehq/sdk'

const { RESONATE_URL: url, GROUP: group, SDK: sdk } = process.env
const { Resonate } = (await import(
  sdk === 'published' ? 'resonate-published' : '@resonatehq/sdk'
)) as typeof import('@resonatehq/sdk')

// As many suspended functions in memory as a benchmark makes; the published SDK keeps none.
const frames = { count: 1_000_000, bytes: 2 ** 32 }
const resonate = new Resonate({ url: url as string, group: group as string, frames })

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

resonate.register('steps', function* (ctx: Context, count: number) {
  let sum = 0
  for (let i = 0; i < count; i++) sum = yield* ctx.run(step, sum)
  return sum
})

resonate.register('chain', function* (ctx: Context, count: number) {
  const options = ctx.options({ target: group as string })
  let sum = 0
  for (let i = 0; i < count; i++) sum += yield* ctx.rpc<number>('leaf', 1, options)
  return sum
})

resonate.register('waiter', function* (ctx: Context) {
  return yield* yield* ctx.promise<string>()
})

process.on('SIGUSR2', () => {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  console.log(`heap ${heapUsed + external}`)
})

console.log('ready')
