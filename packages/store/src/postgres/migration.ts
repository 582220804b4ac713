// Brings the tables of a database up to what this program knows, once, whoever else starts at the same time. A server whose
// database is up to date takes no lock here and needs no right to create anything.

import { readdirSync, readFileSync } from 'node:fs'
import type pg from 'pg'
import { migrationsOf, pendingMigrations, type Schema, SchemaError } from '../migrate.ts'
import { UNTIMED } from './connection.ts'
import { hash64, type LockingKind } from './locks.ts'

const LOCK_NAME = 'resonate migrations'
/** Two servers created one table at the same instant: what PostgreSQL and its relatives answer to one of them. */
const CREATED_AT_ONCE = new Set(['23505', '42710', '42P07', '40001', 'XX000'])
const CREATE_ATTEMPTS = 10
/** A table of ours is there and no note of it, or one of its name has other columns: duplicate_table, undefined_column, datatype_mismatch. */
const FOREIGN = new Set(['42P07', '42703', '42804'])

/** The statements of a migration outside its files, by what they do. */
const MIGRATION_SQL = {
  exists: `select to_regclass('schema_migrations') is not null as is_there`,
  create: 'create table if not exists schema_migrations (version bigint primary key, oldest bigint not null)',
  schema:
    'select coalesce(max(version), 0)::bigint as version, coalesce(max(oldest), 0)::bigint as oldest from schema_migrations',
  applied: 'insert into schema_migrations (version, oldest) values ($1, $2)',
  begin: 'begin isolation level read committed; set local lock_timeout = 0; set local statement_timeout = 0',
  advisoryLock: 'select pg_advisory_xact_lock($1)',
  // A row that all change is a lock, where there are no others.
  createLock: 'create table if not exists migration_lock (one bigint primary key, taken bigint not null)',
  rowLock: 'insert into migration_lock values (1, 1) on conflict (one) do update set taken = excluded.taken',
} as const

/** Resolves to the version that the database has now. */
export async function migrate(pool: pg.Pool, options: { locking: LockingKind; where: string }): Promise<number> {
  const { where } = options
  const all = readMigrations()
  const client = await pool.connect()
  try {
    await requireUtf8(client, where)
    const before = await readSchema(client)
    if (pendingMigrations(all, before, where).length > 0) await apply(client, options)
    client.release()
    return Math.max(before.version, all.length)
  } catch (error) {
    client.release(true)
    throw FOREIGN.has((error as { code?: string }).code ?? '') ? foreign(where, error) : error
  }
}

function foreign(where: string, cause: unknown): SchemaError {
  const found = (cause as Error).message
  return new SchemaError(
    `${where} holds tables of another program (${found}): create a database of its own with createdb`,
  )
}

async function apply(client: pg.PoolClient, { locking, where }: { locking: LockingKind; where: string }) {
  if (locking === 'table') await createLock(client)
  await client.query(MIGRATION_SQL.begin)
  await wait(client, locking)
  await client.query(MIGRATION_SQL.create)
  // Again, now that nobody else changes it.
  for (const { version, oldest, sql } of pendingMigrations(readMigrations(), await readSchema(client), where)) {
    await client.query(untimed(sql))
    await client.query(MIGRATION_SQL.applied, [version, oldest])
  }
  await client.query('commit')
}

function wait(client: pg.PoolClient, locking: LockingKind): Promise<unknown> {
  if (locking === 'table') return client.query(untimed(MIGRATION_SQL.rowLock))
  return client.query(untimed(MIGRATION_SQL.advisoryLock, [hash64(LOCK_NAME).toString()]))
}

async function createLock(client: pg.PoolClient): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await client.query(MIGRATION_SQL.createLock)
      return
    } catch (error) {
      const { code = '' } = error as { code?: string }
      if (!CREATED_AT_ONCE.has(code) || attempt === CREATE_ATTEMPTS) throw error
    }
  }
}

async function readSchema(client: pg.PoolClient): Promise<Schema> {
  const { rows } = await client.query(MIGRATION_SQL.exists)
  if (!rows[0].is_there) return { version: 0, oldest: 0 }
  return (await client.query(MIGRATION_SQL.schema)).rows[0]
}

async function requireUtf8(client: pg.PoolClient, where: string): Promise<void> {
  const { rows } = await client.query('show server_encoding')
  const encoding = rows[0].server_encoding
  if (encoding === 'UTF8') return
  throw new SchemaError(`${where} must have the encoding UTF8, got ${encoding}: create one with createdb -E UTF8`)
}

/** Waiting for others, and going over all rows, may take longer than any other statement may. */
function untimed(text: string, values: unknown[] = []): pg.QueryConfig {
  return { text, values: values.length > 0 ? values : undefined, ...UNTIMED } as pg.QueryConfig
}

export function readMigrations() {
  const folder = new URL('./migrations/', import.meta.url)
  const files = readdirSync(folder).filter((name) => name.endsWith('.sql'))
  return migrationsOf(files.sort().map((name) => readFileSync(new URL(name, folder), 'utf8')))
}
