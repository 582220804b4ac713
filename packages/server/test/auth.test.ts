// Who is believed: tokens, keys and claims. Time is moved by hand and issuers are in this process; what a believed caller
// may do over HTTP is tested in doors.test.ts.

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import type { JWTPayload } from 'jose'
import { ManualPlatform } from '../../engine/test/manual-platform.ts'
import { type Caller, isDenial } from '../src/auth/caller.ts'
import { TokenGuard, type TokenOptions } from '../src/auth/guard.ts'
import { PemKeys } from '../src/auth/key-source.ts'
import { keysOfPem } from '../src/auth/keys.ts'
import { Rates } from '../src/auth/rates.ts'
import { Secret } from '../src/auth/secret.ts'
import { confused, forged, type Issuer, issuerOf, NOW, sign, unsigned } from './tokens.ts'

const issuer = issuerOf('EdDSA')
const settled = () => new Promise(setImmediate)
const IN_AN_HOUR = NOW / 1_000 + 3_600

function world(pem: string, options: Partial<TokenOptions> & { algorithms?: string[] } = {}) {
  const { algorithms = [], ...rest } = options
  const platform = new ManualPlatform({ now: NOW })
  const keys = new PemKeys()
  keys.replace(pem, algorithms)
  const defaults = { keys, platform, issuer: '', audiences: [], clockSkewMs: 60_000, cacheMax: 100 }
  const guard = new TokenGuard({ ...defaults, ...rest })
  return { guard, keys, platform }
}

async function believed(guard: TokenGuard, token: string): Promise<Caller> {
  const verdict = await guard.identify(token)
  assert.ok(!isDenial(verdict), JSON.stringify(verdict))
  return verdict
}

async function refused(guard: TokenGuard, token: string | undefined, status = 401): Promise<string> {
  const verdict = await guard.identify(token)
  assert.ok(isDenial(verdict), JSON.stringify(verdict))
  assert.equal(verdict.status, status, verdict.message)
  return verdict.message
}

for (const alg of [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
]) {
  test(`${alg}: a token is believed by the public key of its issuer, and by no other`, async () => {
    const [mine, theirs] = [issuerOf(alg), issuerOf(alg)]
    const token = await sign(mine, { prefix: '' })
    await believed(world(mine.pem).guard, token)
    assert.match(await refused(world(theirs.pem).guard, token), /signature/)
  })
}

const OURS = { iss: 'me', aud: 'us' }

const BAD: readonly (readonly [what: string, token: () => string | undefined | Promise<string>, why: RegExp])[] = [
  ['no token', () => undefined, /token is required/],
  ['an empty one', () => '', /token is required/],
  ['what is no token', () => 'letmein', /no JSON Web Token/],
  ['three parts of nonsense', () => 'a.b.c', /no JSON Web Token/],
  ['a header that is no object', () => `${Buffer.from('1').toString('base64url')}.e30.x`, /no JSON Web Token/],
  ['a very long one', () => 'x'.repeat(16_385), /longer than/],
  ['alg none', () => unsigned({ prefix: '', exp: IN_AN_HOUR }), /No key of this server fits/],
  ['the public key as a shared secret', () => confused(issuer, { prefix: '', exp: IN_AN_HOUR }), /No key .* fits/],
  [
    'other claims under a good signature',
    async () => forged(await sign(issuer), { prefix: '', exp: IN_AN_HOUR }),
    /signature/,
  ],
  ['no signature', async () => (await sign(issuer)).replace(/[^.]*$/, ''), /signature|no JSON/],
  ['one that has expired', () => sign(issuer, { ...OURS, exp: NOW / 1_000 - 61 }), /expired/],
  ['one that never expires', () => sign(issuer, { ...OURS, exp: undefined }), /when it expires/],
  ['one that is not valid yet', () => sign(issuer, { ...OURS, nbf: NOW / 1_000 + 61 }), /not valid yet/],
  ['one of another issuer', () => sign(issuer, { iss: 'them', aud: 'us' }), /iss/],
  ['one of no issuer', () => sign(issuer, { aud: 'us' }), /iss/],
  ['one for somebody else', () => sign(issuer, { iss: 'me', aud: 'them' }), /aud/],
  ['one for many others', () => sign(issuer, { iss: 'me', aud: ['them', 'they'] }), /aud/],
  ['one for nobody', () => sign(issuer, { iss: 'me' }), /aud/],
]

for (const [what, token, why] of BAD) {
  test(`refused: ${what}`, async () => {
    const { guard } = world(issuer.pem, { issuer: 'me', audiences: ['us', 'us-too'] })
    assert.match(await refused(guard, await token()), why)
  })
}

test('an audience is one text or several, and any of ours will do', async () => {
  const { guard } = world(issuer.pem, { issuer: 'me', audiences: ['us', 'us-too'] })
  for (const aud of ['us', 'us-too', ['them', 'us']])
    await believed(guard, await sign(issuer, { iss: 'me', aud, prefix: '' }))
})

test('clocks may differ as far as the setting says', async () => {
  const claims = { prefix: '', exp: NOW / 1_000 - 30, nbf: NOW / 1_000 + 30 }
  const early = await sign(issuer, { ...claims, exp: IN_AN_HOUR })
  const late = await sign(issuer, { ...claims, nbf: undefined })
  const lenient = world(issuer.pem, { clockSkewMs: 30_001 }).guard
  const strict = world(issuer.pem, { clockSkewMs: 0 }).guard
  await believed(lenient, early)
  await believed(lenient, late)
  await refused(strict, early)
  await refused(strict, late)
})

test('a token that is known is believed until it expires, and not for longer', async () => {
  const { guard, platform } = world(issuer.pem)
  const token = await sign(issuer, { prefix: '' })
  await believed(guard, token)
  assert.ok(!(guard.identify(token) instanceof Promise), 'its signature was checked again')
  await platform.advance(3_600_000 + 59_999, settled)
  await believed(guard, token)
  await platform.advance(1, settled)
  assert.match(await refused(guard, token), /expired/)
})

test('when the keys are replaced, what was believed by the old ones is not believed any more', async () => {
  const { guard, keys } = world(issuer.pem)
  const [next, token] = [issuerOf('ES256'), await sign(issuer, { prefix: '' })]
  await believed(guard, token)
  keys.replace(`${issuer.pem}\n${next.pem}`, [])
  await believed(guard, token)
  await believed(guard, await sign(next, { prefix: '' }))
  keys.replace(next.pem, [])
  await refused(guard, token)
  assert.throws(() => keys.replace('nothing', []))
  await believed(guard, await sign(next, { prefix: '' }))
})

test('of the tokens that are known (auth.cache_size) the least recently used are forgotten first', async () => {
  const { guard } = world(issuer.pem, { cacheMax: 2 })
  const tokens = await Promise.all(['a', 'b', 'c'].map((sub) => sign(issuer, { sub, prefix: '' })))
  for (const token of [tokens[0], tokens[1], tokens[0], tokens[2]] as string[]) await believed(guard, token)
  const isKnown = (at: number) => !(guard.identify(tokens[at] as string) instanceof Promise)
  assert.deepEqual([isKnown(0), isKnown(2), isKnown(1)], [true, true, false])
})

const RSA = issuerOf('RS256')

test('only the algorithms that are asked for are accepted', async () => {
  const { guard } = world(RSA.pem, { algorithms: ['PS256'] })
  await refused(guard, await sign(RSA, { prefix: '' }))
  await believed(guard, await sign({ ...RSA, alg: 'PS256' }, { prefix: '' }))
})

const pemOf = (type: 'x25519' | 'ed448') =>
  generateKeyPairSync(type as 'x25519')
    .publicKey.export({ type: 'spki', format: 'pem' })
    .toString()
const smallRsa = () =>
  generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ type: 'spki', format: 'pem' }).toString()
const secp256k1 = () =>
  generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey.export({ type: 'spki', format: 'pem' }).toString()
const privatePem = ({ privateKey }: Issuer) => privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

const BAD_KEYS: readonly (readonly [what: string, pem: () => string, wanted: string[], why: RegExp])[] = [
  ['no key', () => 'hello', [], /no -----BEGIN PUBLIC KEY/],
  ['a private key', () => privatePem(issuer), [], /private key/],
  [
    'nonsense between the lines',
    () => '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----',
    [],
    /cannot be read/,
  ],
  ['a key without an algorithm', () => pemOf('x25519'), [], /no algorithm .*x25519/],
  ['a short RSA key', smallRsa, [], /no algorithm .*1024 bits.*2048/],
  ['a curve of another trade', secp256k1, [], /no algorithm .*secp256k1/],
  ['a key for none of the algorithms', () => issuer.pem, ['RS256'], /auth\.algorithms/],
  ['a good key and a bad one', () => issuer.pem + pemOf('x25519'), [], /no algorithm/],
]

for (const [what, pem, wanted, why] of BAD_KEYS) {
  test(`a key file with ${what} is refused with the reason`, () => {
    assert.throws(() => keysOfPem(pem(), wanted), why)
  })
}

const CLAIMS: readonly (readonly [claims: JWTPayload, expected: Partial<Caller>])[] = [
  [{ role: 'admin' }, { role: 'admin', sight: null }],
  [
    { role: 'ADMIN', prefix: 'acme' },
    { role: 'admin', sight: null },
  ],
  [
    { role: 'operator', prefix: '' },
    { role: 'operator', sight: null },
  ],
  [{ prefix: '' }, { role: null, sight: null }],
  [{ sub: 'me', prefix: '' }, { subject: 'me' }],
]

for (const [claims, expected] of CLAIMS) {
  test(`claims ${JSON.stringify(claims)} are understood`, async () => {
    const caller = await believed(world(issuer.pem).guard, await sign(issuer, claims))
    assert.deepEqual({ ...caller, ...expected }, caller)
  })
}

test('a prefix confines ids and groups; targets add groups and URLs', async () => {
  const claims = { prefix: ['acme', 'shared'], targets: ['default', 'https://api.acme.com/hooks'] }
  const { sight, urls } = await believed(world(issuer.pem).guard, await sign(issuer, claims))
  assert.deepEqual(sight?.ids.prefixes, ['acme', 'shared'])
  assert.deepEqual(sight?.groups.prefixes, ['acme', 'shared', 'default'])
  assert.deepEqual(urls.map(String), ['https://api.acme.com/hooks'])
})

const POWERLESS: readonly (readonly [claims: JWTPayload, why: RegExp])[] = [
  [{}, /claim prefix/],
  [{ prefix: null }, /claim prefix/],
  [{ prefix: 7 }, /claim prefix/],
  [{ prefix: [] }, /claim prefix/],
  [{ prefix: ['acme', 7] }, /claim prefix/],
  [{ prefix: 'a\0' }, /NUL/],
  [{ prefix: 'acme', role: 'readonly' }, /role must be one of .*read-only/],
  [{ prefix: 'acme', role: ['admin'] }, /role must be one of/],
  [{ prefix: '', role: '' }, /role must be one of/],
]

for (const [claims, why] of POWERLESS) {
  test(`claims ${JSON.stringify(claims)} give no right`, async () => {
    assert.match(await refused(world(issuer.pem).guard, await sign(issuer, claims), 403), why)
  })
}

test('a token may ask so often, then it is told when to come back; others are not held up', async () => {
  const rates = new Rates({ perSecond: 2, burst: 3, bucketsMax: 10 })
  const { guard, platform } = world(issuer.pem, { rates })
  const [eager, calm] = await Promise.all([
    sign(issuer, { prefix: '', sub: 'a' }),
    sign(issuer, { prefix: '', sub: 'b' }),
  ])
  for (let i = 0; i < 3; i++) await believed(guard, eager)
  const denial = await guard.identify(eager)
  assert.ok(isDenial(denial))
  assert.deepEqual([denial.status, denial.retryAfterS], [429, 1])
  await believed(guard, calm)
  await platform.advance(500, settled)
  await believed(guard, eager)
  await refused(guard, eager, 429)
})

test('a token cannot ask more often by writing its signature in another way', async () => {
  const { guard } = world(issuer.pem, { rates: new Rates({ perSecond: 1, burst: 2, bucketsMax: 10 }) })
  const token = await sign(issuer, { prefix: '' })
  // The last character of 64 bytes in base64url has four bits that mean nothing.
  const last = ALPHABET.indexOf(token.at(-1) as string)
  const twins = [1, 2, 3].map((bits) => token.slice(0, -1) + ALPHABET[last ^ bits])
  await believed(guard, twins[0] as string)
  await believed(guard, twins[1] as string)
  await refused(guard, twins[2] as string, 429)
  for (const padded of [`${token}=`, `${token}!`, ` ${token}`, token.replace('.', '..')])
    assert.match(await refused(guard, padded), /no JSON Web Token/)
})

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

test('whatever is brought as a token is refused in words, never by a fault', async () => {
  const { guard } = world(issuer.pem)
  const good = await sign(issuer, { prefix: '', exp: IN_AN_HOUR })
  const encoded = fc.json().map((text) => Buffer.from(text).toString('base64url'))
  const parts = fc.tuple(encoded, encoded, fc.base64String()).map((drawn) => drawn.join('.'))
  const cut = fc.integer({ min: 1, max: good.length - 1 }).map((at) => good.slice(0, at))
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string(), parts, cut), async (token) => {
      const verdict = await guard.identify(token)
      assert.ok(isDenial(verdict) && verdict.status === 401 && verdict.message.length > 0)
    }),
  )
})

test('rates: a bucket fills at its rate up to the burst, and the clock going back empties none', () => {
  const rates = new Rates({ perSecond: 10, burst: 2, bucketsMax: 10 })
  assert.deepEqual([rates.take('a', 0), rates.take('a', 0), rates.take('a', 0)], [0, 0, 100])
  assert.deepEqual([rates.take('a', 40), rates.take('a', 100)], [60, 0])
  assert.deepEqual([rates.take('a', 60_000), rates.take('a', 60_000), rates.take('a', 60_000)], [0, 0, 100])
  assert.equal(rates.take('a', 0), 100)
})

test('rates: no more buckets are kept than limits.token_table', () => {
  const rates = new Rates({ perSecond: 1, burst: 1, bucketsMax: 3 })
  for (let i = 0; i < 1_000; i++) rates.take(`t${i}`, 0)
  assert.equal(rates.size, 3)
  assert.equal(rates.take('t999', 0), 1_000)
  assert.equal(rates.take('t0', 0), 0)
})

test('a secret is brought whole or not at all, and a weak one is refused', () => {
  const secret = new Secret()
  assert.ok(secret.isBrought(undefined))
  secret.replace('0123456789abcdef\n')
  assert.ok(secret.isBrought('0123456789abcdef'))
  for (const wrong of [undefined, '', '0123456789abcde', '0123456789abcdefg', '0123456789abcdef\n'])
    assert.ok(!secret.isBrought(wrong), wrong)
  for (const weak of ['', '\n', 'short', 'two words that are long'])
    assert.throws(() => secret.replace(weak), /16 characters/)
  assert.ok(secret.isBrought('0123456789abcdef'))
})
