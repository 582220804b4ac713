// The process around the command line: hands it what is ambient, and takes its exit code. The only file here that
// touches the process, files, the clock, timers or randomness.

import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { hostname, userInfo } from 'node:os'
import { resolve } from 'node:path'
import { EXIT } from './exit.ts'
import type { Io } from './io.ts'
import { run } from './program.ts'

/** What cannot be printed is lost, and the process goes on. */
let isOutlived = false

const io: Io = {
  stdout: sink(process.stdout),
  stderr: sink(process.stderr),
  env: process.env,
  fetch: globalThis.fetch,
  nodeVersion: process.versions.node,
  readText: (path) => (existsSync(path) ? readFileSync(path, 'utf8') : undefined),
  fullPath: (path) => resolve(path),
  now: Date.now,
  timer(delayMs, fn) {
    const timer = setTimeout(fn, delayMs)
    return () => clearTimeout(timer)
  },
  who: () => `${userName()}@${hostname()}`,
  randomId: randomUUID,
  onStopSignal(fn) {
    process.on('SIGINT', fn).on('SIGTERM', fn)
    return () => process.off('SIGINT', fn).off('SIGTERM', fn)
  },
  onReloadSignal: (fn) => void process.on('SIGHUP', fn),
  exit: (code) => process.exit(code),
  outliveOutput() {
    isOutlived = true
  },
}

/** A container's user may have a number and no name. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`
  }
}

function sink(stream: NodeJS.WriteStream) {
  return {
    write: (text: string) => void stream.write(text),
    isTTY: stream.isTTY === true,
    // A terminal that does not know its size says 0.
    size: () => ({ columns: stream.columns || 80, rows: stream.rows || 24 }),
  }
}

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    if (isOutlived) return
    // A reader that has seen enough, `| head` for example, is no error.
    if (code === 'EPIPE') process.exit(EXIT.ok)
    if (stream === process.stdout) process.stderr.write(`Error: the output cannot be written: ${message}\n`)
    process.exit(EXIT.failed)
  })
}

process.exitCode = await run(process.argv.slice(2), io)
