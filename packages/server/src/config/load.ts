// The configuration out of all that was given: flags over environment over `resonate.toml` over defaults. Only the value that
// wins is checked, after merging, and every problem is told, not just the first.
// It must never read the environment, a file or the command line itself: it is handed what they held.

import { conflicts } from './conflicts.ts'
import { SETTINGS, type Setting } from './names.ts'
import type { Config, ConfigKey } from './settings.ts'
import { type ConfigSources, envValues, fileValues, flagValues, type GivenValue } from './sources.ts'
import { expected, parseValue } from './values.ts'

export type ConfigResult = { readonly config: Config } | { readonly problems: readonly string[] }

export function loadConfig(sources: ConfigSources): ConfigResult {
  const problems: string[] = []
  const given = new Map<string, GivenValue>([
    ...fileValues(sources.file, problems),
    ...envValues(sources.env ?? {}, problems),
    ...flagValues(sources.flags ?? {}, problems),
  ])
  if (!given.has('storage.type') && namesDatabase(given))
    given.set('storage.type', { value: 'postgres', from: 'storage.type' })
  const config: Record<string, unknown> = {}
  for (const setting of SETTINGS) config[setting.key] = checkedValue(setting, given.get(setting.key), problems)
  // Rules between settings are only worth telling once each setting is sound by itself.
  if (problems.length === 0) problems.push(...conflicts(config as Config))
  return problems.length > 0 ? { problems } : { config: config as Config }
}

/** Whoever names a PostgreSQL means it, unless another store is chosen. */
function namesDatabase(given: ReadonlyMap<string, GivenValue>): boolean {
  const keys: readonly ConfigKey[] = ['storage.postgres.url', 'storage.postgres.host']
  return keys.some((key) => (given.get(key)?.value ?? '') !== '')
}

function checkedValue(setting: Setting, given: GivenValue | undefined, problems: string[]): unknown {
  if (!given) return setting.default
  const value = parseValue(setting, given.value)
  if (value !== undefined) return value
  problems.push(
    `${given.from} must be ${expected(setting)}, but is ${setting.isSecret ? 'not' : JSON.stringify(given.value)}`,
  )
  return setting.default
}
