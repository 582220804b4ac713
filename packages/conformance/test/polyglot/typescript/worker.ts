// A worker of our own SDK: the functions that every language of these tests has, under the same names. It serves its group
// until it is killed, and must never know what language calls it.

import { type Context, Never, Resonate } from '@resonatehq/sdk/async'

const { RESONATE_URL: url, GROUP: group = 'typescript', TTL = '60000', HANG = '' } = process.env
const resonate = new Resonate({ url: url as string, group, ttl: Number(TTL) })

async function step(_: unknown, name: string): Promise<string> {
  console.log(`step ${name}`)
  if (name === HANG) await new Promise(() => setInterval(() => {}, 1_000))
  return name
}

function fail(_: unknown, why: string): void {
  throw new Error(why)
}

resonate.register('hello', async (_: Context, name: string) => `hello ${name}, from typescript`)
resonate.register('echo', async (_: Context, value: unknown) => value)
resonate.register('square', async (_: Context, n: number) => n * n)
resonate.register('fan_out', async (ctx: Context, n: number) => {
  const calls = Array.from({ length: n }, (_, i) => ctx.rpc<number>('square', i, ctx.options({ target: group })))
  return (await Promise.all(calls)).reduce((sum, square) => sum + square, 0)
})
resonate.register('nap', async (ctx: Context, ms: number) => {
  await ctx.sleep(ms)
  return 'rested'
})
resonate.register('approval', async (ctx: Context) => {
  const promise = ctx.promise()
  console.log(`waiting ${promise.id}`)
  return promise
})
resonate.register('journey', async (ctx: Context) => {
  const names = []
  for (const name of ['first', 'second', 'third']) names.push(await ctx.run(step, name))
  return names.join(' ')
})
resonate.register('ask', async (ctx: Context, target: string, func: string, arg: unknown) =>
  ctx.rpc(func, arg, ctx.options({ target })),
)
resonate.register('leave', async (ctx: Context, target: string, name: string) => {
  return (await ctx.detached('hello', name, ctx.options({ target }))).id
})
resonate.register('misfortune', async (ctx: Context, why: string) =>
  ctx.run(fail, why, ctx.options({ retryPolicy: new Never() })),
)
console.log('ready')
