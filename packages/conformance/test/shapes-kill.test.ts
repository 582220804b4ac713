// A sample of the shapes with real processes: the worker is killed in the middle of a step, another one finishes the work, and of
// all steps only the one that was cut short happens twice.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Resonate } from '@resonatehq/sdk'
import { Process, ServerProcess } from './processes.ts'
import { type AnyClient, callerOf } from './shapes/clients.ts'
import { recovery } from './shapes/recovery.ts'
import { saga } from './shapes/saga.ts'
import { type Shape, STYLES, type Style } from './shapes/shape.ts'

const WORKER = fileURLToPath(new URL('./workers/shape.ts', import.meta.url))

interface Sample {
  readonly shape: Shape
  /** The step in which the worker dies. */
  readonly hang: string
  readonly result: unknown
  /** All that happens outside, the step that was cut short twice. */
  readonly effects: readonly string[]
}

const booked = (id: string) => [`${id}:0 book flight`, `${id}:1 book hotel`]

const samples: readonly Sample[] = [
  {
    shape: recovery,
    hang: 'say 2',
    result: [3, 2, 1],
    effects: ['recovery:0 say 3', 'recovery:2 say 2', 'recovery:2 say 2', 'recovery:4 say 1'],
  },
  {
    shape: saga,
    hang: 'cancel hotel',
    result: [{ value: 'paid' }, { error: 'card declined' }],
    effects: [
      ...booked('saga-cheap'),
      'saga-cheap:2 pay',
      ...booked('saga-dear'),
      'saga-dear:2 pay',
      'saga-dear:3 cancel hotel',
      'saga-dear:3 cancel hotel',
      'saga-dear:4 cancel flight',
    ],
  },
]

async function killInTheMiddle(t: TestContext, { shape, hang, result, effects }: Sample, style: Style): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'resonate-shapes-'))
  t.after(() => rmSync(folder, { recursive: true }))
  let client: Resonate | undefined
  // Before the server goes, so that nobody looks for it.
  t.after(() => client?.stop())
  const server = await ServerProcess.start(t)
  const env = { RESONATE_URL: server.url, SHAPE: shape.name, STYLE: style, EFFECTS: join(folder, 'effects') }
  client = new Resonate({ url: server.url, group: 'callers' })
  const first = new Process(t, [WORKER], { ...env, HANG: hang })
  await first.says('ready')
  const used = shape.use(callerOf(client as unknown as AnyClient), shape.name)
  await first.says('reached')
  const second = new Process(t, [WORKER], env)
  await second.says('ready')
  await first.kill('SIGKILL')
  assert.deepEqual(await used, result)
  assert.deepEqual(readFileSync(env.EFFECTS, 'utf8').trim().split('\n'), effects)
}

for (const sample of samples) {
  for (const style of STYLES) {
    test(`${sample.shape.name}, ${style}: a worker killed while it runs '${sample.hang}' repeats nothing else`, (t) =>
      killInTheMiddle(t, sample, style))
  }
}
