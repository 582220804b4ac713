// Workers die and answers get lost at every point where they can; the result is the same.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TaskRecord } from '@resonatehq/protocol'
import type { Context } from '@resonatehq/sdk'
import { crashEverywhere, faultsAtRandom, type Program, World } from '@resonatehq/sdk/testing'
import { STYLES, type Style, workflows, worldWith } from './styles.ts'

const NAMES = ['steps', 'nested', 'remote', 'fan', 'forgetful', 'failing'] as const

/** A workflow of a style, whose effects count each once, however often they were made. */
function program(style: Style, name: string): Program<unknown> {
  const effects: string[] = []
  return {
    worker(resonate) {
      for (const [each, fn] of Object.entries(workflows(style, effects))) resonate.register(each, fn)
    },
    call: async (client) => ({ result: await client.rpc('id', name), effects: [...new Set(effects)].sort() }),
  }
}

for (const style of STYLES) {
  for (const name of NAMES) {
    test(`${style}: ${name}: a crash right before or after any request changes neither result nor effects`, async () => {
      const { requests } = await crashEverywhere(() => program(style, name))
      assert.ok(requests > 0)
    })

    test(`${style}: ${name}: crashes and lost answers at random change neither result nor effects`, async () => {
      await faultsAtRandom(() => program(style, name), { runs: 10, crash: 0.2, loseAnswer: 0.2 })
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

test('a program that a crash changes is found out, with where it was struck', async () => {
  const counting = (): Program<number> => {
    let runs = 0
    return {
      worker(resonate) {
        resonate.register('count', async (ctx: Context) => {
          await ctx.run(function step() {
            runs += 1
          })
        })
      },
      call: async (client) => {
        await client.rpc('id', 'count')
        return runs
      },
    }
  }
  const message = /In peace the program came to 1, killed right before request \d of \d to 2/
  await assert.rejects(crashEverywhere(counting), message)
  await assert.rejects(
    faultsAtRandom(counting, { crash: 0.5 }),
    /In peace the program came to 1, with faults of seed \d+ to \d/,
  )
})

test('a program that fails where it was struck is found out, with where and with why', async () => {
  const wavering = (): Program<void> => {
    let runs = 0
    return {
      worker(resonate) {
        resonate.register('waver', async (ctx: Context) => {
          runs += 1
          await ctx.run(() => 1)
          if (runs > 1) throw new TypeError('another time')
        })
      },
      call: (client) => client.rpc('id', 'waver'),
    }
  }
  const why = /undefined, killed right (before|after) request \d of \d it failed: TypeError: another time$/
  await assert.rejects(crashEverywhere(wavering), why)
  const message = /undefined, with faults of seed \d+ it failed: TypeError: another time$/
  await assert.rejects(faultsAtRandom(wavering, { crash: 0.5 }), message)
})

test('a world refuses to kill a worker that it does not have', async () => {
  const world = new World()
  assert.throws(() => world.crash('w1'), { message: "A worker of this world was expected, got 'w1': there is none" })
  world.resonate({ pid: 'w2' })
  assert.throws(() => world.crash('w1'), /got 'w1': there are 'w2'$/)
  world.crash('w2')
  await world.stop()
})
