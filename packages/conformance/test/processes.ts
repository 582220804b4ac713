// Real processes: a server as `resonate serve` starts it, and workers. Everything that was started is killed at the end of
// its test, also when it fails.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, type TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type PostgresServer, startPostgres } from '../../store/test/postgres-server.ts'
import { freePort } from './ports.ts'

export const CLI = fileURLToPath(new URL('../../cli/src/main.ts', import.meta.url))

export const isLong = process.env.RESONATE_TEST_LONG === '1'

export interface ProcessOptions {
  /** Default: this Node. */
  readonly command?: string
  /** False: the environment is what is given, and nothing else. Default: true. */
  readonly inherits?: boolean
}

interface Listener {
  readonly text: string
  readonly found: (line: string) => void
  readonly fail: (error: Error) => void
}

/** A process, and the lines that it printed. */
export class Process {
  readonly child: ChildProcess
  /** Its exit code, null where it was killed or never started; once all its lines are here. */
  readonly exited: Promise<number | null>
  readonly lines: string[] = []
  #waiting: Listener[] = []
  /** How it ended. Null while it lives, or has last words that are not here yet. */
  #ending: string | null = null

  constructor(t: TestContext, args: readonly string[], env: NodeJS.ProcessEnv = {}, options: ProcessOptions = {}) {
    const { command = process.execPath, inherits = true } = options
    const all = inherits ? { ...process.env, ...env } : env
    this.child = spawn(command, args, { env: all, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.child.stdout, this.child.stderr]) {
      if (stream) createInterface({ input: stream }).on('line', (line) => this.#hear(line))
    }
    this.exited = endingOf(this.child).then((ending) => {
      this.#end(ending)
      return this.child.pid === undefined ? null : this.child.exitCode
    })
    t.after(() => this.kill())
  }

  #hear(line: string): void {
    this.lines.push(line)
    const isMeant = ({ text }: Listener) => line.includes(text)
    for (const { found } of this.#waiting.filter(isMeant)) found(line)
    this.#waiting = this.#waiting.filter((one) => !isMeant(one))
  }

  #end(ending: string): void {
    this.#ending = ending
    for (const { text, fail } of this.#waiting.splice(0)) fail(this.#silence(text, ending))
  }

  #silence(text: string, ending: string): Error {
    const printed = this.lines.length === 0 ? 'It printed nothing.' : `It printed:\n${this.lines.join('\n')}`
    return new Error(`waited for a process to say '${text}', but it ${ending}. ${printed}`)
  }

  /** The first line, said already or yet to be said, that contains a text. Rejects once the process has ended without it. */
  says(text: string): Promise<string> {
    const said = this.lines.find((line) => line.includes(text))
    if (said !== undefined) return Promise.resolve(said)
    if (this.#ending !== null) return Promise.reject(this.#silence(text, this.#ending))
    return new Promise((found, fail) => this.#waiting.push({ text, found, fail }))
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal)
    return this.exited
  }
}

/** How a process ended, once what it printed is read. */
async function endingOf(child: ChildProcess): Promise<string> {
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  try {
    await once(child, 'exit')
  } catch (cause) {
    return `could not be started: ${(cause as Error).message}`
  }
  // Its pipes are open as long as anybody holds them, which may be a child of it that lives on.
  await Promise.race([closed, pipesRead()])
  return child.signalCode === null ? `ended with exit code ${child.exitCode}` : `was killed by ${child.signalCode}`
}

/** What a process printed is in its pipes when it is gone, and one turn of the loop reads more than they hold. */
async function pipesRead(): Promise<void> {
  const turns = ['the one under way', 'a whole one']
  for (const _ of turns) await setImmediate()
}

/** A server that keeps its port and its file over restarts. */
export class ServerProcess {
  readonly url: string
  readonly #t: TestContext
  readonly #args: readonly string[]
  #process: Process | null = null

  private constructor(t: TestContext, port: number, store: readonly string[], flags: readonly string[]) {
    this.#t = t
    this.url = `http://127.0.0.1:${port}`
    this.#args = [CLI, 'serve', '--server-port', `${port}`, '--server-bind', '127.0.0.1', '--server-url', this.url]
    this.#args = [...this.#args, ...store, '--observability-metrics-port', '0', ...flags]
  }

  static async start(t: TestContext, ...flags: string[]): Promise<ServerProcess> {
    const folder = mkdtempSync(join(tmpdir(), 'resonate-conformance-'))
    const store = await storeFlags(join(folder, 'test.db'))
    const server = new ServerProcess(t, await freePort(), store, flags)
    t.after(async () => {
      await server.kill()
      rmSync(folder, { recursive: true, force: true })
    })
    await server.restart()
    return server
  }

  async restart(): Promise<void> {
    this.#process = new Process(this.#t, this.#args)
    await this.#process.says('Server listening')
  }

  get pid(): number {
    return this.#process?.child.pid as number
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    return (await this.#process?.kill(signal)) ?? null
  }
}

/** `RESONATE_TEST_STORE`: on which store the servers of this process's tests run. Default: each on a SQLite file. */
async function storeFlags(file: string): Promise<string[]> {
  const kind = process.env.RESONATE_TEST_STORE ?? 'sqlite'
  if (kind === 'sqlite') return ['--storage-sqlite-path', file]
  database ??= startPostgres({ isDurable: true })
  const url = await (await database).create()
  const asElsewhere = ['--storage-postgres-notify', 'false', '--storage-postgres-locks', 'table']
  const more = { 'postgres-like': asElsewhere, 'postgres-processes': ['--processes', '3'] }[kind] ?? []
  return ['--storage-postgres-url', url, ...more]
}

let database: Promise<PostgresServer> | null = null
after(async () => (await database)?.stop())

/** Asks again and again until it is so: for what has no signal, like the state of another process. */
export async function until<T>(what: string, look: () => Promise<T | undefined>, timeoutMs = 30_000): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > deadline) throw new Error(`not so within ${timeoutMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
