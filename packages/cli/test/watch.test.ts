// `resonate explain`, `workers`, `groups` and `top`: what people look at when something does not go on.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Explanation, RequestEnvelope } from '@resonatehq/protocol'
import { group, worker } from './records.ts'
import { createWorld, START } from './world.ts'

const explanation: Explanation = {
  id: 'order-42',
  at: START,
  steps: [
    {
      id: 'order-42',
      state: 'pending',
      timeoutAt: START + 7_200_000,
      task: 'suspended',
      func: 'processOrder',
      reason: { kind: 'suspended', since: START, count: 1, examined: 1, on: 'order-42:1' },
      text: 'waits for "order-42:1", suspended for 3m',
    },
    {
      id: 'order-42:1',
      state: 'pending',
      timeoutAt: START + 60_000,
      task: 'pending',
      reason: { kind: 'no_worker', group: 'mail', since: START, connected: ['web'] },
      text: 'has been ready for 3m: no worker is connected in group "mail" (connected is "web")',
    },
  ],
  isCircular: false,
  isCut: false,
}

const workers = [
  worker('w1', {
    capacity: 10,
    tasks: 3,
    heartbeatAt: START - 4_000,
    lagMs: 12,
    rssBytes: 150 * 1_048_576,
    info: { sdk: 'ts', version: '1.0.0', host: 'node-7' },
  }),
  worker('w2', { state: 'gone', seenAt: START - 61_000 }),
]
const groups = [
  group('default', {
    workers: 1,
    ready: 4,
    oldestReadyAt: START - 9_000,
    workersDesired: 2,
    tasks: { pending: 6, acquired: 3, suspended: 1, halted: 0 },
  }),
]

function answer({ kind, data }: RequestEnvelope) {
  if (kind === 'promise.explain') return { status: 200, data: { ...explanation, id: data.id } }
  return { status: 200, data: kind === 'worker.search' ? { workers } : { groups } }
}

test('explain lays the reasons out, one below the other', async () => {
  const world = createWorld({ tty: true, answer })
  assert.equal(await world.run('explain', 'order-42'), 0)
  assert.equal(
    world.printed.stdout,
    [
      '🟡 order-42 (processOrder) waits for "order-42:1", suspended for 3m',
      '└── 🟡 order-42:1 has been ready for 3m: no worker is connected in group "mail" (connected is "web")',
      'order-42 times out in 2h.',
      '',
    ].join('\n'),
  )
})

test('explain answers programs with what the server said', async () => {
  const world = createWorld({ answer })
  await world.run('explain', 'order-42')
  assert.deepEqual(JSON.parse(world.printed.stdout), explanation)
})

test('explain says so when a circle holds everything up, or when there is more', async () => {
  const world = createWorld({
    tty: true,
    answer: () => ({ status: 200, data: { ...explanation, isCircular: true, isCut: true } }),
  })
  await world.run('explain', 'order-42')
  assert.match(world.printed.stdout, /wait for each other in a circle/)
  assert.match(world.printed.stdout, /There is more below/)
})

test('workers are a table of who is there and how they are', async () => {
  const world = createWorld({ tty: true, answer })
  assert.equal(await world.run('workers'), 0)
  assert.equal(
    world.printed.stdout,
    [
      'GROUP    PID  STATE           TASKS    HEARTBEAT  LAG   MEMORY   SDK       HOST',
      'default  w1   connected       3 of 10  4s ago     12ms  150 MiB  ts 1.0.0  node-7',
      'default  w2   gone for 1m 1s  0',
      '',
    ].join('\n'),
  )
})

test('workers of one group are asked for, and every page is read', async () => {
  const pages = [{ workers: [worker('a')], cursor: 'after.x' }, { workers: [worker('b')] }]
  const world = createWorld({ answer: () => ({ status: 200, data: pages.shift() }) })
  await world.run('workers', '--group', 'mail')
  assert.deepEqual(
    JSON.parse(world.printed.stdout).workers.map(({ pid }: { pid: string }) => pid),
    ['a', 'b'],
  )
  assert.deepEqual(world.last().data, { limit: 1000, group: 'mail', cursor: 'after.x' })
})

test('a command line that waits for a result is no worker, unless it is asked for by its group', async () => {
  const waiting = { ...worker('cli'), group: 'resonate-cli' }
  const world = createWorld({
    answer: ({ kind }) => ({
      status: 200,
      data: kind === 'worker.search' ? { workers: [waiting] } : { groups: [group('resonate-cli')] },
    }),
  })
  for (const command of ['workers', 'groups', 'top --once'])
    assert.equal(await world.run(...command.split(' '), '--json'), 0)
  assert.doesNotMatch(world.printed.stdout, /resonate-cli/)
  assert.equal(await world.run('workers', '--group', 'resonate-cli'), 0)
  assert.match(world.printed.stdout, /resonate-cli/)
})

test('groups are a table of what waits and who is there for it', async () => {
  const world = createWorld({ tty: true, answer })
  assert.equal(await world.run('groups'), 0)
  assert.equal(
    world.printed.stdout,
    [
      'GROUP    WORKERS  NEEDED  READY  OLDEST  HELD  SUSPENDED  NOT YET  HALTED',
      'default  1        2       4      9s      3     1          2        0',
      '',
    ].join('\n'),
  )
})

test('top replaces the picture on a terminal until it is stopped', async () => {
  const world = createWorld({ tty: true, answer })
  const watching = world.run('top', '--interval', '5s')
  await pictures(world, 1)
  world.advance(5_000)
  await pictures(world, 2)
  world.signal()
  assert.equal(await watching, 0)
  assert.equal(world.timers.size, 0)
  const [, picture = ''] = world.printed.stdout.split('\x1b[H\x1b[J')
  assert.match(picture, /^http:\/\/localhost:8001 {2}.*Z {2}1 group, 1 worker\n\nGROUP/)
})

test('top is a line of JSON each time for programs, and looks once if it is told to', async () => {
  const world = createWorld({ answer })
  assert.equal(await world.run('top', '--once'), 0)
  assert.deepEqual(JSON.parse(world.printed.stdout), { at: START, groups, workers, isCut: false })
})

test('top goes on when the server was away, and ends where it never was there', async () => {
  let isDown = false
  const world = createWorld({ answer: (envelope) => (isDown ? { status: 503, data: 'starting' } : answer(envelope)) })
  const watching = world.run('top')
  await lines(world, 1)
  isDown = true
  world.advance(2_000)
  while (world.printed.stderr === '') await new Promise(setImmediate)
  isDown = false
  world.advance(2_000)
  await lines(world, 2)
  world.signal()
  assert.equal(await watching, 0)
  isDown = true
  assert.equal(await world.run('top'), 1)
})

type World = ReturnType<typeof createWorld>

async function pictures(world: World, count: number): Promise<void> {
  while (world.printed.stdout.split('\x1b[H').length <= count || world.timers.size === 0)
    await new Promise(setImmediate)
}

async function lines(world: World, count: number): Promise<void> {
  while (world.printed.stdout.split('\n').length <= count || world.timers.size === 0) await new Promise(setImmediate)
}

test('top shows first what waits for workers, then what is halted, then what is worked on', async () => {
  const tasks = { pending: 0, acquired: 0, suspended: 0, halted: 0 }
  const crowd = [
    group('busy', { tasks: { ...tasks, acquired: 9 } }),
    group('halted', { tasks: { ...tasks, halted: 1 } }),
    group('idle'),
    group('waiting', { ready: 2 }),
  ]
  const world = createWorld({ tty: true, answer: () => ({ status: 200, data: { groups: crowd, workers: [] } }) })
  await world.run('top', '--once')
  const names = [...world.printed.stdout.matchAll(/^(\w+) +\d/gm)].map(([, name]) => name)
  assert.deepEqual(names, ['waiting', 'halted', 'busy', 'idle'])
})

test('top fits its screen: the most urgent groups, the busiest workers, and how many are left out', async () => {
  const names = Array.from({ length: 30 }, (_, n) => `name-${n}`)
  const crowd = {
    groups: names.map((name, n) => group(name, { ready: n })),
    workers: names.map((name, n) => worker(name, { tasks: n, info: { host: 'x'.repeat(60) } })),
  }
  const size = { columns: 60, rows: 15 }
  const world = createWorld({ tty: true, size, answer: () => ({ status: 200, data: crowd }) })
  const watching = world.run('top')
  await pictures(world, 1)
  world.signal()
  await watching
  const lines = (world.printed.stdout.split('\x1b[H\x1b[J')[1] ?? '').split('\n')
  assert.equal(lines.length, size.rows)
  assert.ok(lines.every((line) => line.length <= size.columns))
  const firsts = lines.map((line) => line.split(' ').filter(Boolean).slice(0, 2).join(' '))
  assert.deepEqual(firsts.slice(2, 8), ['GROUP WORKERS', 'name-29 1', 'name-28 1', 'name-27 1', '… and', ''])
  assert.deepEqual(firsts.slice(8, 14), [
    'GROUP PID',
    'default name-29',
    'default name-28',
    'default name-27',
    'default name-26',
    '… and',
  ])
})
