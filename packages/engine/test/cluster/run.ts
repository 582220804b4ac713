// One run of the simulated cluster: three servers, four workers in two groups, two clients, faults for a while and then
// none. At the end every workflow that was begun has ended and its client was told; the auditor has watched every commit.

import assert from 'node:assert/strict'
import { DEFAULT_CONFIG, type MachineConfig } from '@resonatehq/protocol'
import { createEngine } from '../../src/index.ts'
import { Auditor } from './auditor.ts'
import { type Network, type ServerProcess, SimClient, SimWorker } from './people.ts'
import { Database } from './shared-store.ts'
import { Process, World } from './world.ts'

const START = Date.UTC(2026, 0, 1)
/** Short enough that leases end in every way, and a server that freezes is taken for dead. */
const CONFIG: MachineConfig = { ...DEFAULT_CONFIG, preloadMax: 3, disconnectGraceMs: 1_500, presenceStaleMs: 8_000 }
/** A connection that has been up for this long is known to all servers, whatever failed at first. */
const SETTLED_MS = 6_000
const FAULTS_MS = 15_000
/** By when all must be over: longer than leases, back-off and grace. */
const RECOVERY_MS = 180_000
const SKEW_MS = 2_000
const CAPACITY = 2

export interface Report {
  /** What has happened, as numbers: the same for the same seed. */
  readonly met: ReadonlyMap<string, number>
  readonly endedAfterMs: number
}

export async function simulate(seed: number, options: { readonly hasLocks?: boolean } = {}): Promise<Report> {
  const cluster = new Cluster(seed, options)
  try {
    return await cluster.run()
  } finally {
    cluster.end()
  }
}

class Cluster implements Network {
  readonly world: World
  readonly #database: Database
  readonly #auditor: Auditor
  readonly #hasHints: boolean
  readonly #servers = new Map<number, ServerProcess>()
  readonly #workers = new Map<string, SimWorker>()
  readonly #clients: SimClient[] = []
  /** (task, version) → who got it. */
  readonly #claims = new Map<string, string>()
  #births = 0
  #isCalm = false

  constructor(seed: number, options: { readonly hasLocks?: boolean }) {
    this.world = new World({ seed, now: START })
    this.#auditor = new Auditor(CONFIG, {
      capacityOf: (pid) => this.#workers.get(pid)?.capacity ?? Number.POSITIVE_INFINITY,
      isThere: (pid) => this.#workers.get(pid)?.isThere(SETTLED_MS) ?? false,
    })
    this.#database = new Database(this.world, this.#auditor, options)
    this.#hasHints = seed % 3 !== 0
  }

  servers(): readonly ServerProcess[] {
    return [...this.#servers.values()]
  }

  loss(): number {
    return this.#isCalm ? 0 : 0.03
  }

  async run(): Promise<Report> {
    const { world } = this
    for (let at = 0; at < 3; at++) this.#startServer(at)
    for (const group of ['g', 'g', 'h', 'h']) this.#startWorker(group)
    for (const pid of ['c1', 'c2']) this.#clients.push(new SimClient(this, pid))
    for (const client of this.#clients) client.start(5).catch((error: unknown) => world.fail(error))
    void this.#clients[0]?.schedule()
    this.#database.faults = 0.003
    this.#faultLater()
    await world.run(START + FAULTS_MS)
    this.#heal()
    const isDone = () => this.#clients.every((client) => client.isDone)
    await world.run(START + FAULTS_MS + RECOVERY_MS, isDone)
    const missing = this.#clients.flatMap((client) => client.missing)
    assert.ok(isDone(), `these did not end, or nobody was told: ${missing.join(', ')}`)
    await this.#compared()
    return { met: this.#auditor.met, endedAfterMs: world.now - START }
  }

  /** What is stored is what the auditor saw being written, and what was acknowledged is there. */
  async #compared(): Promise<void> {
    assert.deepEqual(await this.#database.rows.snapshot(), this.#auditor.tables.rows())
    for (const id of this.#clients.flatMap((client) => client.begun)) {
      assert.equal(this.#auditor.tables.promise(id)?.state, 'resolved', id)
    }
  }

  #startServer(at: number): void {
    const { world } = this
    const process = new Process(world, `server ${at}.${this.#births++}`, world.between(-SKEW_MS, SKEW_MS))
    const { store, trace } = this.#database.open(process, { hasHints: this.#hasHints })
    const log = {
      info() {},
      warn() {},
      // A store that fails is what this is about; all else is a bug.
      error: (fields: object, text: string) => {
        if (!/store failed/.test(text)) world.fail(new Error(text, { cause: (fields as { err?: unknown }).err }))
      },
    }
    const options = { platform: process.platform(), log, serverUrl: `http://${process.name}`, machine: CONFIG }
    const engine = createEngine({ store, trace, disconnectUptimeMs: 3_000, ...options })
    void engine.start().then(
      () => process.isDead || this.#servers.set(at, { process, engine }),
      () => {
        process.kill()
        world.after(500, () => this.#startServer(at))
      },
    )
  }

  #startWorker(group: string): void {
    const pid = `p${this.#births++}`
    const capacity = this.world.chance(0.7) ? { capacity: 1 + Math.floor(this.world.random() * CAPACITY) } : {}
    const worker = new SimWorker(this, { pid, group, ...capacity }, (id, version, by) => this.#claim(id, version, by))
    this.#workers.set(pid, worker)
  }

  /** No task is held by two at one version. */
  #claim(id: string, version: number, pid: string): void {
    const holder = this.#claims.get(`${id} ${version}`) ?? pid
    this.#claims.set(`${id} ${version}`, pid)
    if (holder !== pid) this.world.fail(new Error(`${id} at version ${version} is held by ${holder} and by ${pid}`))
  }

  #faultLater(): void {
    this.world.after(this.world.between(300, 2_000), () => {
      if (this.#isCalm) return
      this.#fault()
      this.#faultLater()
    })
  }

  #fault(): void {
    const { world } = this
    const [at, server] = world.pick([...this.#servers]) ?? []
    const worker = world.pick([...this.#workers.values()].filter(({ process }) => !process.isDead))
    const kind = world.pick([
      'kill server',
      'freeze server',
      'freeze worker',
      'kill worker',
      'break connection',
      'deafen',
    ])
    switch (kind) {
      case 'kill server':
        if (at !== undefined && server) this.#killServer(at, server)
        return
      case 'freeze server':
        if (server) this.#freeze(server.process, world.chance(0.3) ? 10_000 : world.between(100, 3_000))
        return
      case 'freeze worker':
        if (worker) this.#freeze(worker.process, world.between(100, 7_000))
        return
      case 'kill worker':
        if (worker) this.#killWorker(worker)
        return
      case 'break connection':
        worker?.hangUp()
        return
      case 'deafen':
        this.#database.deafen()
    }
  }

  #killServer(at: number, { process }: ServerProcess): void {
    process.kill()
    this.#servers.delete(at)
    this.world.after(this.world.between(200, 4_000), () => this.#startServer(at))
  }

  #killWorker(worker: SimWorker): void {
    worker.process.kill()
    this.world.after(this.world.between(100, 3_000), () => this.#startWorker(worker.group))
  }

  #freeze(process: Process, forMs: number): void {
    process.freeze()
    this.world.after(forMs, () => process.thaw())
  }

  /** No more faults. */
  #heal(): void {
    this.#isCalm = true
    this.#database.faults = 0
    for (const { process } of this.#servers.values()) process.thaw()
    for (const { process } of this.#workers.values()) process.thaw()
  }

  /** Nothing of this run goes on behind the next one. */
  end(): void {
    for (const { process } of this.#servers.values()) process.kill()
  }
}
