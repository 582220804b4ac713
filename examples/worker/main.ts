// A worker as it is deployed: the server, the group and every limit come from the environment, so that one program, or one
// image, is every worker of every group. Start it as often as the work needs; nothing else has to change.
// It must never end with work in hand: SIGTERM takes nothing new, lets what runs end, and gives the rest back to the group.

import { createServer } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { type Context, type Info, Resonate } from '@resonatehq/sdk'

const group = process.env.RESONATE_GROUP ?? 'default'

/** A whole number from the environment. A misspelt limit ends the program: it would be found out under load otherwise. */
function numberOf(name: string, otherwise: number): number {
  const text = process.env[name] ?? String(otherwise)
  if (!/^\d+$/.test(text)) throw new Error(`${name} must be a whole number, but is ${JSON.stringify(text)}`)
  return Number(text)
}

const resonate = Resonate.remote({
  group,
  concurrency: numberOf('WORKER_CONCURRENCY', 10),
  signals: { timeout: numberOf('WORKER_STOP_TIMEOUT_MS', 20_000), exitCode: 0 },
})

/** Stands for what takes time: a request to another system, a file to convert. */
async function step(_: Info, name: string, ms: number): Promise<string> {
  await pause(ms)
  return `${name} by ${process.pid}`
}

/** One step after the other. Each is recorded, so a worker that takes over goes on behind the last one that was done. */
async function work(ctx: Context, job: { steps?: number; stepMs?: number } = {}): Promise<string[]> {
  const { steps = 3, stepMs = 100 } = job
  const done: string[] = []
  for (let at = 1; at <= steps; at++) done.push(await ctx.run(step, `step ${at}`, stepMs))
  return done
}

resonate.register('work', work)

// For whoever watches over this process: an answer means that its event loop turns.
const healthPort = numberOf('WORKER_HEALTH_PORT', 0)
if (healthPort > 0) {
  const health = createServer((_, response) => response.end('ok\n'))
  health.listen(healthPort).unref()
}

console.log(`worker ${process.pid} of group ${group} is ready`)
