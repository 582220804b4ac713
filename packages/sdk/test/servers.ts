// Real servers and real workers for tests: the server in this process on a free port, workers as processes of their own.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createServer, loadConfig, nodePlatform, silentLogger } from '@resonatehq/server'

export interface Running {
  readonly url: string
  stop(): Promise<void>
}

/** A server over a SQLite file, or in memory; `port` 0 is a free one. */
export async function serve(
  t: TestContext,
  { port = 0, path, settings = {} }: { port?: number; path?: string; settings?: Record<string, unknown> } = {},
): Promise<Running> {
  const storage = path ? { 'storage.type': 'sqlite', 'storage.sqlite.path': path } : { 'storage.type': 'memory' }
  const flags = { ...storage, 'server.port': port, 'server.bind': '127.0.0.1', 'observability.metrics_port': 0 }
  const loaded = loadConfig({ flags: { ...flags, ...settings } })
  if ('problems' in loaded) throw new Error(loaded.problems.join('\n'))
  const parts = { platform: nodePlatform(), logger: silentLogger, processMetrics: false }
  const server = createServer(loaded.config, parts)
  const stop = () => server.stop()
  t.after(stop)
  return { url: (await server.start()).url, stop }
}

export interface WorkerProcess {
  readonly child: ChildProcess
  /** Resolves when the process says this line. */
  says(line: string): Promise<void>
  /** All that it has said, in order. */
  readonly lines: readonly string[]
  /** Its exit code, or the signal that ended it. */
  ended(): Promise<number | string>
}

/** Runs a program of this folder, told what to do by its environment. */
export function startWorker(t: TestContext, env: Record<string, string>, name = 'worker-process.ts'): WorkerProcess {
  const file = fileURLToPath(new URL(name, import.meta.url))
  const child = spawn(process.execPath, [file], {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  const ended = once(child, 'exit').then(([code, signal]) => code ?? signal)
  const said: string[] = []
  const waiting = new Map<string, () => void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    said.push(line)
    waiting.get(line)?.()
  })
  return {
    child,
    lines: said,
    ended: () => ended,
    says: (line) => (said.includes(line) ? Promise.resolve() : new Promise((resolve) => waiting.set(line, resolve))),
  }
}
