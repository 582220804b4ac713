// The PostgreSQL that a configuration describes: settings in, options of the store out. And where a server keeps what it
// knows, in words for people. It must never put a password into such words.

import { readFile } from 'node:fs/promises'
import { SchemaError } from '@resonatehq/store'
import type { PostgresOptions } from '@resonatehq/store/postgres'
import type { Config } from './config/settings.ts'

export function databaseOf(config: Config): PostgresOptions {
  const passwordFile = config['storage.postgres.password_file']
  return {
    url: databaseUrlOf(config),
    ...(passwordFile !== '' && { password: () => readPassword(passwordFile) }),
    connectionsMax: config['storage.postgres.pool_size'],
    isPooled: config['storage.postgres.pooler'],
    notify: config['storage.postgres.notify'],
    notifyUrl: config['storage.postgres.notify_url'],
    locking: config['storage.postgres.locks'],
    connectTimeoutMs: config['storage.postgres.connect_timeout'],
    lockTimeoutMs: config['storage.postgres.lock_timeout'],
    statementTimeoutMs: config['storage.postgres.statement_timeout'],
  }
}

/** The URL, with what it leaves out from the other settings. */
export function databaseUrlOf(config: Config): string {
  const url = new URL(config['storage.postgres.url'] || 'postgres://')
  const host = config['storage.postgres.host']
  // A user or a port can only be said of a host.
  if (url.hostname === '') url.hostname = host.startsWith('/') || host === '' ? 'localhost' : bracketed(host)
  if (host.startsWith('/') && !url.searchParams.has('host')) url.searchParams.set('host', host)
  if (url.port === '') url.port = `${config['storage.postgres.port']}`
  if (url.pathname.length < 2) url.pathname = `/${encodeURIComponent(config['storage.postgres.database'])}`
  if (url.username === '') url.username = encodeURIComponent(config['storage.postgres.username'])
  if (url.password === '') url.password = encodeURIComponent(config['storage.postgres.password'])
  return url.href
}

/** The driver is an optional part of the store: it may be missing where packages are installed side by side. */
export function withoutDriver(fault: unknown): never {
  const { code, message } = fault as NodeJS.ErrnoException
  if (code !== 'ERR_MODULE_NOT_FOUND' || !/'pg(-connection-string)?'/.test(message)) throw fault
  throw new SchemaError(
    'a PostgreSQL needs its driver, which is not installed beside @resonatehq/store: npm install pg pg-connection-string (with -g, if resonate was)',
  )
}

/** As an editor or an echo leaves it, the file may end with a line break. */
async function readPassword(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).replace(/\r?\n$/, '')
  } catch (error) {
    throw new SchemaError(`the password of the database cannot be read from ${path}: ${(error as Error).message}`)
  }
}

function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}

/** What keeps the promises of this server, as logs and the banner name it. `path`: how a file is written. */
export function storageText(config: Config, path: (file: string) => string = (file) => file): string {
  switch (config['storage.type']) {
    case 'memory':
      return 'in memory, gone when this process ends'
    case 'sqlite':
      return `${path(config['storage.sqlite.path'])} (SQLite)`
    case 'postgres': {
      const { hostname, port, pathname, searchParams } = new URL(databaseUrlOf(config))
      const database = decodeURIComponent(pathname.slice(1))
      return `${database ? `${database} at ` : ''}${searchParams.get('host') ?? hostname}:${port} (PostgreSQL)`
    }
  }
}
