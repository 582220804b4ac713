// A real PostgreSQL for a run, fsync on, as a default installation has it, and what it waits for. Gone with the run.

import { setTimeout } from 'node:timers/promises'
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
  const over = new AbortController()
  const watching = watch(client, over.signal)
  try {
    const result = await run()
    over.abort()
    return { result, waiting: await watching }
  } finally {
    over.abort()
    await watching
    await client.end()
  }
}

async function watch(client: pg.Client, over: AbortSignal): Promise<number> {
  let [looks, waits] = [0, 0]
  while (!over.aborted) {
    const isWaitedFor = await isWaiting(client)
    looks += 1
    waits += isWaitedFor ? 1 : 0
    await setTimeout(LOOK_EVERY_MS)
  }
  return waits / looks
}

/** The names of these events are written in two ways, by version. */
async function isWaiting(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query(
    `select 1 from pg_stat_activity
     where datname = current_database() and lower(wait_event) in ('walsync', 'walwrite') limit 1`,
  )
  return rows.length > 0
}
