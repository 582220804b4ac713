// Each option of a client and each variable of the environment does what its line in the README says, on every connection.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import type { RequestEnvelope } from '@resonatehq/protocol'
import {
  Constant,
  type Context,
  type Encryptor,
  LocalNetwork,
  type Logger,
  type PacemakerOptions,
  Resonate,
  type ResonateOptions,
} from '@resonatehq/sdk'
import { Resonate as AsyncResonate } from '@resonatehq/sdk/async'
import { World } from '@resonatehq/sdk/testing'
import type { HttpPort } from '../src/platform.ts'

interface Seen {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly timeoutMs?: number
  readonly body?: RequestEnvelope
}

/** A server that has nothing and agrees to every task, and all that it sees of a client: requests, streams, the heartbeat thread. */
function observed(t: TestContext, options: ResonateOptions = {}, env: Record<string, string> = {}) {
  const seen: { posts: Seen[]; health: Seen[]; polls: Seen[]; threads: PacemakerOptions[] } = {
    posts: [],
    health: [],
    polls: [],
    threads: [],
  }
  let signal = () => {}
  const exit = Promise.withResolvers<number>()
  const http: HttpPort = {
    async request(url, { headers, timeoutMs, body }) {
      const one = { url, headers, timeoutMs, ...(body ? { body: JSON.parse(body) as RequestEnvelope } : {}) }
      if (url.endsWith('/health')) seen.health.push(one)
      else seen.posts.push(one)
      return {
        status: 200,
        contentType: 'application/json',
        retryAfter: undefined,
        body: JSON.stringify(answer(one.body)),
      }
    },
    async stream(url, { headers, signal }) {
      seen.polls.push({ url, headers })
      return { status: 200, ended: new Promise((_, reject) => signal.addEventListener('abort', reject)) }
    },
  }
  const platform = {
    ...new World().platform,
    http,
    env: (name: string) => env[name],
    pacemaker: (thread: PacemakerOptions) => {
      seen.threads.push(thread)
      return { turned() {}, held() {}, renew() {}, stop() {} }
    },
    onSignal: (fn: () => void) => {
      signal = fn
      return () => {}
    },
    exit: exit.resolve,
  }
  const resonate = new Resonate({ platform, logger: SILENT, ...options })
  t.after(() => resonate.stop({ timeout: 0 }))
  return { resonate, seen, signal: () => signal(), exited: exit.promise }
}

function answer(request: RequestEnvelope | undefined): unknown {
  if (!request) return { extensions: [] }
  const { kind, head, data } = request
  if (kind !== 'task.create') return { kind, head: { ...head, status: 404 }, data: 'there is none' }
  const { pid, ttl, action } = data as { pid: string; ttl: number; action: { data: { id: string } } }
  const promise = { ...action.data, state: 'pending', value: {}, createdAt: 0 }
  const task = { id: promise.id, state: 'acquired', version: 1, resumes: 0, pid, ttl }
  return { kind, head: { ...head, status: 200 }, data: { task, promise, preload: [] } }
}

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} }
const SERVER = 'http://there:8001'

/** Asks the server for something, so that it sees a request. */
async function asked({ resonate }: { resonate: Resonate }): Promise<void> {
  await assert.rejects(resonate.promises.get('none'), /404/)
}

/** What a task in hand makes the server see: the creation with pid and ttl, and the thread. */
async function working({ resonate, seen }: ReturnType<typeof observed>): Promise<Record<string, unknown>> {
  resonate.register('idle', () => new Promise(() => {}))
  await resonate.beginRun('id', 'idle')
  return seen.posts[0]?.body?.data ?? {}
}

/** The levels that a client without a logger of its own writes to the console, of a step that fails once and of a stranger's call. */
async function written(t: TestContext, options: ResonateOptions): Promise<string[]> {
  const levels = new Set<string>()
  for (const method of ['log', 'warn', 'error'] as const)
    t.mock.method(console, method, (line: string) => levels.add(JSON.parse(line).level))
  await inWorld({ ...options, logger: undefined }, async (resonate, world) => {
    let tries = 0
    resonate.register('flaky', () => {
      tries += 1
      if (tries === 1) throw new Error('not yet')
    })
    await world.until(resonate.run('flaky', 'flaky'))
    await world.until(resonate.beginRpc('strange', 'stranger'))
    await world.pass(1)
  })
  t.mock.restoreAll()
  return [...levels].sort()
}

async function inWorld(
  options: ResonateOptions,
  use: (resonate: Resonate, world: World) => Promise<void>,
): Promise<void> {
  const world = new World({ logger: SILENT })
  await use(world.resonate(options), world)
  await world.stop()
}

/** One for each option there is; the compiler says which is missing. */
const OPTIONS: Readonly<Record<keyof Omit<ResonateOptions, 'tracing'>, (t: TestContext) => Promise<void>>> = {
  async url(t) {
    const client = observed(t, { url: `${SERVER}/` })
    await asked(client)
    const { posts, health, polls } = client.seen
    assert.deepEqual([posts[0]?.url, health[0]?.url], [`${SERVER}/`, `${SERVER}/health`])
    assert.match(polls[0]?.url ?? '', /^http:\/\/there:8001\/poll\//)
    for (const url of ['there:8001', 'ftp://there', 'http://'])
      assert.throws(() => new Resonate({ url }), /'url' must be the http\(s\) URL of a server, as in http:/)
  },
  async group(t) {
    for (const [group, path] of [
      [undefined, 'default'],
      ['a b', 'a%20b'],
    ] as const) {
      const client = observed(t, { url: SERVER, pid: 'p', ...(group ? { group } : {}) })
      await asked(client)
      assert.ok(client.seen.polls[0]?.url.startsWith(`${SERVER}/poll/${path}/p?`), client.seen.polls[0]?.url)
    }
  },
  async pid(t) {
    const client = observed(t, { url: SERVER, pid: 'me' })
    assert.equal((await working(client)).pid, 'me')
    assert.match(observed(t, { url: SERVER }).resonate.pid, /^[0-9a-f]{32}$/)
  },
  async ttl(t) {
    assert.equal((await working(observed(t, { url: SERVER }))).ttl, 60_000)
    const client = observed(t, { url: SERVER, ttl: 5_000 })
    assert.equal((await working(client)).ttl, 5_000)
    assert.equal(client.seen.threads[0]?.ttlMs, 5_000)
    assert.throws(() => new Resonate({ ttl: 0 }), /'ttl' is in milliseconds, at least 1, got 0/)
  },
  async token(t) {
    const client = observed(t, { url: SERVER, token: 'secret' }, { RESONATE_TOKEN: 'other' })
    await working(client)
    carries(client.seen, 'secret')
  },
  async timeout(t) {
    const client = observed(t, { url: SERVER, timeout: 700 }, { RESONATE_TIMEOUT: '900' })
    await asked(client)
    assert.deepEqual([client.seen.posts[0]?.timeoutMs, client.seen.health[0]?.timeoutMs], [700, 700])
    const plain = observed(t, { url: SERVER })
    await asked(plain)
    assert.equal(plain.seen.posts[0]?.timeoutMs, 10_000)
  },
  async verbose(t) {
    assert.deepEqual(await written(t, { verbose: true }), ['debug', 'error'])
    assert.deepEqual(await written(t, { verbose: true, logLevel: 'error' }), ['error'], 'logLevel wins')
  },
  async logLevel(t) {
    assert.deepEqual(await written(t, {}), ['error'])
    assert.deepEqual(await written(t, { logLevel: 'debug' }), ['debug', 'error'])
  },
  async logger() {
    const said: string[] = []
    const { platform } = new World()
    const resonate = new Resonate({
      url: SERVER,
      platform,
      logger: { ...SILENT, warn: (_, text) => void said.push(text) },
    })
    void resonate.promises.get('a').catch(() => {})
    await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)))
    await resonate.stop()
    assert.deepEqual(said, ['the server cannot be reached; trying again'])
  },
  async encryptor() {
    const turned = (text: string | undefined) => [...(text ?? '')].reverse().join('')
    const turn = ({ headers, data }: { headers?: Readonly<Record<string, string>>; data?: string }) => ({
      headers,
      data: turned(data),
    })
    const encryptor: Encryptor = { encrypt: turn, decrypt: turn }
    await inWorld({ encryptor }, async (resonate, world) => {
      resonate.register('echo', (_: unknown, text: string) => text)
      assert.equal(await world.until(resonate.rpc('id', 'echo', 'hello')), 'hello')
      const { value } = await world.until(resonate.promises.get('id'))
      assert.equal(turned(value.data), Buffer.from('"hello"').toString('base64'))
    })
  },
  async network() {
    const resonate = new Resonate({ network: new LocalNetwork({ pid: 'p' }), url: 'http://never:1', logger: SILENT })
    resonate.register('f', () => 1)
    assert.equal(await resonate.rpc('id', 'f'), 1, 'a network wins over a url')
    await resonate.stop()
  },
  async lagLimit(t) {
    const limits = [{ lagLimit: 700 }, {}].map(async (given) => {
      const client = observed(t, { url: SERVER, ttl: 5_000, ...given })
      await working(client)
      return client.seen.threads[0]?.lagLimitMs
    })
    assert.deepEqual(await Promise.all(limits), [700, 5_000])
    assert.throws(() => new Resonate({ lagLimit: -1 }), /'lagLimit' is in milliseconds, at least 1, got -1/)
  },
  async signals(t) {
    const { signal, exited } = observed(t, { url: SERVER, signals: { timeout: 0, exitCode: 7 } })
    signal()
    assert.equal(await exited, 7)
  },
  async concurrency(t) {
    const client = observed(t, { url: SERVER, concurrency: 3 })
    await asked(client)
    assert.match(client.seen.polls[0]?.url ?? '', /[?&]capacity=3(&|$)/)
    const plain = observed(t, { url: SERVER })
    await asked(plain)
    assert.match(plain.seen.polls[0]?.url ?? '', /[?&]capacity=1000(&|$)/)
  },
  async frames() {
    await inWorld({ pid: 'w', frames: { count: 0 } }, async (resonate, world) => {
      let runs = 0
      resonate.register('flow', async (ctx: Context) => {
        runs += 1
        await ctx.sleep(1_000)
      })
      await world.until(resonate.run('id', 'flow'))
      assert.equal(runs, 2, 'without room for a frame it is run again from the records')
    })
  },
  async retryPolicy() {
    await inWorld({ retryPolicy: new Constant({ delay: 250, maxRetries: 2 }) }, async (resonate, world) => {
      const at: number[] = []
      const startAt = world.now()
      resonate.register('fail', () => {
        at.push(world.now() - startAt)
        throw new Error('no')
      })
      await assert.rejects(world.until(resonate.run('id', 'fail')), /no/)
      assert.deepEqual(at, [0, 250, 500])
    })
  },
  async platform() {
    await inWorld({}, async (resonate, world) => {
      const startAt = world.now()
      resonate.register('flow', (ctx: Context) => ctx.date.now())
      assert.equal(await world.until(resonate.run('id', 'flow')), startAt)
    })
  },
}

/** Every connection carries the token: requests in header and head, the stream, and what the heartbeat thread sends. */
function carries({ posts, health, polls, threads }: ReturnType<typeof observed>['seen'], token: string): void {
  for (const { headers } of [...posts, ...health, ...polls, ...threads])
    assert.equal(headers.authorization, `Bearer ${token}`)
  for (const { body } of posts) assert.equal(body?.head.auth, token)
  for (const { head } of threads) assert.equal(head.auth, token)
  assert.ok(posts.length > 0 && health.length > 0 && polls.length > 0 && threads.length > 0)
}

for (const [name, check] of Object.entries(OPTIONS)) test(`the option ${name}`, check)

/** Variables, and the server that a client with them asks; none: the one inside the process. */
const ADDRESSES: readonly (readonly [env: Record<string, string>, url: string | undefined])[] = [
  [{ RESONATE_URL: 'https://there' }, 'https://there/'],
  [{ RESONATE_URL: 'https://there', RESONATE_HOST: 'elsewhere' }, 'https://there/'],
  [{ RESONATE_HOST: 'there' }, 'http://there:8001/'],
  [{ RESONATE_PORT: '9000' }, 'http://localhost:9000/'],
  [{ RESONATE_HOST: 'there', RESONATE_PORT: '9000', RESONATE_SCHEME: 'https' }, 'https://there:9000/'],
  [{ RESONATE_SCHEME: 'https' }, undefined],
  [{}, undefined],
]

for (const [env, url] of ADDRESSES) {
  test(`${JSON.stringify(env)} leads to ${url ?? 'a server in this process'}`, async (t) => {
    const client = observed(t, {}, env)
    await asked(client)
    assert.equal(client.seen.posts[0]?.url, url)
  })
}

test('RESONATE_TOKEN goes with every request, stream and heartbeat', async (t) => {
  const client = observed(t, { url: SERVER }, { RESONATE_TOKEN: 'secret' })
  await working(client)
  carries(client.seen, 'secret')
})

test('RESONATE_TIMEOUT is in milliseconds, and something else is said to be wrong', async (t) => {
  const client = observed(t, { url: SERVER }, { RESONATE_TIMEOUT: '900' })
  await asked(client)
  assert.equal(client.seen.posts[0]?.timeoutMs, 900)
  assert.throws(
    () => observed(t, { url: SERVER }, { RESONATE_TIMEOUT: '9s' }),
    /'timeout' is in milliseconds, at least 1/,
  )
})

for (const Class of [Resonate, AsyncResonate]) {
  test(`${Class === Resonate ? 'the root' : 'the async'} entry: remote asks a server also where none is named, local never does`, async (t) => {
    const urls: string[] = []
    const request: HttpPort['request'] = async (url) => {
      urls.push(url)
      return { status: 404, contentType: 'application/json', retryAfter: undefined, body: '{}' }
    }
    const { platform } = new World()
    const options = { logger: SILENT, platform: { ...platform, http: { ...platform.http, request } } }
    const remote = Class.remote(options)
    const local = Class.local({ ...options, platform: { ...options.platform, env: () => 'http://never:1' } })
    t.after(() => Promise.all([remote.stop({ timeout: 0 }), local.stop({ timeout: 0 })]))
    void remote.promises.get('a').catch(() => {})
    await assert.rejects(local.promises.get('a'), /404/)
    assert.deepEqual([...new Set(urls.map((url) => new URL(url).host))], ['localhost:8001'])
  })
}

test('the README tells of every option', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const table = readme.split('\n## Options\n')[1]?.split('\n## ')[0] ?? ''
  for (const name of Object.keys(OPTIONS)) assert.match(table, new RegExp(`\`${name}\``), name)
})

test('a concurrency that is no number of tasks, and a log level that there is not, are said to be wrong', () => {
  for (const concurrency of [0, -1, 1.5, Number.POSITIVE_INFINITY, 'a' as unknown as number])
    assert.throws(() => new Resonate({ concurrency }), /'concurrency' is a whole number of at least 1, got /)
  const logLevel = 'loud' as unknown as 'info'
  assert.throws(() => new Resonate({ logLevel }), /one of debug, info, warn, error, got 'loud'/)
})
