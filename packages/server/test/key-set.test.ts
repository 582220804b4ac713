// Keys from a URL: when they are fetched, when they are not, and what happens while the issuer is away. Time is moved by
// hand; the issuer is a function.

import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import { test } from 'node:test'
import { ManualPlatform } from '../../engine/test/manual-platform.ts'
import { isDenial } from '../src/auth/caller.ts'
import { TokenGuard } from '../src/auth/guard.ts'
import { KeySet } from '../src/auth/key-source.ts'
import { keysOfKeySet } from '../src/auth/keys.ts'
import { silentLogger } from '../src/index.ts'
import { type Issuer, issuerOf, NOW, sign } from './tokens.ts'

const MINUTE = 60_000

/** A token that outlives every test. */
function lasting(issuer: Issuer, kid?: string): Promise<string> {
  const exp = NOW / 1_000 + 1_000_000
  return sign(issuer, { prefix: '', exp }, kid === undefined ? {} : { kid })
}

function jwk(issuer: Issuer, kid: string, rest: object = {}): object {
  return { ...issuer.publicKey.export({ format: 'jwk' }), kid, ...rest }
}

type Respond = (signal: AbortSignal) => Response | Promise<Response>

interface Issued {
  keys: object[]
  fetches: number
  respond: Respond
}

function world(...keys: object[]) {
  const platform = new ManualPlatform({ now: NOW })
  const issuer: Issued = { keys, fetches: 0, respond: () => Response.json({ keys: issuer.keys }) }
  const fetch = (async (_url: unknown, init: RequestInit) => {
    issuer.fetches += 1
    return issuer.respond(init.signal as AbortSignal)
  }) as typeof globalThis.fetch
  const set = new KeySet({
    url: 'https://issuer.test/keys',
    algorithms: [],
    cacheMs: 10 * MINUTE,
    cooldownMs: MINUTE / 2,
    staleMs: 60 * MINUTE,
    fetch,
    platform,
    logger: silentLogger,
  })
  const guard = new TokenGuard({ keys: set, platform, issuer: '', audiences: [], clockSkewMs: 0, cacheMax: 100 })
  const statusOf = async (token: string) => {
    const verdict = await guard.identify(token)
    return isDenial(verdict) ? verdict.status : 200
  }
  return { platform, issuer, set, statusOf }
}

const settled = () => new Promise(setImmediate)
const [old, next] = [issuerOf('ES256'), issuerOf('ES256')]
const down = () => new Response('down', { status: 502 })

test('keys are fetched once for many tokens', async () => {
  const { issuer, statusOf } = world(jwk(old, 'old'))
  const tokens = await Promise.all(['a', 'b', 'c'].map((sub) => sign(old, { sub, prefix: '' }, { kid: 'old' })))
  assert.deepEqual(await Promise.all(tokens.map(statusOf)), [200, 200, 200])
  assert.equal(issuer.fetches, 1)
})

test('a token of a new key makes the set be fetched at once; the old key is good until it is taken out', async () => {
  const { platform, issuer, statusOf } = world(jwk(old, 'old'))
  const [before, after] = [await lasting(old, 'old'), await lasting(next, 'new')]
  assert.equal(await statusOf(before), 200)
  issuer.keys = [jwk(old, 'old'), jwk(next, 'new')]
  await platform.advance(MINUTE, settled)
  assert.deepEqual([await statusOf(after), await statusOf(before), issuer.fetches], [200, 200, 2])
  issuer.keys = [jwk(next, 'new')]
  await platform.advance(10 * MINUTE + 1, settled)
  // The token that finds the set old is still answered by it; the next one is not.
  await statusOf(before)
  await settled()
  assert.deepEqual([await statusOf(before), await statusOf(after)], [401, 200])
})

test('made-up key names cannot make the set be fetched more often than the cool-down', async () => {
  const { platform, issuer, statusOf } = world(jwk(old, 'old'))
  for (let i = 0; i < 20; i++) assert.equal(await statusOf(await lasting(old, `made-up-${i}`)), 401)
  assert.equal(issuer.fetches, 1)
  await platform.advance(MINUTE / 2, settled)
  for (let i = 0; i < 20; i++) await statusOf(await lasting(old, `invented-${i}`))
  assert.equal(issuer.fetches, 2)
})

test('a clock that is set back does not keep new keys from being fetched', async () => {
  const { platform, issuer, statusOf } = world(jwk(old, 'old'))
  assert.equal(await statusOf(await lasting(old, 'old')), 200)
  const token = await lasting(next, 'new')
  issuer.keys = [jwk(next, 'new')]
  platform.now = () => NOW - 24 * 60 * MINUTE
  await platform.advance(MINUTE, settled)
  assert.equal(await statusOf(token), 200)
})

test('while the issuer is away its keys stay good, for as long as the setting says', async () => {
  const { platform, issuer, statusOf } = world(jwk(old, 'old'))
  const token = await lasting(old, 'old')
  assert.equal(await statusOf(token), 200)
  issuer.respond = down
  await platform.advance(70 * MINUTE, settled)
  assert.equal(await statusOf(token), 200)
  await settled()
  assert.equal(issuer.fetches, 2)
  await platform.advance(MINUTE, settled)
  assert.equal(await statusOf(token), 503)
  issuer.respond = () => Response.json({ keys: issuer.keys })
  await platform.advance(MINUTE, settled)
  assert.equal(await statusOf(token), 200)
})

test('without keys a token is neither good nor bad: 503, and the issuer is asked again after the cool-down', async () => {
  const { platform, issuer, statusOf } = world(jwk(old, 'old'))
  const token = await lasting(old, 'old')
  issuer.respond = down
  assert.deepEqual([await statusOf(token), await statusOf(token), issuer.fetches], [503, 503, 1])
  issuer.respond = () => Response.json({ keys: issuer.keys })
  await platform.advance(MINUTE / 2, settled)
  assert.equal(await statusOf(token), 200)
})

const USELESS: readonly (readonly [what: string, respond: () => Response | Promise<Response>])[] = [
  ['another status', down],
  ['no JSON', () => new Response('<html>')],
  ['no key set', () => Response.json([])],
  ['an empty set', () => Response.json({ keys: [] })],
  ['too much', () => new Response('x'.repeat(1024 * 1024 + 1))],
  ['nothing', () => Promise.reject(new TypeError('fetch failed'))],
]

for (const [what, respond] of USELESS) {
  test(`an issuer that answers ${what} does not replace the keys that it gave before`, async () => {
    const { platform, issuer, set, statusOf } = world(jwk(old, 'old'))
    const token = await lasting(old, 'old')
    await statusOf(token)
    issuer.respond = respond
    await platform.advance(11 * MINUTE, settled)
    await set.refresh()
    assert.equal(await statusOf(token), 200)
  })
}

test('an issuer that does not answer is given up after a while', async () => {
  const { platform, issuer, set } = world(jwk(old, 'old'))
  const asked = Promise.withResolvers<AbortSignal>()
  issuer.respond = (signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason))
      asked.resolve(signal)
    })
  const fetching = set.refresh()
  await asked.promise
  await platform.advance(5_000, settled)
  await fetching
  issuer.respond = () => Response.json({ keys: issuer.keys })
  await platform.advance(MINUTE, settled)
  await set.refresh()
  assert.equal(set.generation, 1)
})

test('keys for encryption, shared secrets and unknown kinds in a set are passed over', () => {
  const secret = createSecretKey(Buffer.from('0123456789abcdef')).export({ format: 'jwk' })
  const set = [
    jwk(next, 'enc', { use: 'enc' }),
    { ...secret, kid: 'oct' },
    { kty: 'NEW', kid: 'x' },
    null,
    jwk(old, 'old'),
  ]
  assert.deepEqual(
    keysOfKeySet(JSON.stringify({ keys: set }), []).map(({ kid }) => kid),
    ['old'],
  )
})

test('a key that names its algorithm is good for that one only', () => {
  const rsa = issuerOf('RS256')
  const [key] = keysOfKeySet(JSON.stringify({ keys: [jwk(rsa, 'rsa', { alg: 'PS256' })] }), [])
  assert.deepEqual(key?.algorithms, ['PS256'])
})
