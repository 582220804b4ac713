// Durations as people write and read them: `1h30m` in, `1h 30m` out. Milliseconds inside.

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
type Unit = keyof typeof UNIT_MS

const GRAMMAR = /^(\d+(ms|s|m|h|d))+$/
const PART = /(\d+)(ms|s|m|h|d)/g

/**
 * Whole numbers with units, one after the other: `250ms`, `90s`, `1h30m`. `0` and the empty string are no time at all.
 * Null where the text is none of these: a bare number says no unit, so it is not taken to mean one.
 */
export function parseDuration(text: string): number | null {
  if (text === '' || text === '0') return 0
  if (!GRAMMAR.test(text)) return null
  const ms = [...text.matchAll(PART)].reduce((sum, [, count, unit]) => sum + Number(count) * UNIT_MS[unit as Unit], 0)
  return Number.isSafeInteger(ms) ? ms : null
}

export { formatDuration } from '@resonatehq/protocol'
