// The cluster that the test torments: one PostgreSQL, three servers behind a TCP balancer, six workers in two groups. Each is a
// process of its own that can be killed and started again as it was.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type PostgresServer, startPostgres } from '../../../store/test/postgres-server.ts'
import { freePort } from '../ports.ts'
import { CLI, Process } from '../processes.ts'
import { Balancer } from './balancer.ts'
import type { Victim } from './faults.ts'

const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url))
const SERVERS = 3
const GROUPS = ['left', 'left', 'left', 'right', 'right', 'right'] as const

/** A process that keeps its name, its place and its files over restarts. */
class Member implements Victim {
  readonly name: string
  readonly #start: () => Process
  readonly #sign: string
  #process: Process | null = null

  constructor(name: string, { start, sign }: { start: () => Process; sign: string }) {
    this.name = name
    this.#start = start
    this.#sign = sign
  }

  restart = async (): Promise<void> => {
    this.#process = this.#start()
    await this.#process.says(this.#sign)
  }

  signal = (signal: NodeJS.Signals): void => {
    if (!this.#process?.child.kill(signal))
      throw new Error(`${this.name} had ended by itself:\n${this.lines.join('\n')}`)
  }

  get lines(): readonly string[] {
    return this.#process?.lines ?? []
  }

  get isAlive(): boolean {
    return this.#process?.child.exitCode === null && this.#process.child.signalCode === null
  }
}

export class Cluster {
  readonly url: string
  readonly folder: string
  readonly servers: readonly Member[]
  readonly workers: readonly Member[]
  readonly #database: PostgresServer

  private constructor(parts: Pick<Cluster, 'url' | 'folder' | 'servers' | 'workers'>, database: PostgresServer) {
    this.url = parts.url
    this.folder = parts.folder
    this.servers = parts.servers
    this.workers = parts.workers
    this.#database = database
  }

  static async start(t: TestContext, clockOffsetMs: number): Promise<Cluster> {
    const folder = mkdtempSync(join(tmpdir(), 'resonate-cluster-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const database = await startPostgres({ isDurable: true })
    t.after(() => database.stop())
    const databaseUrl = await database.create()
    const ports = await Promise.all(Array.from({ length: SERVERS }, freePort))
    const url = await Balancer.start(t, ports)
    const servers = ports.map((port, at) => serverOf(t, { name: `server ${at}`, port, url, databaseUrl }))
    const workers = GROUPS.map((group, at) => {
      const files = { JOURNAL: join(folder, `journal-${at}`), EFFECTS: join(folder, 'effects') }
      const env = { RESONATE_URL: url, GROUP: group, NAME: `worker ${at}`, CLOCK_OFFSET: `${clockOffsetMs}`, ...files }
      const start = () => new Process(t, [WORKER], env)
      return new Member(`worker ${at}`, { start, sign: 'ready' })
    })
    await Promise.all(servers.map((server) => server.restart()))
    await Promise.all(workers.map((worker) => worker.restart()))
    return new Cluster({ url, folder, servers, workers }, database)
  }

  /** What can go wrong: with any server, any worker, or the database. */
  get victims(): Victim[][] {
    const { signal, restart } = this.#database
    return [[...this.servers], [...this.workers], [{ name: 'database', signal, restart }]]
  }

  /** Members that ended though nobody killed them, with their last words. */
  get dead(): string[] {
    const dead = [...this.servers, ...this.workers].filter(({ isAlive }) => !isAlive)
    return dead.map(({ name, lines }) => `${name} ended by itself:\n${lines.slice(-10).join('\n')}`)
  }

  effects(): string {
    return join(this.folder, 'effects')
  }

  journals(): { client: string; path: string }[] {
    return this.workers.map(({ name }, at) => ({ client: name, path: join(this.folder, `journal-${at}`) }))
  }
}

interface ServerPlace {
  readonly name: string
  readonly port: number
  readonly url: string
  readonly databaseUrl: string
}

function serverOf(t: TestContext, { name, port, url, databaseUrl }: ServerPlace): Member {
  const flags = ['--server-port', `${port}`, '--server-bind', '127.0.0.1', '--server-url', url]
  const args = [CLI, 'serve', ...flags, '--observability-metrics-port', '0']
  const start = () => new Process(t, args, { RESONATE_STORAGE__POSTGRES__URL: databaseUrl })
  return new Member(name, { start, sign: 'Server listening' })
}
