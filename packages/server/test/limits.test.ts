// Every limit of the settings: what fits is taken, what is past it is answered as the reference page says, and the answer
// names the limit. A limit that is added to the settings without a test is found by the last test here.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { freePort } from '../../conformance/test/ports.ts'
import { type ConfigKey, loadConfig, SETTINGS } from '../src/index.ts'
import { ask, create, type Envelope, envelope, post, startServer } from './world.ts'

interface Case {
  readonly limit: number
  readonly fits: (t: TestContext, url: string) => Promise<Envelope>
  readonly exceeds: (t: TestContext, url: string) => Promise<Envelope>
  readonly status: number
  /** What the answer must say. */
  readonly names: RegExp
}

/** A request whose size is all that matters about it. */
function sized(limit: number, kind: string, data: (size: number) => unknown, names: RegExp): Case {
  const send = (size: number) => (_t: TestContext, url: string) => ask(url, kind, data(size))
  return { limit, fits: send(limit), exceeds: send(limit + 1), status: 400, names }
}

function many(count: number, name: (at: number) => string): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [name(at), 'v']))
}

const tags = (count: number) => many(count, (at) => `t${at}`)
const list = <T>(count: number, item: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => item(at))
const awaits = (at: number) => ({ kind: 'promise.register_callback', data: { awaited: `w${at}`, awaiter: 'a' } })
const withParam = (param: object) => ({ ...create('a'), param })
const body = (bytes: number) => {
  const start = JSON.stringify(envelope('promise.create', { ...create('a'), padding: '' }))
  return start.replace('"padding":""', `"padding":"${'x'.repeat(bytes - start.length)}"`)
}

/** The answer to the first of so many, or the refusal of all. */
async function batch(url: string, count: number): Promise<Envelope> {
  const { body: answers } = await post(
    url,
    list(count, () => envelope('promise.create', create('a'))),
  )
  return Array.isArray(answers) ? answers[0] : answers
}

const CASES: Partial<Record<ConfigKey, Case>> = {
  'limits.body_size': {
    limit: 2_048,
    fits: async (_t, url) => (await post(url, body(2_048))).body,
    exceeds: async (_t, url) => (await post(url, body(2_049))).body,
    status: 413,
    names: /limits\.body_size/,
  },
  'limits.batch_length': {
    limit: 2,
    fits: (_t, url) => batch(url, 2),
    exceeds: (_t, url) => batch(url, 3),
    status: 400,
    names: /1 to 2 envelopes, got 3/,
  },
  'limits.tags': sized(2, 'promise.create', (count) => create('a', tags(count)), /at most 2 tags/),
  'limits.tag_size': sized(
    20,
    'promise.create',
    (bytes) => create('a', { t: 'x'.repeat(bytes - 1) }),
    /at most 20 bytes/,
  ),
  'limits.address_size': sized(
    40,
    'promise.create',
    (bytes) => create('a', { 'resonate:target': 'poll://any@'.padEnd(bytes, 'g') }),
    /at most 40 bytes/,
  ),
  'limits.value_headers': sized(
    2,
    'promise.create',
    (count) => withParam({ headers: many(count, (at) => `h${at}`) }),
    /at most 2 headers/,
  ),
  'limits.value_headers_size': sized(
    20,
    'promise.create',
    (bytes) => withParam({ headers: { h: 'x'.repeat(bytes - 1) } }),
    /at most 20 bytes/,
  ),
  'limits.suspend_actions': {
    ...sized(
      2,
      'task.suspend',
      (count) => ({ id: 'a', version: 1, actions: list(count, awaits) }),
      /at most 2 actions/,
    ),
    fits: async (_t, url) => {
      const action = { kind: 'promise.create', data: create('a', { 'resonate:target': 'poll://any@g' }) }
      await ask(url, 'task.create', { pid: 'p', ttl: 60_000, action })
      for (const id of ['w0', 'w1']) await ask(url, 'promise.create', create(id))
      return ask(url, 'task.suspend', { id: 'a', version: 1, actions: list(2, awaits) })
    },
  },
  'limits.heartbeat_tasks': sized(
    2,
    'task.heartbeat',
    (count) => ({ pid: 'p', tasks: list(count, (at) => ({ id: `t${at}`, version: 1 })) }),
    /at most 2 tasks/,
  ),
}

for (const [key, { limit, fits, exceeds, status, names }] of Object.entries(CASES)) {
  test(`${key}: what fits is taken, and past it the answer is ${status} and names the limit`, async (t) => {
    const { url } = await startServer(t, { [key]: limit })
    const taken = await fits(t, url)
    assert.equal(taken.head.status, 200, JSON.stringify(taken.data))
    const refused = await exceeds(t, url)
    assert.equal(refused.head.status, status, JSON.stringify(refused.data))
    assert.match(refused.data, names)
    assert.equal((await fits(t, url)).head.status === status, false, 'the server did not recover')
  })
}

test('a search may name no more tags than a promise may have', async (t) => {
  const { url } = await startServer(t, { 'limits.tags': 2 })
  const search = (count: number) => ask(url, 'promise.search', { tags: tags(count) })
  assert.deepEqual([(await search(2)).head.status, (await search(3)).head.status], [200, 400])
})

test('limits.commit_length: what waits together is committed in pieces of this size', async (t) => {
  const lengths = { 'limits.batch_length': 3, 'limits.commit_length': 3 }
  const { url, metricsUrl } = await startServer(t, { ...lengths, 'observability.metrics_port': await freePort() })
  const batch = (from: number) => list(3, (at) => envelope('promise.create', create(`c${from + at}`)))
  await Promise.all(list(20, (at) => post(url, batch(3 * at))))
  const text = await (await fetch(metricsUrl as string)).text()
  const within = (le: string) => new RegExp(`resonate_batch_requests_bucket\\{le="${le}"\\} (\\d+)`).exec(text)?.[1]
  assert.deepEqual([within('5'), within('\\+Inf')], ['20', '20'])
  const loaded = loadConfig({ flags: { 'limits.batch_length': 4, 'limits.commit_length': 3 } })
  assert.match(JSON.stringify(loaded), /limits\.commit_length must be at least limits\.batch_length/)
})

test('schedules.catchup_limit: of the occurrences that were missed the newest are made up for', async (t) => {
  const { url } = await startServer(t, { debug: true, 'schedules.catchup_limit': 3 })
  await ask(url, 'debug.start', {})
  const at = { 'resonate:debug_time': 0 }
  const promiseTags = { 'resonate:target': 'poll://any@g' }
  const schedule = { id: 's', cron: '* * * * *', promiseId: 's.{{.timestamp}}', promiseTimeout: 1_000_000, promiseTags }
  await ask(url, 'schedule.create', schedule, at)
  await ask(url, 'debug.tick', { time: 600_000 })
  const { data } = await ask(url, 'promise.search', {}, { 'resonate:debug_time': 600_000 })
  const ids = data.promises.map(({ id }: { id: string }) => id)
  assert.deepEqual(ids, ['s.480000', 's.540000', 's.600000'])
})

test('tasks.max_attempts: what is given back so often without progress is halted, with the reason', async (t) => {
  const { url } = await startServer(t, { 'tasks.max_attempts': 2 })
  await ask(url, 'promise.create', create('a', { 'resonate:target': 'poll://any@g' }))
  for (const version of [0, 1]) {
    await ask(url, 'task.acquire', { id: 'a', version, pid: 'w', ttl: 60_000 })
    await ask(url, 'task.release', { id: 'a', version: version + 1 })
  }
  const { data } = await ask(url, 'promise.explain', { id: 'a' })
  assert.match(data.steps[0].text, /halted for .* by the server: "2 releases in a row .*\(tasks\.max_attempts\)"/)
})

/** Limits whose breach needs a socket, a stream or a clock of its own, and where that is tested. */
const ELSEWHERE: Partial<Record<ConfigKey, string>> = {
  'server.max_connections': 'listen.test.ts',
  'server.header_size': 'listen.test.ts',
  'limits.queue_length': 'http.test.ts',
  'limits.queue_bytes': 'listen.test.ts',
  'limits.answer_size': 'http.test.ts',
  'limits.unread_bytes': 'listen.test.ts',
  'limits.token_rate': 'security.test.ts',
  'limits.token_burst': 'security.test.ts',
  'limits.token_table': 'auth.test.ts',
  'auth.cache_size': 'auth.test.ts',
  'transports.http_poll.max_connections': 'poll.test.ts',
  'transports.http_poll.buffer_size': 'poll.test.ts',
  'transports.http_poll.buffer_bytes': 'poll.test.ts',
  'transports.http_poll.buffer_bytes_total': 'poll.test.ts',
  'transports.http_push.concurrency': 'push.test.ts',
  'transports.http_push.target_concurrency': 'push.test.ts',
  'transports.http_push.target_queue': 'push.test.ts',
  'transports.http_push.max_targets': 'push.test.ts',
  'transports.http_push.queue_bytes': 'push.test.ts',
}
const HERE: readonly ConfigKey[] = ['limits.commit_length', 'schedules.catchup_limit', 'tasks.max_attempts']

/** Counts and sizes that are no limit of what others send. */
const NO_LIMITS = /^(storage|scaling|server\.processes)/

test('every limit among the settings has a test', () => {
  const limits = SETTINGS.filter(({ type, key }) => (type === 'integer' || type === 'bytes') && !NO_LIMITS.test(key))
  const untested = limits.filter(({ key }) => !CASES[key] && !HERE.includes(key) && !isTestedElsewhere(key))
  assert.deepEqual(
    untested.map(({ key }) => key),
    [],
  )
})

function isTestedElsewhere(key: ConfigKey): boolean {
  const file = ELSEWHERE[key]
  return file !== undefined && readFileSync(join(import.meta.dirname, file), 'utf8').includes(key)
}
