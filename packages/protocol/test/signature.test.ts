// The signature of pushed messages: what fits, and every way in which it does not.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { signatureOf, signatureProblem } from '@resonatehq/protocol'

const BODY = '{"kind":"execute","é":"😀"}'
const SECRET = 'a secret'

test('a signature is the HMAC-SHA256 of the instant, a dot and the body', async () => {
  const mac = createHmac('sha256', SECRET).update(`1000.${BODY}`).digest('hex')
  assert.equal(await signatureOf(BODY, { secret: SECRET, at: 1_000 }), `t=1000,v1=${mac}`)
})

test('a signature fits its body, secret and time, and nothing else', async () => {
  const header = await signatureOf(BODY, { secret: SECRET, at: 1_000_000 })
  const check = { header, secrets: [SECRET], now: 1_000_000 }
  const old = /too old, or a clock is wrong/
  const cases: [string, object, RegExp | null][] = [
    [BODY, {}, null],
    [BODY, { secrets: ['the next', SECRET] }, null],
    [BODY, { now: 1_300_000 }, null],
    [BODY, { now: 700_000 }, null],
    [BODY, { now: 1_300_001 }, old],
    [BODY, { now: 699_999 }, old],
    [BODY, { now: 1_001_001, windowMs: 1_000 }, old],
    [`${BODY} `, {}, /does not fit/],
    [BODY, { secrets: ['another'] }, /does not fit/],
    [BODY, { secrets: [] }, /does not fit/],
    [BODY, { header: header.replace('t=1000000', 't=1000001') }, /does not fit/],
    [BODY, { header: null }, /is not signed/],
    [BODY, { header: '' }, /is none of/],
    [BODY, { header: `${header},v0=00` }, /is none of/],
    [BODY, { header: header.slice(0, -2) }, /is none of/],
  ]
  for (const [body, changes, expected] of cases) {
    const problem = await signatureProblem(body, { ...check, ...changes })
    if (expected === null) assert.equal(problem, null, JSON.stringify(changes))
    else assert.match(problem ?? 'it fits', expected, JSON.stringify(changes))
  }
})
