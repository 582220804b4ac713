// `resonate migrate`: everything of one database into another, while no server uses either. Works on the databases
// themselves, without a server; says how far it is on stderr.

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Digests, MovableStore, MoveReport } from '@resonatehq/store/move'
import { Command } from 'commander'
import { EXIT, Failure } from '../exit.ts'
import { example } from '../help.ts'
import type { Io } from '../io.ts'
import { createOutput, tableText } from '../output.ts'

interface Options {
  readonly from: string
  readonly to: string
  readonly json?: boolean
}

const FORMS = 'sqlite://resonate.db, sqlite:///var/lib/resonate.db, or postgres://user@host:5432/database'

export function migrateCommand(io: Io): Command {
  return new Command('migrate')
    .description('move everything from one database to another, with all servers of both stopped')
    .requiredOption('--from <url>', `the database to read: ${FORMS}`)
    .requiredOption('--to <url>', 'the database to fill; empty, or with the part that an interrupted move has brought')
    .option('--json', 'print JSON also on a terminal')
    .addHelpText('after', HELP + example('resonate migrate --from sqlite://resonate.db --to postgres://me@db/resonate'))
    .action(async (options: Options) => migrate(io, options))
}

const HELP = `
Interrupted, it goes on where it was when it is run again. At the end rows and checksums of both are compared. The source
is left as it is. A password may stand in the URL, or in the environment variable PGPASSWORD.
`

async function migrate(io: Io, { from: source, to: target, json = false }: Options): Promise<void> {
  const out = createOutput(io, { json })
  const from = await openStore(io, source, { what: '--from', wall: io.now, mustExist: true })
  try {
    // What was shown as timed out must not be pending again because the clock of the target is behind.
    const reachedAt = await from.now()
    const wall = () => Math.max(io.now(), reachedAt)
    const to = await openStore(io, target, { what: '--to', wall, mustExist: false })
    try {
      const moved = await move(io, from, to)
      out.data(moved, () => movedText(moved))
      out.note('Moved and verified. Start the servers on the new database; keep the old one until you are sure.')
    } finally {
      await to.close()
    }
  } finally {
    await from.close()
  }
}

async function move(io: Io, from: MovableStore, to: MovableStore): Promise<Digests> {
  const { MoveError, moveStore } = await import('@resonatehq/store/move')
  for (const [name, store] of [
    ['--from', from],
    ['--to', to],
  ] as const)
    await warnOfOthers(io, name, store)
  try {
    return await moveStore({ from, to, report: progress(io) })
  } catch (error) {
    if (error instanceof MoveError) throw new Failure(error.message)
    throw new Failure(`The move was interrupted: ${messageOf(error)}. Run the same command again to go on.`)
  }
}

/** A file is locked, so that nobody else has it. A database may have servers on it. */
async function warnOfOthers(io: Io, name: string, store: MovableStore): Promise<void> {
  const others = (await store.others?.()) ?? 0
  if (others === 0) return
  const count = others === 1 ? '1 other connection' : `${others} other connections`
  io.stderr.write(
    `Warning: the database of ${name} has ${count}. If they are servers, stop all of them (Ctrl-C, or SIGTERM): what they ` +
      'write meanwhile makes the comparison at the end fail.\n',
  )
}

interface Opening {
  readonly what: '--from' | '--to'
  readonly wall: () => number
  readonly mustExist: boolean
}

async function openStore(io: Io, text: string, opening: Opening): Promise<MovableStore> {
  const store = await storeOf(io, text, opening)
  try {
    await store.open()
  } catch (error) {
    throw new Failure(`${opening.what}: ${messageOf(error)}.`)
  }
  return store
}

async function storeOf(io: Io, text: string, { what, wall, mustExist }: Opening): Promise<MovableStore> {
  const scheme = /^([a-z]+):/.exec(text)?.[1]
  switch (scheme) {
    case 'sqlite': {
      const path = sqlitePath(io, text, what)
      if (mustExist && !existsSync(path)) throw new Failure(`${what}: there is no file ${path}.`)
      const { sqliteStore } = await import('@resonatehq/store/sqlite')
      return sqliteStore({ path, wall })
    }
    case 'postgres':
    case 'postgresql': {
      const { postgresStore } = await import('@resonatehq/store/postgres')
      return postgresStore({ url: text, connectionsMax: 2, ...(what === '--to' && { clock: wall }) })
    }
    case 'memory':
      throw new Failure(
        `${what}: what a server keeps in memory is gone when it stops, so there is nothing to move. Use ${FORMS}.`,
        EXIT.usage,
      )
    default:
      throw new Failure(`${what} is to be a URL such as ${FORMS}, not '${text}'.`, EXIT.usage)
  }
}

/** `sqlite://x.db` is below the working folder, `sqlite:///x.db` is not. */
function sqlitePath(io: Io, text: string, what: string): string {
  const path = text.startsWith('sqlite:///')
    ? fileURLToPath(`file://${text.slice('sqlite://'.length)}`)
    : text.slice('sqlite://'.length)
  if (!text.startsWith('sqlite://') || path === '' || path === ':memory:') {
    throw new Failure(
      `${what} is to name a file: sqlite://resonate.db or sqlite:///var/lib/resonate.db, not '${text}'.`,
      EXIT.usage,
    )
  }
  return io.fullPath(path)
}

/** One line that grows on a terminal; elsewhere a line for each table. */
function progress(io: Io): (report: MoveReport) => void {
  return ({ step, table, rows, isDone }) => {
    const text = `${step === 'copy' ? 'Copying' : 'Comparing'} ${table}: ${rows}`
    if (io.stderr.isTTY) io.stderr.write(`\r\u001b[K${text}${isDone ? '\n' : ''}`)
    else if (isDone) io.stderr.write(`${text}\n`)
  }
}

function movedText(digests: Digests): string {
  const rows = Object.entries(digests).map(([table, { rows, checksum }]) => [table, String(rows), checksum])
  return tableText(['TABLE', 'ROWS', 'CHECKSUM'], rows)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
