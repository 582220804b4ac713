// What an id may be, in which order ids stand, and which of them share a lock. Every test is a table of cases.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareIds, ID_BYTES_MAX, idProblem, lockName, TEMPLATE_BYTES_MAX, utf8Bytes } from '../src/ids.ts'

test('an id is any non-empty Unicode text of at most 1,024 bytes', () => {
  const ids = [
    'root',
    'root:0.1',
    'my.app.job',
    'a/b',
    ' ',
    '\n',
    '\u007f',
    '__proto__',
    'été',
    '😀',
    '\uffff',
    'x'.repeat(ID_BYTES_MAX),
    'é'.repeat(ID_BYTES_MAX / 2),
    '😀'.repeat(ID_BYTES_MAX / 4),
  ]
  for (const id of ids) assert.equal(idProblem(id, 'data.id'), null, JSON.stringify(id).slice(0, 40))
})

test('what is no id is refused by a short sentence that names the field and what is wrong', () => {
  const cases: [string, RegExp][] = [
    ['', /^data\.id must not be empty$/],
    ['a\0b', /^data\.id must not contain NUL, got "a\\u0000b"$/],
    ['é\0', /must not contain NUL/],
    ['\ud800', /^data\.id must be valid Unicode, got a lone surrogate in "\\ud800"$/],
    ['a\udc00', /lone surrogate/],
    ['\udc00\ud800', /lone surrogate/],
    ['😀'.slice(0, 1), /lone surrogate/],
    ['x'.repeat(1025), /^data\.id must be at most 1024 bytes of UTF-8, got 1025: "x{60}…"$/],
    [`${'é'.repeat(512)}x`, /got 1025: /],
    ['€'.repeat(342), /got 1026: /],
    [`${'😀'.repeat(256)}x`, /got 1025: /],
    ['x'.repeat(4_000_000), /got 4000000: /],
  ]
  for (const [id, message] of cases) {
    const problem = idProblem(id, 'data.id')
    assert.match(problem ?? 'accepted', message)
    assert.ok(problem !== null && problem.length < 160 && problem.isWellFormed())
  }
})

test('a bound on bytes other than the usual one is kept', () => {
  assert.equal(idProblem('x'.repeat(900), 'data.promiseId', TEMPLATE_BYTES_MAX), null)
  assert.match(idProblem('x'.repeat(901), 'data.promiseId', TEMPLATE_BYTES_MAX) ?? '', /at most 900 bytes/)
})

test('bytes of UTF-8 are counted as an encoder counts them', () => {
  const encoder = new TextEncoder()
  for (const text of [
    '',
    'a',
    'é',
    '€',
    '😀',
    'a😀é€',
    '\ud800',
    '\udc00a',
    '\ud800\ud800\udc00',
    '\ud83d',
    'é\ud83d😀',
  ]) {
    assert.equal(utf8Bytes(text), encoder.encode(text).length, JSON.stringify(text))
  }
})

test('ids are ordered by their UTF-8 bytes, not by their UTF-16 units', () => {
  const sorted = [
    '',
    '\u0001',
    'A',
    'a',
    'a.0',
    'a:',
    'aa',
    'b',
    '\u007f',
    '\u0080',
    'é',
    '\ud7ff',
    '\ue000',
    '～',
    '\uffff',
    '😀',
    '😀a',
    '😁',
    '\u{10ffff}',
  ]
  for (const [i, a] of sorted.entries()) {
    for (const [j, b] of sorted.entries()) {
      assert.equal(Math.sign(compareIds(a, b)), Math.sign(i - j), `${JSON.stringify(a)} and ${JSON.stringify(b)}`)
      assert.equal(Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b))), Math.sign(i - j))
    }
  }
})

test('the ids of one workflow share a lock name and those of others do not', () => {
  const cases: [string, string][] = [
    ['root', 'root'],
    ['root:0', 'root'],
    ['root:0.1', 'root'],
    ['root:d0123456789abcd', 'root'],
    ['countdown.1:0.2', 'countdown.1'],
    ['a:b:c', 'a'],
    ['root.0', 'root'],
    ['root.0.1', 'root'],
    ['root.d0123456789abcd', 'root'],
    ['root.d0123456789abcd.3', 'root'],
    ['acme.job-1', 'acme.job-1'],
    ['acme.job-2', 'acme.job-2'],
    ['my.app.job', 'my.app.job'],
    ['my.app.job.7', 'my.app.job'],
    ['v1.2.x', 'v1.2.x'],
    ['a.1.b.2', 'a.1.b'],
    ['root.', 'root.'],
    ['root..1', 'root.'],
    ['root.d', 'root.d'],
    ['root.dog', 'root.dog'],
    ['root.1a', 'root.1a'],
    ['root.-1', 'root.-1'],
    ['42', '42'],
    [':x', ':x'],
    ['.1', '.1'],
    ['.1.2', '.1.2'],
    ['', ''],
  ]
  for (const [id, name] of cases) assert.equal(lockName(id), name, id)
})

test('the lock name of a long tail is found in one pass', () => {
  assert.equal(lockName(`root${'.1'.repeat(500_000)}`), 'root')
  const odd = `root${'.1'.repeat(500_000)}x`
  assert.equal(lockName(odd), odd)
})
