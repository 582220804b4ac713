// What keeps strangers out, wired: settings that would leave a door open, the audit log, rates over HTTP, origins, and
// workers whose token runs out.

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import type { JWTPayload } from 'jose'
import { ManualPlatform } from '../../engine/test/manual-platform.ts'
import { AuditLog } from '../src/auth/audit.ts'
import { createServer, type Logger, loadConfig, nodePlatform, silentLogger } from '../src/index.ts'
import { issuerOf, NOW, sign } from './tokens.ts'
import { ask, configOf, create, envelope, post } from './world.ts'

const folder = mkdtempSync(join(tmpdir(), 'resonate-security-'))
after(() => rmSync(folder, { recursive: true }))

const issuer = issuerOf('EdDSA')
const PUBLIC = join(folder, 'public.pem')
writeFileSync(PUBLIC, issuer.pem)

function token(claims: JWTPayload): Promise<string> {
  return sign(issuer, claims, { now: Date.now() })
}

async function start(
  t: TestContext,
  flags: Record<string, unknown>,
  parts: { logger?: Logger; fetch?: typeof fetch } = {},
) {
  const config = configOf({ 'server.reload_interval': 0, ...flags })
  const server = createServer(config, {
    platform: nodePlatform(),
    logger: silentLogger,
    processMetrics: false,
    ...parts,
  })
  t.after(() => server.stop())
  return { server, url: (await server.start()).url }
}

// Settings.

const OPEN_DOORS: readonly (readonly [flags: Record<string, unknown>, why: RegExp])[] = [
  [{ 'auth.publickey': 'none' }, /auth\.publickey must not be none/],
  [{ 'auth.publickey': PUBLIC, 'auth.jwks_url': 'https://x.test' }, /both given/],
  [{ 'auth.jwks_url': 'http://issuer.test/keys' }, /auth\.jwks_url must be an https/],
  [{ 'auth.jwks_url': 'ftp://issuer.test' }, /auth\.jwks_url must be an https/],
  [{ 'auth.publickey': PUBLIC, 'auth.algorithms': ['HS256'] }, /auth\.algorithms must hold some of .*HS256/],
  [{ 'auth.iss': 'me' }, /auth\.iss needs a key/],
  [{ 'auth.aud': ['me'] }, /auth\.aud needs a key/],
  [{ 'auth.algorithms': ['RS256'] }, /auth\.algorithms needs a key/],
  [{ 'limits.token_rate': 5 }, /limits\.token_rate needs a key/],
  [{ 'server.tls.cert': 'a' }, /belong together/],
  [{ 'server.tls.key': 'a' }, /belong together/],
]

for (const [flags, why] of OPEN_DOORS) {
  test(`settings ${JSON.stringify(flags).replace(PUBLIC, 'public.pem')} are refused: ${why.source}`, () => {
    const loaded = loadConfig({ flags })
    assert.ok('problems' in loaded)
    assert.match(loaded.problems.join('\n'), why)
  })
}

const BAD_FILES: readonly (readonly [setting: string, text: string | null, why: RegExp])[] = [
  ['auth.publickey', null, /auth\.publickey cannot be used: ENOENT/],
  ['auth.publickey', 'hello', /no -----BEGIN PUBLIC KEY/],
  ['observability.metrics_token_file', null, /metrics_token_file cannot be used: ENOENT/],
  ['observability.metrics_token_file', 'short', /16 characters/],
]

for (const [setting, text, why] of BAD_FILES) {
  test(`a server does not start when ${setting} ${text === null ? 'is not there' : `holds ${text}`}`, async (t) => {
    const path = join(folder, 'bad')
    rmSync(path, { force: true })
    if (text !== null) writeFileSync(path, text)
    await assert.rejects(start(t, { [setting]: path }), why)
  })
}

test('a server does not start when its audit file cannot be opened', async (t) => {
  await assert.rejects(start(t, { 'observability.audit_file': join(folder, 'nowhere', 'audit') }), /audit_file.*ENOENT/)
})

test('a server whose issuer cannot be reached starts, and answers 503 until it can', async (t) => {
  let isUp = false
  const jwk = { ...issuer.publicKey.export({ format: 'jwk' }), kid: 'k' }
  const fetch = (async () =>
    isUp ? Response.json({ keys: [jwk] }) : Promise.reject(new TypeError('fetch failed'))) as typeof globalThis.fetch
  const flags = { 'auth.jwks_url': 'https://issuer.test', 'auth.jwks_cooldown': 1_000 }
  const { url } = await start(t, flags, { fetch })
  const head = { auth: await token({ role: 'admin' }) }
  const refused = await post(url, envelope('promise.get', { id: 'a' }, head))
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '1'])
  isUp = true
  assert.equal((await ask(url, 'promise.get', { id: 'a' }, head)).head.status, 503, 'the cool-down holds')
})

test('the log says at the start whether anybody is told from anybody, and what is believed too easily', async (t) => {
  const said = async (flags: Record<string, unknown>) => {
    const lines: string[] = []
    const note = (_: object, message: string) => void lines.push(message)
    const fetch = (async () => new Response('', { status: 500 })) as typeof globalThis.fetch
    await start(t, flags, { logger: { ...silentLogger, info: note, warn: note }, fetch })
    return lines.filter((line) => /Auth|aud/.test(line)).map((line) => line.split(/ —|:/)[0])
  }
  assert.deepEqual(await said({}), ['Auth disabled'])
  assert.deepEqual(await said({ 'auth.publickey': PUBLIC }), ['Auth enabled'])
  const easy = 'What the issuer says to others is believed here too'
  assert.deepEqual(await said({ 'auth.jwks_url': 'https://issuer.test' }), ['Auth enabled', easy])
  assert.deepEqual(await said({ 'auth.jwks_url': 'https://issuer.test', 'auth.aud': ['us'] }), ['Auth enabled'])
})

test('a key file that is replaced takes effect when the server is told', async (t) => {
  const path = join(folder, 'replaced.pem')
  writeFileSync(path, issuer.pem)
  const { server, url } = await start(t, { 'auth.publickey': path })
  const head = { auth: await token({ role: 'admin' }) }
  assert.equal((await ask(url, 'promise.get', { id: 'a' }, head)).head.status, 404)
  writeFileSync(path, issuerOf('EdDSA').pem)
  server.reload()
  assert.equal((await ask(url, 'promise.get', { id: 'a' }, head)).head.status, 401)
})

// Rates.

test('a token that asks too often is told so in an envelope, with when to come back, and in its part of a batch', async (t) => {
  const { url } = await start(t, { 'auth.publickey': PUBLIC, 'limits.token_rate': 1, 'limits.token_burst': 2 })
  const [eager, calm] = [await token({ role: 'admin', sub: 'eager' }), await token({ role: 'admin', sub: 'calm' })]
  const get = (auth: string) => envelope('promise.get', { id: 'a' }, { auth })
  const batch = await post(url, [get(eager), get(eager), get(eager), get(calm)])
  const statuses = (batch.body as unknown as { head: { status: number } }[]).map(({ head }) => head.status)
  assert.deepEqual(statuses, [404, 404, 429, 404])
  const refused = await post(url, get(eager))
  assert.deepEqual([refused.status, refused.body.head.status, refused.body.kind], [429, 429, 'promise.get'])
  assert.match(refused.body.data, /limits\.token_rate/)
  assert.match(refused.headers.get('retry-after') ?? '', /^[12]$/)
  const polled = await fetch(`${url}/poll/g/w`, { headers: { authorization: `Bearer ${eager}` } })
  assert.deepEqual([polled.status, polled.headers.has('retry-after')], [429, true])
})

// The audit log.

function linesOf(path: string): Record<string, unknown>[] {
  return readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

test('every act of an operator is a line: who, what, on which id, from where, with what outcome', async (t) => {
  const path = join(folder, 'audit.log')
  const { server, url } = await start(t, { 'auth.publickey': PUBLIC, debug: true, 'observability.audit_file': path })
  const by = async (claims: JWTPayload) => ({ auth: await token(claims) })
  const [worker, operator, admin] = await Promise.all([
    by({ sub: 'w', role: 'worker', prefix: 'acme' }),
    by({ sub: 'ann', role: 'operator', prefix: 'acme' }),
    by({ sub: 'root', role: 'admin' }),
  ])
  await ask(url, 'promise.create', create('acme.a', { 'resonate:target': 'poll://any@acme' }), worker)
  await ask(url, 'promise.create', create('acme.b'), worker)
  await ask(url, 'promise.settle', { id: 'acme.b', state: 'resolved', value: { data: 'private' } }, worker)
  await ask(url, 'task.halt', { id: 'acme.a' }, worker)
  await ask(url, 'task.halt', { id: 'acme.a' }, operator)
  await ask(url, 'task.continue', { id: 'other.a' }, operator)
  await ask(url, 'task.continue', { id: 'acme.a' }, operator)
  await ask(url, 'promise.settle', { id: 'acme.a', state: 'rejected_canceled', value: { data: 'private' } }, operator)
  await ask(url, 'promise.get', { id: 'acme.a' }, operator)
  await ask(url, 'schedule.delete', { id: 'acme.s' }, worker)
  await ask(url, 'retention.preview', { ageMs: 60_000 }, admin)
  await ask(url, 'debug.tick', { time: 5 }, admin)
  await server.stop()
  const lines = linesOf(path)
  assert.deepEqual(
    lines.map(({ subject, role, kind, id, status }) => [subject, role, kind, id, status]),
    [
      ['w', 'worker', 'task.halt', 'acme.a', 403],
      ['ann', 'operator', 'task.halt', 'acme.a', 200],
      ['ann', 'operator', 'task.continue', 'other.a', 403],
      ['ann', 'operator', 'task.continue', 'acme.a', 200],
      ['ann', 'operator', 'promise.settle', 'acme.a', 200],
      ['w', 'worker', 'schedule.delete', 'acme.s', 404],
      ['root', 'admin', 'retention.preview', undefined, 200],
      ['root', 'admin', 'debug.tick', undefined, 200],
    ],
  )
  for (const { at, peer, corrId } of lines) {
    assert.match(String(at), /^\d{4}-\d\d-\d\dT/)
    assert.deepEqual([peer, corrId], ['127.0.0.1', 'c'])
  }
  assert.doesNotMatch(readFileSync(path, 'utf8'), /private|eyJ/)
})

test('who halts a task is whose token it is, whatever the request says', async (t) => {
  const { url } = await start(t, { 'auth.publickey': PUBLIC })
  const told = async (claims: JWTPayload) => {
    const head = { auth: await token({ role: 'operator', prefix: 'acme', ...claims }) }
    await ask(url, 'task.halt', { id: 'acme.a', by: 'somebody else', reason: 'late' }, head)
    const { data } = await ask(url, 'promise.explain', { id: 'acme.a' }, head)
    await ask(url, 'task.continue', { id: 'acme.a' }, head)
    const { steps } = data as unknown as { steps: { reason: { by?: string; reason?: string } }[] }
    return [steps[0]?.reason.by, steps[0]?.reason.reason]
  }
  const worker = { auth: await token({ role: 'worker', prefix: 'acme' }) }
  await ask(url, 'promise.create', create('acme.a', { 'resonate:target': 'poll://any@acme' }), worker)
  assert.deepEqual(await told({ sub: 'ann' }), ['ann', 'late'])
  assert.deepEqual(await told({ sub: 'é'.repeat(150) }), [`${'é'.repeat(98)}…`, 'late'])
  assert.deepEqual(await told({ sub: '' }), [undefined, 'late'])
})

test('without tokens who halts a task is who says so', async (t) => {
  const { url } = await start(t, {})
  await ask(url, 'promise.create', create('a', { 'resonate:target': 'poll://any@g' }))
  await ask(url, 'task.halt', { id: 'a', by: 'ann@laptop' })
  const { data } = await ask(url, 'promise.explain', { id: 'a' })
  assert.match(JSON.stringify(data), /is halted for \d+ms by ann@laptop: it goes on when somebody continues it/)
})

test('without a file of its own the audit log is part of the log; without tokens it knows nobody', async (t) => {
  const warnings: object[] = []
  const logger = { ...silentLogger, warn: (fields: object) => void warnings.push(fields) }
  const { url } = await start(t, {}, { logger })
  await ask(url, 'retention.preview', {})
  await ask(url, 'task.halt', { id: 'nobody' })
  const [line] = warnings as { audit: Record<string, unknown> }[]
  assert.deepEqual([line?.audit.subject, line?.audit.kind, line?.audit.status], ['anyone', 'task.halt', 404])
})

const skip = existsSync('/dev/full') ? false : 'needs a file that is always full'

test('an audit file that was moved away is begun anew when the server is told', async () => {
  const path = join(folder, 'rotated.log')
  const audit = new AuditLog(new ManualPlatform({ now: NOW }), silentLogger)
  const act = { subject: 'ann', role: 'operator', kind: 'task.halt', corrId: 'c', status: 200 }
  audit.open(path)
  audit.record({ ...act, id: 'before' })
  renameSync(path, `${path}.1`)
  audit.reopen()
  audit.record({ ...act, id: 'after' })
  await audit.close()
  assert.deepEqual([linesOf(`${path}.1`)[0]?.id, linesOf(path)[0]?.id], ['before', 'after'])
})

test('what the file before a rotation fails at last does not end the one after it', { skip }, async () => {
  const path = join(folder, 'linked.log')
  symlinkSync('/dev/full', path)
  const errors: string[] = []
  const logger = { ...silentLogger, error: (_fields: object, message: string) => void errors.push(message) }
  const audit = new AuditLog(new ManualPlatform({ now: NOW }), logger)
  const act = { subject: 'ann', role: 'operator', kind: 'task.halt', corrId: 'c', status: 200 }
  audit.open(path)
  audit.record({ ...act, id: 'before' })
  rmSync(path)
  audit.reopen()
  while (errors.length === 0) await new Promise(setImmediate)
  audit.record({ ...act, id: 'after' })
  await audit.close()
  assert.equal(linesOf(path)[0]?.id, 'after')
  assert.match(errors[0] ?? '', /SIGHUP/)
})

test('an act that cannot be written to the audit file is in the log', { skip }, async () => {
  const logged: string[] = []
  const logger = {
    ...silentLogger,
    warn: (fields: object) => void logged.push(JSON.stringify(fields)),
    error: () => {},
  }
  const audit = new AuditLog(new ManualPlatform({ now: NOW }), logger)
  audit.open('/dev/full')
  audit.record({ subject: 'ann', role: null, kind: 'task.halt', id: 'lost', corrId: 'c', status: 200 })
  await audit.close()
  assert.match(logged.join(), /lost/)
})

// Origins.

test('without an allowed origin no page may call, and none is told so', async (t) => {
  const { url } = await start(t, {})
  const response = await fetch(url, { method: 'OPTIONS', headers: { origin: 'https://page.test' } })
  assert.deepEqual([response.status, response.headers.get('access-control-allow-origin')], [405, null])
})

test('what a page of another origin sends without asking first is refused, and not done', async (t) => {
  const { url } = await start(t, { 'server.cors.allow_origins': ['https://page.test'] })
  const send = async (headers: Record<string, string>) => {
    // As a form or a `no-cors` fetch would: no browser asks before that.
    const body = JSON.stringify(envelope('promise.create', create('a')))
    const { status } = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'text/plain', ...headers } })
    const stream = await fetch(`${url}/poll/g/w`, { headers })
    await stream.body?.cancel()
    return [status, stream.status]
  }
  const theirs = { origin: 'https://theirs.test' }
  assert.deepEqual(await send({ ...theirs, 'sec-fetch-site': 'cross-site' }), [403, 403])
  assert.deepEqual(await send({ origin: 'null', 'sec-fetch-site': 'same-site' }), [403, 403])
  const { body } = await post(url, envelope('promise.get', { id: 'a' }))
  assert.equal(body.head.status, 404)
  // No browser, a page behind the same proxy, an allowed page.
  assert.deepEqual(await send(theirs), [200, 200])
  assert.deepEqual(await send({ ...theirs, 'sec-fetch-site': 'same-origin' }), [200, 200])
  assert.deepEqual(await send({ origin: 'https://page.test', 'sec-fetch-site': 'cross-site' }), [200, 200])
})

test('a page of an allowed origin is told what it may send, before it sends; a refusal can be read by it too', async (t) => {
  const flags = { 'auth.publickey': PUBLIC, 'server.cors.allow_origins': ['https://page.test'] }
  const { url } = await start(t, flags)
  const headers = { origin: 'https://page.test', 'access-control-request-method': 'POST' }
  const preflight = await fetch(url, { method: 'OPTIONS', headers })
  assert.equal(preflight.status, 204)
  assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /authorization/)
  assert.equal(preflight.headers.get('access-control-allow-credentials'), null)
  const refused = await fetch(url, {
    method: 'POST',
    headers,
    body: JSON.stringify(envelope('promise.get', { id: 'a' })),
  })
  assert.deepEqual([refused.status, refused.headers.get('access-control-allow-origin')], [401, 'https://page.test'])
  const stream = await fetch(`${url}/poll/g/w`, {
    headers: { ...headers, authorization: `Bearer ${await token({ role: 'admin' })}` },
  })
  assert.equal(stream.headers.get('access-control-allow-origin'), 'https://page.test')
  await stream.body?.cancel()
})
