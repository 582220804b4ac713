// The calendar of schedules: whether an expression is one, and when it fires next.
//
// The contract, which no expression may escape:
//   fields      5 `minute hour day-of-month month day-of-week`, 6 with leading seconds, 7 with a trailing year
//   field       `*`, or a list of values, ranges `a-b` and steps `*/n`, `a-b/n`, `a/n` (from a on); `?` is `*`
//   names       JAN…DEC and SUN…SAT, any case, whole or cut after three letters or more, also in ranges
//   day-of-week 1 = Sunday … 7 = Saturday. 0 is refused, because elsewhere it means Sunday and would shift all the others
//   both days   a day must match day-of-month AND day-of-week
//   aliases     @yearly @annually @monthly @weekly @daily @midnight @hourly
//   time        UTC, whole seconds, the years 1970 to 2100
// Croner finds the instants; what is read here is only what may be asked of it. No clock: the caller says after when.
// Refused, rather than guessed at: ranges that run backwards, steps longer than the field, L, W and #.

import { Cron } from 'croner'
import { quote } from './quote.ts'

interface Field {
  readonly name: string
  readonly min: number
  readonly max: number
  /** Full names, upper case, of the values from `min` on. */
  readonly names?: readonly string[]
}

const SECOND: Field = { name: 'second', min: 0, max: 59 }
const MINUTE: Field = { name: 'minute', min: 0, max: 59 }
const HOUR: Field = { name: 'hour', min: 0, max: 23 }
const DAY: Field = { name: 'day of month', min: 1, max: 31 }
const MONTH: Field = {
  name: 'month',
  min: 1,
  max: 12,
  names: 'JANUARY FEBRUARY MARCH APRIL MAY JUNE JULY AUGUST SEPTEMBER OCTOBER NOVEMBER DECEMBER'.split(' '),
}
const WEEKDAY: Field = {
  name: 'day of week',
  min: 1,
  max: 7,
  names: 'SUNDAY MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY'.split(' '),
}
const YEAR: Field = { name: 'year', min: 1970, max: 2100 }

const FIELDS = [SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY, YEAR] as const

const ALIASES: ReadonlyMap<string, string> = new Map([
  ['@yearly', '0 0 1 1 *'],
  ['@annually', '0 0 1 1 *'],
  ['@monthly', '0 0 1 * *'],
  ['@weekly', '0 0 * * SUN'],
  ['@daily', '0 0 * * *'],
  ['@midnight', '0 0 * * *'],
  ['@hourly', '0 * * * *'],
])

const EXPRESSION_LENGTH_MAX = 1024

/** Why nothing can be scheduled by `expression`, as a sentence that quotes it; null where it fires at some time. */
export function cronProblem(expression: string): string | null {
  const calendar = calendarOf(expression)
  if (typeof calendar === 'string') return `${quote(expression)} is no cron expression: ${calendar}`
  if (calendar.firesAt !== null) return null
  return `${quote(expression)} never fires: no day from ${YEAR.min} to ${YEAR.max} is one of its days`
}

/**
 * The first instant strictly after `afterAt`, ms since epoch, at which `expression` fires; null where it never does again.
 * Throws on an expression that `cronProblem` refuses to read: it should not have come this far.
 */
export function nextCron(expression: string, afterAt: number): number | null {
  const { cron } = readable(expression)
  return afterAt >= END_AT ? null : nextAfter(cron, afterAt)
}

/**
 * The occurrences from `fromAt` to `untilAt`, both included, oldest first: the latest `max` of them, and whether older ones
 * had to be skipped. Costs as much as it returns, however long the time between: it looks backwards, one by one, because
 * asking for `max` of them at once costs 45 ms for the one that is usually due.
 */
export function missedOccurrences(
  expression: string,
  { fromAt, untilAt, max }: { readonly fromAt: number; readonly untilAt: number; readonly max: number },
): { readonly occurrences: readonly number[]; readonly skipped: boolean } {
  const { cron } = readable(expression)
  const occurrences: number[] = []
  let at = lastBefore(cron, secondOf(Math.min(untilAt, END_AT)) + SECOND_MS)
  while (at !== null && at >= fromAt && occurrences.length < max) {
    occurrences.push(at)
    at = lastBefore(cron, at)
  }
  return { occurrences: occurrences.reverse(), skipped: at !== null && at >= fromAt }
}

const SECOND_MS = 1000
/** Nothing fires from here on. */
const END_AT = Date.UTC(YEAR.max + 1, 0)

function nextAfter(cron: Cron, afterAt: number): number | null {
  return cron.nextRun(new Date(Math.max(secondOf(afterAt), -SECOND_MS)))?.getTime() ?? null
}

function lastBefore(cron: Cron, beforeAt: number): number | null {
  return cron.previousRuns(1, new Date(beforeAt))[0]?.getTime() ?? null
}

/** The library counts in whole seconds. */
function secondOf(at: number): number {
  return Math.floor(at / SECOND_MS) * SECOND_MS
}

// Reading.

/** An expression that was read. */
interface Calendar {
  readonly cron: Cron
  /** When it fires for the first time ever; null: never. Looked for once, because finding nothing takes long. */
  readonly firesAt: number | null
}

const READ_MAX = 512
const read = new Map<string, Calendar | string>()

// A memory of what was read, since schedules fire the same few expressions again and again. The oldest goes first.
function calendarOf(expression: string): Calendar | string {
  const known = read.get(expression)
  if (known !== undefined) return known
  const calendar = readExpression(expression)
  if (expression.length > EXPRESSION_LENGTH_MAX) return calendar
  if (read.size >= READ_MAX) read.delete(read.keys().next().value as string)
  read.set(expression, calendar)
  return calendar
}

function readable(expression: string): Calendar {
  const calendar = calendarOf(expression)
  if (typeof calendar === 'string') throw new Error(`${quote(expression)} is no cron expression: ${calendar}`)
  return calendar
}

function readExpression(expression: string): Calendar | string {
  if (expression.length > EXPRESSION_LENGTH_MAX) return `it is longer than ${EXPRESSION_LENGTH_MAX} characters`
  const text = expression.trim()
  if (text.startsWith('@')) {
    const meaning = ALIASES.get(text.toLowerCase())
    return meaning === undefined ? `the aliases are ${[...ALIASES.keys()].join(' ')}` : readExpression(meaning)
  }
  const parts = text === '' ? [] : text.split(/\s+/)
  if (parts.length < 5 || parts.length > 7) {
    return `expected 5 fields (minute hour day-of-month month day-of-week), 6 with leading seconds or 7 with a trailing year, got ${parts.length}`
  }
  if (parts.length === 5) parts.unshift('0')
  if (parts.length === 6) parts.push('*')
  return readFields(parts)
}

/** UTC; day of month AND day of week; 1 is Sunday. */
const OPTIONS = { mode: '7-part', timezone: 'UTC', domAndDow: true, alternativeWeekdays: true, paused: true } as const

/** Each field as the library takes it: numbers only, so that nothing is left for it to interpret. */
function readFields(parts: readonly string[]): Calendar | string {
  const fields: string[] = []
  for (const [i, field] of FIELDS.entries()) {
    const spans = readField(field, parts[i] ?? '')
    if (typeof spans === 'string') return spans
    fields.push(spans.map(spanText).join(','))
  }
  const cron = new Cron(fields.join(' '), OPTIONS)
  return { cron, firesAt: nextAfter(cron, -1) }
}

function spanText({ from, to, step }: Span): string {
  if (from === to) return `${from}`
  return `${from}-${to}${step === 1 ? '' : `/${step}`}`
}

/** The spans that `text` stands for, or what is wrong with it. */
function readField(field: Field, text: string): Span[] | string {
  const spans: Span[] = []
  for (const item of text.split(',')) {
    const span = readItem(field, item)
    if (typeof span === 'string') return span
    spans.push(span)
  }
  return spans
}

interface Span {
  readonly from: number
  readonly to: number
  readonly step: number
}

const ITEM = /^(?:[*?]|([a-z0-9]+)(?:-([a-z0-9]+))?)(?:\/([0-9]{1,4}))?$/i

function readItem(field: Field, item: string): Span | string {
  const match = ITEM.exec(item)
  if (match === null) return expectation(field, item)
  const [, first, last, every] = match
  const step = every === undefined ? 1 : Number(every)
  const size = field.max - field.min + 1
  if (step < 1 || step > size) return `the step of ${field.name} must be 1 to ${size}, got ${quote(item)}`
  const from = first === undefined ? field.min : readValue(field, first)
  // `*` and `a/n` go on to the end of the field; `a` ends where it begins.
  const isOpen = first === undefined || (last === undefined && every !== undefined)
  const to = isOpen ? field.max : readValue(field, last ?? first)
  if (from === null || to === null) return expectation(field, item)
  if (from > to) return `the range of ${field.name} must not run backwards, got ${quote(item)}: write it as two`
  return { from, to, step }
}

/** The number that a number or a name stands for; null where the field has no such value. */
function readValue(field: Field, text: string): number | null {
  if (/^[0-9]{1,4}$/.test(text)) {
    const value = Number(text)
    return value >= field.min && value <= field.max ? value : null
  }
  if (text.length < 3) return null
  const index = field.names?.findIndex((name) => name.startsWith(text.toUpperCase())) ?? -1
  return index < 0 ? null : field.min + index
}

function expectation(field: Field, item: string): string {
  const range = `${field.name} takes ${field.min} to ${field.max}`
  if (field === WEEKDAY) return `${range} (1 is Sunday, 7 Saturday, 0 none) or the names SUN to SAT, got ${quote(item)}`
  if (field === MONTH) return `${range} or the names JAN to DEC, got ${quote(item)}`
  return `${range}, got ${quote(item)}`
}
