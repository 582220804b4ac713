// Log lines never hold what would open a door: no token and no password, wherever in a line it stands.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from '../src/index.ts'

const TOKEN = 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ3b3JrZXItMSJ9.c2lnbmF0dXJlX29mX3RoZV90b2tlbg'

function logged(format: 'json' | 'pretty', fields: object, message: string): string {
  const lines: string[] = []
  createLogger({ level: 'debug', format, write: (line) => lines.push(line) }).info(fields, message)
  return lines.join('')
}

const LINES: readonly (readonly [where: string, fields: object, message: string])[] = [
  ['a field', { token: 'opaque-secret-1' }, 'm'],
  ['a field of a field', { head: { auth: 'opaque-secret-1' } }, 'm'],
  ['headers', { request: { headers: { authorization: 'Basic opaque-secret-1' } } }, 'm'],
  ['the message', {}, `refused ${TOKEN}`],
  ['a text among others', { reason: `Authorization: Bearer opaque-secret-1` }, 'm'],
  ['an error', { err: new Error(`bad token ${TOKEN}`) }, 'm'],
  ['a URL', { url: 'postgres://me:opaque-secret-1@db/x' }, 'm'],
]

for (const format of ['json', 'pretty'] as const) {
  for (const [where, fields, message] of LINES) {
    test(`${format}: a secret in ${where} is hidden, and the line is still readable`, () => {
      const line = logged(format, fields, message)
      assert.match(line, /\[hidden\]/)
      assert.doesNotMatch(line, /opaque-secret|c2lnbmF0dXJl|eyJzdWIi/)
      if (format === 'json') JSON.parse(line)
    })
  }
}

test('what merely looks alike stays', () => {
  assert.match(
    logged('json', { id: 'eye.of.the.tiger', url: 'http://host:8001/a@b' }, 'm'),
    /eye\.of\.the\.tiger.*8001/,
  )
})
