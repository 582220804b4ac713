// One example in a simulated world of its own, as it stands in examples/: what it imports that no simulation has is replaced by what
// does the same in the world. Its first process may be killed at any of its requests; then it is started again as a person would.
// It must be the only simulation under way, since an example takes time, chance and the console from the whole process.

import type { Server as HttpServer } from 'node:http'
import { registerHooks } from 'node:module'
import { Server } from 'node:net'
import type { TestContext } from 'node:test'
import type { PromiseRecord } from '@resonatehq/protocol'
import { World } from '@resonatehq/sdk/testing'
import { type Crash, type Example, effectsFile, NOBODY, type Outside } from './all.ts'
import { SimulatedNetwork } from './simulated-network.ts'
import { enter } from './stage.ts'

/** The process that is killed, and the one that is started then. */
const [FIRST, SECOND] = ['first', 'second'] as const

/** The first process dies right before its request with this number leaves, or once it was decided and before it hears of it. */
export interface Strike {
  readonly when: 'before' | 'after'
  readonly request: number
}

export interface Run {
  /** What whoever used it learned, or its last words. */
  readonly result: unknown
  readonly said: readonly string[]
  /** Each promise and its state, at the end. */
  readonly promises: readonly string[]
  /** What its effects should not have been. */
  readonly faults: readonly string[]
  /** How many requests the first process made. */
  readonly requests: number
}

/** One run in peace, or struck. */
export async function simulate(t: TestContext, example: Example, strike?: Strike): Promise<Run> {
  const world = new World({ logger: SILENT })
  const network = new SimulatedNetwork()
  const effects = effectsFile(t)
  const { said, restore } = surround(t, world, network)
  const { died, requests } = watch(world, strike)
  void died.then(() => network.cut())
  try {
    const begin = (pid: string) => start(example, { world, pid, effects })
    const first = begin(FIRST)
    const used = example.use && first.then(() => example.use?.(outsideOf(world, network, example)))
    const crash = await world.until(Promise.race([(used ?? first).then(() => NOBODY), died]))
    await world.pass(0)
    const second = crash === NOBODY ? undefined : begin(SECOND)
    const learned = await world.until(used ?? second ?? first)
    // Whatever a dead process says when its world ends, nobody hears.
    const heard = [...said]
    const [asked, promises] = [requests(), await promisesOf(world)]
    await world.stop()
    const result = used ? learned : heard.slice(-(example.results ?? 0))
    return { result, said: heard, promises, faults: example.faults?.(effects, crash) ?? [], requests: asked }
  } finally {
    restore()
  }
}

/** Counts the requests of the first process, and kills it where it is to be struck. */
function watch(world: World, strike: Strike | undefined): { died: Promise<Crash>; requests: () => number } {
  const { promise: died, resolve } = Promise.withResolvers<Crash>()
  let requests = 0
  world.fault = ({ pid, kinds }) => {
    if (pid !== FIRST) return undefined
    const before = requests
    requests += kinds.length
    if (!strike || strike.request <= before || strike.request > requests) return undefined
    resolve({ pid, at: world.now() })
    return { crashAfter: strike.request - before - (strike.when === 'before' ? 1 : 0) }
  }
  return { died, requests: () => requests }
}

/** What an example takes from the process around it. */
function surround(t: TestContext, world: World, network: SimulatedNetwork) {
  const said: string[] = []
  const say = (...words: unknown[]) => void said.push(words.join(' '))
  const mocks = [
    t.mock.method(console, 'log', say),
    t.mock.method(console, 'error', say),
    t.mock.method(Date, 'now', () => world.now()),
    t.mock.method(Math, 'random', () => world.platform.random()),
    t.mock.method(Server.prototype, 'address', () => ({ port: 80 })),
    t.mock.method(Server.prototype, 'listen', function listen(this: Server, ...given: unknown[]) {
      network.listen(this as HttpServer)
      const listening = given.at(-1)
      if (typeof listening === 'function') process.nextTick(listening)
      return this
    }),
  ]
  const restore = () => {
    for (const { mock } of mocks) mock.restore()
  }
  return { said, restore }
}

function outsideOf(world: World, network: SimulatedNetwork, { group = 'default' }: Example): Outside {
  const client = world.resonate({ pid: 'outside', group: 'outside' })
  return {
    ask: (asking) => network.ask(asking),
    call: (id, name, arg) => client.rpc(id, name, arg, client.options({ target: group })),
    pause: () => new Promise((resolve) => world.platform.timer(PAUSE_MS, resolve)),
  }
}

interface Place {
  readonly world: World
  readonly pid: string
  readonly effects: string
}

/** Modules are kept by their address: each process needs a new one. */
let processes = 0

/** Resolves when its program has run to its end; a web service or a worker goes on from there. */
async function start({ name, program = 'main.ts', functions, env }: Example, place: Place): Promise<void> {
  enter(place)
  Object.assign(process.env, env?.(place))
  processes += 1
  const module = await import(new URL(`${name}/${functions ?? program}?process=${processes}`, EXAMPLES).href)
  module.functions?.({})
}

async function promisesOf(world: World): Promise<string[]> {
  const { promises } = await world.ask<{ promises: PromiseRecord[] }>('promise.search', { limit: 1_000 })
  return promises.map(({ id, state }) => `${id} ${state}`).sort()
}

const EXAMPLES = new URL('../../../../examples/', import.meta.url)
const STAND_INS: Readonly<Record<string, string>> = {
  '@resonatehq/sdk': './simulated-sdk.ts',
  '@resonatehq/sdk/http': './simulated-sdk-http.ts',
  'node:crypto': './simulated-node.ts',
  'node:timers/promises': './simulated-node.ts',
}

registerHooks({
  resolve(specifier, context, next) {
    const standIn = context.parentURL?.startsWith(EXAMPLES.href) ? STAND_INS[specifier] : undefined
    return standIn === undefined
      ? next(specifier, context)
      : { url: new URL(standIn, import.meta.url).href, shortCircuit: true }
  },
})

const PAUSE_MS = 1_000
const SILENT = { debug() {}, info() {}, warn() {}, error() {} }
