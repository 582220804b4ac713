// `resonate tasks …` and `resonate schedules …`: what each command sends and prints.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { promise, schedule, task } from './records.ts'
import { base64, createWorld, START } from './world.ts'

const answering = (data: unknown, tty = false) => createWorld({ tty, answer: () => ({ status: 200, data }) })

test('people read a task', async () => {
  const world = answering({ task: task('a', { state: 'acquired', version: 2, ttl: 60_000, pid: 'w1' }) }, true)
  await world.run('tasks', 'get', 'a')
  assert.equal(world.printed.stdout, 'a  acquired\n  version  2\n  resumes  0\n  worker   w1\n  lease    1m\n')
})

test('people read a table of tasks', async () => {
  const world = answering({ tasks: [task('a'), task('b', { state: 'halted', resumes: 3 })] }, true)
  await world.run('task', 'search', '--state', 'pending')
  assert.equal(
    world.printed.stdout,
    'ID  STATE    VERSION  RESUMES  WORKER  LEASE\na   pending  0        0\nb   halted   0        3\n',
  )
  assert.deepEqual(world.last().data, { limit: 100, state: 'pending' })
})

test('halt and continue say what became of the task', async () => {
  const world = answering({}, true)
  await world.run('tasks', 'halt', 'a')
  await world.run('tasks', 'continue', 'a')
  assert.equal(world.printed.stdout, 'a halted\na continued\n')
  assert.deepEqual(
    world.sent.map(({ envelope }) => [envelope.kind, envelope.data]),
    [
      ['task.halt', { id: 'a', by: 'ann@laptop' }],
      ['task.continue', { id: 'a' }],
    ],
  )
})

test('halt says who halts, and why where that is given', async () => {
  const world = answering({})
  await world.run('tasks', 'halt', 'a', '--reason', 'wrong price list')
  assert.deepEqual(world.last().data, { id: 'a', by: 'ann@laptop', reason: 'wrong price list' })
})

test('create holds the task of a new promise whose param is encoded as everywhere else', async () => {
  const world = answering({ task: task('a'), promise: promise('a'), preload: [] })
  await world.run(
    ...['tasks', 'create', 'a', '--pid', 'me', '--ttl', '1m', '--timeout', '1h', '--param', '{"n":1}'],
    ...['--tags', '{"resonate:target":"poll://any@default"}'],
  )
  assert.deepEqual(world.last().data, {
    pid: 'me',
    ttl: 60_000,
    action: {
      kind: 'promise.create',
      head: {},
      data: {
        id: 'a',
        timeoutAt: START + 3_600_000,
        param: { data: base64({ n: 1 }) },
        tags: { 'resonate:target': 'poll://any@default' },
      },
    },
  })
})

test('claim, by either name, acquires', async () => {
  const world = answering({ task: task('a'), promise: promise('a'), preload: [] })
  for (const name of ['claim', 'acquire']) {
    await world.run('tasks', name, 'a', '--version', '3', '--pid', 'me', '--ttl', '30s')
    assert.equal(world.last().kind, 'task.acquire')
    assert.deepEqual(world.last().data, { id: 'a', version: 3, pid: 'me', ttl: 30_000 })
  }
})

test('an action without a head is given an empty one', async () => {
  const settle = { kind: 'promise.settle', data: { id: 'a', state: 'resolved' } }
  const world = answering({ promise: promise('a') })
  await world.run('tasks', 'complete', 'a', '--version', '1', '--action', JSON.stringify(settle))
  assert.deepEqual(world.last().data, { id: 'a', version: 1, action: { ...settle, head: {} } })
})

test('a fence that holds but whose action is refused fails, and prints the answer', async () => {
  const head = { corrId: '0', status: 404, version: '2026-04-01' }
  const answer = { action: { kind: 'promise.settle', head, data: 'Promise not found' }, preload: [] }
  const world = answering(answer)
  const action = '{"kind":"promise.settle","data":{"id":"b","state":"resolved"}}'
  assert.equal(await world.run('tasks', 'fence', 'a', '--version', '1', '--action', action), 1)
  assert.deepEqual(JSON.parse(world.printed.stdout), answer)
  assert.match(world.printed.stderr, /task is held, but its promise\.settle was refused \(404\)/)
})

test('what stands in a list of actions or tasks and is no object is wrong usage', async () => {
  for (const given of ['[null]', '[1]', '{}', '[[]]']) {
    const world = createWorld()
    assert.equal(await world.run('tasks', 'suspend', 'a', '--version', '1', '--actions', given), 2, given)
    assert.equal(await world.run('tasks', 'heartbeat', '--pid', 'p', '--tasks', given), 2, given)
    assert.match(world.printed.stderr, /Expected a JSON array of objects/)
    assert.deepEqual(world.sent, [])
  }
})

test('a suspend that finds something settled fails, and prints the answer', async () => {
  const world = createWorld({ answer: () => ({ status: 300, data: { preload: [] } }) })
  const actions = '[{"kind":"promise.register_callback","data":{"awaited":"b","awaiter":"a"}}]'
  assert.equal(await world.run('tasks', 'suspend', 'a', '--version', '1', '--actions', actions), 1)
  assert.deepEqual(JSON.parse(world.printed.stdout), { preload: [] })
  assert.match(world.printed.stderr, /Not suspended: an awaited promise has settled already \(300\)/)
})

test('a heartbeat without a list is for every task of the pid, and names what was lost', async () => {
  const world = answering({ lost: ['b'] }, true)
  await world.run('tasks', 'heartbeat', '--pid', 'me')
  assert.deepEqual(world.last().data, { pid: 'me', tasks: [] })
  assert.equal(world.printed.stdout, 'renewed, but no longer held: b\n')
})

test('a lease of no time is wrong usage', async () => {
  const world = createWorld()
  assert.equal(await world.run('tasks', 'claim', 'a', '--version', '0', '--pid', 'me', '--ttl', '0'), 2)
  assert.match(world.printed.stderr, /Expected more than no time/)
})

test('schedules create sends the cron, the template and what each promise is about', async () => {
  const world = answering({ schedule: schedule('nightly') })
  await world.run(
    ...['schedules', 'create', 'nightly', '--cron', '0 3 * * *', '--promise-id', '{{.id}}-{{.timestamp}}'],
    ...['--promise-timeout', '1h', '--promise-param', '{"func":"report"}', '--promise-tags', '{"k":"v"}'],
  )
  assert.deepEqual(world.last().data, {
    id: 'nightly',
    cron: '0 3 * * *',
    promiseId: '{{.id}}-{{.timestamp}}',
    promiseTimeout: 3_600_000,
    promiseParam: { data: base64({ func: 'report' }) },
    promiseTags: { k: 'v' },
  })
})

test('who looks at a schedule is told how to see what it has created', async () => {
  const world = answering({ schedule: schedule("ann's") }, true)
  await world.run('schedules', 'get', "ann's")
  const line = `resonate promises search --tags '{"resonate:schedule":"ann'\\''s"}'`
  assert.equal(world.printed.stderr, `\nIts promises: ${line}\n`)
})

test('people read a schedule, a table of them, and that one is gone', async () => {
  const world = answering({ schedule: schedule('nightly'), schedules: [schedule('nightly')] }, true)
  await world.run('schedule', 'get', 'nightly')
  await world.run('schedules', 'search')
  await world.run('schedules', 'delete', 'nightly')
  assert.equal(
    world.printed.stdout,
    [
      'nightly  0 3 * * *',
      '  next run  2025-11-24 09:00:00Z (in 1h)',
      '  creates   {{.id}}-{{.timestamp}}',
      '  for       1h',
      '  tags      resonate:target=poll://any@default',
      '  created   2025-11-23 08:00:00Z (1d ago)',
      'ID       CRON       NEXT RUN                      LAST RUN  CREATES',
      'nightly  0 3 * * *  2025-11-24 09:00:00Z (in 1h)  never     {{.id}}-{{.timestamp}}',
      'nightly deleted',
      '',
    ].join('\n'),
  )
  assert.deepEqual(world.sent[1]?.envelope.data, { limit: 10 })
})
