// The processes of the demo: a server and its workers, as a user would start them.

import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const CLI = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url))
const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url))

export interface Running {
  readonly child: ChildProcess
  /** Resolves when the process is gone. */
  readonly exited: Promise<void>
}

/** Starts `resonate serve` over a database in this folder; resolves with its URL once it listens. */
export async function startServer(folder: string): Promise<Running & { url: string }> {
  const settings = [
    '--storage-sqlite-path',
    `${folder}/demo.db`,
    '--server-port',
    '0',
    '--observability-metrics-port',
    '0',
  ]
  // A new database has no workers to wait for after a restart: a dead one is noticed from the first second.
  const server = start([CLI, 'serve', ...settings, '--tasks-disconnect-uptime', '0'], {}, ['ignore', 'pipe', 'pipe'])
  const url = await new Promise<string>((resolve, reject) => {
    const heard: string[] = []
    for (const stream of [server.child.stdout, server.child.stderr]) {
      if (!stream) continue
      createInterface({ input: stream }).on('line', (line) => {
        heard.push(line)
        const found = line.includes('Server listening') && /http:\/\/localhost:\d+/.exec(line)
        if (found) resolve(found[0])
      })
    }
    void server.exited.then(() => reject(new Error(`the server did not start:\n${heard.join('\n')}`)))
  })
  return { ...server, url }
}

export function startWorker(pid: string, { url, effects }: { url: string; effects: string }): Running {
  const env = { RESONATE_URL: url, DEMO_PID: pid, DEMO_EFFECTS: effects }
  return start([WORKER], env, ['ignore', 'inherit', 'inherit'])
}

function start(args: string[], env: Record<string, string>, stdio: ('ignore' | 'pipe' | 'inherit')[]): Running {
  const child = spawn(process.execPath, args, { stdio, env: { ...process.env, ...env } })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return { child, exited }
}

export async function stop({ child, exited }: Running, signal: NodeJS.Signals): Promise<void> {
  child.kill(signal)
  await exited
}
