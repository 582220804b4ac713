// Random programs: steps, sleeps, calls and promises in sequence, and within all, allSettled, race and any, nested in each other.
// Whatever becomes of their workers, what was decided and recorded once is what every replay decides. A run prints its seed where
// it fails: SEED=… runs that program alone.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Context, Resonate } from '@resonatehq/sdk'
import { crashEverywhere, faultsAtRandom, type Program } from '@resonatehq/sdk/testing'
import fc from 'fast-check'

type Part =
  | { readonly kind: 'run'; readonly value: number; readonly fails: boolean }
  | { readonly kind: 'sleep'; readonly ms: number }
  | { readonly kind: 'latent'; readonly value: number }
  | { readonly kind: 'rpc' | 'nest'; readonly plan: Plan; readonly fails: boolean }

type Several = { readonly kind: 'all' | 'allSettled' | 'race' | 'any'; readonly parts: readonly Part[] }

type Plan = readonly (Part | Several)[]

const isLong = process.env.RESONATE_TEST_LONG === '1'
const only = process.env.SEED === undefined ? undefined : Number(process.env.SEED)
const seeds = only === undefined ? Array.from({ length: isLong ? 150 : 25 }, (_, at) => at + 1) : [only]

/** How long answers take, ms: at once, less and more than it takes until what is awaited elsewhere is watched. */
const LATENCIES = [0, 1, 7, 60] as const

const fails = fc.nat(6).map((drawn) => drawn === 0)

function partOf(depth: number): fc.Arbitrary<Part> {
  const value = fc.nat(99)
  const plan = depth > 0 ? planOf(depth - 1) : fc.constant<Plan>([])
  return fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('run' as const), value, fails }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('sleep' as const), ms: fc.nat(30) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('latent' as const), value }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('rpc' as const, 'nest' as const), plan, fails }) },
  )
}

function planOf(depth: number): fc.Arbitrary<Plan> {
  const part = partOf(depth)
  const several = fc.record({
    kind: fc.constantFrom('all' as const, 'allSettled' as const, 'race' as const, 'any' as const),
    parts: fc.array(part, { minLength: 2, maxLength: 5 }),
  })
  return fc.array(fc.oneof(part, several), { minLength: 1, maxLength: 4 })
}

const final = { nonRetryable: true }

/** What was recorded and what this pass decided, where they differ. */
type Report = (difference: string) => void

function register(resonate: Resonate, report: Report): void {
  async function follow(ctx: Context, plan: Plan, isFailing: boolean): Promise<unknown[]> {
    const came: unknown[] = []
    for (const each of plan) came.push(await outcomeOf(() => ('parts' in each ? several(ctx, each) : one(ctx, each))))
    if (isFailing) throw Object.assign(new RangeError('this plan fails'), final)
    return came
  }

  function one(ctx: Context, part: Part): Promise<unknown> {
    switch (part.kind) {
      case 'run':
        return ctx.run(() => {
          if (part.fails) throw Object.assign(new TypeError(`no ${part.value}`), final)
          return part.value
        })
      case 'sleep':
        return ctx.sleep(part.ms)
      case 'latent':
        return latent(ctx, part.value)
      case 'rpc':
        return ctx.rpc(follow, part.plan, part.fails)
      case 'nest':
        return ctx.run(follow, part.plan, part.fails)
    }
  }

  async function latent(ctx: Context, value: number): Promise<unknown> {
    const answer = ctx.promise({ timeout: 3_600_000 })
    await ctx.run(async () => {
      await resonate.promises.resolve(answer.id, { value })
    })
    return answer
  }

  async function several(ctx: Context, { kind, parts }: Several): Promise<unknown> {
    const operations = parts.map((part) => one(ctx, part))
    if (kind === 'allSettled') return Promise.allSettled(operations)
    // Who is first may be another after a crash, and so may be who fails first; but not once it was recorded.
    if (kind === 'all') return Promise.all(operations).catch(() => 'one of all failed')
    const ended = operations.map((operation, at) =>
      operation.then(
        () => at,
        (error) => (kind === 'race' ? -1 - at : Promise.reject(error)),
      ),
    )
    const won = await (kind === 'race' ? Promise.race(ended) : Promise.any(ended).catch(() => 'none'))
    const recorded = await ctx.run(() => won)
    if (recorded !== won) report(`${recorded} had won in '${ctx.id}', and then ${won}`)
    return undefined
  }

  resonate.register(follow)
}

async function outcomeOf(begin: () => Promise<unknown>): Promise<unknown> {
  try {
    const value = await begin()
    return Array.isArray(value) ? value.map(plain) : (value ?? null)
  } catch (error) {
    return (error as Error).message
  }
}

/** allSettled's outcomes, errors by their messages. */
function plain(value: unknown): unknown {
  return value instanceof Object && 'reason' in value ? (value.reason as Error).message : (value ?? null)
}

for (const seed of seeds) {
  test(`random program ${seed}: what was decided stays decided`, async () => {
    const [plan = []] = fc.sample(planOf(2), { seed, numRuns: 1 })
    const differences: string[] = []
    const program = (): Program<unknown> => ({
      worker: (resonate) => register(resonate, (difference) => differences.push(difference)),
      call: (client) => client.rpc('root', 'follow', plan, false, client.options({ timeout: 86_400_000 })),
    })
    const world = { latency: LATENCIES[seed % LATENCIES.length] }
    await faultsAtRandom(program, { world, runs: 6, seed: seed * 100, crash: 0.12, loseAnswer: 0.12 })
    // Each program is struck everywhere only where that is not thousands of times.
    if (JSON.stringify(plan).length < 600) await crashEverywhere(program, { world })
    assert.deepEqual(differences, [])
  })
}
