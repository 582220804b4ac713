// Starts what a compose file describes, in its order: our images as they are built, and of everybody else's images the program
// that is inside, as this machine has it. Hosts, ports, users, commands, environment and health checks are the file's own.

import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Process, until } from '../../conformance/test/processes.ts'
import { postgresBinaries } from '../../store/test/postgres-server.ts'
import { type Compose, dependencies, mountedFiles, type Service } from './compose.ts'
import { builtImage, type Image, ROOT } from './image.ts'
import { Sandbox } from './sandbox.ts'
import { toolPath } from './tools.ts'

/** Who runs the programs of images that are not ours. */
const NOBODY = 65534
const AS_NOBODY = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']

/** Where clients of the topology are. */
export const CLIENT = 'client'

interface Container {
  readonly process: Process
  /** Whether its health check is content. Absent: it has none. */
  readonly isHealthy?: () => Promise<boolean>
}

/** What stands for an image of somebody else, by its name without version; null where this machine does not have it. */
type StandIn = (topology: Topology, name: string, service: Service) => Container

const STAND_INS: Readonly<Record<string, StandIn>> = {
  postgres: startPostgres,
  'nginxinc/nginx-unprivileged': startNginx,
  'prom/prometheus': startPrometheus,
}

/** Reason to skip, or false: the programs of the images that a topology is about. */
export function withoutPrograms(...names: ('postgres' | 'nginx' | 'prometheus')[]): string | false {
  const missing = names.find((name) => (name === 'postgres' ? postgresBinaries() : toolPath(name)) === null)
  return missing === undefined ? false : `${missing} is not installed: run deploy/tools/install.sh`
}

export class Topology {
  readonly sandbox: Sandbox
  readonly containers = new Map<string, Container>()
  readonly #compose: Compose

  private constructor(t: TestContext, compose: Compose, names: readonly string[]) {
    this.#compose = compose
    this.sandbox = new Sandbox(t, [...names.flatMap((name) => [name, ...this.#replicas(name)]), CLIENT])
  }

  /** Everything that the named services need, and then they. Resolves when all are healthy. */
  static async up(t: TestContext, compose: Compose, ...wanted: string[]): Promise<Topology> {
    const names = withDependencies(compose, wanted)
    const topology = new Topology(t, compose, names)
    for (const name of names) await topology.#start(name)
    return topology
  }

  #replicas(name: string): string[] {
    const { replicas = 1 } = this.#compose.services[name]?.deploy ?? {}
    return replicas === 1 ? [] : Array.from({ length: replicas }, (_, at) => `${name}-${at + 1}`)
  }

  async #start(name: string): Promise<void> {
    const service = this.#compose.services[name] as Service
    const replicas = this.#replicas(name)
    const started = (replicas.length === 0 ? [name] : replicas).map((host) => this.#container(host, service))
    for (const { isHealthy } of started)
      if (isHealthy) await until(`${name} is healthy`, async () => ((await isHealthy()) ? true : undefined))
  }

  #container(host: string, service: Service): Container {
    const standIn = STAND_INS[service.image.replace(/:[^:]*$/, '')]
    const container = standIn ? standIn(this, host, service) : this.#ours(host, service)
    this.containers.set(host, container)
    return container
  }

  #ours(host: string, service: Service): Container {
    const image = this.#image(service)
    const common = { env: service.environment ?? {}, isReadOnly: service.read_only === true }
    const check = { ...common, entrypoint: image.config.healthcheck }
    return {
      process: this.sandbox.run(host, image, { ...common, ...(service.command && { command: service.command }) }),
      isHealthy: async () => (await this.sandbox.run(host, image, check).exited) === 0,
    }
  }

  #image({ image, build: described }: Service): Image {
    const dockerfile = described?.dockerfile
    if (dockerfile === undefined) throw new Error(`nothing on this machine stands for the image ${image}`)
    return builtImage(dockerfile)
  }

  /** Stops a container as an engine would, and tells what it ended with. */
  stop(host: string, signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    return this.#running(host).process.kill(signal)
  }

  printed(host: string): string {
    return this.#running(host).process.lines.join('\n')
  }

  #running(host: string): Container {
    const container = this.containers.get(host)
    if (!container) throw new Error(`${host} is none of ${[...this.containers.keys()].join(', ')}`)
    return container
  }

  /** The body of a GET from the client's host. Null: it was not answered with 200. */
  async fetched(url: string): Promise<string | null> {
    const program = `fetch('${url}').then(async (r) => r.ok && console.log(await r.text())).catch(() => {})`
    const process = this.sandbox.start(CLIENT, [globalThis.process.execPath, '-e', program])
    await process.exited
    return process.lines.join('\n') || null
  }

  /** Runs a program of this folder on the client's host. What it prints, if it is content. */
  async client(program: string, ...args: readonly string[]): Promise<string> {
    const process = this.sandbox.start(CLIENT, [
      globalThis.process.execPath,
      join(import.meta.dirname, program),
      ...args,
    ])
    const code = await process.exited
    if (code !== 0) throw new Error(`${program} ended with ${code}:\n${process.lines.join('\n')}`)
    return process.lines.join('\n')
  }
}

/** Each after what it depends on. */
function withDependencies({ services }: Compose, wanted: readonly string[], found: string[] = []): string[] {
  for (const name of wanted) {
    withDependencies({ services }, dependencies(services[name] as Service), found)
    if (!found.includes(name)) found.push(name)
  }
  return found
}

/** As the image does it: a database of this name, and a user of this name with this password, reached over the network. */
function startPostgres({ sandbox }: Topology, name: string, { environment = {}, healthcheck }: Service): Container {
  const { POSTGRES_DB = '', POSTGRES_USER = '', POSTGRES_PASSWORD = '' } = environment
  const binaries = postgresBinaries() as string
  const folder = mkdtempSync(join(sandbox.folder, `${name}-`))
  const [data, password] = [join(folder, 'data'), join(folder, 'password')]
  writeFileSync(password, POSTGRES_PASSWORD)
  for (const path of [folder, password]) chownSync(path, NOBODY, NOBODY)
  const access = ['-A', 'scram-sha-256', `--pwfile=${password}`]
  must(folder, [join(binaries, 'initdb'), '-D', data, '-U', POSTGRES_USER, ...access, '-E', 'UTF8', '--no-sync'])
  writeFileSync(join(data, 'pg_hba.conf'), 'host all all all scram-sha-256\n')
  must(folder, [join(binaries, 'postgres'), '--single', '-D', data, 'postgres'], `create database ${POSTGRES_DB}\n`)
  const flags = ['-D', data, '-k', '', '-c', 'listen_addresses=*', '-c', 'fsync=off']
  const env = { PGHOST: '127.0.0.1', PATH: `${binaries}:${process.env.PATH}` }
  return {
    process: sandbox.start(name, [...AS_NOBODY, join(binaries, 'postgres'), ...flags]),
    isHealthy: checkOf(sandbox, name, healthcheck, env),
  }
}

function startNginx({ sandbox }: Topology, name: string, service: Service): Container {
  const temporary = join(sandbox.folder, `${name}-tmp`)
  mkdirSync(temporary)
  chmodSync(temporary, 0o777)
  const files = Object.entries(mountedFiles(service)).map(([path, from]) => [path, join(ROOT, from)])
  const mounts = { ...Object.fromEntries(files), '/tmp': temporary }
  return {
    process: sandbox.start(name, [...AS_NOBODY, ...(service.command ?? [])], { mounts, empties: ['/etc/nginx'] }),
    isHealthy: checkOf(sandbox, name, service.healthcheck),
  }
}

/** Its files are read from where they are mounted from: this machine has no folder for them. */
function startPrometheus({ sandbox }: Topology, name: string, service: Service): Container {
  const folder = mkdtempSync(join(sandbox.folder, `${name}-`))
  const mounted = mountedFiles(service)
  let config = readFileSync(join(ROOT, mounted['/etc/prometheus/prometheus.yml'] ?? ''), 'utf8')
  for (const [path, from] of Object.entries(mounted)) config = config.replaceAll(path, join(ROOT, from))
  writeFileSync(join(folder, 'prometheus.yml'), config)
  const flags = [`--config.file=${join(folder, 'prometheus.yml')}`, `--storage.tsdb.path=${join(folder, 'data')}`]
  return { process: sandbox.start(name, [toolPath('prometheus') ?? '', ...flags]) }
}

function checkOf(
  sandbox: Sandbox,
  name: string,
  healthcheck: Service['healthcheck'],
  env: Readonly<Record<string, string>> = {},
): () => Promise<boolean> {
  const [kind, ...words] = healthcheck?.test ?? []
  const command = kind === 'CMD-SHELL' ? ['sh', '-c', ...words] : words
  return async () => (await sandbox.start(name, command, { env }).exited) === 0
}

function must(cwd: string, [command = '', ...args]: readonly string[], input = ''): void {
  const done = spawnSync(command, args, { cwd, uid: NOBODY, gid: NOBODY, input, encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`${command} ended with ${done.status}: ${done.stderr}`)
}
