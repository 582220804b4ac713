// The functions, the same on every platform: an order is charged, waits for its parcel, and is done. Between the two nothing
// runs: the platform may forget the instance.

import type { Context } from '@resonatehq/sdk/async'
import { Resonate, type ResonateOptions } from '@resonatehq/sdk/http'

async function order(ctx: Context, item: string): Promise<string> {
  const receipt = await ctx.run(() => `charged for ${item}`)
  await ctx.sleep(100)
  const parcel = await ctx.rpc(ship, item)
  return `${receipt}, ${parcel}`
}

/** Called at the same URL, by a request of its own. */
async function ship(_ctx: Context, item: string): Promise<string> {
  return `shipped ${item}`
}

export function functions(options: ResonateOptions): Resonate {
  const resonate = new Resonate(options)
  resonate.register('order', order)
  resonate.register('ship', ship)
  return resonate
}
