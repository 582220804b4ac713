// Every door, tried with every kind of bad token: each kind of request and each route, alone and in a batch. And with a good
// token of a narrow one: every id and every address that a request names is made foreign, one after the other.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import type { Kind, RequestTable } from '@resonatehq/protocol'
import type { JWTPayload } from 'jose'
import { freePort } from '../../conformance/test/ports.ts'
import { createServer, nodePlatform, type Server, silentLogger } from '../src/index.ts'
import { confused, forged, issuerOf, sign, unsigned } from './tokens.ts'
import { ask, configOf, create, type Envelope, envelope } from './world.ts'

const issuer = issuerOf('EdDSA')
const stranger = issuerOf('EdDSA')
const folder = mkdtempSync(join(tmpdir(), 'resonate-doors-'))
const METRICS_TOKEN = 'a-token-for-scrapes-only'

let server: Server
let url = ''
let metricsUrl = ''

before(async () => {
  writeFileSync(join(folder, 'public.pem'), issuer.pem)
  writeFileSync(join(folder, 'metrics-token'), `${METRICS_TOKEN}\n`)
  const config = configOf({
    debug: true,
    'auth.publickey': join(folder, 'public.pem'),
    'observability.metrics_port': await freePort(),
    'observability.metrics_token_file': join(folder, 'metrics-token'),
  })
  server = createServer(config, { platform: nodePlatform(), logger: silentLogger, processMetrics: false })
  const started = await server.start()
  url = started.url
  metricsUrl = started.metricsUrl ?? ''
})

after(async () => {
  await server.stop()
  rmSync(folder, { recursive: true })
})

function token(claims: JWTPayload = {}): Promise<string> {
  return sign(issuer, claims, { now: Date.now() })
}

const EXP = Math.floor(Date.now() / 1_000) + 3_600

const BAD_TOKENS: Readonly<Record<string, () => Promise<string | undefined>>> = {
  'no token': async () => undefined,
  'a wrong signature': () => sign(stranger, { role: 'admin' }, { now: Date.now() }),
  'changed claims': async () => forged(await token({ prefix: 'acme' }), { role: 'admin', exp: EXP }),
  'alg none': async () => unsigned({ role: 'admin', exp: EXP }),
  'the public key as a secret': async () => confused(issuer, { role: 'admin', exp: EXP }),
  'an expired one': () => token({ role: 'admin', exp: EXP - 7_200 }),
}

const target = { 'resonate:target': 'poll://any@acme' }
const tree = { 'resonate:origin': 'acme', 'resonate:branch': 'acme.b', 'resonate:parent': 'acme:p' }
const settle = { id: 'acme.other', state: 'resolved', value: {} } as const
const createAction = (id: string) => ({ kind: 'promise.create', data: create(id, { ...target, ...tree }) }) as const
const awaiting = (awaited: string) =>
  ({ kind: 'promise.register_callback', data: { awaited, awaiter: 'acme.x' } }) as const

/** One of each kind; every name in it is below `acme`. */
const REQUESTS: { readonly [K in Kind]: unknown } = {
  'promise.get': { id: 'acme.x' },
  'promise.create': create('acme.x', { ...target, ...tree }),
  'promise.settle': { ...settle, id: 'acme.x' },
  'promise.register_callback': { awaited: 'acme.other', awaiter: 'acme.x' },
  'promise.register_listener': { awaited: 'acme.other', address: 'poll://uni@acme/pid' },
  'promise.search': {},
  'promise.check': { ids: ['acme.x', 'acme.y'] },
  'task.get': { id: 'acme.x' },
  'task.create': { pid: 'p', ttl: 1_000, action: createAction('acme.y') },
  'task.acquire': { id: 'acme.x', version: 9, pid: 'p', ttl: 1_000 },
  'task.release': { id: 'acme.x', version: 9 },
  'task.suspend': { id: 'acme.x', version: 9, actions: [awaiting('acme.1'), awaiting('acme.2')] },
  'task.fulfill': { id: 'acme.x', version: 9, action: { kind: 'promise.settle', data: { ...settle, id: 'acme.x' } } },
  'task.fence': { id: 'acme.x', version: 9, action: createAction('acme.z') },
  'task.heartbeat': {
    pid: 'p',
    tasks: [
      { id: 'acme.x', version: 9 },
      { id: 'acme.y', version: 9 },
    ],
  },
  'task.halt': { id: 'acme.x' },
  'task.continue': { id: 'acme.x' },
  'task.search': {},
  'schedule.get': { id: 'acme.s' },
  'schedule.create': {
    id: 'acme.s',
    cron: '0 0 1 1 *',
    promiseId: 'acme.s.{{.timestamp}}',
    promiseTimeout: 1,
    promiseTags: target,
  },
  'schedule.delete': { id: 'acme.s' },
  'schedule.search': {},
  'promise.explain': { id: 'acme.x' },
  'worker.search': {},
  'group.search': {},
  'retention.preview': {},
  'backup.create': {},
  'debug.start': {},
  'debug.stop': {},
  'debug.reset': {},
  'debug.tick': { time: 0 },
  'debug.snap': {},
} satisfies { readonly [K in keyof RequestTable]: unknown }

const KINDS = Object.keys(REQUESTS) as Kind[]

/** About the store as a whole: for nobody who may see only a part of it. */
const isWhole = (kind: Kind) => /^(debug|retention|backup)\./.test(kind)

function statusOf(kind: string, data: unknown, auth: string | undefined): Promise<Envelope> {
  return ask(url, kind, data, auth === undefined ? {} : { auth })
}

for (const [what, make] of Object.entries(BAD_TOKENS)) {
  for (const kind of [...KINDS, 'no.such.kind']) {
    test(`${kind} with ${what} is 401`, async () => {
      const { head, data } = await statusOf(kind, REQUESTS[kind as Kind] ?? {}, await make())
      assert.deepEqual([head.status, typeof data], [401, 'string'])
    })
  }

  test(`a batch with ${what} is 401 in each envelope, and in the header it helps none`, async () => {
    const bad = await make()
    const bodies = KINDS.map((kind) => envelope(kind, REQUESTS[kind]))
    const headers = bearer(bad)
    const response = await fetch(url, { method: 'POST', body: JSON.stringify(bodies), headers })
    const answers = (await response.json()) as Envelope[]
    assert.deepEqual(new Set(answers.map(({ head }) => head.status)), new Set([401]))
  })

  test(`a worker with ${what} cannot connect`, async () => {
    assert.equal(await pollStatus('acme', await make()), 401)
  })

  test(`metrics with ${what} are 401`, async () => {
    assert.equal(await metricsStatus(await make()), 401)
  })
}

test('each envelope of a batch is asked by its own token, or else by that of the header', async () => {
  const [mine, theirs] = [await token({ prefix: 'acme' }), await token({ prefix: 'other' })]
  const get = (auth?: string) => envelope('promise.get', { id: 'acme.nobody' }, auth === undefined ? {} : { auth })
  const body = JSON.stringify([get(mine), get(theirs), get(), get('nonsense')])
  const response = await fetch(url, { method: 'POST', body, headers: { authorization: `Bearer ${theirs}` } })
  const answers = (await response.json()) as Envelope[]
  assert.deepEqual(
    answers.map(({ head }) => head.status),
    [404, 403, 403, 401],
  )
})

test('a refusal for want of a token says how to bring one, to browsers and proxies too', async () => {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(envelope('promise.get', { id: 'a' })) })
  assert.deepEqual([response.status, response.headers.get('www-authenticate')], [401, 'Bearer'])
})

for (const kind of KINDS.filter((kind) => !isWhole(kind))) {
  test(`${kind} is decided for a token of the right prefix`, async () => {
    const { head } = await statusOf(kind, REQUESTS[kind], await token({ prefix: 'acme' }))
    assert.ok(![401, 403].includes(head.status), `${head.status}`)
  })

  for (const [path, foreign] of madeForeign(REQUESTS[kind])) {
    test(`${kind} with a foreign name at ${path} is 403`, async () => {
      const { head, data } = await statusOf(kind, foreign, await token({ prefix: 'acme' }))
      assert.equal(head.status, 403, JSON.stringify(data))
      assert.match(data, /evil/)
    })
  }
}

test('each name of each kind was made foreign once', () => {
  const counts = KINDS.map((kind) => [kind, madeForeign(REQUESTS[kind]).length] as const)
  const nameless = counts.filter(([, count]) => count === 0).map(([kind]) => kind)
  assert.deepEqual(
    nameless.filter((kind) => !isWhole(kind) && !kind.endsWith('.search')),
    [],
  )
})

/** The same data once for each name in it, with that one changed to one that only begins alike. */
function madeForeign(data: unknown): (readonly [path: string, data: unknown])[] {
  const text = JSON.stringify(data)
  return [...text.matchAll(/acme/g)].map(({ index }) => [
    text.slice(Math.max(0, index - 30), index + 10),
    JSON.parse(`${text.slice(0, index)}acmeevil${text.slice(index + 4)}`),
  ])
}

const ROLES: readonly (readonly [role: string | undefined, refuses: (kind: Kind) => boolean])[] = [
  ['admin', () => false],
  ['operator', isWhole],
  ['worker', (kind) => isWhole(kind) || kind === 'task.halt' || kind === 'task.continue'],
  ['read-only', (kind) => !/\.(get|search|check|explain)$/.test(kind)],
  [undefined, isWhole],
]

for (const [role, refuses] of ROLES) {
  for (const kind of KINDS) {
    test(`the role ${role ?? 'of no name'} ${refuses(kind) ? 'may not' : 'may'} ask for ${kind}`, async () => {
      const auth = await token({ prefix: 'acme', ...(role !== undefined && { role }) })
      const { head } = await statusOf(kind, REQUESTS[kind], auth)
      assert.equal(head.status === 403, refuses(kind), `${head.status}`)
    })
  }
}

test('a worker may halt what it holds, by its version, and nothing else; a reader nothing', async () => {
  const ofHolder = { id: 'acme.x', version: 1 }
  const worker = await token({ prefix: 'acme', role: 'worker' })
  assert.notEqual((await statusOf('task.halt', ofHolder, worker)).head.status, 403)
  assert.equal((await statusOf('task.halt', { ...ofHolder, version: null }, worker)).head.status, 403)
  const reader = await token({ prefix: 'acme', role: 'read-only' })
  assert.equal((await statusOf('task.halt', ofHolder, reader)).head.status, 403)
})

test('whose id it is comes before what is wrong with the request', async () => {
  const auth = await token({ prefix: 'acme' })
  for (const [id, status] of [
    ['other', 403],
    ['acme', 400],
  ] as const) {
    assert.equal((await statusOf('promise.create', { id, timeoutAt: 'never' }, auth)).head.status, status)
    assert.equal((await statusOf('no.such.kind', { id }, auth)).head.status, status)
  }
})

test('an unknown kind is 400 once it is known who asks', async () => {
  assert.equal((await statusOf('no.such.kind', {}, await token({ prefix: 'acme' }))).head.status, 400)
})

test('searches are answered with what the token is for, and no cursor tells of anything else', async () => {
  const admin = await token({ role: 'admin' })
  const timed = { 'resonate:target': 'poll://any@g', 'resonate:delay': '8000000000000' }
  for (const id of [
    'Acme',
    'found',
    'found-neighbour',
    'found.1',
    'found.2',
    'found/3',
    'found0',
    'found:4',
    'foundling',
  ]) {
    await statusOf('promise.create', create(id, timed), admin)
    const schedule = {
      cron: '0 0 1 1 *',
      promiseId: `${id}.x`,
      promiseTimeout: 1,
      promiseTags: { 'resonate:target': 'poll://any@g' },
    }
    await statusOf('schedule.create', { id, ...schedule }, admin)
  }
  const auth = await token({ prefix: 'found', role: 'read-only' })
  for (const [kind, list] of [
    ['promise.search', 'promises'],
    ['task.search', 'tasks'],
    ['schedule.search', 'schedules'],
  ] as const) {
    const found: string[] = []
    let cursor: string | undefined
    do {
      const { head, data } = await statusOf(kind, { limit: 2, ...(cursor !== undefined && { cursor }) }, auth)
      assert.equal(head.status, 200)
      found.push(...data[list].map(({ id }: { id: string }) => id))
      cursor = data.cursor
      assert.doesNotMatch(decodeURIComponent(cursor ?? ''), /neighbour|foundling|found0/)
    } while (cursor !== undefined)
    assert.deepEqual(found, ['found', 'found.1', 'found.2', 'found/3', 'found:4'], kind)
  }
})

test('a search that starts with the cursor of somebody else shows nothing of theirs', async () => {
  const admin = await token({ role: 'admin' })
  const { data } = await statusOf('promise.search', { limit: 1 }, admin)
  const auth = await token({ prefix: 'nobody' })
  assert.deepEqual((await statusOf('promise.search', { cursor: data.cursor }, auth)).data, { promises: [] })
  assert.equal((await statusOf('promise.search', { cursor: 'made-up' }, auth)).head.status, 400)
})

test('a preload holds nothing that the token is not for, whatever branch it was written to', async () => {
  const admin = await token({ role: 'admin' })
  await statusOf('promise.create', create('secret.1', { 'resonate:branch': 'open.x' }), admin)
  await statusOf('promise.create', create('open.x:0', { 'resonate:branch': 'open.x' }), admin)
  const claim = { pid: 'p', ttl: 60_000 }
  const action = {
    kind: 'promise.create',
    data: create('open.x', { 'resonate:target': 'poll://any@open', 'resonate:branch': 'open.x' }),
  }
  const { data } = await statusOf('task.create', { ...claim, action }, await token({ prefix: 'open' }))
  assert.deepEqual(
    data.preload.map(({ id }: { id: string }) => id),
    ['open.x:0'],
  )
})

test('a heartbeat without a list renews the tasks that the token is for', async () => {
  const admin = await token({ role: 'admin' })
  // Time stands still, so that no lease ends meanwhile.
  await statusOf('debug.start', {}, admin)
  for (const id of ['beat.x', 'foreign.x']) {
    const action = { kind: 'promise.create', data: create(id, { 'resonate:target': 'poll://any@g' }) }
    await ask(url, 'task.create', { pid: 'beats', ttl: 1_000, action }, { auth: admin, 'resonate:debug_time': 1_000 })
  }
  const auth = await token({ prefix: 'beat' })
  await ask(url, 'task.heartbeat', { pid: 'beats', tasks: [] }, { auth })
  const { data } = await ask(url, 'debug.snap', {}, { auth: admin, 'resonate:debug_time': 1_500 })
  await statusOf('debug.stop', {}, admin)
  const leaseEnd = (of: string) => data.taskTimeouts.find(({ id }: { id: string }) => id === of).timeout
  assert.equal(leaseEnd('foreign.x'), 2_000)
  assert.ok(leaseEnd('beat.x') > 1_000_000_000_000)
})

test('nobody but an admin says what time it is', async () => {
  const told = async (claims: JWTPayload) => {
    const head = { auth: await token(claims), 'resonate:debug_time': 5 }
    return (await ask(url, 'promise.get', { id: 'acme.nobody' }, head)).head.status
  }
  assert.deepEqual([await told({ role: 'admin' }), await told({ role: 'operator', prefix: '' })], [404, 403])
})

test('workers and groups are shown to who may serve them, and an explanation names no others', async (t) => {
  const admin = await token({ role: 'admin' })
  for (const group of ['seen', 'seen.fast', 'hidden']) await connected(t, group, admin)
  await statusOf('promise.create', create('seen.x', { 'resonate:target': 'poll://any@seen.nobody' }), admin)
  const auth = await token({ prefix: 'seen', role: 'read-only' })
  const workers = (await statusOf('worker.search', {}, auth)).data.workers
  assert.deepEqual(
    workers.map(({ group }: { group: string }) => group),
    ['seen.fast', 'seen'],
  )
  const groups = (await statusOf('group.search', {}, auth)).data.groups
  assert.deepEqual(
    groups.map(({ group }: { group: string }) => group),
    ['seen', 'seen.fast', 'seen.nobody'],
  )
  const { data } = await statusOf('promise.explain', { id: 'seen.x' }, auth)
  assert.match(JSON.stringify(data), /seen\.fast/)
  assert.doesNotMatch(JSON.stringify(data), /hidden/)
})

test('an explanation ends where the ids of others begin', async () => {
  const admin = await token({ role: 'admin' })
  await statusOf(
    'promise.create',
    create('mine.x:0', { 'resonate:branch': 'theirs.y', 'resonate:scope': 'local' }),
    admin,
  )
  await statusOf('promise.create', create('theirs.y', { 'resonate:target': 'poll://any@theirs' }), admin)
  const all = (await statusOf('promise.explain', { id: 'mine.x:0' }, admin)).data
  assert.deepEqual(
    all.steps.map(({ id }: { id: string }) => id),
    ['mine.x:0', 'theirs.y'],
  )
  const { data } = await statusOf('promise.explain', { id: 'mine.x:0' }, await token({ prefix: 'mine' }))
  assert.deepEqual(
    data.steps.map(({ id }: { id: string }) => id),
    ['mine.x:0'],
  )
  assert.doesNotMatch(JSON.stringify(data), /theirs/)
})

test('where messages may be pushed to is said by the token', async () => {
  const auth = await token({ prefix: 'push', targets: ['https://api.acme.com/hooks', 'shared'] })
  const listen = async (address: string) => {
    await statusOf('promise.create', create('push.x'), auth)
    return (await statusOf('promise.register_listener', { awaited: 'push.x', address }, auth)).head.status
  }
  const good = [
    'https://api.acme.com/hooks',
    'https://api.acme.com/hooks/1?x=y',
    'poll://any@shared.fast',
    'poll://any@push',
  ]
  for (const address of good) assert.equal(await listen(address), 200, address)
  const bad = [
    'https://api.acme.com/hooksevil',
    'https://api.acme.com/hooks/../admin',
    'https://api.acme.com/hooks/%2e%2e/admin',
    'https://api.acme.com:8443/hooks',
    'https://api.acme.com@evil.test/hooks',
    'https://evil.test/?https://api.acme.com/hooks',
    'http://api.acme.com/hooks',
    'http://169.254.169.254/latest',
    'poll://any@default',
    'poll://uni@sharedevil/pid',
  ]
  for (const address of bad) assert.equal(await listen(address), 403, address)
  assert.equal(await listen('poll://nobody'), 400)
})

const GROUPS: readonly (readonly [claims: JWTPayload, group: string, status: number])[] = [
  [{ prefix: 'acme' }, 'acme', 200],
  [{ prefix: 'acme' }, 'acme.workers', 200],
  [{ prefix: 'acme' }, 'acmeevil', 403],
  [{ prefix: 'acme' }, 'default', 403],
  [{ prefix: 'acme', targets: ['default'] }, 'default', 200],
  [{ prefix: 'acme', role: 'worker' }, 'acme', 200],
  [{ prefix: 'acme', role: 'read-only' }, 'acme', 403],
  [{ prefix: '' }, 'default', 200],
  [{ role: 'admin' }, 'default', 200],
  [{}, 'default', 403],
]

for (const [claims, group, status] of GROUPS) {
  test(`a worker with ${JSON.stringify(claims)} is answered ${status} in group ${group}`, async () => {
    assert.equal(await pollStatus(group, await token(claims)), status)
  })
}

test('metrics are shown to who brings their token, which is good for nothing else', async () => {
  assert.equal(await metricsStatus(METRICS_TOKEN), 200)
  assert.equal((await statusOf('promise.get', { id: 'a' }, METRICS_TOKEN)).head.status, 401)
  assert.equal(await metricsStatus(await token({ role: 'admin' })), 401)
})

test('what needs no token tells nothing: health, readiness, and that old paths are gone', async () => {
  const statuses = await Promise.all(
    ['/health', '/ready', '/promises/a', '/nowhere'].map(async (path) => (await fetch(url + path)).status),
  )
  assert.deepEqual(statuses, [200, 200, 410, 404])
})

/** A worker that is connected until the test ends. */
async function connected(t: TestContext, group: string, auth: string): Promise<void> {
  const abort = new AbortController()
  t.after(() => abort.abort())
  await fetch(`${url}/poll/${group}/pid`, { headers: { authorization: `Bearer ${auth}` }, signal: abort.signal })
}

function bearer(auth: string | undefined): Record<string, string> {
  return auth === undefined ? {} : { authorization: `Bearer ${auth}` }
}

async function pollStatus(group: string, auth: string | undefined): Promise<number> {
  const headers = bearer(auth)
  const response = await fetch(`${url}/poll/${group}/pid`, { headers })
  await response.body?.cancel()
  return response.status
}

async function metricsStatus(auth: string | undefined): Promise<number> {
  const headers = bearer(auth)
  const response = await fetch(metricsUrl, { headers })
  await response.text()
  return response.status
}
