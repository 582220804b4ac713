// The file of a SQLite store: opened for this process alone, at the newest schema. Whatever keeps it from that is told as what
// to do about it, before anything is written to a file that is not ours.

import { readdirSync, readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { type Migration, migrationsOf, pendingMigrations, type Schema, SchemaError } from '../migrate.ts'

/** Bytes of a page, of a new file. A commit writes whole pages, and ids fall on them at random: half of SQLite's own 4,096. */
const PAGE_SIZE = 2_048
/** Pages in the log before they go to the file: 32 MiB. SQLite's own 1,000 are full after five batches of new ids. */
const CHECKPOINT_PAGES = 16_000

/** `:memory:` for none. */
export function openDatabase(path: string): { database: DatabaseSync; schemaVersion: number } {
  const database = openFile(path)
  try {
    database.exec(`pragma page_size = ${PAGE_SIZE}; pragma locking_mode = exclusive`)
    requireOwn(database, path)
    database.exec('pragma journal_mode = wal; pragma synchronous = full')
    database.exec('pragma temp_store = memory; pragma cache_size = -65536')
    database.exec(`pragma wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
    return { database, schemaVersion: migrate(database, `the database ${path}`) }
  } catch (error) {
    database.close()
    throw explain(error, path)
  }
}

function openFile(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path)
  } catch (error) {
    throw explain(error, path)
  }
}

/** Before anything is written: where there are tables, one of them must say which of ours they are. */
function requireOwn(database: DatabaseSync, path: string): void {
  const tables = database.prepare("select count(*) as n from sqlite_schema where type = 'table'").get()
  const own = database.prepare("select count(*) as n from pragma_table_info('schema_migrations') where name = 'oldest'")
  if (tables?.n === 0 || own.get()?.n !== 0) return
  throw new SchemaError(`the database ${path} holds tables of another program: choose a file of its own`)
}

/** The version that the schema then has. */
function migrate(database: DatabaseSync, where: string): number {
  const table = 'schema_migrations (version integer primary key, oldest integer not null)'
  database.exec(`create table if not exists ${table} strict`)
  const read = 'select coalesce(max(version), 0) as version, coalesce(max(oldest), 0) as oldest from schema_migrations'
  const schema = database.prepare(read).get() as unknown as Schema
  const all = readMigrations()
  for (const { version, oldest, sql } of pendingMigrations(all, schema, where)) {
    database.exec(`begin immediate; ${sql}; insert into schema_migrations values (${version}, ${oldest}); commit`)
  }
  return Math.max(schema.version, all.length)
}

function readMigrations(): readonly Migration[] {
  const folder = new URL('./migrations/', import.meta.url)
  const files = readdirSync(folder).filter((name) => name.endsWith('.sql'))
  return migrationsOf(files.sort().map((name) => readFileSync(new URL(name, folder), 'utf8')))
}

/** SQLITE_IOERR_LOCK */
const IOERR_LOCK = 3850

/** What SQLite says, as what to do about it. */
function explain(error: unknown, path: string): Error {
  if (error instanceof SchemaError || !(error instanceof Error)) return error as Error
  const code = (error as { errcode?: number }).errcode ?? 0
  const readOnly = `the database ${path} is read-only: the server needs to write to it and its folder`
  // What comes of the lock that a read-only file cannot have; so it does where a file system has no locks.
  if (code === IOERR_LOCK)
    return new SchemaError(`${readOnly}, and to lock it, which some network folders do not allow`)
  switch (code & 0xff) {
    case 5: // SQLITE_BUSY
    case 6: // SQLITE_LOCKED
      return new SchemaError(
        `the database ${path} is in use by another process: stop that server, or choose another file (--storage-sqlite-path ` +
          'of a server, the path of Resonate.local; two clients of one process cannot share a file either)',
      )
    case 14: // SQLITE_CANTOPEN
      return new SchemaError(`the database ${path} cannot be opened: check that its folder exists and can be written`)
    case 11: // SQLITE_CORRUPT
    case 26: // SQLITE_NOTADB
      return new SchemaError(`the file ${path} is no SQLite database, or is damaged: restore a backup, or move it away`)
    case 8: // SQLITE_READONLY
      return new SchemaError(readOnly)
    case 13: // SQLITE_FULL
      return new SchemaError(
        `the disk of the database ${path} is full: make room, or move the file and what is beside it`,
      )
    default:
      return error
  }
}
