// Many servers on one PostgreSQL, under load, while one process after the other is killed or frozen. Whatever happens:
// what was acknowledged is there, every workflow completes with the right result, no task has two holders at one version, no
// completed step is done again, and what each promise and task showed to anybody is linearizable.
//
//   SEED=7 DURATION=300 node --test packages/conformance/test/cluster/cluster.test.ts
//
// SEED draws the load and the faults, DURATION is how long they last, in seconds.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { PromiseRecord } from '@resonatehq/protocol'
import { Resonate, type ResonateHandle, systemPlatform } from '@resonatehq/sdk'
import { withoutPostgres } from '../../../store/test/postgres-server.ts'
import { Chance } from '../chance.ts'
import type { Operation } from '../linearizable/history.ts'
import { problemIn } from '../linearizable/machine.ts'
import { isLong } from '../processes.ts'
import { acknowledged, type Effect, repeatedEffects, sharedClaims, storyOf } from './audit.ts'
import { Cluster } from './cluster.ts'
import { drawFaults, type Incident, inflict } from './faults.ts'
import { bugsIn, type Entry, journaling, linesOf, operationsOf, sharedClock } from './journal.ts'
import { Load } from './load.ts'

/** By default one in which a worker stands still, and then the database and a server die, before long. */
const SEED = Number(process.env.SEED ?? 40)
const DURATION_MS = 1_000 * Number(process.env.DURATION ?? (isLong ? 25 : 6))
const CLIENTS = 3
/** Requests of one client at a time. */
const LANES = 3
/** Workflows of one client that have not ended. */
const UNFINISHED_MAX = 20
/** Longer than leases, back-off and the time until a client looks by itself whether it missed a message. */
const RECOVERY_MS = 120_000

const pause = (ms: number) => setTimeout<void>(ms)
const clock = sharedClock()

/** A workflow that did not end, or not as it must. */
interface Failure {
  readonly id: string
  readonly problem: string
}

/** A client in this process: its requests on shared ids, and the workflows that it has begun. */
class Client {
  readonly name: string
  readonly entries: Entry[] = []
  readonly #chance: Chance
  readonly #resonate: Resonate
  readonly #lanes: readonly Load[]
  readonly #handles = new Map<string, { handle: ResonateHandle<number>; n: number }>()
  #unfinished = 0
  #isStopped = false

  constructor(t: TestContext, name: string, url: string, chance: Chance) {
    this.name = name
    this.#chance = chance
    const platform = systemPlatform()
    const http = journaling(platform.http, clock.now, (entry) => this.entries.push(entry))
    const common = { group: 'clients', timeout: 2_000, logLevel: 'error' } as const
    this.#resonate = new Resonate({ ...common, url, pid: name, platform: { ...platform, http } })
    t.after(() => this.#resonate.stop())
    const part = (lane: number) => ({
      url,
      port: http,
      client: `${name}-${lane}`,
      chance: chance.fork(),
      now: clock.now,
      pause,
    })
    this.#lanes = Array.from({ length: LANES }, (_, lane) => new Load(part(lane)))
  }

  async run(): Promise<void> {
    await Promise.all([...this.#lanes.map((lane) => lane.run()), this.#order()])
  }

  stop(): void {
    this.#isStopped = true
    for (const lane of this.#lanes) lane.stop()
  }

  async #order(): Promise<void> {
    for (let n = 0; !this.#isStopped; n++) {
      const id = `${this.name}.order-${n}`
      const handle = await this.#resonate.beginRpc<number>(id, 'order', n, this.#resonate.options({ target: 'left' }))
      this.#handles.set(id, { handle, n })
      this.#unfinished++
      void handle
        .result()
        .finally(() => this.#unfinished--)
        .catch(() => {})
      do await pause(this.#chance.between(20, 120))
      while (this.#unfinished >= UNFINISHED_MAX && !this.#isStopped)
    }
  }

  /** Waits for all workflows; which did not come out as they must. */
  async failures(): Promise<Failure[]> {
    const late = setTimeout(RECOVERY_MS, 'nothing yet', { ref: false })
    const looked = [...this.#handles].map(async ([id, { handle, n }]) => {
      const result = await Promise.race([handle.result().catch(String), late])
      return result === orderOf(n) ? [] : [{ id, problem: `${id} came to ${result}, not to ${orderOf(n)}` }]
    })
    return (await Promise.all(looked)).flat()
  }

  /** The promises as they are at last, noted like everything that this client asks. */
  async read(ids: Iterable<string>): Promise<Map<string, PromiseRecord | null>> {
    const records = new Map<string, PromiseRecord | null>()
    const left = [...ids]
    while (left.length > 0) {
      // What is asked at once travels in one body.
      const some = left.splice(0, 200).map(async (id) => records.set(id, await this.#get(id)))
      await Promise.all(some)
    }
    return records
  }

  /** For the story of what failed. */
  async lookAtTasks(ids: readonly string[]): Promise<void> {
    for (const id of ids) await this.#resonate.tasks.get(id).catch(() => {})
  }

  async #get(id: string): Promise<PromiseRecord | null> {
    try {
      return await this.#resonate.promises.get(id)
    } catch (error) {
      if (/404|not found/.test(String(error))) return null
      throw error
    }
  }
}

/** What the workflow `order` of the workers gives. */
function orderOf(n: number): number {
  return 2 * [0, 1, 2].reduce((sum, i) => sum + 6 * (n + 1 + i), 0)
}

test(`no fault of servers, workers or the database shows, ${DURATION_MS / 1_000} s of seed ${SEED}`, {
  skip: withoutPostgres,
}, async (t) => {
  const problems = await torment(t)
  const command = `SEED=${SEED} DURATION=${DURATION_MS / 1_000} node --test packages/conformance/test/cluster/cluster.test.ts`
  assert.equal(problems.slice(0, 20).join('\n'), '', `${problems.length} problems with seed ${SEED}; again: ${command}`)
})

async function torment(t: TestContext): Promise<string[]> {
  const chance = new Chance(SEED)
  const cluster = await Cluster.start(t, clock.offsetMs)
  const clients = Array.from({ length: CLIENTS }, (_, at) => new Client(t, `client ${at}`, cluster.url, chance.fork()))
  const incidents: Incident[] = []
  const running = clients.map((client) => client.run())
  const tell = (incident: Incident) => {
    incidents.push(incident)
    const { name, how, fromAt, toAt } = incident
    t.diagnostic(`${how} of ${name} for ${Math.round(toAt - fromAt)} ms at ${fromAt}`)
  }
  await inflict(drawFaults(chance, cluster.victims, DURATION_MS), { now: clock.now, pause, tell })
  for (const client of clients) client.stop()
  await Promise.all(running)
  return audit(t, { cluster, clients, incidents })
}

interface Remains {
  readonly cluster: Cluster
  readonly clients: readonly Client[]
  readonly incidents: readonly Incident[]
}

async function audit(t: TestContext, { cluster, clients, incidents }: Remains): Promise<string[]> {
  const endedAt = clock.now()
  const failures = (await Promise.all(clients.map((client) => client.failures()))).flat()
  const recoveredAt = clock.now()
  const effects = linesOf(cluster.effects()) as Effect[]
  const [reader] = clients as [Client]
  const told = acknowledged(historyOf(journalsOf(cluster, clients)))
  const last = await reader.read(new Set([...told, ...effects.map(({ id }) => id)]))
  for (const { id } of failures)
    await reader.lookAtTasks([...told].filter((one) => one.startsWith(`${id}:`) || one === id))
  const journals = journalsOf(cluster, clients)
  const history = historyOf(journals)
  t.diagnostic(
    `${history.length} requests on ${told.size} promises, ${effects.length} effects, ${incidents.length} faults`,
  )
  const lost = [...told].filter((id) => last.get(id) === null).map((id) => `${id} was acknowledged and is gone`)
  const unlinearizable = problemIn(history)
  const [recovery, look] = [recoveredAt - endedAt, clock.now() - recoveredAt].map(Math.round)
  t.diagnostic(`all workflows had ended ${recovery} ms after the last fault, and were looked at in ${look} ms`)
  return [
    ...cluster.dead,
    ...journals.flatMap(({ client, entries }) => bugsIn(client, entries)),
    ...lost,
    ...failures.map(({ problem }) => problem),
    ...failures.slice(0, 3).map(({ id }) => storyOf(id, history)),
    ...sharedClaims(history),
    ...repeatedEffects(effects, last, incidents),
    ...(unlinearizable === null ? [] : [unlinearizable]),
  ]
}

interface Journal {
  readonly client: string
  readonly entries: readonly Entry[]
}

/** What everybody asked and was answered, each by itself. */
function journalsOf(cluster: Cluster, clients: readonly Client[]): Journal[] {
  const workers = cluster.journals().filter(({ path }) => existsSync(path))
  return [
    ...clients.map(({ name, entries }) => ({ client: name, entries })),
    ...workers.map(({ client, path }) => ({ client, entries: linesOf(path) as Entry[] })),
  ]
}

function historyOf(journals: readonly Journal[]): Operation[] {
  return journals.flatMap(({ client, entries }) => operationsOf(client, entries))
}
