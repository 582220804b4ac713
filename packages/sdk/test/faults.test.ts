// Workers die and answers get lost at every point where they can; the result is the same.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TaskRecord } from '@resonatehq/protocol'
import type { Fault, Sending } from '@resonatehq/sdk/testing'
import { STYLES, type Style, worldWith } from './styles.ts'

const NAMES = ['steps', 'nested', 'remote', 'fan', 'forgetful', 'failing'] as const

interface Run {
  readonly result: unknown
  readonly effects: readonly string[]
  /** How many groups of requests the first worker sent. */
  readonly sent: number
}

/** Runs a workflow on two workers; `fault` strikes the `at`th group of requests of the first one. */
async function run(style: Style, name: string, fault?: Fault, at?: number): Promise<Run> {
  const { world, effects, worker } = worldWith(style)
  let sent = 0
  world.fault = ({ pid }: Sending) => {
    if (pid !== 'w1') return undefined
    sent += 1
    return sent === at ? fault : undefined
  }
  worker('w1')
  const client = world.resonate({ pid: 'client', group: 'client' })
  const handle = await world.until(client.beginRpc('id', name))
  // The second worker comes when the first has the work, so that it is the first that is struck.
  await world.pass(1)
  worker('w2')
  const result = await world.until(handle.result())
  await world.stop()
  return { result, effects, sent }
}

for (const style of STYLES) {
  for (const name of NAMES) {
    for (const fault of ['crash before', 'crash after'] as const) {
      test(`${style}: ${name}: ${fault} any request leaves the result as it is`, async () => {
        const calm = await run(style, name)
        for (let at = 1; at <= calm.sent; at++) {
          const struck = await run(style, name, fault, at)
          assert.deepEqual(struck.result, calm.result, `at ${at}`)
          assert.deepEqual(new Set(struck.effects), new Set(calm.effects), `at ${at}`)
        }
      })
    }

    test(`${style}: ${name}: a lost answer makes nothing happen twice`, async () => {
      const calm = await run(style, name)
      for (let at = 1; at <= calm.sent; at++) {
        const struck = await run(style, name, 'lose answer', at)
        assert.deepEqual(struck.result, calm.result, `at ${at}`)
        assert.deepEqual(struck.effects, calm.effects, `at ${at}`)
      }
    })
  }

  test(`${style}: a suspended function goes on where it stands: nothing is asked for again`, async () => {
    const { world, worker } = worldWith(style)
    const kinds: string[] = []
    world.fault = (sending) => {
      if (sending.pid === 'w1') kinds.push(...sending.kinds)
      return undefined
    }
    const resonate = worker('w1')
    await world.until(resonate.rpc('id', 'nested'))
    assert.deepEqual(
      kinds.filter((kind) => kind.startsWith('task.fence promise.create')).length,
      5,
      'one creation for each of the inner function, its two steps, its sleep and the last step',
    )
    await world.stop()
  })

  test(`${style}: a worker that stops gives its task back at once`, async () => {
    const { world, worker } = worldWith(style)
    const first = worker('w1')
    const client = world.resonate({ pid: 'client', group: 'client' })
    const handle = await world.until(client.beginRpc('id', 'failing'))
    await world.pass(1)
    const startAt = world.now()
    await world.until(first.stop({ timeout: 0 }))
    const { task } = await world.ask<{ task: TaskRecord }>('task.get', { id: 'id' })
    assert.equal(task.state, 'pending')
    worker('w2')
    await world.until(handle.result())
    assert.equal(world.now() - startAt, 6_000, 'the other worker begins at once, and makes its own retries')
    await world.stop()
  })
}

test('heartbeats keep a step of an hour alive', async () => {
  const { world } = worldWith('async')
  const resonate = world.resonate({ pid: 'w1' })
  let runs = 0
  resonate.register('long', async () => {
    runs += 1
    await new Promise<void>((resolve) => world.platform.timer(3_600_000, resolve))
    return 'done'
  })
  worker(world, 'w2')
  assert.equal(await world.until(resonate.run('id', 'long')), 'done')
  assert.equal(runs, 1)
  await world.stop()
})

function worker(world: ReturnType<typeof worldWith>['world'], pid: string) {
  world.resonate({ pid }).register('long', async () => 'by the other')
}
