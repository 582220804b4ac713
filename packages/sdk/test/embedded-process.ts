// A program with a server of its own over a file, for tests that kill it. It says what it does, and at the step named HANG it
// stops altogether.

import { type Context, Resonate } from '@resonatehq/sdk'

const { DATABASE = '', HANG } = process.env
const say = (line: string) => process.stdout.write(`${line}\n`)

const resonate = Resonate.local({ path: DATABASE, logLevel: 'error' })

function step(_: unknown, name: string): string {
  say(name)
  if (name === HANG) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  return name
}

resonate.register('flow', function* (ctx: Context) {
  const first = yield* ctx.run(step, 'first')
  yield* ctx.sleep(10)
  const second = yield* ctx.run(step, 'second')
  const third = yield* ctx.rpc<string>('step', 'third')
  return [first, second, third].join(' ')
})
resonate.register(step)

say(`done: ${await resonate.run('id', 'flow')}`)
await resonate.stop()
