// Hello: a durable function of two steps. Run it twice against one server: the second run gets the recorded result.

import { type Context, type Info, Resonate } from '@resonatehq/sdk'

/** A server at RESONATE_URL; without it, one inside this process. */
const resonate = new Resonate()

async function greet(_: Info, name: string): Promise<string> {
  return `hello ${name}`
}

async function shout(_: Info, text: string): Promise<string> {
  return `${text.toUpperCase()}!`
}

const hello = resonate.register('hello', async (ctx: Context, name: string) => {
  const greeting = await ctx.run(greet, name)
  return ctx.run(shout, greeting)
})

const name = process.argv[2] ?? 'world'
console.log(await hello.run(`hello-${name}`, name))
await resonate.stop()
