// A real PostgreSQL for a run, fsync on, as a default installation has it, and what it waits for. Gone with the run.

import pg from 'pg'
import { type PostgresServer, startPostgres, withoutPostgres } from '../packages/store/test/postgres-server.ts'
import { skipped } from './case.ts'

/** One for all cases and rounds: what was asked for first starts it. Null where none is installed. */
export const database: () => Promise<PostgresServer | null> = once(async () => {
  if (!withoutPostgres) return startPostgres({ isDurable: true })
  skipped(`what needs PostgreSQL: ${withoutPostgres}`)
  return null
})

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}

/** How often to look what the sessions wait for, ms. */
const LOOK_EVERY_MS = 20

/** Runs something, and tells in which share of that time some session waited for the log to reach the disk. */
export async function watchingLog<T>(url: string, run: () => Promise<T>): Promise<{ result: T; waiting: number }> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const looks: Promise<boolean>[] = []
  const timer = setInterval(() => looks.push(isWaiting(client)), LOOK_EVERY_MS)
  try {
    const result = await run()
    clearInterval(timer)
    const waits = await Promise.all(looks)
    return { result, waiting: waits.filter(Boolean).length / waits.length }
  } finally {
    clearInterval(timer)
    await client.end()
  }
}

/** The names of these events are written in two ways, by version. */
async function isWaiting(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query(
    `select 1 from pg_stat_activity
     where datname = current_database() and lower(wait_event) in ('walsync', 'walwrite') limit 1`,
  )
  return rows.length > 0
}
