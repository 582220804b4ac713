// Durations as people write and read them: `1h30m` in, `1h 30m` out. Milliseconds inside.

import { parseDuration as parseUnits } from '@resonatehq/protocol'

export { formatDuration } from '@resonatehq/protocol'

/**
 * `250ms`, `90s`, `1h30m`. `0` and the empty string are no time at all. Null where the text is none of these: a bare number says
 * no unit, so it is not taken to mean one.
 */
export function parseDuration(text: string): number | null {
  return text === '' || text === '0' ? 0 : parseUnits(text)
}
