// The pool of connections: where the database is, how it is trusted, what every session is told, and what a fault means in
// words for people. A connection on which anything failed is closed and never used again; the pool opens another.

import type { EventEmitter } from 'node:events'
import pg from 'pg'
import { type ConnectionOptions, parse } from 'pg-connection-string'
import { SchemaError } from '../migrate.ts'

export interface ConnectionSettings {
  /** `postgres://user:password@host:port/database?sslmode=…`, the modes as libpq has them. */
  readonly url: string
  /** Asked at each new connection, so that a password can be rotated. Default: the URL's. */
  readonly password?: () => string | Promise<string>
  /** Connections at most. */
  readonly connectionsMax?: number
  /** Behind a pooler in transaction mode: no prepared statements, nothing that a session would have to remember. */
  readonly isPooled?: boolean
  /** How long a connection, or a free place in the pool, is waited for, ms. */
  readonly connectTimeoutMs?: number
  /** How long a statement waits for a lock, ms; and how long a transaction of a server that froze keeps its own. */
  readonly lockTimeoutMs?: number
  /** How long one statement may take, ms. Here a little longer than in the database, whose answer says more. */
  readonly statementTimeoutMs?: number
}

const CONNECTIONS_MAX = 10
const CONNECT_TIMEOUT_MS = 5_000
const STATEMENT_TIMEOUT_MS = 8_000
const LOCK_TIMEOUT_MS = 5_000
/** What an answer may take on its way. */
const TRAVEL_MS = 1_000
const INT8 = 20

/** A statement once prepared keeps its plan, also one made while its tables were empty: only plans on indexes are allowed. */
const PLANNER = ['enable_seqscan=off', 'enable_hashjoin=off', 'enable_mergejoin=off', 'jit=off']

/** No statement may end a migration, however many rows it goes over. */
export const UNTIMED = { query_timeout: 2 ** 31 - 1 }

export interface PoolOptions {
  /** Without TLS, whatever the URL says. */
  readonly isPlain?: boolean
  /** A connection was lost: by its end, or because no answer came. */
  readonly lost: () => void
}

export function openPool(settings: ConnectionSettings, { isPlain = false, lost }: PoolOptions): pg.Pool {
  const { password, isPooled, connectionsMax, connectTimeoutMs, statementTimeoutMs } = settings
  const parsed = parseUrl(settings.url)
  const session = isPooled ? [] : [...PLANNER, ...timeouts(settings)]
  const options = [parsed.options, ...session.map((setting) => `-c ${setting}`)].filter(Boolean).join(' ')
  const pool = new pg.Pool({
    ...(parsed as pg.PoolConfig),
    ...(options && { options }),
    ...(password && { password }),
    ...(isPlain && { ssl: false }),
    max: connectionsMax ?? CONNECTIONS_MAX,
    connectionTimeoutMillis: connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    query_timeout: (statementTimeoutMs ?? STATEMENT_TIMEOUT_MS) + TRAVEL_MS,
    keepAlive: true,
    allowExitOnIdle: true,
    types: { getTypeParser },
    pipeline: true,
    Client: ClosingClient,
  } as pg.PoolConfig)
  // A fault of an idle connection concerns nobody; one in use reports it at its statement. Unheard, either ends the process.
  pool.on('error', lost)
  pool.on('release', (error: unknown) => error && !isAnswered(error) && lost())
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

/** The driver by itself leaves the socket open when it is the password that fails: none was given, or its file is gone. */
class ClosingClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config)
    const { connection } = this as unknown as { connection: EventEmitter & { stream: { destroy(): void } } }
    connection.on('error', () => connection.stream.destroy())
  }
}

/** The database said no, and is there. Classes 08 and 57P are what it says, or is made to say, when it is not. */
function isAnswered(error: unknown): boolean {
  const { code = '' } = error as { code?: string }
  return /^[0-9A-Z]{5}$/.test(code) && !/^(?:08|57P)/.test(code)
}

/** `begin`, with what a session behind a pooler cannot be told once. */
export function beginText(settings: ConnectionSettings): string {
  const local = settings.isPooled ? timeouts(settings).map((setting) => `; set local ${setting}`) : []
  return `begin isolation level read committed${local.join('')}`
}

export function mayBePlain(url: string): boolean {
  return /[?&]sslmode=(prefer|allow)\b/.test(url)
}

export function isWithoutTls(error: unknown): boolean {
  return error instanceof Error && /does not support SSL/.test(error.message)
}

function timeouts(settings: ConnectionSettings): string[] {
  const { lockTimeoutMs = LOCK_TIMEOUT_MS, statementTimeoutMs = STATEMENT_TIMEOUT_MS } = settings
  return [
    `lock_timeout=${lockTimeoutMs}`,
    `idle_in_transaction_session_timeout=${lockTimeoutMs}`,
    `statement_timeout=${statementTimeoutMs}`,
  ]
}

function parseUrl(url: string): ConnectionOptions {
  try {
    return parse(url.includes('sslmode=') ? `${url}&uselibpqcompat=true` : url)
  } catch (error) {
    throw new SchemaError(
      `the URL of the database cannot be read (${(error as Error).message}): ` +
        'give one like postgres://user:password@host:5432/database?sslmode=verify-full',
    )
  }
}

/** Whole numbers of eight bytes are instants and counts, all below 2^53. */
function getTypeParser(oid: number, format?: 'text' | 'binary'): unknown {
  return oid === INT8 ? Number : pg.types.getTypeParser(oid, format as 'text')
}

/** What TLS says of a certificate that it does not believe. */
const UNTRUSTED = /^(?:ERR_TLS_CERT_|CERT_|SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|UNABLE_TO_(?:GET_ISSUER|VERIFY))/

/** What PostgreSQL or the network says when the store opens, as what to do about it. */
export function explain(error: unknown, where: string): Error {
  if (error instanceof SchemaError || !(error instanceof Error)) return error as Error
  const { code } = error as { code?: string }
  if (code !== undefined && UNTRUSTED.test(code)) {
    return new SchemaError(
      `${where} cannot be trusted (${error.message}): give the certificate of its authority with sslrootcert=, ` +
        'and as host the name that its certificate is for',
    )
  }
  if (isWithoutTls(error)) {
    return new SchemaError(`${where} does not speak TLS: switch it on there, or ask for less with sslmode=prefer`)
  }
  if (/password must be a (?:non-empty )?string/.test(error.message)) {
    return new SchemaError(
      `${where} asks for a password, and none was given: put one into a file that the settings name, or into the URL`,
    )
  }
  if (/timeout exceeded when trying to connect|due to connection timeout/.test(error.message)) {
    return new SchemaError(
      `${where} does not answer (${error.message}): check its host and port, and firewalls between`,
    )
  }
  if (/Connection terminated unexpectedly/.test(error.message)) {
    return new SchemaError(`${where} ended the connection: check that a PostgreSQL has that host and port, and its log`)
  }
  switch (code) {
    case 'ECONNREFUSED':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ETIMEDOUT':
    case 'EAI_AGAIN':
    case 'ENOTFOUND':
    case 'ENOENT':
      return new SchemaError(`${where} cannot be reached (${code}): check its host and port, and that it runs`)
    case '28P01':
    case '28000':
      return new SchemaError(`${where} refuses the user: check name, password and pg_hba.conf (${error.message})`)
    case '3D000':
      return new SchemaError(`${where} does not exist: create it with createdb, or correct its name in the URL`)
    case '42501':
      return new SchemaError(`${where} forbids what the schema needs (${error.message}): grant create on its schema`)
    default:
      return error
  }
}

/** The database's place without its password. */
export function placeOf(url: string): string {
  try {
    const { host, port, database } = parse(url.replace(/sslmode=[^&]*&?/, ''))
    return `the database ${database ?? ''} at ${host ?? 'localhost'}:${port || 5432}`
  } catch {
    return 'the database'
  }
}
