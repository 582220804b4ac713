// Durations in words, the same wherever a person reads one: `850ms`, `1.2s`, `3m 5s`, `2h 10m`, `3d 4h`; and the one grammar in
// which a person writes one: `1h30m`.

const SECOND = 1_000
const MINUTE = 60_000
const HOUR = 3_600_000
const DAY = 86_400_000

/** At most two units, the larger first; seconds to the nearest tenth, two units cut. What is below 0 is no time. */
export function formatDuration(ms: number): string {
  if (ms < SECOND) return `${Math.max(0, Math.round(ms))}ms`
  const tenths = Math.round(ms / 100)
  if (tenths < MINUTE / 100) return `${tenths / 10}s`
  if (ms < HOUR) return twoUnits(Math.max(ms, MINUTE), [MINUTE, 'm'], [SECOND, 's'])
  if (ms < DAY) return twoUnits(ms, [HOUR, 'h'], [MINUTE, 'm'])
  return twoUnits(ms, [DAY, 'd'], [HOUR, 'h'])
}

type Unit = readonly [ms: number, name: string]

function twoUnits(ms: number, [largeMs, large]: Unit, [smallMs, small]: Unit): string {
  const rest = Math.floor((ms % largeMs) / smallMs)
  return `${Math.floor(ms / largeMs)}${large}${rest === 0 ? '' : ` ${rest}${small}`}`
}

/** What people write behind a number, in ms. */
export const DURATION_UNITS = { ms: 1, s: SECOND, m: MINUTE, h: HOUR, d: DAY } as const

/** Whole numbers with units, one after the other: `250ms`, `90s`, `1h30m`, in ms. Null: the text is none. */
export function parseDuration(text: string): number | null {
  if (!/^(\d+(ms|s|m|h|d))+$/.test(text)) return null
  const parts = [...text.matchAll(/(\d+)(ms|s|m|h|d)/g)]
  const ms = parts.reduce((sum, [, count, unit]) => sum + Number(count) * DURATION_UNITS[unit as DurationUnit], 0)
  return Number.isSafeInteger(ms) ? ms : null
}

type DurationUnit = keyof typeof DURATION_UNITS
