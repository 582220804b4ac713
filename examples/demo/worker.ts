// A worker of the demo: runs `processOrder`, a workflow of four steps. Each step leaves one line in a file: its effect on the
// world, which the demo reads at the end to prove what happened and what did not.

import { appendFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { type Context, type Info, Resonate } from '@resonatehq/sdk'

const effects = process.env.DEMO_EFFECTS as string
const pid = process.env.DEMO_PID as string

const resonate = Resonate.remote({ group: 'workers', pid, concurrency: 8 })

/** What takes time and touches the world: called once for each step, and again only where a crash cut it short. */
async function act(_: Info, orderId: number, step: string): Promise<string> {
  appendFileSync(effects, `${JSON.stringify({ orderId, step, pid, at: Date.now() })}\n`)
  await pause(80 + Math.random() * 80)
  return `${step} of order ${orderId}`
}

async function processOrder(ctx: Context, { orderId }: { orderId: number }): Promise<string> {
  const done: string[] = []
  for (const step of ['reserve', 'charge', 'pack', 'ship']) {
    done.push(await ctx.run(act, orderId, step))
  }
  return done.join(', ')
}

resonate.register(processOrder)
