// Each example as it stands in examples/, run in a simulated world, killed right before and right after every request that it
// makes, and started again as a person would: it ends with the same last words, and what it said on the way is the same. Examples
// that wait for what no simulation has (sockets, threads that encrypt) are killed as real processes in shapes-services.test.ts.

import assert from 'node:assert/strict'
import { registerHooks } from 'node:module'
import { type TestContext, test } from 'node:test'
import { World } from '@resonatehq/sdk/testing'
import { stage } from './simulated-sdk.ts'

const EXAMPLES = new URL('../../../examples/', import.meta.url)
const SIMULATED = new URL('./simulated-sdk.ts', import.meta.url).href

registerHooks({
  resolve(specifier, context, next) {
    const isExample = context.parentURL?.startsWith(EXAMPLES.href) === true
    return isExample && specifier === '@resonatehq/sdk'
      ? { url: SIMULATED, shortCircuit: true }
      : next(specifier, context)
  },
})

interface Example {
  readonly name: string
  /** How many of its last lines are its results. */
  readonly results: number
  /** What stands for another system is in the process, and starts anew with it: it may say more or less on the way. */
  readonly remembers?: false
}

const examples: readonly Example[] = [
  { name: 'hello', results: 1 },
  { name: 'fan-out', results: 2 },
  { name: 'saga', results: 1 },
  { name: 'recursion', results: 1 },
  { name: 'agent', results: 1 },
  { name: 'typed-rpc', results: 2 },
  { name: 'polling', results: 1, remembers: false },
  { name: 'rate-limit', results: 2, remembers: false },
  { name: 'schedule', results: 1, remembers: false },
]

interface Strike {
  readonly when: 'before' | 'after'
  readonly request: number
}

interface Run {
  readonly said: readonly string[]
  readonly requests: number
}

/** Modules are kept by their address: each process needs a new one. */
let processes = 0

/** Runs an example to its end; struck, it is started again. */
async function run(t: TestContext, { name }: Example, strike?: Strike): Promise<Run> {
  const world = new World({ logger: SILENT })
  const said: string[] = []
  const crashed = Promise.withResolvers<void>()
  let requests = 0
  world.fault = ({ pid, kinds }) => {
    if (pid !== 'first') return undefined
    const before = requests
    requests += kinds.length
    if (!strike || strike.request <= before || strike.request > requests) return undefined
    crashed.resolve()
    return { crashAfter: strike.request - before - (strike.when === 'before' ? 1 : 0) }
  }
  const log = t.mock.method(console, 'log', (...words: unknown[]) => void said.push(words.join(' ')))
  const clock = t.mock.method(Date, 'now', () => world.now())
  try {
    await world.until(Promise.race([start(world, name, 'first'), crashed.promise]))
    await world.pass(0)
    if (strike) await world.until(start(world, name, 'second'))
    // Whatever a dead process says when its world ends, nobody hears.
    const heard = [...said]
    await world.stop()
    return { said: heard, requests }
  } finally {
    log.mock.restore()
    clock.mock.restore()
  }
}

function start(world: World, name: string, pid: string): Promise<unknown> {
  Object.assign(stage, { world, pid })
  processes += 1
  return import(new URL(`${name}/main.ts?process=${processes}`, EXAMPLES).href)
}

const SILENT = { debug() {}, info() {}, warn() {}, error() {} }

for (const example of examples) {
  test(`the example ${example.name} comes to the same, wherever it is killed and started again`, async (t) => {
    const calm = await run(t, example)
    assert.ok(calm.requests > 0)
    for (let at = 0; at < 2 * calm.requests; at++) {
      const strike: Strike = { request: Math.floor(at / 2) + 1, when: at % 2 === 0 ? 'before' : 'after' }
      const where = `${strike.when} request ${strike.request} of ${calm.requests}`
      const { said, requests } = await run(t, example, strike)
      assert.ok(requests >= strike.request, `${where}: never came so far`)
      assert.deepEqual(said.slice(-example.results), calm.said.slice(-example.results), where)
      if (example.remembers !== false) assert.deepEqual(new Set(said), new Set(calm.said), where)
    }
  })
}
