// Sizes and durations as people write them in settings, and as numbers. Pure.

import { DURATION_UNITS } from '@resonatehq/protocol'

export const KIB = 1024
export const MIB = 1024 * KIB
export const SECOND = DURATION_UNITS.s
export const MINUTE = DURATION_UNITS.m
export const HOUR = DURATION_UNITS.h

const BYTE_UNITS = { KiB: KIB, MiB: MIB, GiB: 1024 * MIB, kB: 1e3, MB: 1e6, GB: 1e9 } as const

/** `512KiB`, `4 MiB`. Null: not a size. */
export function parseBytes(text: string): number | null {
  const [, count, unit] = /^(\d+) ?(KiB|MiB|GiB|kB|MB|GB)$/.exec(text) ?? []
  return unit === undefined ? null : Number(count) * BYTE_UNITS[unit as keyof typeof BYTE_UNITS]
}

/** `30s`: a form that can be parsed again. */
export function durationText(ms: number): string {
  return inUnits(ms, DURATION_UNITS)
}

/** `4MiB`, or bytes without a unit. */
export function bytesText(bytes: number): string {
  return inUnits(bytes, { KiB: KIB, MiB: MIB })
}

/** In the largest unit of which it is a whole number. */
function inUnits(value: number, units: Readonly<Record<string, number>>): string {
  const whole = Object.entries(units).filter(([, size]) => value > 0 && value % size === 0)
  const [unit, size] = whole.reduce((largest, each) => (each[1] > largest[1] ? each : largest), ['', 1])
  return `${value / size}${unit}`
}
