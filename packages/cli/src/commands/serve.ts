// `resonate serve` and `resonate dev`: the server in this process, until it is told to stop. The settings, their flags
// and their help are the server's own table; nothing about them is repeated here.

import type { Addresses, Config, Logger, Setting } from '@resonatehq/server'
import { Command, Option } from 'commander'
import { EXIT, fatal } from '../exit.ts'
import { example, inTwoLines, programName, quoted } from '../help.ts'
import type { Io } from '../io.ts'

const CONFIG_FILE = 'resonate.toml'

/** npm passes a signal on to a process that the terminal has told already: within this time the two are one. */
const SAME_SIGNAL_MS = 500

type Flags = Readonly<Record<string, unknown>>

export function serveCommand(io: Io): Command {
  return inTwoLines(new Command('serve'))
    .description('run a server over a SQLite file or PostgreSQL')
    .addHelpText(
      'after',
      SETTINGS_HELP +
        example(
          'resonate serve',
          'resonate serve --server-port 9001 --storage-sqlite-path /var/lib/resonate.db',
          'resonate serve --storage-postgres-url postgres://resonate@db:5432/resonate',
        ),
    )
    .action(async (flags: Flags) => serve(io, flags))
}

export function devCommand(io: Io): Command {
  return inTwoLines(new Command('dev'))
    .description('run a server in memory, for development: what it knows is gone when it ends')
    .addHelpText('after', SETTINGS_HELP + example('resonate dev', 'resonate dev --storage-sqlite-path dev.db'))
    .action(async (flags: Flags) => serve(io, devFlags(flags)))
}

const SETTINGS_HELP = `
The headings are sections of ${CONFIG_FILE}. Flags win over environment variables (server.port is
RESONATE_SERVER__PORT), those over ${CONFIG_FILE} in the working folder, that over the defaults. The first
SIGINT or SIGTERM finishes what is in flight; a second one ends at once.
`

/** Gives a command a flag for every setting of the server. */
export async function addSettings(command: Command): Promise<void> {
  const { SETTINGS, defaultText, readFlags } = await import('@resonatehq/server')
  for (const setting of SETTINGS) command.addOption(optionOf(setting, defaultText(setting)))
  // What the server says of a flag that it does not know: that of another server may have a reason.
  command.configureOutput({
    outputError(text, write) {
      const unknown = /^error: unknown option '(--[^'=]+)/.exec(text)?.[1]
      const read = unknown === undefined ? undefined : readFlags([unknown])
      write(read && 'problems' in read ? `error: ${read.problems[0]}\n` : text)
    },
  })
}

function optionOf({ key, flag, placeholder, meaning, type }: Setting, defaultText: string): Option {
  const option = new Option(`${flag} ${placeholder}`, `${meaning} (default: ${defaultText})`)
  const section = key.slice(0, Math.max(0, key.lastIndexOf('.')))
  if (section !== '') option.helpGroup(`[${section}]`)
  return type === 'list' ? option.argParser((text, before: string[] = []) => [...before, text]) : option
}

/** In memory unless a store is named on the command line, and with a log for people. */
function devFlags(flags: Flags): Flags {
  const type = namedStore(flags) ?? 'memory'
  // The functions that are tried out run on this machine too.
  return { storageType: type, observabilityLogFormat: 'pretty', transportsHttpPushPrivateNetworks: ['any'], ...flags }
}

function namedStore(flags: Flags): Config['storage.type'] | null {
  if (flags.storageSqlitePath !== undefined) return 'sqlite'
  return flags.storagePostgresUrl === undefined && flags.storagePostgresHost === undefined ? null : 'postgres'
}

async function serve(io: Io, flags: Flags): Promise<void> {
  const {
    childProcess,
    createLogger,
    createProcesses,
    createServer,
    hasFiles,
    nodePlatform,
    openTracing,
    storageText,
  } = await import('@resonatehq/server')
  const config = await configure(io, flags)
  io.outliveOutput()
  const child = childProcess()
  const format = config['observability.log_format']
  const logger = createLogger({
    level: config.level,
    levels: config['observability.log_levels'],
    format: format === 'auto' ? (io.stdout.isTTY ? 'pretty' : 'json') : format,
    write: (line) => io.stdout.write(line),
    ...(child && { fields: { process: child.number } }),
  })
  const parts = { platform: nodePlatform(), logger, node: io.nodeVersion }
  const isPrimary = config['server.processes'] > 1 && child === null
  const tracing = isPrimary
    ? undefined
    : await openTracing(io.env, logger).catch((fault) => refuseToStart(fault, logger))
  const server = isPrimary
    ? createProcesses(config, parts)
    : createServer(config, { ...parts, tracing, ...(child && { gather: child.gather }) })
  const stopping = Promise.race([stopSignals(io), new Promise<void>((resolve) => child?.onStop(resolve))])
  const addresses = await server.start().catch((fault) => {
    child?.leave()
    return refuseToStart(fault, logger)
  })
  if (child) child.ready(addresses)
  else io.stderr.write(welcome(io, addresses, storageText(config, io.fullPath)))
  child?.onReload(() => server.reload())
  // Without a file to read again the signal means what it always does: the terminal is gone.
  if (hasFiles(config)) io.onReloadSignal(() => server.reload())
  await stopping
  await server.stop().catch((fault) => {
    throw fatal([`the server did not stop in order: ${messageOf(fault)}`])
  })
  // Nothing may keep a server alive that has stopped.
  io.exit(EXIT.ok)
}

async function configure(io: Io, flags: Flags): Promise<Config> {
  const { loadConfig } = await import('@resonatehq/server')
  const file = { path: CONFIG_FILE, read: () => io.readText(CONFIG_FILE) }
  const loaded = loadConfig({ flags, env: io.env, file })
  if ('problems' in loaded) throw fatal(loaded.problems)
  return loaded.config
}

function refuseToStart(fault: unknown, logger: Logger): never {
  logger.debug({ err: fault }, 'Start failed')
  throw fatal([messageOf(fault)])
}

function messageOf(fault: unknown): string {
  return fault instanceof Error ? fault.message : String(fault)
}

/** Resolves at the first signal; the second one, whenever it comes, ends the process. */
export function stopSignals(io: Io): Promise<void> {
  const echoMs = io.env.npm_lifecycle_event === undefined ? 0 : SAME_SIGNAL_MS
  return new Promise((resolve) => {
    let stoppingAt: number | null = null
    io.onStopSignal(() => {
      if (stoppingAt === null) {
        stoppingAt = io.now()
        resolve()
      } else if (io.now() - stoppingAt >= echoMs) io.exit(EXIT.failed)
    })
  })
}

/** Where everything is and what to try: commands that can be pasted into another terminal as they stand. */
export function welcome(io: Io, { url, metricsUrl }: Addresses, database: string): string {
  const name = programName(io.env)
  const server = new URL(url).port === '8001' ? '' : ` --server ${url}`
  const folder = io.env.npm_lifecycle_event === undefined ? undefined : io.env.npm_config_local_prefix
  const lines = [
    '',
    'Resonate is running. Stop it with Ctrl-C.',
    '',
    `  API       ${url}`,
    `  Metrics   ${metricsUrl ?? 'off'}`,
    `  Database  ${database}`,
    '',
    'To try it, paste this into another terminal:',
    '',
    ...(folder === undefined ? [] : [`cd ${quoted(folder)}`]),
    `${name} promises create approval-1 --timeout 1h${server}`,
    `${name} promises resolve approval-1 --value '{"approved": true}'${server}`,
    `${name} invoke greet-1 --func greet --arg world --timeout 10m${server}`,
    `${name} tree greet-1${server}`,
    '',
  ]
  return `${lines.join('\n')}\n`
}
