// Each shape with its worker killed right before and right after every group of requests that it sends, in a simulated world: the
// result is the same, what happened outside is the same, and no step that was recorded as done happens again. And with the answer
// to every group lost on its way back: then nothing at all happens twice.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PromiseRecord } from '@resonatehq/protocol'
import { type Fault, World } from '@resonatehq/sdk/testing'
import { SHAPES } from './shapes/all.ts'
import {
  type AnyClient,
  callerOf,
  type Effect,
  encoded,
  partsOf,
  registerShape,
  rememberingOutside,
} from './shapes/clients.ts'
import { type Shape, STYLES, type Style } from './shapes/shape.ts'

interface Run {
  readonly result: unknown
  readonly before: readonly Effect[]
  /** By the worker that came after the crash. */
  readonly after: readonly Effect[]
  /** Promises that were settled when the first worker was dead. */
  readonly settled: ReadonlySet<string>
  /** How many groups of requests the first worker sent. */
  readonly sent: number
}

/** Runs a shape; `fault` strikes the `at`th group of requests of the first worker, and only then the second one comes. */
async function run(shape: Shape, style: Style, fault?: Fault, at?: number): Promise<Run> {
  const world = new World()
  const crashed = Promise.withResolvers<void>()
  let sent = 0
  world.fault = ({ pid }) => {
    if (pid !== 'w1') return undefined
    sent += 1
    if (sent !== at) return undefined
    if (fault !== 'lose answer') crashed.resolve()
    return fault
  }
  const client = (pid: string, group?: string) => {
    const options = { pid, ...(group === undefined ? {} : { group }) }
    return (style === 'generator' ? world.resonate(options) : world.asyncResonate(options)) as unknown as AnyClient
  }
  const caller = client('caller', 'callers')
  const { outside, effects } = rememberingOutside(
    async (id, text) => void (await caller.promises.resolve(id, { data: encoded(text) })),
  )
  const parts = partsOf('ours', outside)
  registerShape(client('w1'), shape, style, parts)
  const result = shape.use(callerOf(caller), shape.name)
  await world.until(Promise.race([result, crashed.promise]))
  await world.pass(0)
  const { promises } = await world.ask<{ promises: PromiseRecord[] }>('promise.search', { limit: 1_000 })
  const settled = new Set(promises.filter(({ state }) => state !== 'pending').map(({ id }) => id))
  const before = [...effects]
  if (fault !== 'lose answer' && at !== undefined) registerShape(client('w2'), shape, style, parts)
  const value = await world.until(result)
  await world.stop()
  return { result: value, before, after: effects.slice(before.length), settled, sent }
}

function outcomes(effects: readonly Effect[]): Set<string> {
  return new Set(effects.map(({ id, name }) => `${id} ${name}`))
}

function sorted({ before, after }: Run): string[] {
  return [...before, ...after].map(({ id, name }) => `${id} ${name}`).sort()
}

for (const shape of SHAPES) {
  for (const style of STYLES) {
    test(`${shape.name}, ${style}: a crash at any request changes neither the result nor what happened outside`, async () => {
      const calm = await run(shape, style)
      assert.ok(calm.sent > 0)
      for (let at = 1; at <= calm.sent; at++) {
        for (const fault of ['crash before', 'crash after'] as const) {
          const where = `${fault} request ${at} of ${calm.sent}`
          const struck = await run(shape, style, fault, at)
          assert.ok(struck.sent >= at, `${where}: never came so far`)
          assert.deepEqual(struck.result, calm.result, where)
          const happened = outcomes([...struck.before, ...struck.after])
          const expected = outcomes([...calm.before, ...calm.after])
          if (shape.countsTries)
            assert.ok(
              [...happened].every((each) => expected.has(each)),
              where,
            )
          else assert.deepEqual(happened, expected, where)
          const again = struck.after.filter(({ id }) => struck.settled.has(id))
          assert.deepEqual(again, [], `${where}: steps that were done happened again`)
        }
      }
    })

    test(`${shape.name}, ${style}: a lost answer to any request makes nothing happen twice`, async () => {
      const calm = await run(shape, style)
      for (let at = 1; at <= calm.sent; at++) {
        const struck = await run(shape, style, 'lose answer', at)
        assert.ok(struck.sent >= at, `request ${at}: never came so far`)
        assert.deepEqual(struck.result, calm.result, `request ${at}`)
        assert.deepEqual(sorted(struck), sorted(calm), `request ${at}`)
      }
    })
  }
}
