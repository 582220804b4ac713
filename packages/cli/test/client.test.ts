// How the command line speaks to a server, and what it says when none answers.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { promise } from './records.ts'
import { createWorld, START } from './world.ts'

const found = () => ({ status: 200, data: { promise: promise('a') } })

test('a request is an envelope with a correlation id of its own and the protocol version', async () => {
  const world = createWorld({ answer: found })
  assert.equal(await world.run('promises', 'get', 'a'), 0)
  assert.deepEqual(world.sent, [
    {
      url: 'http://localhost:8001/',
      authorization: null,
      envelope: {
        kind: 'promise.get',
        head: { corrId: `cli-${START}-0`, version: '2026-04-01' },
        data: { id: 'a' },
      },
    },
  ])
})

test('a token travels in the envelope and in the header', async () => {
  const world = createWorld({ answer: found })
  await world.run('promises', 'get', 'a', '--token', 'secret')
  assert.equal(world.sent[0]?.authorization, 'Bearer secret')
  assert.equal(world.sent[0]?.envelope.head.auth, 'secret')
})

test('server and token come from the environment unless they are given', async () => {
  const env = { RESONATE_URL: 'https://env.example/base/', RESONATE_TOKEN: 'from-env' }
  const world = createWorld({ answer: found, env })
  await world.run('promises', 'get', 'a')
  await world.run('promises', 'get', 'a', '-S', 'http://flag.example:1', '-T', 'from-flag')
  assert.deepEqual(
    world.sent.map(({ url, authorization }) => [url, authorization]),
    [
      ['https://env.example/base/', 'Bearer from-env'],
      ['http://flag.example:1/', 'Bearer from-flag'],
    ],
  )
})

test('the shared options may stand before the command, after it, and after its subcommand', async () => {
  const world = createWorld({ answer: found })
  await world.run('-S', 'http://one:1', 'promises', 'get', 'a')
  await world.run('promises', '-S', 'http://two:2', 'get', 'a')
  await world.run('promises', 'get', 'a', '-S', 'http://three:3')
  await world.run('-S', 'http://far:9', 'promises', 'get', '-S', 'http://near:4', 'a')
  assert.deepEqual(
    world.sent.map(({ url }) => url),
    ['http://one:1/', 'http://two:2/', 'http://three:3/', 'http://near:4/'],
  )
})

test('a server that is not a URL is wrong usage, and the message names where it came from', async () => {
  const world = createWorld()
  assert.equal(await world.run('promises', 'get', 'a', '-S', 'localhost:8001'), 2)
  assert.match(
    world.printed.stderr,
    /^Error: --server is to be a URL such as http:\/\/localhost:8001, not 'localhost:8001'/,
  )
  const fromEnv = createWorld({ env: { RESONATE_URL: 'nowhere' } })
  assert.equal(await fromEnv.run('promises', 'get', 'a'), 2)
  assert.match(fromEnv.printed.stderr, /^Error: RESONATE_URL is to be a URL/)
})

const faults: readonly (readonly [cause: Error, reason: string])[] = [
  [Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }), 'connection refused'],
  [Object.assign(new Error('getaddrinfo ENOTFOUND nope'), { code: 'ENOTFOUND' }), 'no host of that name'],
  [
    new AggregateError([Object.assign(new Error('::1'), { code: 'ECONNREFUSED' }), new Error('127.0.0.1')]),
    'connection refused',
  ],
  [new Error('something new'), 'something new'],
]

for (const [cause, reason] of faults) {
  test(`no server: ${reason}${cause instanceof AggregateError ? ', on every address of the host' : ''}`, async () => {
    const world = createWorld({ fetch: () => Promise.reject(new TypeError('fetch failed', { cause })) })
    assert.equal(await world.run('promises', 'get', 'a'), 1)
    assert.equal(world.printed.stdout, '')
    assert.equal(
      world.printed.stderr,
      `Error: No server at http://localhost:8001: ${reason}. ` +
        'Start one with `resonate dev`, or name another with --server.\n',
    )
  })
}

const mismatches: readonly (readonly [code: string, url: string, said: RegExp])[] = [
  [
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'https://s',
    /certificate of https:\/\/s is not trusted: as node says\. .*NODE_EXTRA_CA_/,
  ],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'https://s', /https:\/\/s does not speak TLS\. Name it by http:\/\//],
  ['UND_ERR_SOCKET', 'http://s', /http:\/\/s closed the connection without an answer\. Name it by https:\/\//],
]

for (const [code, url, said] of mismatches) {
  test(`${code}: a server is there, and what to do is another thing than starting one`, async () => {
    const cause = Object.assign(new Error('as node says; and more'), { code })
    const world = createWorld({ fetch: () => Promise.reject(new TypeError('fetch failed', { cause })) })
    assert.equal(await world.run('promises', 'get', 'a', '--server', url), 1)
    assert.match(world.printed.stderr, said)
    assert.doesNotMatch(world.printed.stderr, /resonate dev/)
  })
}

test('something else that answers on the port is told apart from a server', async () => {
  const world = createWorld({
    fetch: async () => new Response('<h1>hi</h1>', { status: 404, headers: { 'content-type': 'text/html' } }),
  })
  assert.equal(await world.run('promises', 'get', 'a'), 1)
  assert.match(world.printed.stderr, /answered, but not as a Resonate server \(HTTP 404, text\/html\).*--server/)
})

test('a server that does not answer in time is given up', async () => {
  const world = createWorld({
    fetch: (_url, init) => {
      const { promise, reject } = Promise.withResolvers<Response>()
      init?.signal?.addEventListener('abort', () => reject(init.signal?.reason))
      world.advance(30_000)
      return promise
    },
  })
  assert.equal(await world.run('promises', 'get', 'a'), 1)
  assert.match(world.printed.stderr, /did not answer within 30 s/)
})

test('a refusal is the server’s own words and its status, on stderr', async () => {
  const world = createWorld({ answer: () => ({ status: 404, data: 'Promise not found' }) })
  assert.equal(await world.run('promises', 'get', 'a'), 1)
  assert.deepEqual(world.printed, { stdout: '', stderr: 'Error: Promise not found (404)\n' })
})

test('a user in the URL is not dropped in silence, and a password is not shown', async () => {
  const world = createWorld({ answer: found })
  assert.equal(await world.run('promises', 'get', 'a', '--server', 'https://ann:secret@resonate.example.com'), 2)
  assert.match(world.printed.stderr, /^Error: --server has a user in it/)
  assert.doesNotMatch(world.printed.stderr, /secret/)
  assert.deepEqual(world.sent, [])
})

test('a token may come with the end of its line, and what cannot be one is wrong usage, and is not shown', async () => {
  const world = createWorld({ answer: found, env: { RESONATE_TOKEN: 'secret\n' } })
  assert.equal(await world.run('promises', 'get', 'a'), 0)
  assert.equal(world.sent[0]?.authorization, 'Bearer secret')
  for (const token of ['secret\nsecret', 'secret日本']) {
    const odd = createWorld({ answer: found })
    assert.equal(await odd.run('promises', 'get', 'a', '--token', token), 2)
    assert.match(odd.printed.stderr, /^Error: --token is no token/)
    assert.doesNotMatch(odd.printed.stderr, /secret/)
    assert.deepEqual(odd.sent, [])
  }
})

test('what a server says steers the terminal no more than what it keeps', async () => {
  const world = createWorld({ answer: () => ({ status: 404, data: 'no \u001b[31ma' }) })
  await world.run('promises', 'get', 'a')
  assert.equal(world.printed.stderr, 'Error: no \\x1b[31ma (404)\n')
})

test('a missing token says how to give one', async () => {
  const world = createWorld({ answer: () => ({ status: 401, data: 'Unauthorized' }) })
  assert.equal(await world.run('promises', 'get', 'a'), 1)
  assert.match(world.printed.stderr, /--token, or in RESONATE_TOKEN/)
})

test('no timer is left behind by a request', async () => {
  const world = createWorld({ answer: found })
  await world.run('promises', 'get', 'a')
  assert.equal(world.timers.size, 0)
})
