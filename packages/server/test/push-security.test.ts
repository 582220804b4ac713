// What pushed messages prove and where they may go: tokens, identity tokens, signatures, and networks, against real sockets.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { signatureProblem } from '@resonatehq/protocol'
import { createCredentials } from '../src/dispatch/credentials.ts'
import { ANY_NETWORK, cidrOf, networksOf } from '../src/dispatch/networks.ts'
import { createPost } from '../src/dispatch/post.ts'
import { watchProofs } from '../src/dispatch/proofs.ts'
import { proofsOf } from '../src/dispatch/targets.ts'
import { loadConfig, nodePlatform, silentLogger } from '../src/index.ts'
import { configOf } from './world.ts'

const BODY = '{"kind":"execute"}'

interface Seen {
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

async function listen(t: TestContext, answer: (seen: Seen) => { status: number; body?: string }) {
  const seen: Seen[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      const one = { url: request.url ?? '', headers: request.headers, body }
      seen.push(one)
      const { status, body: text } = answer(one)
      response.writeHead(status).end(text)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

function poster(
  t: TestContext,
  flags: Record<string, unknown>,
  { allowed = [ANY_NETWORK] }: { allowed?: string[] } = {},
) {
  const config = configOf(flags)
  const proofs = proofsOf(config, undefined)
  const metadataUrl = config['transports.http_push.auth.metadata_url']
  const clock = { now: 1_000_000_000_000 }
  const headersFor = createCredentials({
    proofs: () => proofs,
    fetch,
    metadataUrl,
    now: () => clock.now,
    timer: nodePlatform().timer,
  })
  const limits = { connectTimeoutMs: 1_000, requestTimeoutMs: 1_000, timer: nodePlatform().timer }
  const { post, close } = createPost({ ...limits, networks: networksOf(allowed), headersFor })
  t.after(close)
  return { post: (url: string) => post(url, BODY).done, clock }
}

test('a token is sent in the header that is named, and the body is signed', async (t) => {
  const target = await listen(t, () => ({ status: 200 }))
  const { post, clock } = poster(t, {
    'transports.http_push.auth.mode': 'bearer',
    'transports.http_push.auth.token': 'abc',
    'transports.http_push.auth.header': 'X-Token',
    'transports.http_push.secret': 'hush',
  })
  assert.deepEqual(await post(target.url), { status: 200 })
  const { headers, body } = target.seen[0] as Seen
  assert.deepEqual([headers['x-token'], headers.authorization], ['Bearer abc', undefined])
  const header = headers['resonate-signature'] as string
  assert.equal(await signatureProblem(body, { header, secrets: ['hush'], now: clock.now }), null)
})

function jwt(audience: string, expiresAt: number): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none' })}.${part({ aud: audience, exp: expiresAt / 1000 })}.x`
}

test('an identity token of the metadata server is for the target, and is kept until shortly before it expires', async (t) => {
  const target = await listen(t, () => ({ status: 200 }))
  const flags: Record<string, unknown> = { 'transports.http_push.auth.mode': 'gcp' }
  let clock = { now: 0 }
  const metadata = await listen(t, ({ url, headers }) => {
    assert.equal(headers['metadata-flavor'], 'Google')
    const audience = new URL(url, 'http://m').searchParams.get('audience') ?? ''
    return { status: 200, body: `${jwt(audience, clock.now + 3_600_000)}\n` }
  })
  flags['transports.http_push.auth.metadata_url'] = metadata.url
  const made = poster(t, flags)
  clock = made.clock
  await Promise.all([made.post(`${target.url}/f`), made.post(`${target.url}/f`)])
  assert.equal(metadata.seen.length, 1)
  assert.equal(target.seen[0]?.headers.authorization, `Bearer ${jwt(`${target.url}/f`, clock.now + 3_600_000)}`)
  clock.now += 3_200_000
  await made.post(`${target.url}/f`)
  assert.equal(metadata.seen.length, 1)
  clock.now += 200_000
  await made.post(`${target.url}/f`)
  await made.post(`${target.url}/g`)
  assert.equal(metadata.seen.length, 3)
})

test('without the proof that a target is to be shown nothing is sent to it', async (t) => {
  const target = await listen(t, () => ({ status: 200 }))
  const metadata = await listen(t, () => ({ status: 404 }))
  const { post } = poster(t, {
    'transports.http_push.auth.mode': 'gcp',
    'transports.http_push.auth.metadata_url': metadata.url,
  })
  const outcome = await post(target.url)
  assert.match(
    'failure' in outcome ? outcome.failure : '',
    /no identity token of the metadata server .*: it answered 404/,
  )
  assert.equal(target.seen.length, 0)
})

test('a proof that no header can carry is a failure of its POST, and of nothing else', async (t) => {
  const target = await listen(t, () => ({ status: 200 }))
  const metadata = await listen(t, () => ({ status: 200, body: `${jwt('x', 2_000_000_000_000)}\u{1f511}` }))
  const { post } = poster(t, {
    'transports.http_push.auth.mode': 'gcp',
    'transports.http_push.auth.metadata_url': metadata.url,
  })
  const outcome = await post(target.url)
  assert.match('failure' in outcome ? outcome.failure : 'sent', /Invalid character in header content/)
  assert.equal(target.seen.length, 0)
})

test('targets of a file are shown their own proof, the longest path first, and never one of another host', () => {
  const file = `
    [[target]]
    url = "https://a.example/"
    secret = "wide"
    [[target]]
    url = "https://a.example/tasks"
    auth = "bearer"
    token = "narrow"
    [[target]]
    url = "https://b.example:8443"
    auth = "gcp"`
  const proofs = proofsOf(configOf({ 'transports.http_push.secret': 'common' }), file)
  const shown = (url: string) => {
    const { mode, token, secret } = proofs(url)
    return `${mode} ${token || secret}`
  }
  assert.equal(shown('https://a.example/tasks/1?x=1'), 'bearer narrow')
  assert.equal(shown('https://a.example/tasks'), 'bearer narrow')
  assert.equal(shown('https://a.example/tasksters'), 'none wide')
  assert.equal(shown('https://a.example.evil/tasks'), 'none common')
  assert.equal(shown('https://a.example@evil.example/'), 'none common')
  assert.equal(shown('http://a.example/tasks'), 'none common')
  assert.equal(shown('https://b.example:8443/f'), 'gcp ')
})

test('a file of targets that cannot be used keeps the server from starting, with what is wrong', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'resonate-targets-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'targets.toml')
  const config = configOf({ 'transports.http_push.targets_file': path })
  const problems: [string, RegExp][] = [
    ['[[target]]\nurl = "ftp://x"', /url of target 1 must be an http/],
    ['[[target]]\nurl = "https://x"\nauth = "basic"', /auth of target 1 must be one of none, bearer, gcp/],
    ['[[target]]\nurl = "https://x"\nauth = "bearer"', /has auth = "bearer" and no token/],
    ['[[target]]\nurl = "https://x"\nauth = "bearer"\ntoken = "x\\n"', /token of target 1 holds .* a line break/],
    ['[[target]]\nurl = "https://x"\nheader = "a b"', /header of target 1 must be the name of a header/],
    ['[[target]]\nurl = "https://x"\nsecrets = "y"', /target 1 has secrets; it may have url, auth/],
    ['[[target]]\nurl = "https://x"\nsecret = 1', /secret of target 1 must be a text/],
    ['[targets]', /must hold \[\[target\]\] tables only, but has targets/],
    ['[[', /targets_file/],
  ]
  for (const [text, problem] of problems) {
    writeFileSync(path, text)
    assert.throws(() => watchProofs(config, { platform: nodePlatform(), logger: silentLogger }).start(), problem)
  }
  writeFileSync(path, '[[target]]\nurl = "https://x"\nsecret = "old"')
  const proofs = watchProofs(config, { platform: nodePlatform(), logger: silentLogger })
  t.after(() => proofs.stop())
  proofs.start()
  assert.equal(proofs.current()('https://x/').secret, 'old')
  writeFileSync(path, '[[target]]\nurl = "https://x"\nsecret = "new"')
  proofs.reload()
  assert.equal(proofs.current()('https://x/').secret, 'new')
})

test('addresses of this machine and of private networks are refused however they are written', async (t) => {
  const { post } = poster(t, {}, { allowed: [] })
  const hosts = [
    '127.0.0.1',
    '[::1]',
    '2130706433',
    '0x7f.1',
    '0',
    '[::ffff:127.0.0.1]',
    '[::ffff:10.0.0.1]',
    '10.1.2.3',
  ]
  hosts.push(
    '169.254.169.254',
    '192.168.0.1',
    '172.31.255.255',
    '100.64.0.1',
    '[fd00::1]',
    '[fe80::1]',
    '[64:ff9b::7f00:1]',
  )
  for (const host of [...hosts, 'localhost']) {
    const outcome = await post(`http://${host}:9/`)
    assert.match('failure' in outcome ? outcome.failure : 'sent', /in a private network; allow it with/, host)
  }
})

test('a network that is allowed is reached, and no other', async (t) => {
  const target = await listen(t, () => ({ status: 200 }))
  assert.deepEqual(await poster(t, {}, { allowed: ['127.0.0.0/8'] }).post(target.url), { status: 200 })
  assert.ok('failure' in (await poster(t, {}, { allowed: ['10.0.0.0/8'] }).post(target.url)))
})

test('the address that is connected to is what counts: a name that changes its mind is refused', async () => {
  const answers = [[{ address: '93.184.216.34', family: 4 }], [{ address: '127.0.0.1', family: 4 }]]
  const resolve = (_host: string, _options: object, done: (error: null, addresses: object[]) => void) =>
    done(null, answers.shift() ?? [])
  const { lookup } = networksOf([], resolve as never)
  const look = () =>
    new Promise((settle) => lookup('rebinds.example', { all: true }, (error, found) => settle(error?.message ?? found)))
  assert.deepEqual(await look(), [{ address: '93.184.216.34', family: 4 }])
  assert.match(String(await look()), /rebinds\.example is 127\.0\.0\.1, which is in a private network/)
})

test('of several addresses only those that may be reached are tried', async () => {
  const addresses = [
    { address: '10.0.0.1', family: 4 },
    { address: '2606:4700::1111', family: 6 },
  ]
  const resolve = (_host: string, _options: object, done: (error: null, found: object[]) => void) =>
    done(null, addresses)
  const { lookup } = networksOf([], resolve as never)
  const found = await new Promise((settle) =>
    lookup('both.example', {}, (_error, address, family) => settle([address, family])),
  )
  assert.deepEqual(found, ['2606:4700::1111', 6])
})

test('settings of pushing that make no sense are told', () => {
  const problemsOf = (flags: Record<string, unknown>) => {
    const loaded = loadConfig({ flags })
    return 'problems' in loaded ? loaded.problems.join() : ''
  }
  assert.match(
    problemsOf({ 'transports.http_push.private_networks': ['10.0.0.1'] }),
    /must hold networks like 10\.0\.0\.0\/8/,
  )
  assert.match(problemsOf({ 'transports.http_push.auth.mode': 'bearer' }), /is bearer, and there is no .*auth\.token/)
  assert.match(problemsOf({ 'transports.http_push.auth.header': 'a b' }), /must be the name of a header/)
  assert.match(problemsOf({ 'transports.http_push.auth.token': 'secret\n' }), /auth\.token holds .* a line break/)
  assert.deepEqual(
    [cidrOf('10.0.0.0/33'), cidrOf('::/129'), cidrOf('x/8'), cidrOf('10.0.0.0')],
    [null, null, null, null],
  )
})
