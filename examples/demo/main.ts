// The story of the product in one command: a server, four workers, 200 orders; halfway one worker is killed, later another
// one is started. At the end the recorded effects prove that every order completed and that no completed step ran again.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setInterval } from 'node:timers/promises'
import { Resonate } from '@resonatehq/sdk'
import { type Running, startServer, startWorker, stop } from './processes.ts'
import { type Effect, prove } from './proof.ts'
import { type Row, Table } from './table.ts'

const ORDERS = Number(process.env.DEMO_ORDERS ?? 200)
const VICTIM = 'worker-2'

const folder = mkdtempSync(join(tmpdir(), 'resonate-demo-'))
const effectsFile = join(folder, 'effects.ndjson')
writeFileSync(effectsFile, '')
const table = new Table(process.stdout)
const workers = new Map<string, Running & { isKilled: boolean }>()
const server = await startServer(folder)
let crashedAt = 0

try {
  process.exitCode = (await tell()) ? 0 : 1
} finally {
  await Promise.all([...workers.values()].filter(({ isKilled }) => !isKilled).map((worker) => stop(worker, 'SIGTERM')))
  await stop(server, 'SIGTERM')
  rmSync(folder, { recursive: true })
}

async function tell(): Promise<boolean> {
  table.say(`A server on ${server.url}, and four workers in the group "workers".`)
  for (const pid of ['worker-1', VICTIM, 'worker-3', 'worker-4']) hire(pid)
  const resonate = Resonate.remote({ url: server.url, group: 'demo' })
  table.say(`${ORDERS} orders, each a workflow of four steps. Every step leaves a line in ${effectsFile}.\n`)
  const startedAt = Date.now()
  const orders = Array.from({ length: ORDERS }, (_, at) => order(resonate, at + 1))
  const results = Promise.allSettled(orders)
  await watch(resonate, startedAt)
  const failed = (await results).filter(({ status }) => status === 'rejected')
  await resonate.stop()
  return conclude(failed.length, Date.now() - startedAt)
}

function hire(pid: string): void {
  workers.set(pid, { ...startWorker(pid, { url: server.url, effects: effectsFile }), isKilled: false })
}

function order(resonate: Resonate, orderId: number): Promise<string> {
  const options = resonate.options({ target: 'poll://any@workers' })
  return resonate.rpc<string>(`order-${orderId}`, 'processOrder', { orderId }, options)
}

/** Shows the table until every order is done; kills and hires on the way. */
async function watch(resonate: Resonate, startedAt: number): Promise<void> {
  let isReplaced = false
  // Looks often whatever is shown: a group that is fast would be done before the crash that the story is about.
  for await (const _ of setInterval(100)) {
    const effects = readEffects()
    const done = new Set(effects.filter(({ step }) => step === 'ship').map(({ orderId }) => orderId)).size
    const holders = await heldBy(resonate)
    const rows = [...workers].map(([pid, { isKilled }]): Row => {
      const shipped = effects.filter((effect) => effect.pid === pid && effect.step === 'ship').length
      const hasWorked = effects.some((effect) => effect.pid === pid)
      const state = isKilled ? 'killed' : hasWorked ? 'working' : 'starting'
      return { pid, state, inHand: holders.filter((holder) => holder === pid).length, done: shipped }
    })
    const seconds = (Date.now() - startedAt) / 1_000
    const perSecond = Math.round((done / seconds) * 10) / 10
    const isOver = effects.length > 0 && done >= ORDERS && holders.length === 0
    const backlog = Math.max(0, ORDERS - done - holders.length)
    table.show({ rows, done, orders: ORDERS, backlog, perSecond }, { isLast: isOver })
    if (crashedAt === 0 && done >= ORDERS / 2 && holders.includes(VICTIM)) kill(VICTIM)
    else if (crashedAt > 0 && !isReplaced && done >= ORDERS * 0.6) {
      isReplaced = true
      table.say('Another worker starts. Nobody else needs to know.\n')
      hire('worker-5')
    }
    if (isOver) return
  }
}

/** The pids that hold a task, one entry a task. */
async function heldBy(resonate: Resonate): Promise<string[]> {
  const { tasks } = await resonate.tasks.search({ state: 'acquired', limit: 1_000 })
  return tasks.map((task) => task.pid ?? '')
}

function kill(pid: string): void {
  const worker = workers.get(pid)
  worker?.child.kill('SIGKILL')
  if (worker) worker.isKilled = true
  crashedAt = Date.now()
  table.say(`${pid} is killed (SIGKILL), with work in its hands. Its tasks will go to the others.\n`)
}

function readEffects(): Effect[] {
  const lines = readFileSync(effectsFile, 'utf8').split('\n')
  // A line that a killed process did not finish is no effect.
  return lines.flatMap((line) => (line.endsWith('}') ? [JSON.parse(line) as Effect] : []))
}

function conclude(failed: number, tookMs: number): boolean {
  const effects = readEffects()
  const { faults, resumed, waitsMs } = prove(effects, ORDERS, { pid: VICTIM, at: crashedAt })
  const all = failed > 0 ? [...faults, `${failed} orders failed`] : faults
  const waits = waitsMs.length === 0 ? 'it had none in hand' : `${seconds(waitsMs[0])} to ${seconds(waitsMs.at(-1))}`
  table.say(`\nWhat the ${effects.length} recorded effects prove:`)
  table.say(`  ${mark(failed === 0)} all ${ORDERS} orders completed, in ${seconds(tookMs)}`)
  table.say(
    `  ${mark(faults.length === 0)} no completed step ran again; ${resumed} that the crash cut short ran again elsewhere`,
  )
  table.say(
    `  ${mark(waitsMs.length > 0)} the ${waitsMs.length} orders of the dead worker waited ${waits} for another one`,
  )
  for (const fault of all) table.say(`  ✗ ${fault}`)
  return all.length === 0 && crashedAt > 0
}

function mark(isSo: boolean): string {
  return isSo ? '✓' : '✗'
}

function seconds(ms = 0): string {
  return `${(ms / 1_000).toFixed(1)} s`
}
