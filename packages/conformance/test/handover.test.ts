// A workflow that a worker of one SDK has begun goes on on a worker of the other: the same ids, names and values are recorded, so
// no step is done again and nothing diverges. Both run in this process, one after the other.

// biome-ignore-all lint/suspicious/noExplicitAny: one program for two SDKs, whose contexts have types of their own.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as ours from '@resonatehq/sdk'
import * as oursAsync from '@resonatehq/sdk/async'
import * as theirs from 'resonate-published'
import * as theirsAsync from 'resonate-published/async'
import { ServerProcess, until } from './processes.ts'
import { Wire } from './wire.ts'

const GROUP = 'workers'
const ENTRIES = { generators: { ours, theirs }, async: { ours: oursAsync, theirs: theirsAsync } } as const

type Style = keyof typeof ENTRIES
type Side = 'ours' | 'theirs'

/** What the clients of both SDKs and styles have in common. */
interface Client {
  register(name: string, fn: (...args: any[]) => unknown): unknown
  get(id: string): Promise<{ result(): Promise<unknown> }>
  stop(): Promise<void>
}

/** A function of every way to be named, and one call of every kind before and after a person is waited for. */
const PROGRAMS: Record<Style, (done: (step: string) => string) => Record<string, (...args: any[]) => unknown>> = {
  generators: (done) => {
    const pay = (_: any, cents: number) => ({ [done('pay')]: cents })
    return {
      pay,
      *leaf(context: any, count: number): any {
        return (yield* context.run(() => count)) * 2
      },
      *flow(context: any): any {
        const there = (id?: string) => context.options({ target: GROUP, id })
        const paid = [yield* context.run(pay, 1), yield* context.run('pay', 2)]
        const inner = yield* context.run(function* inner(own: any): any {
          return [yield* own.run(() => done('inner')), yield* own.rpc('leaf', 1, there())]
        })
        const ids = [
          yield* context.run(() => done('step'), context.options({ id: `step-${context.id}` })),
          yield* context.rpc('leaf', 2, there(`call-${context.id}`)),
        ]
        const recorded = [yield* context.date.now(), yield* context.math.random()].map((each) => typeof each)
        const begun = [yield* context.beginRun(async () => done('begun')), yield* context.beginRpc('leaf', 3, there())]
        const detached = yield* context.detached('leaf', 4, there())
        yield* context.sleep(1)
        const said = yield* yield* context.promise()
        const after = yield* context.run(() => done('after'))
        return [paid, inner, ids, recorded, yield* begun[0], yield* begun[1], yield* detached, said, after]
      },
    }
  },
  async: (done) => {
    const pay = async (_: any, cents: number) => ({ [done('pay')]: cents })
    return {
      pay,
      leaf: async (context: any, count: number) => (await context.run(() => count)) * 2,
      flow: async (context: any) => {
        const there = (id?: string) => context.options({ target: GROUP, id })
        const paid = [await context.run(pay, 1), await context.run('pay', 2)]
        const inner = await context.run(async function inner(own: any) {
          return [await own.run(() => done('inner')), await own.rpc('leaf', 1, there())]
        })
        const ids = [
          await context.run(() => done('step'), context.options({ id: `step-${context.id}` })),
          await context.rpc('leaf', 2, there(`call-${context.id}`)),
        ]
        const recorded = [await context.date.now(), await context.math.random()].map((each) => typeof each)
        const begun = [context.run(async () => done('begun')), context.rpc('leaf', 3, there())]
        await context.detached('leaf', 4, there())
        await context.sleep(1)
        const said = await context.promise()
        const after = await context.run(() => done('after'))
        return [paid, inner, ids, recorded, await begun[0], await begun[1], 8, said, after]
      },
    }
  },
}

const EXPECTED = [
  [{ pay: 1 }, { pay: 2 }],
  ['inner', 2],
  ['step', 4],
  ['number', 'number'],
  'begun',
  6,
  8,
  'yes',
  'after',
]

for (const style of ['generators', 'async'] as const)
  for (const [first, second] of [
    ['theirs', 'ours'],
    ['ours', 'theirs'],
  ] as const)
    test(`${style}: what a worker of ${first} has begun goes on on one of ${second}`, async (t) => {
      const server = await ServerProcess.start(t)
      const wire = new Wire(server.url)
      const steps: string[] = []
      const worker = (side: Side) => {
        const client: Client = new ENTRIES[style][side].Resonate({ url: server.url, group: GROUP })
        const program = PROGRAMS[style]((step) => {
          steps.push(`${side} ${step}`)
          return step
        })
        for (const [name, fn] of Object.entries(program)) client.register(name, fn)
        return client
      }
      const begin = worker(first)
      const data = Buffer.from(JSON.stringify({ func: 'flow', args: [], version: 1 })).toString('base64')
      const tags = { 'resonate:target': `poll://any@${GROUP}`, 'resonate:origin': 'flow', 'resonate:branch': 'flow' }
      await wire.ask('promise.create', { id: 'flow', timeoutAt: Date.now() + 60_000, param: { data }, tags })
      await until('the workflow waits for a person', async () => {
        const { promises } = (await wire.ask('promise.search', { state: 'pending' })).data
        const { task } = (await wire.ask('task.get', { id: 'flow' })).data
        const open = promises.map(({ id }: { id: string }) => id).sort()
        return task?.state === 'suspended' && String(open) === 'flow,flow:11' ? true : undefined
      })
      await begin.stop()
      const goOn = worker(second)
      try {
        await wire.settle('flow:11', Buffer.from('"yes"').toString('base64'))
        assert.deepEqual(await (await goOn.get('flow')).result(), EXPECTED)
      } finally {
        await goOn.stop()
      }
      const before = ['pay', 'pay', 'inner', 'step', 'begun'].map((step) => `${first} ${step}`)
      assert.deepEqual(steps.sort(), [...before, `${second} after`].sort())
    })
