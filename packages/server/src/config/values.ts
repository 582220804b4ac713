// From what was written to the value of a setting, by its type and range; and what should have been written. Pure.

import { parseDuration } from '@resonatehq/protocol'
import type { NumberSetting, SettingRow } from './settings.ts'
import { parseBytes } from './units.ts'

/** Undefined: not a value of this setting. */
export function parseValue(setting: SettingRow, value: unknown): unknown {
  switch (setting.type) {
    case 'boolean':
      return typeof value === 'boolean' ? value : isBooleanWord(value) ? value === 'true' : undefined
    case 'choice':
      return setting.choices.includes(value as string) ? value : undefined
    case 'text':
      return typeof value === 'string' ? value : undefined
    case 'list':
      return parseList(value)
    case 'integer':
    case 'port':
    case 'duration':
    case 'bytes':
      return inRange(setting, parseNumber(setting.type, value))
  }
}

export function isBooleanWord(value: unknown): boolean {
  return value === 'true' || value === 'false'
}

function parseList(value: unknown): readonly string[] | undefined {
  const items = typeof value === 'string' ? value.split(',') : value
  if (!Array.isArray(items) || !items.every((item) => typeof item === 'string')) return undefined
  return items.map((item: string) => item.trim()).filter((item) => item !== '')
}

function parseNumber(type: NumberSetting['type'], value: unknown): number | null {
  if (typeof value === 'number') return value
  if (typeof value !== 'string') return null
  if (/^\d+$/.test(value)) return Number(value)
  if (type === 'duration') return parseDuration(value)
  return type === 'bytes' ? parseBytes(value) : null
}

function inRange(setting: NumberSetting, value: number | null): number | undefined {
  const { min, max } = rangeOf(setting)
  return value !== null && Number.isSafeInteger(value) && value >= min && value <= max ? value : undefined
}

function rangeOf(setting: NumberSetting): { min: number; max: number } {
  if (setting.type === 'port') return { min: 0, max: 65_535 }
  // A timer of Node cannot wait longer than 2^31 - 1 ms and would fire at once.
  const most = setting.type === 'duration' ? 2 ** 31 - 1 : Number.MAX_SAFE_INTEGER
  return { min: setting.min ?? 0, max: setting.max ?? most }
}

/** In words: `a duration (milliseconds, or 30s, 1h30m) of at least 0`. */
export function expected(setting: SettingRow): string {
  switch (setting.type) {
    case 'boolean':
      return 'true or false'
    case 'choice':
      return `one of ${setting.choices.join(', ')}`
    case 'text':
      return 'a text'
    case 'list':
      return 'a list of texts'
    case 'integer':
    case 'port':
      return `a whole number${rangeText(setting)}`
    case 'duration':
      return `a duration (milliseconds, or 30s, 1h30m)${rangeText(setting)}`
    case 'bytes':
      return `a size (bytes, or 512KiB, 4MiB)${rangeText(setting)}`
  }
}

function rangeText(setting: NumberSetting): string {
  const { min, max } = rangeOf(setting)
  return setting.max === undefined && setting.type !== 'port' ? ` of at least ${min}` : ` from ${min} to ${max}`
}
