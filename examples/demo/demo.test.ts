// The demo as it is run by `npm run demo`, with fewer orders, and what its proof would not let through.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Effect, prove, STEPS } from './proof.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))

test('the demo tells its story and proves it', async (t) => {
  const demo = spawn(process.execPath, [MAIN], { env: { ...process.env, DEMO_ORDERS: '80' } })
  t.after(() => demo.kill('SIGTERM'))
  let told = ''
  for (const stream of [demo.stdout, demo.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (told += text))
  const [code] = await new Promise<[number | null]>((resolve) => demo.once('close', (exit) => resolve([exit])))
  assert.equal(code, 0, told)
  assert.match(told, /worker-2 is killed \(SIGKILL\)/)
  assert.match(told, /✓ all 80 orders completed/)
  assert.match(told, /✓ no completed step ran again/)
  assert.match(told, /orders of the dead worker waited \d/)
})

const crash = { pid: 'dead', at: 1_000 }

function run(pid: string, from: number, steps: readonly Effect['step'][], startAt: number): Effect[] {
  return steps.map((step, at) => ({ orderId: from, step, pid, at: startAt + at }))
}

test('a step that the crash cut short may run again elsewhere', () => {
  const effects = [...run('dead', 1, ['reserve', 'charge'], 10), ...run('w', 1, ['charge', 'pack', 'ship'], 6_000)]
  assert.deepEqual(prove(effects, 1, crash), { faults: [], resumed: 1, waitsMs: [5_000] })
})

test('a completed step that ran again is a fault', () => {
  const effects = [...run('dead', 1, ['reserve', 'charge'], 10), ...run('w', 1, STEPS, 6_000)]
  assert.deepEqual(prove(effects, 1, crash).faults, ['order 1 ran reserve again after charge had begun'])
})

test('a step that ran twice without a crash is a fault, and so is an order that did not end', () => {
  const effects = [
    ...run('w', 1, ['reserve', 'reserve', 'charge', 'pack', 'ship'], 10),
    ...run('w', 2, ['reserve'], 20),
  ]
  assert.deepEqual(prove(effects, 2, crash).faults, [
    'order 1 ran reserve again after reserve had begun',
    'order 2 never ran charge, pack, ship',
  ])
})
