// Settings that are sound one by one and not together, and texts that only one setting understands. Each finding says what to
// do. Pure: it looks at values, never at what they name.

import { ALGORITHMS } from '../auth/keys.ts'
import { ANY_NETWORK, cidrOf } from '../dispatch/networks.ts'
import { isHeaderName, isHeaderText, NO_HEADER_TEXT } from '../dispatch/targets.ts'
import { COMPONENTS, LEVELS, readLevel } from '../levels.ts'
import type { Config, ConfigKey } from './settings.ts'
import { MINUTE } from './units.ts'

/** Everything that is wrong, in words for people. */
export function conflicts(config: Config): string[] {
  return [
    ...serverConflicts(config),
    ...storageConflicts(config),
    ...(config['server.processes'] > 1 ? processesConflicts(config) : []),
    ...limitConflicts(config),
    ...logConflicts(config),
    ...pushConflicts(config),
    ...tlsConflicts(config),
    ...authConflicts(config),
  ]
}

function serverConflicts(config: Config): string[] {
  const found: string[] = []
  const { 'server.port': port, 'server.url': url } = config
  if (port !== 0 && port === config['observability.metrics_port'])
    found.push(`server.port and observability.metrics_port are both ${port}. Choose two ports, or 0 for no metrics.`)
  if (url !== '' && !isHttpUrl(url))
    found.push(`server.url must be an http:// or https:// URL, but is ${JSON.stringify(url)}`)
  for (const origin of config['server.cors.allow_origins'])
    if (origin !== '*' && !isOrigin(origin))
      found.push(
        `server.cors.allow_origins must hold origins like https://example.com or *, but has ${JSON.stringify(origin)}`,
      )
  return found
}

function storageConflicts(config: Config): string[] {
  if (config['storage.type'] === 'postgres') return databaseConflicts(config)
  if (config['storage.type'] === 'sqlite' && config['storage.sqlite.path'] === '')
    return ['storage.sqlite.path must name a file. To keep nothing, set storage.type to memory.']
  return []
}

function limitConflicts(config: Config): string[] {
  const found: string[] = []
  if (config['promises.retention'] > 0 && config['promises.retention'] < MINUTE)
    found.push('promises.retention must be at least 1m, or 0 to keep settled promises for ever.')
  if (config['limits.body_size'] > config['limits.queue_bytes'])
    found.push('limits.queue_bytes must be at least limits.body_size, or the largest body is never accepted.')
  if (config['limits.batch_length'] > config['limits.queue_length'])
    found.push('limits.queue_length must be at least limits.batch_length, or the longest batch is never accepted.')
  if (config['limits.batch_length'] > config['limits.commit_length'])
    found.push('limits.commit_length must be at least limits.batch_length: the envelopes of one batch stay together.')
  return found
}

function logConflicts(config: Config): string[] {
  const wrong = config['observability.log_levels'].filter((text) => readLevel(text) === null)
  const levels = `${COMPONENTS.join(', ')} = ${LEVELS.join(', ')}`
  return wrong.map(
    (text) =>
      `observability.log_levels must hold a component and a level each (${levels}), such as http=debug, but has ${JSON.stringify(text)}`,
  )
}

function processesConflicts(config: Config): string[] {
  const found: string[] = []
  if (config['storage.type'] !== 'postgres')
    found.push(
      `server.processes is ${config['server.processes']}, but several processes can share only a PostgreSQL, and storage.type is ${config['storage.type']}. Set storage.postgres.url, or leave one process.`,
    )
  if (config['server.port'] === 0)
    found.push('server.port must be chosen where server.processes is more than 1, but is 0 (any that is free).')
  return found
}

function databaseConflicts(config: Config): string[] {
  const found: string[] = []
  for (const key of ['storage.postgres.url', 'storage.postgres.notify_url'] as const)
    if (config[key] !== '' && !isPostgresUrl(config[key]))
      found.push(
        `${key} must be a URL like postgres://user@host:5432/database, with what is special in a name or password written as %40`,
      )
  if (config['storage.postgres.url'] === '' && config['storage.postgres.host'] === '')
    found.push('storage.postgres.url must say where the database is: postgres://user@host:5432/database')
  if (config['storage.postgres.password'] !== '' && config['storage.postgres.password_file'] !== '')
    found.push('storage.postgres.password and storage.postgres.password_file are both given. Keep one.')
  return found
}

function tlsConflicts(config: Config): string[] {
  const [cert, key] = [config['server.tls.cert'], config['server.tls.key']]
  if ((cert === '') !== (key === ''))
    return [
      'server.tls.cert and server.tls.key belong together: a certificate and its private key. Give both, or neither.',
    ]
  return []
}

function authConflicts(config: Config): string[] {
  const found: string[] = []
  const [publickey, url] = [config['auth.publickey'], config['auth.jwks_url']]
  if (publickey === 'none')
    found.push('auth.publickey must not be none: whoever asks could write a token of their own. Name a PEM file.')
  if (publickey !== '' && url !== '') found.push('auth.publickey and auth.jwks_url are both given. Keep one.')
  if (url !== '' && !isKeySetUrl(url))
    found.push(
      `auth.jwks_url must be an https:// URL, or http:// on this machine (localhost), but is ${JSON.stringify(url)}`,
    )
  for (const algorithm of config['auth.algorithms'])
    if (!ALGORITHMS.includes(algorithm))
      found.push(`auth.algorithms must hold some of ${ALGORITHMS.join(' ')}, but has ${JSON.stringify(algorithm)}`)
  if (publickey === '' && url === '') found.push(...needlessWithoutKey(config))
  return found
}

/** Whoever asks for a check that cannot be made must hear of it: the server would be open. */
function needlessWithoutKey(config: Config): string[] {
  const asked: Partial<Record<ConfigKey, boolean>> = {
    'auth.iss': config['auth.iss'] !== '',
    'auth.aud': config['auth.aud'].length > 0,
    'auth.algorithms': config['auth.algorithms'].length > 0,
    'limits.token_rate': config['limits.token_rate'] > 0,
  }
  return Object.entries(asked)
    .filter(([, isAsked]) => isAsked)
    .map(([key]) => `${key} needs a key to check tokens with: set auth.publickey or auth.jwks_url, or remove it.`)
}

function pushConflicts(config: Config): string[] {
  const found: string[] = []
  for (const network of config['transports.http_push.private_networks'])
    if (network !== ANY_NETWORK && cidrOf(network) === null)
      found.push(
        `transports.http_push.private_networks must hold networks like 10.0.0.0/8 or ${ANY_NETWORK}, but has ${JSON.stringify(network)}`,
      )
  if (config['transports.http_push.auth.mode'] === 'bearer' && config['transports.http_push.auth.token'] === '')
    found.push('transports.http_push.auth.mode is bearer, and there is no transports.http_push.auth.token.')
  if (!isHeaderName(config['transports.http_push.auth.header']))
    found.push('transports.http_push.auth.header must be the name of a header, like Authorization.')
  if (!isHeaderText(config['transports.http_push.auth.token']))
    found.push(`transports.http_push.auth.token holds ${NO_HEADER_TEXT}.`)
  return found
}

function isKeySetUrl(text: string): boolean {
  if (!isHttpUrl(text)) return false
  const { protocol, hostname } = new URL(text)
  return protocol === 'https:' || ['localhost', '127.0.0.1', '[::1]'].includes(hostname)
}

function isPostgresUrl(text: string): boolean {
  return /^postgres(ql)?:\/\//.test(text) && URL.canParse(text)
}

function isHttpUrl(text: string): boolean {
  return /^https?:\/\//.test(text) && URL.canParse(text)
}

function isOrigin(text: string): boolean {
  return isHttpUrl(text) && new URL(text).origin === text
}
