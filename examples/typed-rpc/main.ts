// A shop that calls the worker of another package, typed from end to end by that worker's type alone.

import { type Context, Resonate } from '@resonatehq/sdk'
import type { worker } from './pricing.ts'

/** Without a server there is only this process, which then offers the prices too. */
const isAlone = process.env.RESONATE_URL === undefined
const pricing = isAlone ? 'shop' : 'pricing'

const resonate = new Resonate({ group: 'shop' })
if (isAlone) (await import('./pricing.ts')).offer(resonate)

// Inside a workflow: `article` must be a text, `pieces` a number, and `gross` is known to be one.
const order = resonate.register('order', async (ctx: Context, article: string) => {
  const { gross } = await ctx.client<typeof worker>({ target: pricing }).quote(article, 3)
  return `three ${article}s for ${gross}`
})
console.log(await order.run('order-1', 'chair'))

// From outside: the id of the call comes first.
const { net } = await resonate.client<typeof worker>({ target: pricing }).quote('quote-1', 'table', 2)
console.log(`two tables for ${net} before tax`)
await resonate.stop()
