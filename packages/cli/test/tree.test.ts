// `resonate tree ID`: a call tree out of the tags of promises.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PromiseRecord, RequestEnvelope } from '@resonatehq/protocol'
import { promise } from './records.ts'
import { base64, createWorld, START } from './world.ts'

const call = (func: string) => ({ data: base64({ func, version: 1 }) })

const child = (id: string, parent: string, tags: Record<string, string>, parts: Partial<PromiseRecord> = {}) =>
  promise(id, { tags: { 'resonate:origin': 'order', 'resonate:parent': parent, ...tags }, ...parts })

const root = promise('order', {
  param: call('processOrder'),
  tags: {
    'resonate:origin': 'order',
    'resonate:parent': 'order',
    'resonate:scope': 'global',
    'resonate:target': 'poll://any@workers',
  },
})

const members = [
  root,
  child('order:10', 'order', { 'resonate:scope': 'global' }, { createdAt: START - 50_000 }),
  child('order:9', 'order', { 'resonate:scope': 'global', 'resonate:timer': 'true' }, { createdAt: START - 50_000 }),
  child(
    'order:0',
    'order',
    { 'resonate:scope': 'local' },
    { state: 'resolved', settledAt: START - 58_800, param: call('charge') },
  ),
  child(
    'order:1',
    'order',
    { 'resonate:scope': 'global', 'resonate:target': 'poll://any@mail' },
    { state: 'rejected_timedout', createdAt: START - 55_000, settledAt: START - 50_000, param: call('mail') },
  ),
  child(
    'order:1.0',
    'order:1',
    { 'resonate:scope': 'local' },
    { state: 'rejected_canceled', createdAt: START - 54_000, settledAt: START - 53_990 },
  ),
]

/** A server with these promises, `page` of them an answer. */
function serving(promises: readonly PromiseRecord[], options: { page?: number; tty?: boolean } = {}) {
  const { page = 1000, tty = true } = options
  const answer = ({ kind, data }: RequestEnvelope) => {
    if (kind === 'promise.get') {
      const found = promises.find(({ id }) => id === data.id)
      return found ? { status: 200, data: { promise: found } } : { status: 404, data: 'Promise not found' }
    }
    const { tags, cursor = '0' } = data as { tags: Record<string, string>; cursor?: string }
    const matching = promises.filter((each) => each.tags['resonate:origin'] === tags['resonate:origin'])
    const end = Number(cursor) + page
    const more = end < matching.length ? { cursor: String(end) } : {}
    return { status: 200, data: { promises: matching.slice(Number(cursor), end), ...more } }
  }
  return createWorld({ tty, answer })
}

const drawn = [
  'order 🟡 pending (rpc processOrder) 1m so far',
  '├── order:0 🟢 resolved (run charge) 1.2s',
  '├── order:1 🔴 timed out (rpc mail) 5s',
  '│   └── order:1.0 🔴 canceled (run) 10ms',
  '├── order:9 🟡 pending (sleep) 50s so far',
  '└── order:10 🟡 pending (promise) 50s so far',
  '',
].join('\n')

test('a tree shows states, kinds, functions and durations, siblings in the order of their creation', async () => {
  const world = serving(members)
  assert.equal(await world.run('tree', 'order'), 0)
  assert.equal(world.printed.stdout, drawn)
})

test('a tree is the same text where stdout is not a terminal', async () => {
  const world = serving(members, { tty: false })
  await world.run('tree', 'order')
  assert.equal(world.printed.stdout, drawn)
})

test('a tree larger than a page is read to the end', async () => {
  const world = serving(members, { page: 2 })
  await world.run('tree', 'order')
  assert.equal(world.printed.stdout, drawn)
  assert.equal(world.sent.length, 1 + 3)
})

test('a root without an origin tag has a state and an icon too', async () => {
  const bare = promise('order', { tags: { 'resonate:target': 'poll://any@workers' }, param: call('processOrder') })
  const world = serving([bare, ...members.slice(1)])
  await world.run('tree', 'order')
  assert.equal(world.printed.stdout, drawn)
})

test('a promise below the root shows what is below it', async () => {
  const world = serving(members)
  await world.run('tree', 'order:1')
  assert.equal(world.printed.stdout, 'order:1 🔴 timed out (rpc mail) 5s\n└── order:1.0 🔴 canceled (run) 10ms\n')
})

test('nothing of a tree is left out: what has no parent, or is its own ancestor, hangs under the root', async () => {
  const scope = { 'resonate:scope': 'local' }
  const world = serving([
    promise('order', { tags: {} }),
    child('lost', 'gone', scope),
    child('lost:0', 'lost', scope),
    child('round', 'about', scope, { createdAt: START }),
    child('about', 'round', scope, { createdAt: START + 1 }),
    child('self', 'self', scope, { createdAt: START + 2 }),
  ])
  await world.run('tree', 'order')
  assert.deepEqual(
    world.printed.stdout.split('\n').map((line) => line.replace(/ 🟡.*/, '')),
    ['order', '├── lost', '│   └── lost:0', '├── round', '│   └── about', '└── self', ''],
  )
})

test('a chain of ten thousand calls is drawn', async () => {
  const chain = Array.from({ length: 10_000 }, (_, depth) =>
    child(`c${depth}`, depth === 0 ? 'order' : `c${depth - 1}`, { 'resonate:scope': 'local' }),
  )
  const world = serving([root, ...chain])
  assert.equal(await world.run('tree', 'order'), 0)
  assert.equal(world.printed.stdout.split('\n').length, 10_002)
})

test('--json nests the same tree', async () => {
  const world = serving(members)
  await world.run('tree', 'order:1', '--json')
  assert.deepEqual(JSON.parse(world.printed.stdout), {
    id: 'order:1',
    state: 'rejected_timedout',
    kind: 'rpc',
    func: 'mail',
    createdAt: START - 55_000,
    settledAt: START - 50_000,
    durationMs: 5_000,
    children: [
      {
        id: 'order:1.0',
        state: 'rejected_canceled',
        kind: 'run',
        createdAt: START - 54_000,
        settledAt: START - 53_990,
        durationMs: 10,
        children: [],
      },
    ],
  })
})

test('a tree of an unknown promise is refused', async () => {
  const world = serving([])
  assert.equal(await world.run('tree', 'order'), 1)
  assert.deepEqual(world.printed, { stdout: '', stderr: 'Error: Promise not found (404)\n' })
})
