// What keeps strangers out, as a configuration asks for it: who is believed, how often each may ask, certificates, the token
// of metrics, the audit log; with the files that all of it comes from, read at the start and again when they change.
// What cannot be read at the start is thrown, for people: a server must never run less guarded than it was told to.

import type { SecureContextOptions } from 'node:tls'
import type { Platform } from '@resonatehq/engine'
import { AuditLog } from './auth/audit.ts'
import { type Guard, openGuard, TokenGuard } from './auth/guard.ts'
import { KeySet, type KeySource, PemKeys } from './auth/key-source.ts'
import { Rates } from './auth/rates.ts'
import { Secret } from './auth/secret.ts'
import type { Config } from './config/settings.ts'
import { WatchedFiles } from './files.ts'
import type { Logger } from './log.ts'
import { tlsOf } from './tls.ts'

export interface SecurityParts {
  readonly config: Config
  readonly platform: Platform
  readonly logger: Logger
  /** Asks for key sets. */
  readonly fetch: typeof fetch
}

/** A port that can be given another certificate. */
export interface Securable {
  secure(tls: SecureContextOptions): void
}

export class Security {
  readonly guard: Guard
  readonly audit: AuditLog
  /** What a scrape of metrics must bring. */
  readonly metricsSecret = new Secret()
  readonly #parts: SecurityParts
  readonly #files: WatchedFiles
  readonly #pem = new PemKeys()
  readonly #keySet: KeySet | undefined

  constructor(parts: SecurityParts) {
    const { config, platform, logger } = parts
    this.#parts = parts
    this.#files = new WatchedFiles({ platform, logger, intervalMs: config['server.reload_interval'] })
    this.audit = new AuditLog(platform, logger)
    this.#keySet = keySetOf(parts)
    const keys = this.#keySet ?? (config['auth.publickey'] === '' ? undefined : this.#pem)
    this.guard = keys ? guardOf(parts, keys) : openGuard
  }

  /** Reads all files. Throws what cannot be used, as an error for people. */
  async start(ports: readonly Securable[]): Promise<void> {
    const { config } = this.#parts
    this.#watch(['auth.publickey'], (text) => this.#pem.replace(text, config['auth.algorithms']))
    this.#watch(['observability.metrics_token_file'], (text) => this.metricsSecret.replace(text))
    this.#watch(['server.tls.cert', 'server.tls.key'], (cert, key) => {
      const tls = tlsOf(config, cert, key)
      for (const port of ports) port.secure(tls)
    })
    if (config['observability.audit_file'] !== '') this.audit.open(config['observability.audit_file'])
    this.#announce()
    // An issuer that is down must not keep this server down: until it is back, requests are answered 503.
    await this.#keySet?.refresh()
  }

  #announce(): void {
    const { config, logger } = this.#parts
    const [url, publickey] = [config['auth.jwks_url'], config['auth.publickey']]
    if (this.guard === openGuard) return logger.info({}, 'Auth disabled — all requests accepted')
    logger.info({ keys: url || publickey, iss: config['auth.iss'], aud: config['auth.aud'] }, 'Auth enabled')
    if (url !== '' && config['auth.aud'].length === 0)
      logger.warn(
        {},
        'What the issuer says to others is believed here too: set auth.aud to what tokens for this server name',
      )
  }

  /** Looks at the files now. */
  reload(): void {
    this.#files.reload()
    this.audit.reopen()
  }

  async stop(): Promise<void> {
    this.#files.stop()
    await this.audit.close()
  }

  #watch(settings: readonly FileSetting[], use: (...texts: [string, string]) => void): void {
    const paths = settings.map((setting) => this.#parts.config[setting])
    if (paths.every((path) => path !== '')) this.#files.watch(settings, paths, use as (...texts: string[]) => void)
  }
}

type FileSetting = 'auth.publickey' | 'observability.metrics_token_file' | 'server.tls.cert' | 'server.tls.key'

function keySetOf({ config, platform, logger, fetch }: SecurityParts): KeySet | undefined {
  const url = config['auth.jwks_url']
  if (url === '') return undefined
  return new KeySet({
    url,
    algorithms: config['auth.algorithms'],
    cacheMs: config['auth.jwks_cache'],
    cooldownMs: config['auth.jwks_cooldown'],
    staleMs: config['auth.jwks_stale'],
    fetch,
    platform,
    logger,
  })
}

function guardOf({ config, platform }: SecurityParts, keys: KeySource): Guard {
  const perSecond = config['limits.token_rate']
  const limits = { perSecond, burst: config['limits.token_burst'], bucketsMax: config['limits.token_table'] }
  return new TokenGuard({
    keys,
    platform,
    issuer: config['auth.iss'],
    audiences: config['auth.aud'],
    clockSkewMs: config['auth.clock_skew'],
    cacheMax: config['auth.cache_size'],
    ...(perSecond > 0 && { rates: new Rates(limits) }),
  })
}
