// A worker on the published SDK, written with generators. Says what it does, a line each; `hang` stops where it is.

import { type Context, Resonate } from 'resonate-published'

const { RESONATE_URL: url, GROUP: group = 'default', TTL = '60000', HANG = '' } = process.env
const resonate = new Resonate({ url: url as string, group, ttl: Number(TTL) })

function step(_: Context, name: string): string {
  console.log(`step ${name}`)
  return name
}

/** One of the workers never gets past here: the test kills it. */
async function maybeHang(_: Context, name: string): Promise<string> {
  console.log(`reached ${name}`)
  if (HANG === name) await new Promise(() => setInterval(() => {}, 1_000))
  return name
}

resonate.register('greet', function* (ctx: Context, name: string) {
  return yield* ctx.run((_: Context, to: string) => `hello ${to}`, name)
})
resonate.register('fanOut', function* (ctx: Context, n: number) {
  const futures = []
  for (let i = 0; i < n; i++) futures.push(yield* ctx.beginRpc<number>('square', i, ctx.options({ target: group })))
  let sum = 0
  for (const future of futures) sum += yield* future
  return sum
})
resonate.register('square', (_: Context, n: number) => n * n)
resonate.register('nap', function* (ctx: Context, ms: number) {
  yield* ctx.sleep(ms)
  return 'rested'
})
resonate.register('approval', function* (ctx: Context) {
  const promise = yield* ctx.promise({})
  console.log(`waiting ${promise.id}`)
  return yield* promise
})
resonate.register('journey', function* (ctx: Context) {
  const first = yield* ctx.run(step, 'first')
  const second = yield* ctx.run(maybeHang, 'second')
  const third = yield* ctx.run(step, 'third')
  return [first, second, third].join(' ')
})
resonate.register('tick', function* (ctx: Context) {
  return yield* ctx.run(step, 'tick')
})
console.log('ready')
