// What people ask the engine: why an execution does not go on, followed to what holds everything up; who is connected; what
// waits where. Each reason that there is has its sentence here.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import {
  type Answer,
  DEFAULT_CONFIG,
  type Explanation,
  explainStep,
  type GroupRecord,
  type WorkerRecord,
} from '@resonatehq/protocol'
import { type Bench, open, type Port, START } from './world.ts'

async function explained(bench: Bench, id: string): Promise<Explanation> {
  const answer = await bench.ask({ kind: 'promise.explain', data: { id } })
  assert.equal(answer.status, 200, String(answer.data))
  return answer.data as Explanation
}

/** `id text`, a line a step. */
async function story(bench: Bench, id: string): Promise<string[]> {
  return (await explained(bench, id)).steps.map((step) => `${step.id} ${step.text}`)
}

function promise(bench: Bench, id: string, tags: Record<string, string> = {}, timeoutMs = 3_600_000): Promise<Answer> {
  return bench.ask({ kind: 'promise.create', data: { id, timeoutAt: START + timeoutMs, param: {}, tags } })
}

function suspend(bench: Bench, id: string, ...awaited: string[]): Promise<Answer> {
  const actions = awaited.map((on) => ({
    kind: 'promise.register_callback' as const,
    data: { awaited: on, awaiter: id },
  }))
  return bench.ask({ kind: 'task.suspend', data: { id, version: 1, actions } })
}

/** As our SDK says it when it connects. */
function connectWith(bench: Bench, pid: string, functions: string): Port {
  const port = { group: 'g', pid, info: { functions }, send: () => true }
  bench.engine.connect(port)
  return port as unknown as Port
}

test('no worker of the group: the groups that have one are named', async (t) => {
  const bench = await open(t)
  await bench.create('a', 'poll://any@mail')
  await bench.advance(5_000)
  assert.deepEqual(await story(bench, 'a'), [
    'a has been ready for 5s: no worker is connected in group "mail" (no worker is connected at all)',
  ])
  await bench.connect('w1', { group: 'web' })
  await bench.connect('w2', { group: 'jobs' })
  // It only listens, as a command line that waits does.
  await bench.connect('ear', { group: 'ears', capacity: 0 })
  assert.deepEqual(await story(bench, 'a'), [
    'a has been ready for 5s: no worker is connected in group "mail" (connected are "jobs", "web")',
  ])
})

test('a task for one worker waits for that one, whoever else is connected', async (t) => {
  const bench = await open(t)
  await bench.connect('other')
  await bench.create('a', 'poll://uni@g/mine')
  assert.deepEqual(await story(bench, 'a'), [
    'a has been ready for 0ms: no worker "mine" is connected in group "g" (connected is "g")',
  ])
})

test('in the hands of a worker: since when, how long the lease is, and how late its event loop', async (t) => {
  const bench = await open(t)
  await bench.connect('w')
  await bench.create('a')
  await bench.acquire('a', 'w')
  await bench.advance(10_000)
  bench.engine.report('w', { lagMs: 1_250 })
  assert.deepEqual(await story(bench, 'a'), [
    'a is in the hands of worker "w" for 10s (last renewed 10s ago; its lease ends in 50s; its event loop was 1.3s late)',
  ])
})

test('how late an event loop was before its worker had the task says nothing of now', async (t) => {
  const bench = await open(t)
  await bench.connect('w')
  bench.engine.report('w', { lagMs: 11_000 })
  await bench.advance(1_000)
  await bench.create('a')
  await bench.acquire('a', 'w')
  assert.doesNotMatch((await story(bench, 'a'))[0] as string, /late/)
})

test('what a heartbeat said is known to every server once presence was written', async (t) => {
  const bench = await open(t)
  await bench.connect('w')
  bench.engine.report('w', { lagMs: 40, rssBytes: 7 })
  await bench.advance(6_000)
  const [row] = await bench.store.workers({ limit: 10 })
  assert.deepEqual(row?.beat, { at: START, lagMs: 40, rssBytes: 7 })
})

test('held by a worker whose connection is gone', async (t) => {
  const bench = await open(t)
  const port = await bench.connect('w')
  await bench.create('a')
  await bench.acquire('a', 'w')
  port.close()
  await bench.settle()
  assert.match((await story(bench, 'a'))[0] as string, /its lease ends in 1m; it is not connected\)$/)
})

test('offered, and not acquired yet', async (t) => {
  const bench = await open(t)
  await bench.connect('w')
  await bench.create('a')
  await bench.advance(1_000)
  assert.deepEqual(await story(bench, 'a'), [
    'a was offered to worker "w" 1s ago, and is offered again in 4s unless it is acquired',
  ])
})

test('queued: all workers of the group are full', async (t) => {
  const bench = await open(t)
  await bench.connect('w', { capacity: 1 })
  for (const id of ['a', 'b']) await bench.create(id)
  await bench.acquire('a', 'w')
  assert.deepEqual(await story(bench, 'b'), ['b has been ready for 0ms, and waits for room at 1 worker of group "g"'])
})

test('no worker has the function, or not in this version; one that does not say may have it', async (t) => {
  const bench = await open(t)
  const param = { data: btoa(JSON.stringify({ func: 'greet', args: [], version: 2 })) }
  const data = { id: 'a', timeoutAt: START + 1_000_000, param, tags: { 'resonate:target': 'poll://any@g' } }
  connectWith(bench, 'w1', 'other@1,greet@1')
  await bench.settle()
  await bench.ask({ kind: 'promise.create', data })
  assert.deepEqual(await story(bench, 'a'), [
    'a cannot start: no worker of group "g" has the function "greet" in version 2 (1 worker is connected, with version 1)',
  ])
  assert.equal((await explained(bench, 'a')).steps[0]?.func, 'greet')
  connectWith(bench, 'w2', 'greet@2')
  await bench.settle()
  assert.doesNotMatch((await story(bench, 'a'))[0] as string, /no worker/)
})

test('a function that nobody has is the reason, also while its task backs off', async (t) => {
  const bench = await open(t)
  const param = { data: btoa(JSON.stringify({ func: 'greet', version: 1 })) }
  const data = { id: 'a', timeoutAt: START + 1_000_000, param, tags: { 'resonate:target': 'poll://any@g' } }
  connectWith(bench, 'w', 'other@1')
  await bench.settle()
  await bench.ask({ kind: 'promise.create', data })
  for (let version = 0; version < 5; version++) {
    await bench.acquire('a', 'w', version)
    await bench.ask({ kind: 'task.release', data: { id: 'a', version: version + 1 } })
    await bench.advance(1_000)
  }
  const reason = /^a cannot start: no worker of group "g" has the function "greet"/
  assert.match((await story(bench, 'a'))[0] as string, reason)
  // And while a worker that does not have it either is about to give it back.
  await bench.advance(60_000)
  await bench.acquire('a', 'w', 5)
  assert.match((await story(bench, 'a'))[0] as string, reason)
})

test('backing off after releases', async (t) => {
  const bench = await open(t)
  await bench.create('a')
  for (let version = 0; version < 5; version++) {
    await bench.acquire('a', 'w', version)
    await bench.ask({ kind: 'task.release', data: { id: 'a', version: version + 1 } })
    await bench.advance(1_500)
  }
  assert.deepEqual(await story(bench, 'a'), ['a is tried again in 500ms: 5 releases in a row without progress'])
})

test('delayed, halted, asleep, waiting for somebody outside, and settled', async (t) => {
  const bench = await open(t)
  await bench.create('delayed', 'poll://any@g', { 'resonate:delay': String(START + 60_000) })
  assert.deepEqual(await story(bench, 'delayed'), ['delayed is delayed; it may start in 1m'])
  await bench.create('halted')
  await bench.ask({ kind: 'task.halt', data: { id: 'halted' } })
  assert.deepEqual(await story(bench, 'halted'), ['halted is halted for 0ms: it goes on when somebody continues it'])
  await promise(bench, 'timer', { 'resonate:timer': 'true' }, 90_000)
  assert.deepEqual(await story(bench, 'timer'), ['timer sleeps; it wakes in 1m 30s'])
  await promise(bench, 'approval')
  assert.deepEqual(await story(bench, 'approval'), [
    'approval waits until somebody settles it: no worker runs it; it times out in 1h',
  ])
  await bench.advance(3_600_000)
  assert.deepEqual(await story(bench, 'approval'), ['approval timed out 0ms ago'])
})

test('halted: by whom and why, as far as that was said', async (t) => {
  const bench = await open(t)
  await bench.create('a')
  const texts: string[] = []
  for (const said of [{ by: 'ann@laptop', reason: 'a "wrong" price' }, { reason: 'late' }, { by: 'ann@laptop' }]) {
    await bench.ask({ kind: 'task.halt', data: { id: 'a', ...said } })
    await bench.advance(180_000)
    texts.push(...(await story(bench, 'a')))
    await bench.ask({ kind: 'task.continue', data: { id: 'a' } })
  }
  assert.deepEqual(texts, [
    'a is halted for 3m by ann@laptop: "a \\"wrong\\" price"; it goes on when somebody continues it',
    'a is halted for 3m: "late"; it goes on when somebody continues it',
    'a is halted for 3m by ann@laptop: it goes on when somebody continues it',
  ])
})

test('what was said of an earlier halt is not told of one by an older program, which leaves it where it is', async (t) => {
  const bench = await open(t)
  await bench.create('a')
  await bench.ask({ kind: 'task.halt', data: { id: 'a', by: 'ann' } })
  const [pair] = await bench.store.pairs({ ids: ['a'] })
  assert.ok(pair?.task)
  const facts = { awaited: [], workers: [], now: START + 5, config: DEFAULT_CONFIG, promise: pair.promise }
  assert.match(explainStep({ ...facts, task: pair.task }).text, /by ann/)
  const { text } = explainStep({ ...facts, task: { ...pair.task, sinceAt: START + 2 } })
  assert.equal(text, 'is halted for 3ms: it goes on when somebody continues it')
})

test('halted by the server, which has counted what went wrong, and says so in its log', async (t) => {
  const warnings: unknown[] = []
  const log = { info() {}, error() {}, warn: (fields: object, text: string) => void warnings.push([fields, text]) }
  const bench = await open(t, { log, machine: { ...DEFAULT_CONFIG, attemptsMax: 2 } })
  await bench.create('a')
  for (let version = 0; version < 2; version++) {
    await bench.acquire('a', 'w', version)
    await bench.ask({ kind: 'task.release', data: { id: 'a', version: version + 1 } })
  }
  const why = '2 releases in a row without progress (tasks.max_attempts)'
  assert.deepEqual(await story(bench, 'a'), [
    `a is halted for 0ms by the server: "${why}"; it goes on when somebody continues it`,
  ])
  assert.deepEqual(warnings, [[{ id: 'a' }, `Task halted: ${why}`]])
})

test('halted, and continued it could not start either: nobody has the function', async (t) => {
  const bench = await open(t)
  const param = { data: btoa(JSON.stringify({ func: 'greet', version: 1 })) }
  const data = { id: 'a', timeoutAt: START + 1_000_000, param, tags: { 'resonate:target': 'poll://any@g' } }
  connectWith(bench, 'w', 'other@1')
  await bench.settle()
  await bench.ask({ kind: 'promise.create', data })
  await bench.ask({ kind: 'task.halt', data: { id: 'a', by: 'ann' } })
  assert.deepEqual(await story(bench, 'a'), [
    'a is halted for 0ms by ann: it goes on when somebody continues it, and could not start then: ' +
      'no worker of group "g" has the function "greet" in version 1 (1 worker is connected)',
  ])
})

test('pushed to a URL: when it is sent again', async (t) => {
  const bench = await open(t, { push: async () => true })
  await bench.create('a', 'http://push.test/x')
  await bench.advance(10_000)
  assert.deepEqual(await story(bench, 'a'), [
    'a was sent to "http://push.test/x" 10s ago, and was not acquired; it is sent again in 20s',
  ])
})

test('pushed to a URL that takes nothing: how often it failed, and by what', async (t) => {
  const trouble = { failures: 3, failedAt: START, answer: 'ECONNREFUSED' }
  const bench = await open(t, { push: async () => false, pushTrouble: () => trouble })
  await bench.create('a', 'http://push.test/x')
  await bench.advance(10_000)
  assert.deepEqual(await story(bench, 'a'), [
    'a was sent to "http://push.test/x" 10s ago, and was not acquired: 3 attempts failed, the last by ECONNREFUSED; it is sent again in 20s',
  ])
})

test('what an execution waits for is followed, the oldest first, to what holds everything up', async (t) => {
  const bench = await open(t)
  await bench.connect('w')
  for (const id of ['root', 'child']) {
    await bench.create(id)
    await bench.acquire(id, 'w')
    await bench.advance(1)
  }
  await promise(bench, 'approval')
  await bench.advance(1)
  await promise(bench, 'later')
  await suspend(bench, 'child', 'later', 'approval')
  await suspend(bench, 'root', 'child', 'later')
  assert.deepEqual(await story(bench, 'root'), [
    'root waits for 2 promises, the oldest "child", suspended for 0ms',
    'child waits for 2 promises, the oldest "approval", suspended for 0ms',
    'approval waits until somebody settles it: no worker runs it; it times out in 59m 59s',
  ])
})

test('a step is run by whoever runs the function that it belongs to', async (t) => {
  const bench = await open(t)
  await bench.create('root')
  await promise(bench, 'root:0', { 'resonate:scope': 'local', 'resonate:branch': 'root' })
  assert.deepEqual(await story(bench, 'root:0'), [
    'root:0 is a step of "root", and is run by whoever runs that',
    'root has been ready for 0ms: no worker is connected in group "g" (no worker is connected at all)',
  ])
})

test('a step of a function that is not there is run by nobody', async (t) => {
  const bench = await open(t)
  await promise(bench, 'root:0', { 'resonate:scope': 'local', 'resonate:branch': 'gone' })
  const { steps, isCircular } = await explained(bench, 'root:0')
  assert.deepEqual([steps.map(({ reason }) => reason.kind), isCircular], [['unowned'], false])
})

test('a circle of waits ends, and is called one', async (t) => {
  const bench = await open(t)
  for (const id of ['a', 'b']) {
    await bench.create(id)
    await bench.acquire(id, 'w')
  }
  await suspend(bench, 'a', 'b')
  await suspend(bench, 'b', 'a')
  const { steps, isCircular, isCut } = await explained(bench, 'a')
  assert.deepEqual([steps.map(({ id }) => id), isCircular, isCut], [['a', 'b'], true, false])
})

test('a chain that is too deep is cut, and says so', async (t) => {
  const bench = await open(t)
  for (let depth = 0; depth < 60; depth++) {
    await bench.create(`t${depth}`)
    await bench.acquire(`t${depth}`, 'w')
    if (depth > 0) await suspend(bench, `t${depth}`, `t${depth - 1}`)
  }
  const { steps, isCut } = await explained(bench, 't59')
  assert.deepEqual([steps.length, isCut], [50, true])
})

test('of many awaited promises the first few are looked at', async (t) => {
  const bench = await open(t)
  await bench.create('root')
  await bench.acquire('root', 'w')
  const ids = Array.from({ length: 150 }, (_, at) => `p${at}`)
  for (const id of ids) await promise(bench, id)
  await suspend(bench, 'root', ...ids)
  const [first] = (await explained(bench, 'root')).steps
  assert.match(first?.text ?? '', /^waits for 150 promises, one of them "p0"/)
})

test('asked for a promise that is not there, or with an id that cannot be', async (t) => {
  const bench = await open(t)
  assert.deepEqual(await bench.ask({ kind: 'promise.explain', data: { id: 'a' } }), {
    status: 404,
    data: 'promise "a" not found',
  })
  assert.equal((await bench.ask({ kind: 'promise.explain', data: { id: '' } })).status, 400)
})

test('workers are listed by group and pid, page by page, with what is in their hands', async (t) => {
  const bench = await open(t)
  const gone = await bench.connect('gone', { group: 'b' })
  await bench.connect('w2', { group: 'a', capacity: 3 })
  await bench.connect('w1', { group: 'a' })
  gone.close()
  await bench.create('x', 'poll://any@a')
  bench.engine.report('w1', { lagMs: 5 })
  const found: WorkerRecord[] = []
  let cursor: string | undefined
  do {
    const answer = await bench.ask({ kind: 'worker.search', data: { limit: 1, ...(cursor && { cursor }) } })
    const page = answer.data as { workers: WorkerRecord[]; cursor?: string }
    found.push(...page.workers)
    cursor = page.cursor
  } while (cursor)
  assert.deepEqual(found, [
    { group: 'a', pid: 'w1', state: 'connected', tasks: 0, info: {}, seenAt: START, heartbeatAt: START, lagMs: 5 },
    { group: 'a', pid: 'w2', state: 'connected', capacity: 3, tasks: 1, info: {}, seenAt: START },
    { group: 'b', pid: 'gone', state: 'gone', tasks: 0, info: {}, seenAt: START },
  ])
  const bad = await bench.ask({ kind: 'worker.search', data: { cursor: 'nonsense' } })
  assert.equal(bad.status, 400)
})

test('groups are those that have a task or a worker', async (t) => {
  const bench = await open(t, { scaling: { targetWaitMs: 1_000, tasksPerWorker: 2 } })
  await bench.connect('w', { group: 'idle' })
  for (const id of ['a', 'b', 'c']) await bench.create(id, 'poll://any@busy')
  await bench.acquire('a', 'x')
  await bench.advance(2_000)
  const { groups } = (await bench.ask({ kind: 'group.search', data: {} })).data as { groups: GroupRecord[] }
  const none = { pending: 0, acquired: 0, suspended: 0, halted: 0 }
  assert.deepEqual(groups, [
    {
      group: 'busy',
      workers: 0,
      tasks: { ...none, pending: 2, acquired: 1 },
      ready: 2,
      oldestReadyAt: START,
      workersDesired: 2,
    },
    { group: 'idle', workers: 1, tasks: none, ready: 0, workersDesired: 0 },
  ])
})

test('a group whose last task is over is forgotten', async (t: TestContext) => {
  const bench = await open(t)
  await bench.create('a')
  await bench.acquire('a', 'w')
  await bench.fulfill('a')
  assert.deepEqual((await bench.ask({ kind: 'group.search', data: {} })).data, { groups: [] })
})
