// The same worker, written with async functions.

import { type Context, Resonate } from 'resonate-published/async'

const { RESONATE_URL: url, GROUP: group = 'default', TTL = '60000', HANG = '' } = process.env
const resonate = new Resonate({ url: url as string, group, ttl: Number(TTL) })

async function step(_: unknown, name: string): Promise<string> {
  console.log(`step ${name}`)
  return name
}

async function maybeHang(_: unknown, name: string): Promise<string> {
  console.log(`reached ${name}`)
  if (HANG === name) await new Promise(() => setInterval(() => {}, 1_000))
  return name
}

resonate.register('greet', async (ctx: Context, name: string) => {
  return ctx.run(async (_: unknown, to: string) => `hello ${to}`, name)
})
resonate.register('fanOut', async (ctx: Context, n: number) => {
  const calls = Array.from({ length: n }, (_, i) => ctx.rpc<number>('square', i, ctx.options({ target: group })))
  const squares = await Promise.all(calls)
  return squares.reduce((sum, square) => sum + square, 0)
})
resonate.register('square', async (_: Context, n: number) => n * n)
resonate.register('nap', async (ctx: Context, ms: number) => {
  await ctx.sleep(ms)
  return 'rested'
})
resonate.register('approval', async (ctx: Context) => {
  const promise = ctx.promise<string>({})
  console.log(`waiting ${promise.id}`)
  return promise
})
resonate.register('journey', async (ctx: Context) => {
  const first = await ctx.run(step, 'first')
  const second = await ctx.run(maybeHang, 'second')
  const third = await ctx.run(step, 'third')
  return [first, second, third].join(' ')
})
resonate.register('tick', async (ctx: Context) => ctx.run(step, 'tick'))
console.log('ready')
