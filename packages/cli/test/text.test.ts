// Durations, values and tables: what people type and read.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { instantText } from '../src/describe.ts'
import { formatDuration, parseDuration } from '../src/duration.ts'
import { quoted } from '../src/help.ts'
import { jsonText, printable, printableLines, recordText, tableText } from '../src/output.ts'
import { callOf, decodeValue, encodeValue, readValue, valueText } from '../src/values.ts'
import { shorten, widthOf } from '../src/width.ts'
import { promise } from './records.ts'
import { base64, START } from './world.ts'

test('durations are whole numbers with units, one after the other', () => {
  assert.equal(parseDuration('250ms'), 250)
  assert.equal(parseDuration('90s'), 90_000)
  assert.equal(parseDuration('1h30m'), 5_400_000)
  assert.equal(parseDuration('2d'), 172_800_000)
})

test('0 and the empty text are no time', () => {
  assert.equal(parseDuration('0'), 0)
  assert.equal(parseDuration(''), 0)
})

test('a bare number, a fraction, an unknown unit and a number beyond all bounds are no durations', () => {
  for (const text of ['30', '1.5s', '3w', 's', '-1s', '1 h', `${'9'.repeat(20)}d`])
    assert.equal(parseDuration(text), null)
})

test('durations read as at most two units', () => {
  const cases = {
    0: '0ms',
    999: '999ms',
    1250: '1.3s',
    2996: '3s',
    59960: '1m',
    60000: '1m',
    185000: '3m 5s',
    7800000: '2h 10m',
  }
  for (const [ms, text] of Object.entries(cases)) assert.equal(formatDuration(Number(ms)), text)
  assert.equal(formatDuration(3 * 86_400_000 + 4 * 3_600_000), '3d 4h')
  assert.equal(formatDuration(-5), '0ms')
})

test('instants are in UTC, with their distance from now', () => {
  assert.equal(instantText(START, START + 5_000), '2025-11-24 08:00:00Z (5s ago)')
  assert.equal(instantText(START + 5_000, START), '2025-11-24 08:00:05Z (in 5s)')
  assert.equal(instantText(Number.MAX_SAFE_INTEGER, START), 'never')
})

test('a value is JSON where it reads as JSON, else text', () => {
  assert.deepEqual(readValue('{"a":[1,null]}'), { a: [1, null] })
  assert.equal(readValue('42'), 42)
  assert.equal(readValue('"42"'), '42')
  assert.equal(readValue('hello world'), 'hello world')
  assert.equal(readValue(''), '')
})

test('what is encoded decodes to the same', () => {
  for (const value of [null, 0, '', 'héllo ✓', [1, { a: 'b' }]]) {
    assert.deepEqual(decodeValue(encodeValue(value)), { kind: 'json', value })
  }
})

test('what is not base64 of JSON is shown as it came', () => {
  for (const data of ['plain text', '{"a":1}', Buffer.from([0xff, 0xfe]).toString('base64'), base64('x').slice(1)]) {
    assert.equal(valueText({ data }), data)
  }
  assert.equal(valueText({}), '')
})

test('an encoded error reads as its name and message', () => {
  assert.equal(valueText({ data: base64({ __type: 'error', name: 'TypeError', message: 'no' }) }), 'TypeError: no')
  assert.equal(valueText({ data: base64({ __type: 'error' }) }), 'Error')
  assert.equal(valueText({ data: base64({ name: 'TypeError' }) }), '{"name":"TypeError"}')
})

test('a param that names a function is a call, and nothing else is', () => {
  const call = { func: 'f', args: [1], version: 2 }
  assert.deepEqual(callOf(promise('a', { param: { data: base64(call) } })), call)
  assert.equal(callOf(promise('a', { param: { data: base64({ func: 1 }) } })), null)
  assert.equal(callOf(promise('a', { param: { data: base64([1]) } })), null)
  assert.equal(callOf(promise('a')), null)
})

test('control characters never reach the terminal', () => {
  assert.equal(printable('a\u001b[31mb\nc\u009b'), 'a\\x1b[31mb\\x0ac\\u009b')
  const text = recordText('\u001b', [['a', '\u001b']]) + tableText(['A'], [['\u001b']])
  assert.ok(!text.includes('\u001b'))
})

test('what turns text around, or breaks its line, does not reach the terminal either', () => {
  assert.equal(printable('a\u202eb\u2028c\u2066'), 'a\\u202eb\\u2028c\\u2066')
  assert.equal(printableLines('a\nb\u001b'), 'a\nb\\x1b')
})

test('JSON has no control character but the ends of its lines, and says the same', () => {
  const value = { a: 'x\u009b31m\u007f\u202e\u001b', b: ['日本'] }
  for (const text of [jsonText(value), jsonText(value, 2)]) {
    assert.equal(text, printableLines(text))
    assert.deepEqual(JSON.parse(text), value)
  }
})

test('a word is quoted so that a shell reads it back', () => {
  assert.equal(quoted('order-42:0'), 'order-42:0')
  assert.equal(quoted('order 42'), "'order 42'")
  assert.equal(quoted("it's"), "'it'\\''s'")
  assert.equal(quoted(''), "''")
  assert.equal(quoted("a\n\u001b'\\"), "$'a\\x0a\\x1b\\'\\\\'")
  const odd = ['$HOME', '`x`', '日本', '!', "a\n\u001b[31m'\\\t\u0085\u202e"]
  const { stdout } = spawnSync('bash', ['-c', `printf '%s\\0' ${odd.map(quoted).join(' ')}`], {
    encoding: 'utf8',
    env: { LC_ALL: 'C.UTF-8' },
  })
  assert.deepEqual(stdout.split('\0').slice(0, -1), odd)
})

test('characters of East Asia and emoji are two columns wide, marks none', () => {
  const widths = { abc: 3, 日本: 4, '🙂': 2, '👩‍👩‍👧': 2, é: 1, 'e\u0301': 1, '└── ': 4, '…': 1, 한글: 4, ｶﾅ: 2, Ａ: 2 }
  for (const [text, width] of Object.entries(widths)) assert.equal(widthOf(text), width, text)
})

test('columns stand under each other, whatever characters are in them', () => {
  const lines = tableText(
    ['ID', 'STATE'],
    [
      ['日本語', 'a'],
      ['🙂', 'b'],
      ['order', 'c'],
    ],
  ).split('\n')
  assert.deepEqual(lines, ['ID      STATE', '日本語  a', '🙂      b', 'order   c'])
})

test('a table is as wide as its widest cells, without trailing blanks', () => {
  assert.equal(
    tableText(
      ['ID', 'STATE'],
      [
        ['order-42', ''],
        ['a', 'pending'],
      ],
    ),
    'ID        STATE\norder-42\na         pending',
  )
})

test('one long id does not push all other lines off the screen', () => {
  const long = 'x'.repeat(500)
  const lines = tableText(
    ['ID', 'STATE'],
    [
      ['order', 'a'],
      [long, 'b'],
    ],
  ).split('\n')
  assert.deepEqual(lines, ['ID     STATE', 'order  a', `${long}  b`])
})

test('long cells are cut', () => {
  assert.equal(shorten('abcdef', 4), 'abc…')
  assert.equal(shorten('abcd', 4), 'abcd')
})

test('a cell is cut between characters, at the width that there is', () => {
  assert.equal(shorten('日本語の', 6), '日本…')
  assert.equal(shorten('a🙂🙂', 4), 'a🙂…')
  assert.equal(shorten('👩‍👩‍👧👩‍👩‍👧', 3), '👩‍👩‍👧…')
})
