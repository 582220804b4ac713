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
// UTC has no gaps and no repeated hours, so this needs no time zones, no locale and no clock: the caller says after when.
// Refused, rather than guessed at: ranges that run backwards, steps longer than the field, L, W and #.

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

/** An expression that was read: the values of each field at which it fires, ascending. */
interface Calendar {
  readonly seconds: readonly number[]
  readonly minutes: readonly number[]
  readonly hours: readonly number[]
  readonly days: readonly number[]
  readonly months: readonly number[]
  readonly weekdays: readonly number[]
  readonly years: readonly number[]
}

/** Why nothing can be scheduled by `expression`, as a sentence that quotes it; null where it fires at some time. */
export function cronProblem(expression: string): string | null {
  const calendar = calendarOf(expression)
  if (typeof calendar === 'string') return `${quote(expression)} is no cron expression: ${calendar}`
  if (nextCron(expression, -1) !== null) return null
  return `${quote(expression)} never fires: no day from ${YEAR.min} to ${YEAR.max} is one of its days`
}

/**
 * The first instant strictly after `afterAt`, ms since epoch, at which `expression` fires; null where it never does again.
 * Throws on an expression that `cronProblem` refuses to read: it should not have come this far.
 */
export function nextCron(expression: string, afterAt: number): number | null {
  for (const at of instants(readable(expression), (_, endAt) => endAt <= afterAt + 1)) return at
  return null
}

/**
 * The occurrences from `fromAt` to `untilAt`, both included, oldest first: the latest `max` of them, and whether older ones
 * had to be skipped. Costs as much as it returns, however long the time between: it looks backwards.
 */
export function missedOccurrences(
  expression: string,
  { fromAt, untilAt, max }: { readonly fromAt: number; readonly untilAt: number; readonly max: number },
): { readonly occurrences: readonly number[]; readonly skipped: boolean } {
  const occurrences: number[] = []
  let skipped = false
  for (const at of instants(reversed(readable(expression)), (startAt) => startAt > untilAt)) {
    if (at < fromAt) break
    skipped = occurrences.length >= max
    if (skipped) break
    occurrences.push(at)
  }
  return { occurrences: occurrences.reverse(), skipped }
}

// Searching.

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/**
 * Every instant of `calendar` in the order of its lists, without the stretches of time [startAt, endAt) that `isOver`
 * rules out as a whole. A calendar without any instant is found out after 48,732 days (131 years of 12 times 31) at most.
 */
function* instants(calendar: Calendar, isOver: (startAt: number, endAt: number) => boolean): Generator<number, void> {
  for (const year of calendar.years) {
    if (isOver(Date.UTC(year, 0), Date.UTC(year + 1, 0))) continue
    for (const month of calendar.months) {
      const monthAt = Date.UTC(year, month - 1)
      const monthEndAt = Date.UTC(year, month)
      if (isOver(monthAt, monthEndAt)) continue
      for (const day of calendar.days) {
        const dayAt = monthAt + (day - 1) * DAY_MS
        if (dayAt >= monthEndAt || isOver(dayAt, dayAt + DAY_MS)) continue
        if (calendar.weekdays.includes(weekdayOf(dayAt))) yield* timesOf(calendar, dayAt, isOver)
      }
    }
  }
}

function* timesOf(calendar: Calendar, dayAt: number, isOver: (startAt: number, endAt: number) => boolean) {
  for (const hour of calendar.hours) {
    const hourAt = dayAt + hour * HOUR_MS
    if (isOver(hourAt, hourAt + HOUR_MS)) continue
    for (const minute of calendar.minutes) {
      const minuteAt = hourAt + minute * MINUTE_MS
      if (isOver(minuteAt, minuteAt + MINUTE_MS)) continue
      for (const second of calendar.seconds) {
        const at = minuteAt + second * SECOND_MS
        if (!isOver(at, at + 1)) yield at
      }
    }
  }
}

// 1 is Sunday; the epoch was a Thursday.
function weekdayOf(dayAt: number): number {
  return ((dayAt / DAY_MS + 4) % 7) + 1
}

/** The same calendar, latest first. */
function reversed(calendar: Calendar): Calendar {
  const { seconds, minutes, hours, days, months, weekdays, years } = calendar
  return {
    seconds: seconds.toReversed(),
    minutes: minutes.toReversed(),
    hours: hours.toReversed(),
    days: days.toReversed(),
    months: months.toReversed(),
    weekdays,
    years: years.toReversed(),
  }
}

// Reading.

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

type SevenLists = [number[], number[], number[], number[], number[], number[], number[]]

function readFields(parts: readonly string[]): Calendar | string {
  const values: number[][] = []
  for (const [i, field] of FIELDS.entries()) {
    const found = readField(field, parts[i] ?? '')
    if (typeof found === 'string') return found
    values.push(found)
  }
  const [seconds, minutes, hours, days, months, weekdays, years] = values as SevenLists
  return { seconds, minutes, hours, days, months, weekdays, years }
}

/** The values that `text` stands for, ascending; or what is wrong with it. */
function readField(field: Field, text: string): number[] | string {
  const values = new Set<number>()
  for (const item of text.split(',')) {
    const span = readItem(field, item)
    if (typeof span === 'string') return span
    for (let value = span.from; value <= span.to; value += span.step) values.add(value)
  }
  return [...values].sort((a, b) => a - b)
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
