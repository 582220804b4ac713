#!/usr/bin/env node
// The server as a process of its own, for containers: reads the command line, the environment and `resonate.toml`, runs
// the server, stops it on a signal. The only file of this package that reads the environment or ends the process.

import { existsSync, readFileSync } from 'node:fs'
import { readFlags } from './config/command-line.ts'
import { hasFiles } from './config/derived.ts'
import { loadConfig } from './config/load.ts'
import { configHelp } from './config/reference.ts'
import { createLogger } from './log.ts'
import { nodePlatform } from './platform.ts'
import { type Child, childProcess } from './processes/child.ts'
import { createProcesses } from './processes/primary.ts'
import { createServer, type Server } from './server.ts'
import { openTracing } from './tracing.ts'
import { VERSION } from './version.ts'

const FILE = 'resonate.toml'

// A server outlives the reader of its log, and the disk that this is written to.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<void> {
  // `serve` is what containers of other Resonate servers are told to run.
  const rest = args[0] === 'serve' ? args.slice(1) : args
  if (rest.includes('--help') || rest.includes('-h')) return print(help())
  if (rest.includes('--version') || rest.includes('-V')) return print(`${VERSION}\n`)
  const parsed = readFlags(rest)
  if ('problems' in parsed) return fail(parsed.problems)
  const read = () => (existsSync(FILE) ? readFileSync(FILE, 'utf8') : undefined)
  const loaded = loadConfig({ flags: parsed.flags, env: process.env, file: { path: FILE, read } })
  if ('problems' in loaded) return fail(loaded.problems)
  const { config } = loaded
  const child = childProcess()
  const fields = child ? { process: child.number } : {}
  const logger = createLogger({
    level: config.level,
    levels: config['observability.log_levels'],
    format: config['observability.log_format'],
    fields,
    write: (line) => void process.stdout.write(line),
  })
  const parts = { platform: nodePlatform(), logger, node: process.versions.node }
  const isPrimary = config['server.processes'] > 1 && child === null
  let server: Server
  try {
    server = isPrimary
      ? createProcesses(config, parts)
      : createServer(config, {
          ...parts,
          tracing: await openTracing(process.env, logger),
          ...(child && { gather: child.gather }),
        })
    const addresses = await server.start()
    child?.ready(addresses)
  } catch (error) {
    logger.debug({ err: error }, 'Start failed')
    return fail([error instanceof Error ? error.message : String(error)])
  }
  stopOnSignal(() => server.stop(), child)
  child?.onReload(() => server.reload())
  // Without a file to read again the signal means what it always does: the terminal is gone.
  if (hasFiles(config)) process.on('SIGHUP', () => server.reload())
}

function help(): string {
  return `Usage: resonate-server [serve] [options]

run a server over a SQLite file or PostgreSQL

${configHelp()}

  -V, --version
      output the version number
  -h, --help
      display help for command

The headings are sections of ${FILE}. Flags win over environment variables (server.port is
RESONATE_SERVER__PORT), those over ${FILE} in the working folder, that over the defaults. The first
SIGINT or SIGTERM finishes what is in flight; a second one ends at once.
`
}

/** The first signal stops in good order, a second one at once. */
function stopOnSignal(stop: () => Promise<void>, child: Child | null): void {
  let stopping = false
  const stopOnce = (): void => {
    stopping = true
    stop().then(
      () => process.exit(0),
      (error) => fail([`Stopped in disorder: ${error}`]),
    )
  }
  const onSignal = (): void => {
    if (stopping) process.exit(1)
    stopOnce()
  }
  child?.onStop(() => stopping || stopOnce())
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal)
}

function print(text: string): void {
  process.stdout.write(text)
}

function fail(problems: readonly string[]): void {
  for (const problem of problems) process.stderr.write(`Fatal: ${problem}\n`)
  process.exit(1)
}
