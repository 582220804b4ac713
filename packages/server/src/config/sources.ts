// Where settings are given: `resonate.toml`, the environment, flags. Each is read into values by key, with the place that they
// came from, for messages. No value is looked at here, and no file is opened: who asks hands in how it is read.

import { parse as parseToml, TomlError } from 'smol-toml'
import { BY_ENV, BY_KEY, BY_OLDER_ENV, BY_OPTION, ENV_PREFIX, isOthers, isSection, unknownName } from './names.ts'

export interface ConfigSources {
  /** By key of the table or by option name (`serverPort`); strings as typed, lists as arrays. */
  readonly flags?: Readonly<Record<string, unknown>>
  readonly env?: Readonly<Record<string, string | undefined>>
  /** `resonate.toml`. `read`: its text, or undefined where there is none; throws where it cannot be read. */
  readonly file?: { readonly path: string; read(): string | undefined }
}

/** A value as it was written, with the name of the place it came from, for messages. */
export interface GivenValue {
  readonly value: unknown
  readonly from: string
}

export function fileValues(file: ConfigSources['file'], problems: string[]): Map<string, GivenValue> {
  const values = new Map<string, GivenValue>()
  try {
    const text = file?.read()
    if (file && text !== undefined) flatten(parseToml(text), '', file.path, values, problems)
  } catch (error) {
    problems.push(`${file?.path} ${fileProblem(error)}`)
  }
  return values
}

/** One line of what the parser draws over several. */
function fileProblem(error: unknown): string {
  if (!(error instanceof TomlError)) return `cannot be read: ${(error as Error).message}`
  const [reason] = error.message.replace('Invalid TOML document: ', '').split('\n')
  return `is not valid TOML, line ${error.line}: ${reason}`
}

/** Nested tables to dotted keys. Only a key of the table, or a table on the way to one, may appear. */
function flatten(table: object, prefix: string, path: string, into: Map<string, GivenValue>, problems: string[]): void {
  for (const [name, value] of Object.entries(table)) {
    const key = prefix + name
    if (BY_KEY.has(key)) into.set(key, { value, from: `${key} in ${path}` })
    else if (isTable(value) && isSection(key)) flatten(value, `${key}.`, path, into, problems)
    else problems.push(`${path}: ${unknownName(key, [...BY_KEY.keys()], 'key')}`)
  }
}

function isTable(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

export function envValues(
  env: Readonly<Record<string, string | undefined>>,
  problems: string[],
): Map<string, GivenValue> {
  const values = new Map<string, GivenValue>()
  for (const [name, value] of Object.entries(env)) {
    // Set to nothing is how a compose file leaves a variable out.
    if (!name.startsWith(ENV_PREFIX) || value === undefined || value === '') continue
    const setting = BY_ENV.get(name) ?? BY_OLDER_ENV.get(name)
    if (!setting && isOthers(name, value)) continue
    if (setting && name === setting.olderEnv && env[setting.env]) continue
    if (setting) values.set(setting.key, { value, from: name })
    else problems.push(unknownName(name, [...BY_ENV.keys()], 'environment variable', ENV_PREFIX))
  }
  return values
}

export function flagValues(flags: Readonly<Record<string, unknown>>, problems: string[]): Map<string, GivenValue> {
  const values = new Map<string, GivenValue>()
  for (const [name, value] of Object.entries(flags)) {
    if (value === undefined) continue
    const setting = BY_KEY.get(name) ?? BY_OPTION.get(name)
    if (setting) values.set(setting.key, { value, from: setting.flag })
    else problems.push(unknownName(name, [...BY_KEY.keys()], 'flag'))
  }
  return values
}
