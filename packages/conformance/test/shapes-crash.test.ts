// Each shape with its worker killed right before and right after every request that it makes, each durable operation's among them,
// in a simulated world: the result is the same, what happened outside is the same, and no step that was recorded as done happens
// again. Requests that travel together are cut apart too. And with the answer to every group of them lost on its way back: then
// nothing at all happens twice.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PromiseRecord } from '@resonatehq/protocol'
import { World } from '@resonatehq/sdk/testing'
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
  /** How many requests the first worker made, and in how many groups. */
  readonly requests: number
  readonly groups: number
}

/** What happens to the first worker; only when it is dead the second one comes. */
type Strike =
  /** Right before the request with this number, or right after it: then its answer is not heard any more. */
  | { readonly kind: 'crash'; readonly when: 'before' | 'after'; readonly request: number }
  | { readonly kind: 'lose answer'; readonly ofGroup: number }

async function run(shape: Shape, style: Style, strike?: Strike): Promise<Run> {
  const world = new World()
  const crashed = Promise.withResolvers<void>()
  let [requests, groups] = [0, 0]
  world.fault = ({ pid, kinds }) => {
    if (pid !== 'w1') return undefined
    const before = requests
    requests += kinds.length
    groups += 1
    if (strike?.kind === 'lose answer') return groups === strike.ofGroup ? 'lose answer' : undefined
    if (!strike || strike.request <= before || strike.request > requests) return undefined
    crashed.resolve()
    return { crashAfter: strike.request - before - (strike.when === 'before' ? 1 : 0) }
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
  if (strike?.kind === 'crash') registerShape(client('w2'), shape, style, parts)
  const value = await world.until(result)
  await world.stop()
  return { result: value, before, after: effects.slice(before.length), settled, requests, groups }
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
      assert.ok(calm.requests > 0)
      for (let at = 0; at < 2 * calm.requests; at++) {
        const [request, when] = [Math.floor(at / 2) + 1, at % 2 === 0 ? 'before' : 'after'] as const
        const where = `${when} request ${request} of ${calm.requests}`
        const struck = await run(shape, style, { kind: 'crash', when, request })
        assert.ok(struck.requests >= request, `${where}: never came so far`)
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
    })

    test(`${shape.name}, ${style}: a lost answer to any request makes nothing happen twice`, async () => {
      const calm = await run(shape, style)
      for (let ofGroup = 1; ofGroup <= calm.groups; ofGroup++) {
        const struck = await run(shape, style, { kind: 'lose answer', ofGroup })
        assert.ok(struck.groups >= ofGroup, `group ${ofGroup}: never came so far`)
        assert.deepEqual(struck.result, calm.result, `group ${ofGroup}`)
        assert.deepEqual(sorted(struck), sorted(calm), `group ${ofGroup}`)
      }
    })
  }
}
