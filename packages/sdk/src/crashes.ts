// Runs a program again and again in simulated worlds, each time with something going wrong somewhere else, and holds what comes of
// it against a run in peace. Every run has a world and an outside of its own, so that nothing leaks from one into the next.

import { Codec } from './engine/codec.ts'
import type { Resonate } from './resonate.ts'
import { chance, type Fault, type Sending, World, type WorldOptions } from './world.ts'

/** Durable functions and a use of them. Made anew for each run, together with what stands for the world outside. */
export interface Program<T> {
  /** Registers the functions, on each worker that is started. */
  worker(resonate: Resonate): void
  /** Uses them, from a client that outlives all workers. What it gives must be the same, whatever goes wrong: results, effects. */
  call(client: Resonate, world: World): Promise<T>
}

/** What a run in peace came to. */
export interface CalmRun<T> {
  readonly result: T
  /** How many requests its worker made, each of which was struck. */
  readonly requests: number
}

/** How a program is run. */
export interface CrashOptions {
  /** Of each world. */
  readonly world?: WorldOptions
}

/** Which faults there are, and how many. */
export interface FaultOptions extends CrashOptions {
  /** How many runs, each with the next seed. @default 20 */
  readonly runs?: number
  /** The first seed. @default 1 */
  readonly seed?: number
  /** The part of groups of requests at which a worker dies, from 0 to 1. Another one comes at once. @default 0.05 */
  readonly crash?: number
  /** The part of groups of requests whose answer is lost, from 0 to 1. @default 0.05 */
  readonly loseAnswer?: number
}

/** Decides what becomes of a worker's requests, and may start another worker. */
type Striker = (sending: Sending, start: () => void) => Fault | undefined

/**
 * Runs a program once in peace; then, for each request that its worker made, twice more: the worker is killed right before that
 * request and right after it, and another one takes over. Throws where a run comes to something else, and says where it was struck.
 */
export async function crashEverywhere<T>(make: () => Program<T>, options: CrashOptions = {}): Promise<CalmRun<T>> {
  let requests = 0
  const count: Striker = ({ kinds }) => {
    requests += kinds.length
    return undefined
  }
  const result = await run(make(), options, count)
  for (let request = 1; request <= requests; request++) {
    for (const when of ['before', 'after'] as const) {
      const struck = run(make(), options, killed(request, when))
      await check(result, struck, `killed right ${when} request ${request} of ${requests}`)
    }
  }
  return { result, requests }
}

/** Runs a program with faults drawn from seeds. Throws where a run comes to something else than one in peace, and names the seed. */
export async function faultsAtRandom<T>(make: () => Program<T>, options: FaultOptions = {}): Promise<T> {
  const { runs = 20, seed: first = 1 } = options
  const result = await run(make(), options, () => undefined)
  for (let seed = first; seed < first + runs; seed++)
    await check(result, run(make(), options, drawn(seed, options)), `with faults of seed ${seed}`)
  return result
}

function killed(request: number, when: 'before' | 'after'): Striker {
  let requests = 0
  return ({ pid, kinds }, start) => {
    if (pid !== pidOf(1)) return undefined
    const before = requests
    requests += kinds.length
    if (request <= before || request > requests) return undefined
    start()
    return { crashAfter: request - before - (when === 'before' ? 1 : 0) }
  }
}

function drawn(seed: number, { crash = 0.05, loseAnswer = 0.05 }: FaultOptions): Striker {
  const random = chance(seed)
  return ({ kinds }, start) => {
    const drawn = random()
    if (drawn < loseAnswer) return 'lose answer'
    if (drawn >= loseAnswer + crash) return undefined
    start()
    return { crashAfter: Math.floor(random() * (kinds.length + 1)) }
  }
}

/** One run. Workers have names by number; the client is nobody's target. */
async function run<T>(program: Program<T>, { world: options }: CrashOptions, strike: Striker): Promise<T> {
  const world = new World(options)
  let workers = 0
  const start = () => {
    workers += 1
    program.worker(world.resonate({ pid: pidOf(workers) }))
  }
  // Only once the one before is dead.
  world.fault = (sending) => (sending.pid === CLIENT ? undefined : strike(sending, () => world.platform.defer(start)))
  const client = world.resonate({ pid: CLIENT, group: CLIENT })
  try {
    start()
    return await world.until(program.call(client, world))
  } finally {
    await world.stop()
  }
}

const CLIENT = 'client'

function pidOf(worker: number): string {
  return `worker-${worker}`
}

async function check(expected: unknown, struck: Promise<unknown>, where: string): Promise<void> {
  const before = told(expected)
  const found = await struck.catch((cause) => {
    throw new Error(`In peace the program came to ${before}, ${where} it failed: ${String(cause)}`, { cause })
  })
  const after = told(found)
  if (before !== after) throw new Error(`In peace the program came to ${before}, ${where} to ${after}`)
}

/** As values travel: errors with their class and message, too. */
function told(value: unknown): string {
  const { data } = new Codec().encode(value) as { data?: string }
  return data ? new TextDecoder().decode(Uint8Array.from(atob(data), (char) => char.charCodeAt(0))) : 'undefined'
}
