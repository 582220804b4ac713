// The worker of another package. Whoever calls it imports its type only: none of this code is loaded there. Start it beside the
// shop with `RESONATE_URL=http://localhost:8001 node examples/typed-rpc/pricing.ts`.

import { type Context, type Info, Resonate } from '@resonatehq/sdk'

async function lookUp(_: Info, article: string): Promise<number> {
  return article.length * 10
}

/** What it offers, by name: its contract, and its only one. */
export const worker = {
  async quote(ctx: Context, article: string, pieces: number): Promise<{ net: number; gross: number }> {
    const price = await ctx.run(lookUp, article)
    return { net: price * pieces, gross: price * pieces * 1.25 }
  },
}

export function offer(resonate: Resonate): void {
  for (const [name, func] of Object.entries(worker)) resonate.register(name, func)
}

if (import.meta.main) offer(new Resonate({ group: 'pricing' }))
