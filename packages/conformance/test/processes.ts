// Real processes: a server as `resonate serve` starts it, and workers. Everything that was started is killed at the end of
// its test, also when it fails.

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type PostgresServer, startPostgres } from '../../store/test/postgres-server.ts'

export const CLI = fileURLToPath(new URL('../../cli/src/main.ts', import.meta.url))

export const isLong = process.env.RESONATE_TEST_LONG === '1'

export interface ProcessOptions {
  /** Default: this Node. */
  readonly command?: string
  /** False: the environment is what is given, and nothing else. Default: true. */
  readonly inherits?: boolean
}

/** A process, and the lines that it printed. */
export class Process {
  readonly child: ChildProcess
  readonly exited: Promise<number | null>
  readonly lines: string[] = []
  #waiting: { matches: (line: string) => boolean; found: (line: string) => void; fail: (error: Error) => void }[] = []

  constructor(t: TestContext, args: readonly string[], env: NodeJS.ProcessEnv = {}, options: ProcessOptions = {}) {
    const { command = process.execPath, inherits = true } = options
    const all = inherits ? { ...process.env, ...env } : env
    this.child = spawn(command, args, { env: all, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.child.stdout, this.child.stderr]) {
      if (stream) createInterface({ input: stream }).on('line', (line) => this.#hear(line))
    }
    this.exited = new Promise((resolve) => this.child.once('exit', (code) => resolve(code)))
    void this.exited.then(() => this.#end())
    t.after(() => this.kill())
  }

  #hear(line: string): void {
    this.lines.push(line)
    this.#waiting = this.#waiting.filter((one) => {
      if (one.matches(line)) one.found(line)
      return !one.matches(line)
    })
  }

  #end(): void {
    for (const { fail } of this.#waiting.splice(0)) fail(new Error(`the process ended:\n${this.lines.join('\n')}`))
  }

  /** The first line, said already or yet to be said, that contains a text. */
  says(text: string): Promise<string> {
    const matches = (line: string) => line.includes(text)
    const said = this.lines.find(matches)
    if (said !== undefined) return Promise.resolve(said)
    return new Promise((found, fail) => this.#waiting.push({ matches, found, fail }))
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal)
    return this.exited
  }
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

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

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
