// Samples to rows, rows to text.

import type { Sample } from './case.ts'

export interface Row {
  readonly case: string
  readonly what: string
  readonly server: string
  readonly unit: string
  readonly median: number
  readonly min: number
  readonly max: number
  readonly rounds: number
}

/** One row for each thing measured, in the order in which they were first measured. */
export function summarize(samples: readonly Sample[]): Row[] {
  const groups = Map.groupBy(samples, (sample) => JSON.stringify([sample.case, sample.what, sample.server]))
  return [...groups.values()].map((group) => {
    const [first] = group as [Sample]
    const sorted = group.map(({ value }) => value).sort((a, b) => a - b)
    const middle = sorted.length >> 1
    const median =
      sorted.length % 2 === 1 ? sorted[middle] : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
    const { case: name, what, server, unit } = first
    return {
      case: name,
      what,
      server,
      unit,
      median: round(median as number),
      min: round(sorted[0] as number),
      max: round(sorted.at(-1) as number),
      rounds: sorted.length,
    }
  })
}

function round(value: number): number {
  return value >= 100 ? Math.round(value) : Math.round(value * 100) / 100
}

export function table(title: string, rows: readonly Row[]): string {
  const head = ['what', 'server', 'median', 'min', 'max', '']
  const cells = rows.map(({ what, server, median, min, max, unit }) => [
    what,
    server,
    show(median),
    show(min),
    show(max),
    unit,
  ])
  const widths = head.map((name, at) => Math.max(name.length, ...cells.map((row) => row[at]?.length ?? 0)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, at) => (at >= 2 && at <= 4 ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
      .join('  ')
      .trimEnd()
  return ['', title, line(head), ...cells.map(line)].join('\n')
}

function show(value: number): string {
  return value.toLocaleString('en')
}
