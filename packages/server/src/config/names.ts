// What each setting is called, wherever it may be given: its key, its flag, its variable and the older one; and what is said
// of a name that is none of them. It must never let one pass: a misspelt setting that is ignored is found in production.

import { nearest } from '../nearest.ts'
import { type ConfigKey, ROWS, type SettingRow } from './settings.ts'

/** A row of the table with all its names. */
export type Setting = SettingRow & {
  readonly key: ConfigKey
  readonly env: string
  /** As typed: `--server-port`. */
  readonly flag: string
  /** The flag as an option parser names it: `serverPort`. */
  readonly option: string
  /** What stands for the value in help: `<PORT>`. In brackets for a flag that may stand alone. */
  readonly placeholder: string
}

export const ENV_PREFIX = 'RESONATE_'

/** What stands for a value in help. */
const PLACEHOLDERS = {
  boolean: '[true|false]',
  integer: '<N>',
  port: '<PORT>',
  duration: '<MS|30s>',
  bytes: '<BYTES|4MiB>',
  text: '<TEXT>',
  list: '<TEXT>',
} as const

/** Every setting, in the order of the reference page. */
export const SETTINGS: readonly Setting[] = ROWS.map(settingOf)

function settingOf(row: (typeof ROWS)[number]): Setting {
  const flag = row.flag ?? `--${row.key.replaceAll(/[._]/g, '-')}`
  return {
    ...row,
    flag,
    env: `${ENV_PREFIX}${row.key.toUpperCase().replaceAll('.', '__')}`,
    option: flag.slice(2).replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase()),
    placeholder: row.type === 'choice' ? `<${row.choices.join('|')}>` : PLACEHOLDERS[row.type],
  }
}

export const BY_KEY = settingsBy(({ key }) => key)
export const BY_FLAG = settingsBy(({ flag }) => flag)
export const BY_OPTION = settingsBy(({ option }) => option)
export const BY_ENV = settingsBy(({ env }) => env)
export const BY_OLDER_ENV = settingsBy(({ olderEnv }) => olderEnv)

function settingsBy(nameOf: (setting: Setting) => string | undefined): ReadonlyMap<string, Setting> {
  return new Map(SETTINGS.map((setting) => [nameOf(setting) ?? '', setting]))
}

/** Read by workers, clients and tests, which often share an environment with a server. */
const OTHERS_ENV = new Set(
  ['URL', 'TOKEN', 'TIMEOUT', 'PREFIX', 'GROUP', 'HOST', 'PORT', 'SCHEME'].map((name) => `RESONATE_${name}`),
)

/** What Kubernetes puts into every container of a namespace that has a service called `resonate` or `resonate-…`. */
const SERVICE_LINK =
  /^RESONATE_(?:[A-Z0-9_]+_)?(?:SERVICE_(?:HOST|PORT)(?:_[A-Z0-9_]+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_[A-Z]+)?)$/

/** Whether a variable that begins like ours is meant for somebody else. */
export function isOthers(name: string, value: string): boolean {
  return (
    OTHERS_ENV.has(name) ||
    name.startsWith('RESONATE_TEST_') ||
    SERVICE_LINK.test(name) ||
    /^(?:tcp|udp|sctp):\/\//.test(value)
  )
}

/** Settings of other Resonate servers that mean nothing here, and why: said to whoever brings a file along. */
const GONE: Readonly<Record<string, string>> = {
  'tasks.lease_timeout': 'a worker states its lease with each task it takes',
  'timeouts.poll_interval': 'due steps fire by timer',
  'messages.poll_interval': 'work is handed out the moment it is ready',
  'messages.batch_size': 'work is handed out the moment it is ready',
  'storage.mysql': 'it keeps its data in SQLite or PostgreSQL (docs/postgres.md)',
  'transports.gcps': 'messages go by held connections or by HTTP (docs/serverless.md)',
  'transports.bash_exec': 'messages go by held connections or by HTTP (docs/serverless.md)',
  'observability.otlp_endpoint': 'traces go where OTEL_EXPORTER_OTLP_ENDPOINT says (docs/tracing.md)',
}

/** Why a name is none of `known`. What they all begin with, `prefix`, makes no two of them alike. */
export function unknownName(name: string, known: readonly string[], what: string, prefix = ''): string {
  const reason = goneReason(name)
  if (reason !== undefined) return `${name} is not a setting of this server: ${reason}. Remove it.`
  const own = (full: string) => full.slice(prefix.length)
  const near = nearest(own(name), known.map(own))
  return `unknown ${what} ${name}${near ? `. Did you mean ${prefix}${near}?` : '. The settings are listed by --help.'}`
}

/** Why the key that a flag or a variable would stand for is gone, or all of its section, if it is. */
function goneReason(name: string): string | undefined {
  const bare = name
    .replace(/^RESONATE_/, '')
    .replace(/^--/, '')
    .toLowerCase()
  const asKey = (text: string) => text.replaceAll(/__|[-._]/g, '.')
  return Object.entries(GONE).find(([key]) => isAtOrBelow(asKey(bare), asKey(key)))?.[1]
}

function isAtOrBelow(key: string, section: string): boolean {
  return key === section || key.startsWith(`${section}.`)
}

/** Also of settings that are gone, so that a message names the setting and not its section. */
export function isSection(key: string): boolean {
  return [...BY_KEY.keys(), ...Object.keys(GONE)].some((known) => known.startsWith(`${key}.`))
}
