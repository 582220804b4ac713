// A worker of the cluster test, a process of its own. In the group `left` it runs orders, in `right` what they ask elsewhere.
// Each step has an effect: a line in a file, which no later line can take back.

import { appendFileSync } from 'node:fs'
import { type Context, Resonate, systemPlatform } from '@resonatehq/sdk'
import { type Context as AsyncContext, Resonate as AsyncResonate } from '@resonatehq/sdk/async'
import { journaling, noteInFile, sharedClock } from './journal.ts'

const { RESONATE_URL: url, GROUP: group, NAME: name, JOURNAL, EFFECTS, CLOCK_OFFSET } = process.env
/** Short, so that others have the work of a dead or frozen one soon. */
const TTL_MS = 2_000
const RIGHT = { target: 'right' }

const clock = sharedClock(Number(CLOCK_OFFSET))
const platform = systemPlatform()
const http = journaling(platform.http, clock.now, noteInFile(JOURNAL as string))
const common = { url, group, ttl: TTL_MS, timeout: 2_000, logLevel: 'error', platform: { ...platform, http } } as const

interface Step {
  readonly id: string
}

function effect({ id }: Step, beganAt: number = clock.now()): void {
  appendFileSync(EFFECTS as string, `${JSON.stringify({ id, name, beganAt })}\n`)
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function reserve(step: Step, n: number): Promise<number> {
  effect(step)
  await pause((n % 5) * 20)
  return n + 1
}

function ship(step: Step, n: number): number {
  effect(step)
  return n * 2
}

/** The step of the other group: it takes a while before anything can be seen of it. */
async function weigh(step: Step, n: number): Promise<number> {
  const beganAt = clock.now()
  await pause((n % 3) * 15)
  effect(step, beganAt)
  return n * 3
}

if (group === 'left') {
  const resonate = new Resonate(common)
  resonate.register('order', function* (ctx: Context, n: number) {
    const reserved = yield* ctx.run(reserve, n)
    const futures = []
    for (let i = 0; i < 3; i++) futures.push(yield* ctx.beginRpc<number>('price', reserved + i, ctx.options(RIGHT)))
    if (n % 4 === 0) yield* ctx.sleep(50 * (n % 7))
    let sum = 0
    for (const future of futures) sum += yield* future
    return yield* ctx.run(ship, sum)
  })
} else {
  const resonate = new AsyncResonate(common)
  resonate.register('price', async (ctx: AsyncContext, n: number) => {
    const weight = await ctx.run(weigh, n)
    return await ctx.run(ship, weight)
  })
}
console.log('ready')
