// `resonate promises …`: what each command sends, and what it prints for programs and for people.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RequestEnvelope } from '@resonatehq/protocol'
import { promise } from './records.ts'
import { base64, createWorld, START } from './world.ts'

const answering = (data: unknown, tty = false) => createWorld({ tty, answer: () => ({ status: 200, data }) })
const one = { promise: promise('a') }

test('where stdout is not a terminal, the answer’s data is printed as indented JSON', async () => {
  const world = answering(one)
  await world.run('promises', 'get', 'a')
  assert.equal(world.printed.stdout, `${JSON.stringify(one, null, 2)}\n`)
})

test('--json prints the same on a terminal', async () => {
  const world = answering(one, true)
  await world.run('promises', 'get', 'a', '--json')
  assert.equal(world.printed.stdout, `${JSON.stringify(one, null, 2)}\n`)
})

test('JSON on a terminal steers it no more than a table does', async () => {
  const world = answering({ promise: promise('a\u009b31m') }, true)
  await world.run('promises', 'get', 'a', '--json')
  assert.ok(!world.printed.stdout.includes('\u009b'))
  assert.equal(JSON.parse(world.printed.stdout).promise.id, 'a\u009b31m')
})

test('people read a promise with its values decoded', async () => {
  const world = answering(
    {
      promise: promise('order-42', {
        state: 'resolved',
        param: { data: base64({ func: 'processOrder', args: [{ orderId: 42 }], version: 1 }) },
        value: { data: base64({ ok: true }) },
        tags: { 'resonate:target': 'poll://any@workers' },
        settledAt: START - 58_800,
      }),
    },
    true,
  )
  await world.run('promise', 'get', 'order-42')
  assert.equal(
    world.printed.stdout,
    [
      'order-42  🟢 resolved',
      '  function   processOrder (version 1)',
      '  arguments  [{"orderId":42}]',
      '  value      {"ok":true}',
      '  created    2025-11-24 07:59:00Z (1m ago)',
      '  settled    2025-11-24 07:59:01Z (58.8s ago), after 1.2s',
      '  tags       resonate:target=poll://any@workers',
      '',
    ].join('\n'),
  )
})

test('create sends the deadline, the param as base64 of JSON, and the tags', async () => {
  const world = answering(one)
  await world.run('promises', 'create', 'a', '--timeout', '1h30m', '--param', '{"amount":99}', '--tags', '{"k":"v"}')
  assert.deepEqual(world.last().data, {
    id: 'a',
    timeoutAt: START + 5_400_000,
    param: { data: base64({ amount: 99 }) },
    tags: { k: 'v' },
  })
})

test('create without a param sends none', async () => {
  const world = answering(one)
  await world.run('promises', 'create', 'a', '--timeout', '0')
  assert.deepEqual(world.last().data, { id: 'a', timeoutAt: START, param: {}, tags: {} })
})

for (const [name, state] of [
  ['resolve', 'resolved'],
  ['reject', 'rejected'],
  ['cancel', 'rejected_canceled'],
] as const) {
  test(`${name} settles as ${state}, with a value by --value or by --data`, async () => {
    const world = answering({ promise: promise('a', { state }) })
    await world.run('promises', name, 'a', '--value', 'some text')
    await world.run('promises', name, 'a', '--data', '"some text"')
    await world.run('promises', name, 'a')
    const value = { data: base64('some text') }
    assert.deepEqual(
      world.sent.map(({ envelope }) => [envelope.kind, envelope.data]),
      [
        ['promise.settle', { id: 'a', state, value }],
        ['promise.settle', { id: 'a', state, value }],
        ['promise.settle', { id: 'a', state, value: {} }],
      ],
    )
    assert.equal(world.printed.stderr, '')
  })
}

test('settling what was settled otherwise succeeds, and says so', async () => {
  const world = answering({ promise: promise('a', { state: 'rejected' }) })
  assert.equal(await world.run('promises', 'resolve', 'a'), 0)
  assert.equal(world.printed.stderr, 'Note: a was rejected already and stays so.\n')
  const late = answering({ promise: promise('a', { state: 'rejected_timedout' }) })
  await late.run('promises', 'resolve', 'a')
  assert.equal(late.printed.stderr, 'Note: a timed out already and stays so.\n')
})

test('search sends only what was asked for', async () => {
  const world = answering({ promises: [] })
  await world.run('promises', 'search')
  await world.run('promises', 'search', '--state', 'pending', '--tags', '{"k":"v"}', '--limit', '5', '--cursor', 'c')
  assert.deepEqual(
    world.sent.map(({ envelope }) => envelope.data),
    [{ limit: 100 }, { limit: 5, state: 'pending', tags: { k: 'v' }, cursor: 'c' }],
  )
})

test('search --all goes through all pages, and gives them as one', async () => {
  const pages: Readonly<Record<string, object>> = {
    undefined: { promises: [promise('a')], cursor: 'after.a' },
    'after.a': { promises: [promise('b')], cursor: 'after.b' },
    'after.b': { promises: [promise('c')] },
  }
  const answer = ({ data }: RequestEnvelope) => ({
    status: 200,
    data: pages[`${(data as { cursor?: string }).cursor}`],
  })
  const world = createWorld({ answer })
  assert.equal(await world.run('promises', 'search', '--state', 'pending', '--all'), 0)
  assert.deepEqual(JSON.parse(world.printed.stdout), { promises: ['a', 'b', 'c'].map((id) => promise(id)) })
  assert.deepEqual(world.last().data, { state: 'pending', limit: 1000, cursor: 'after.b' })
  assert.equal(await world.run('promises', 'search', '--all', '--limit', '5'), 2)
})

test('people read a table of promises, and where the next page starts', async () => {
  const call = { data: base64({ func: 'charge', args: [] }) }
  const promises = [promise('a', { param: call }), promise('b', { state: 'rejected_timedout', settledAt: START })]
  const world = answering({ promises, cursor: 'after-b' }, true)
  await world.run('promises', 'search')
  assert.equal(
    world.printed.stdout,
    [
      'ID  STATE      FUNCTION  CREATED                        TOOK       VALUE',
      'a   pending    charge    2025-11-24 07:59:00Z (1m ago)  1m so far',
      'b   timed out            2025-11-24 07:59:00Z (1m ago)  1m',
      '',
    ].join('\n'),
  )
  assert.equal(world.printed.stderr, 'There is more: --cursor after-b\n')
})

test('a cursor can be copied, whatever the id is that it names', async () => {
  const world = answering({ promises: [promise('a')], cursor: "after.it's" }, true)
  await world.run('promises', 'search')
  assert.equal(world.printed.stderr, "There is more: --cursor 'after.it'\\''s'\n")
})

test('an empty search is a sentence for people and an empty list for programs', async () => {
  const people = answering({ promises: [] }, true)
  await people.run('promises', 'search')
  assert.equal(people.printed.stdout, 'No promises.\n')
  const programs = answering({ promises: [] })
  await programs.run('promises', 'search')
  assert.deepEqual(JSON.parse(programs.printed.stdout), { promises: [] })
})

test('callbacks and listeners are registered by name; a bare address is a group', async () => {
  const world = answering(one)
  await world.run('promises', 'register-callback', 'a', 'b')
  await world.run('promises', 'register-listener', 'a', 'workers')
  await world.run('promises', 'register-listener', 'a', 'https://shop.example/done')
  assert.deepEqual(
    world.sent.map(({ envelope }) => [envelope.kind, envelope.data]),
    [
      ['promise.register_callback', { awaited: 'a', awaiter: 'b' }],
      ['promise.register_listener', { awaited: 'a', address: 'poll://any@workers' }],
      ['promise.register_listener', { awaited: 'a', address: 'https://shop.example/done' }],
    ],
  )
})

const wrong: readonly (readonly [args: readonly string[], message: RegExp])[] = [
  [['create', 'a'], /required option '--timeout <duration>'/],
  [['create', 'a', '--timeout', '30'], /numbers with units \(ms, s, m, h, d\) such as 30s/],
  [['create', 'a', '--timeout', '1h', '--tags', '{"n":1}'], /Tags are strings, and n is 1: put it in quotes/],
  [['create', 'a', '--timeout', '1h', '--tags', 'nope'], /Expected JSON/],
  [['create', 'a', '--timeout', '1h', '--tags', '[]'], /Expected a JSON object/],
  [['search', '--state', 'done'], /Expected one of pending, resolved, rejected, rejected_canceled, rejected_timedout/],
  [['search', '--limit', '1001'], /whole number from 1 to 1000/],
  [['get'], /missing required argument 'id'/],
  [['get', 'a', 'b'], /too many arguments/],
  [['gte', 'a'], /unknown command 'gte'\n\(Did you mean get\?\)/],
]

for (const [args, message] of wrong) {
  test(`wrong usage is refused before anything is sent: promises ${args.join(' ')}`, async () => {
    const world = createWorld()
    assert.equal(await world.run('promises', ...args), 2)
    assert.match(world.printed.stderr, message)
    assert.deepEqual([world.sent, world.printed.stdout], [[], ''])
  })
}
