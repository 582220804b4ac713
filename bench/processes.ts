// The processes of a run: servers over files of their own, and workers. All of them end with the run.

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Target } from './case.ts'

const CLI = fileURLToPath(new URL('../packages/cli/src/main.ts', import.meta.url))
const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url))

export interface Started extends Target {
  readonly pid: number
  stop(signal?: NodeJS.Signals): Promise<void>
}

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Our server over a new SQLite file, or over one that `seed` has filled; or over a PostgreSQL database. */
export async function startServer(
  name: string,
  {
    seed,
    flags = [],
    database,
  }: { seed?: (file: string) => Promise<void>; flags?: readonly string[]; database?: string } = {},
): Promise<Started> {
  const folder = mkdtempSync(join(tmpdir(), 'resonate-bench-'))
  const file = join(folder, 'bench.db')
  await seed?.(file)
  const args = [
    'serve',
    ...(database === undefined ? ['--storage-sqlite-path', file] : ['--storage-postgres-url', database]),
    '--server-port',
    '0',
    '--observability-metrics-port',
    '0',
    ...flags,
  ]
  const child = launch([CLI, ...args])
  const line = await says(child, 'Server listening')
  const url = /"url":"(http:[^"]+)"/.exec(line)?.[1] ?? /http:\/\/localhost:\d+/.exec(line)?.[0]
  if (url === undefined) throw new Error(`expected the server to say where it listens, got ${line}`)
  return {
    name,
    url: url.replace('localhost', '127.0.0.1'),
    pid: child.pid as number,
    async stop(signal = 'SIGTERM') {
      await end(child, signal)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export interface WorkerOptions {
  readonly url: string
  readonly group: string
  readonly sdk: 'ours' | 'published'
}

export interface StartedWorker {
  /** What its heap holds after a collection. */
  heapBytes(): Promise<number>
  stop(signal?: NodeJS.Signals): Promise<void>
}

export async function startWorkers(count: number, options: WorkerOptions): Promise<StartedWorker[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const env = { RESONATE_URL: options.url, GROUP: options.group, SDK: options.sdk }
      const child = launch(['--expose-gc', WORKER], env)
      await says(child, 'ready')
      return {
        async heapBytes() {
          const told = says(child, 'heap ')
          child.kill('SIGUSR2')
          return Number(/heap (\d+)/.exec(await told)?.[1])
        },
        stop: (signal: NodeJS.Signals = 'SIGTERM') => end(child, signal),
      }
    }),
  )
}

function launch(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  const child = spawn(process.execPath, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

/** The first line that contains a text. What the process says besides is shown only if it ends before that. */
function says(child: ChildProcess, text: string): Promise<string> {
  const heard: string[] = []
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      if (!stream) continue
      createInterface({ input: stream }).on('line', (line) => {
        if (heard.length < 100) heard.push(line)
        if (line.includes(text)) resolve(line)
      })
    }
    child.once('exit', () => reject(new Error(`a process ended before it said "${text}":\n${heard.join('\n')}`)))
  })
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  await exited
}

/** Resident memory, MiB; NaN where this system does not tell. */
export function residentMib(pid: number | null): number {
  if (pid === null) return Number.NaN
  try {
    return Math.round(Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024)
  } catch {
    return Number.NaN
  }
}
