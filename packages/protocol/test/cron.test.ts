// The calendar: what is an expression, and when each fires. Besides tables, random expressions are held against a
// brute-force oracle, which tries every second.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cronProblem, missedOccurrences, nextCron } from '../src/cron.ts'

const at = (text: string) => Date.parse(`${text}Z`)
const show = (instant: number | null) => (instant === null ? 'never' : new Date(instant).toISOString().slice(0, 19))

test('each expression fires next, strictly after the given instant, in UTC', () => {
  const cases: [string, string, string][] = [
    ['* * * * *', '2025-01-01T00:00:00', '2025-01-01T00:01:00'],
    ['* * * * *', '2025-01-01T00:00:00.001', '2025-01-01T00:01:00'],
    ['* * * * *', '2025-01-01T00:00:59.999', '2025-01-01T00:01:00'],
    ['* * * * * *', '2025-01-01T00:00:00', '2025-01-01T00:00:01'],
    ['30 * * * * *', '2025-01-01T00:00:30', '2025-01-01T00:01:30'],
    ['0 9 * * *', '2024-12-31T09:00:00', '2025-01-01T09:00:00'],
    ['*/5 * * * *', '2025-01-01T00:04:59', '2025-01-01T00:05:00'],
    ['*/7 * * * *', '2025-01-01T00:56:00', '2025-01-01T01:00:00'],
    ['5/20 * * * *', '2025-01-01T00:05:00', '2025-01-01T00:25:00'],
    ['10-20/5 * * * *', '2025-01-01T00:20:00', '2025-01-01T01:10:00'],
    ['1,3-4,59 * * * *', '2025-01-01T00:04:00', '2025-01-01T00:59:00'],
    ['*,5 0 * * *', '2025-01-01T00:00:00', '2025-01-01T00:01:00'],
    ['0 0 1 * *', '2025-01-31T12:00:00', '2025-02-01T00:00:00'],
    ['0 0 31 * *', '2025-01-31T00:00:00', '2025-03-31T00:00:00'],
    ['0 0 29 2 *', '2025-01-01T00:00:00', '2028-02-29T00:00:00'],
    ['0 0 29 2 *', '2096-03-01T00:00:00', 'never'],
    ['0 0 29 feb MON', '2025-01-01T00:00:00', '2044-02-29T00:00:00'],
    ['0 0 ? * ?', '2025-01-01T00:00:00', '2025-01-02T00:00:00'],
    ['0 0 * * 1', '2025-01-01T00:00:00', '2025-01-05T00:00:00'],
    ['0 0 * * SUN', '2025-01-01T00:00:00', '2025-01-05T00:00:00'],
    ['0 0 * * 7', '2025-01-01T00:00:00', '2025-01-04T00:00:00'],
    ['0 0 * * sat', '2025-01-01T00:00:00', '2025-01-04T00:00:00'],
    ['0 0 * * Mon-Fri', '2025-01-03T00:00:00', '2025-01-06T00:00:00'],
    ['0 0 * * MON/2', '2025-01-04T00:00:00', '2025-01-06T00:00:00'],
    ['0 0 * * thursday,tues', '2025-01-05T00:00:00', '2025-01-07T00:00:00'],
    ['0 0 1 JAN,JUL-SEPT *', '2025-01-01T00:00:00', '2025-07-01T00:00:00'],
    ['0 0 13 * FRI', '2025-01-01T00:00:00', '2025-06-13T00:00:00'],
    ['0 0 0 1 1 * 2030', '2025-01-01T00:00:00', '2030-01-01T00:00:00'],
    ['0 0 0 1 1 * 2030', '2030-01-01T00:00:00', 'never'],
    ['0 0 0 1 1 ? 2026-2100/10', '2026-01-01T00:00:00', '2036-01-01T00:00:00'],
    ['0 0 0 1 1 ? 2020/40', '2025-01-01T00:00:00', '2060-01-01T00:00:00'],
    ['59 59 23 31 12 ? *', '2100-01-01T00:00:00', '2100-12-31T23:59:59'],
    ['* * * * * *', '2100-12-31T23:59:59', 'never'],
    ['* * * * *', '2500-01-01T00:00:00', 'never'],
    ['0 0 1 1 *', '2099-06-01T00:00:00', '2100-01-01T00:00:00'],
    ['0 0 29 2 *', '2100-01-01T00:00:00', 'never'],
    ['@yearly', '2025-06-01T00:00:00', '2026-01-01T00:00:00'],
    ['@Annually', '2025-06-01T00:00:00', '2026-01-01T00:00:00'],
    ['@monthly', '2025-06-01T00:00:00', '2025-07-01T00:00:00'],
    ['@weekly', '2025-01-01T00:00:00', '2025-01-05T00:00:00'],
    ['@daily', '2025-01-01T12:00:00', '2025-01-02T00:00:00'],
    ['@midnight', '2025-01-01T12:00:00', '2025-01-02T00:00:00'],
    [' @hourly ', '2025-01-01T12:00:00', '2025-01-01T13:00:00'],
    ['  0\t0  * * *  ', '2025-01-01T00:00:00', '2025-01-02T00:00:00'],
    ['00 007 * * *', '2025-01-01T00:00:00', '2025-01-01T07:00:00'],
  ]
  for (const [expression, after, expected] of cases) {
    assert.equal(cronProblem(expression), null, expression)
    assert.equal(show(nextCron(expression, at(after))), expected, `${expression} after ${after}`)
  }
})

test('the calendar begins with 1970 and takes any instant', () => {
  assert.equal(nextCron('* * * * *', -1), 0)
  assert.equal(nextCron('* * * * *', 0), 60_000)
  assert.equal(nextCron('* * * * * *', 999.5), 1000)
  assert.equal(nextCron('* * * * * *', 1000.5), 2000)
  assert.equal(nextCron('0 0 * * *', -1e15), 0)
  assert.equal(nextCron('* * * * *', Number.MAX_SAFE_INTEGER), null)
})

test('what is no expression, or never fires, is refused by a sentence that says why', () => {
  const cases: [string, RegExp][] = [
    ['', /^"" is no cron expression: expected 5 fields \(minute hour day-of-month month day-of-week\), .*, got 0$/],
    ['* * * *', /got 4$/],
    ['* * * * * * * *', /got 8$/],
    ['@reboot', /the aliases are @yearly @annually @monthly @weekly @daily @midnight @hourly$/],
    ['@daily @daily', /the aliases are/],
    ['60 * * * *', /: minute takes 0 to 59, got "60"$/],
    ['* 24 * * *', /: hour takes 0 to 23, got "24"$/],
    ['* * 0 * *', /: day of month takes 1 to 31, got "0"$/],
    ['* * 32 * *', /day of month/],
    ['* * * 13 *', /: month takes 1 to 12 or the names JAN to DEC, got "13"$/],
    ['* * * 0 *', /month takes/],
    ['0 0 * * 0', /: day of week takes 1 to 7 \(1 is Sunday, 7 Saturday, 0 none\) or the names SUN to SAT, got "0"$/],
    ['0 0 * * 0-6', /day of week takes .*, got "0-6"$/],
    ['0 0 * * 8', /day of week/],
    ['60 * * * * *', /: second takes 0 to 59/],
    ['* * * * * * 1969', /: year takes 1970 to 2100, got "1969"$/],
    ['* * * * * * 2101', /year takes/],
    ['0 0 * * FRI-MON', /: the range of day of week must not run backwards, got "FRI-MON": write it as two$/],
    ['20-10 * * * *', /must not run backwards/],
    ['*/0 * * * *', /: the step of minute must be 1 to 60, got "\*\/0"$/],
    ['*/61 * * * *', /the step of minute/],
    ['* */25 * * *', /: the step of hour must be 1 to 24/],
    ...[
      '/5 * * * *',
      '5/ * * * *',
      '1- * * * *',
      '-1 * * * *',
      '1--2 * * * *',
      '1-2-3 * * * *',
      '1,, * * * *',
      ', * * * *',
      '1, * * * *',
      '+1 * * * *',
      '1.5 * * * *',
      '** * * * *',
      '*-5 * * * *',
      '1/2/3 * * * *',
      'H * * * *',
      'MON * * * *',
      '٣ * * * *',
      '1e1 * * * *',
      '0x1 * * * *',
      '00001 * * * *',
      '1\0 * * * *',
      '*/five * * * *',
      '1/-1 * * * *',
    ].map((text): [string, RegExp] => [text, /: minute takes 0 to 59, got "/]),
    ...['0 0 L * *', '0 0 15W * *', '0 0 LW * *'].map((text): [string, RegExp] => [text, /: day of month takes/]),
    ...['0 0 * * 2#1', '0 0 * * FRIL', '0 0 * * MO', '0 0 * * MONDAYS', '0 0 * * JAN'].map((text): [string, RegExp] => [
      text,
      /: day of week takes/,
    ]),
    ['0 0 * JA *', /: month takes/],
    ['0 0 30 2 *', /^"0 0 30 2 \*" never fires: no day from 1970 to 2100 is one of its days$/],
    ['0 0 31 2,4,6,9,11 MON', /never fires/],
    ['0 0 0 29 2 ? 2025-2027', /never fires/],
    [`${'0,'.repeat(5000)}0 * * * *`, /^"(0,)+…" is no cron expression: it is longer than 1024 characters$/],
  ]
  for (const [expression, message] of cases) {
    const problem = cronProblem(expression) ?? 'accepted'
    assert.match(problem, message, expression.slice(0, 60))
    assert.ok(problem.length < 300)
  }
})

test('an expression that was refused does not get as far as the calendar', () => {
  assert.throws(() => nextCron('0 0 * * 0', 0), /is no cron expression/)
  assert.throws(() => missedOccurrences('daily', { fromAt: 0, untilAt: 1, max: 1 }), /is no cron expression/)
})

test('more expressions than are remembered are still told apart', () => {
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 1440; i++) {
      assert.equal(nextCron(`${i % 60} ${Math.floor(i / 60)} * * *`, -1), i * 60_000)
    }
  }
})

test('missed occurrences are the latest ones, oldest first, both ends included', () => {
  const missed = (expression: string, from: string, until: string, max: number) => {
    const { occurrences, skipped } = missedOccurrences(expression, { fromAt: at(from), untilAt: at(until), max })
    return [occurrences.map(show), skipped]
  }
  const [first, second, third] = ['2025-01-01T00:00:00', '2025-01-02T00:00:00', '2025-01-03T00:00:00']
  assert.deepEqual(missed('@daily', first, third, 10), [[first, second, third], false])
  assert.deepEqual(missed('@daily', first, third, 3), [[first, second, third], false])
  assert.deepEqual(missed('@daily', first, third, 2), [[second, third], true])
  assert.deepEqual(missed('@daily', first, third, 0), [[], true])
  assert.deepEqual(missed('@daily', first, first, 5), [[first], false])
  assert.deepEqual(missed('@daily', '2025-01-01T00:00:01', '2025-01-01T23:59:59', 5), [[], false])
  assert.deepEqual(missed('@daily', third, first, 5), [[], false])
  const year = missedOccurrences('* * * * * *', {
    fromAt: at('2024-01-01T00:00:00'),
    untilAt: at('2025-01-01T00:00:00'),
    max: 2,
  })
  assert.deepEqual([year.occurrences.map(show), year.skipped], [['2024-12-31T23:59:59', first], true])
})

// Random expressions.

const seed = Number(process.env.CRON_SEED ?? 1)
const rounds = process.env.RESONATE_TEST_LONG === '1' ? 10_000 : 500
const repeat = `repeat with: CRON_SEED=${seed} node --test packages/protocol/test/cron.test.ts`

/** A number from 0 to n - 1, from a 32-bit generator (mulberry32). */
function generator(seed: number): (n: number) => number {
  let state = seed
  return (n) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % n
  }
}

const RANGES = [
  [0, 59],
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12],
  [1, 7],
  [1970, 2100],
] as const
const DAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']

function randomItem(below: (n: number) => number, field: number): string {
  const [min, max] = RANGES[field] as readonly [number, number]
  const low = min + below(max - min + 1)
  const high = low + below(max - low + 1)
  const name = (value: number) => (field === 5 && below(2) === 0 ? (DAYS[value - 1] as string) : `${value}`)
  const step = 1 + below(max - min + 1)
  return [`*/${step}`, name(low), name(low), `${name(low)}-${name(high)}`, `${low}-${high}/${step}`, `${low}/${step}`][
    below(6)
  ] as string
}

function randomField(below: (n: number) => number, field: number): string {
  if (below(3) === 0 || (field === 6 && below(2) === 0)) return field === 3 || field === 5 ? '?' : '*'
  return Array.from({ length: 1 + below(3) }, () => randomItem(below, field)).join(',')
}

function randomExpression(below: (n: number) => number, countMax = 7): string {
  const count = 5 + below(countMax - 4)
  const first = count === 5 ? 1 : 0
  return Array.from({ length: count }, (_, i) => randomField(below, first + i)).join(' ')
}

/** Whether `value` is one of a field, told in another way than the calendar does: by trying each of its items. */
function matches(text: string, value: number, [min, max]: readonly [number, number]): boolean {
  const number = (part: string) => (DAYS.includes(part) ? DAYS.indexOf(part) + 1 : Number(part))
  return text.split(',').some((item) => {
    const [span = '', step] = item.split('/')
    if (span === '*' || span === '?') return (value - min) % Number(step ?? 1) === 0
    const [low = '', high] = span.split('-')
    const last = high !== undefined ? number(high) : step !== undefined ? max : number(low)
    return value >= number(low) && value <= last && (value - number(low)) % Number(step ?? 1) === 0
  })
}

/** For each of the seven fields, the values that match it. */
function tablesOf(expression: string): Set<number>[] {
  const parts = expression.split(' ')
  if (parts.length === 5) parts.unshift('0')
  if (parts.length === 6) parts.push('*')
  return RANGES.map((range, i) => {
    const values = Array.from({ length: range[1] - range[0] + 1 }, (_, offset) => range[0] + offset)
    return new Set(values.filter((value) => matches(parts[i] as string, value, range)))
  })
}

/** The next instant, found by trying every day until the end of 2100, and every second of each that matches. */
function bruteForce(expression: string, afterAt: number): number | null {
  const [seconds, minutes, hours, days, months, weekdays, years] = tablesOf(expression)
  const has = (values: Set<number> | undefined, value: number) => values?.has(value) === true
  for (let dayAt = afterAt - (afterAt % 86_400_000); dayAt < at('2101-01-01T00:00:00'); dayAt += 86_400_000) {
    const date = new Date(dayAt)
    if (!has(years, date.getUTCFullYear()) || !has(months, date.getUTCMonth() + 1)) continue
    if (!has(days, date.getUTCDate()) || !has(weekdays, date.getUTCDay() + 1)) continue
    for (let time = 0; time < 86_400; time++) {
      const isTime =
        has(hours, Math.floor(time / 3600)) && has(minutes, Math.floor(time / 60) % 60) && has(seconds, time % 60)
      if (isTime && dayAt + time * 1000 > afterAt) return dayAt + time * 1000
    }
  }
  return null
}

test(`random expressions fire when trying every second says so (seed ${seed})`, () => {
  const below = generator(seed)
  for (let round = 0; round < rounds; round++) {
    const expression = randomExpression(below)
    const after = at('1999-12-28T00:00:00') + below(60 * 365 * 86_400) * 1000 + below(1000)
    const context = `${expression} after ${show(after)} (${repeat})`
    assert.equal(show(nextCron(expression, after)), show(bruteForce(expression, after)), context)
  }
})

test(`looking back finds what looking forward finds (seed ${seed})`, () => {
  const below = generator(seed + 2)
  for (let round = 0; round < rounds; round++) {
    const expression = randomExpression(below)
    const max = 1 + below(6)
    const forward: number[] = []
    const start = at('2000-01-01T00:00:00') + below(20 * 365 * 86_400) * 1000
    for (let next = nextCron(expression, start); next !== null && forward.length < 8; next = nextCron(expression, next))
      forward.push(next)
    const [fromAt, untilAt] = [forward[0], forward.at(-1)]
    if (fromAt === undefined || untilAt === undefined) continue
    const found = missedOccurrences(expression, { fromAt, untilAt, max })
    assert.deepEqual(
      found,
      { occurrences: forward.slice(-max), skipped: forward.length > max },
      `${expression} (${repeat})`,
    )
  }
})
