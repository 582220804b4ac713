// The front door: routes, envelopes, batches, and what is switched on and off. What each malformed request is answered is
// tested by the conformance suite, over a real process.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, create, type Envelope, envelope, FakeEngine, post, startServer } from './world.ts'

test('an answer is an envelope whose status is that of HTTP, 300 too, and JSON always', async (t) => {
  const { url } = await startServer(t)
  await ask(url, 'promise.create', create('done'))
  await ask(url, 'promise.settle', { id: 'done', state: 'resolved' })
  const action = { kind: 'promise.create', head: {}, data: create('a', { 'resonate:target': 'poll://any@g' }) }
  await ask(url, 'task.create', { pid: 'p', ttl: 60_000, action })
  const awaiting = { kind: 'promise.register_callback', head: {}, data: { awaited: 'done', awaiter: 'a' } }
  const answer = await post(url, envelope('task.suspend', { id: 'a', version: 1, actions: [awaiting] }))
  assert.equal(answer.status, 300)
  assert.equal(answer.headers.get('location'), null)
  assert.equal(answer.headers.get('content-type'), 'application/json')
  assert.deepEqual(answer.body, {
    kind: 'task.suspend',
    head: { corrId: 'c', status: 300, version: '2026-04-01' },
    data: { preload: [] },
  })
  const missing = await post(url, envelope('promise.get', { id: 'nobody' }))
  assert.deepEqual([missing.status, missing.headers.get('content-type')], [404, 'application/json'])
})

test('a batch is answered in its order; what a guard refuses keeps its place, and undoes nothing', async (t) => {
  const { url } = await startServer(t)
  const bodies = [
    envelope('promise.create', create('a')),
    envelope('promise.nonsense', {}),
    envelope('promise.get', { id: 'a' }),
    envelope('promise.get', {}),
    envelope('promise.settle', { id: 'a', state: 'resolved' }),
  ]
  const { status, body } = await post(url, bodies)
  assert.equal(status, 200)
  const answers = body as unknown as { kind: string; head: { status: number } }[]
  assert.deepEqual(
    answers.map(({ kind, head }) => [kind, head.status]),
    [
      ['promise.create', 200],
      ['promise.nonsense', 400],
      ['promise.get', 200],
      ['promise.get', 400],
      ['promise.settle', 200],
    ],
  )
})

test('a batch of nothing, or of too many, is one refusal', async (t) => {
  const { url } = await startServer(t)
  for (const count of [0, 1_001]) {
    const { status, body } = await post(url, Array(count).fill(envelope('promise.get', { id: 'a' })))
    assert.equal(status, 400)
    assert.match(body.data, /1 to 1000/)
  }
})

test('7. debugging is not open to anyone: it is refused unless it was switched on', async (t) => {
  const off = await startServer(t)
  for (const kind of ['debug.start', 'debug.stop', 'debug.reset', 'debug.tick', 'debug.snap']) {
    const answer = await ask(off.url, kind, { time: 1 })
    assert.equal(answer.head.status, 403, kind)
    assert.match(answer.data, /--debug/)
  }
  await ask(off.url, 'promise.create', create('a'), { 'resonate:debug_time': 5 })
  assert.notEqual((await ask(off.url, 'promise.get', { id: 'a' })).data.promise.createdAt, 5)
})

test('with debugging on, time is the caller’s, and everything due at an instant can be fired', async (t) => {
  const { url } = await startServer(t, { debug: true })
  assert.deepEqual((await ask(url, 'debug.start', {})).data, {})
  const at = (time: number) => ({ 'resonate:debug_time': time })
  await ask(url, 'promise.create', { ...create('a', { 'resonate:target': 'poll://any@g' }), timeoutAt: 100 }, at(5))
  const before = (await ask(url, 'debug.snap', {}, at(6))).data
  assert.deepEqual(before.promiseTimeouts, [{ id: 'a', timeout: 100 }])
  assert.deepEqual(before.taskTimeouts, [{ id: 'a', type: 0, timeout: 5 }])
  assert.deepEqual(
    before.messages.map(({ address, message }: { address: string; message: { kind: string } }) => [
      address,
      message.kind,
    ]),
    [['poll://any@g', 'execute']],
  )
  assert.deepEqual((await ask(url, 'debug.tick', { time: 100 })).data, [])
  const after = (await ask(url, 'debug.snap', {})).data
  assert.deepEqual(
    [after.promises[0].state, after.promises[0].settledAt, after.tasks[0].state],
    ['rejected_timedout', 100, 'fulfilled'],
  )
  await ask(url, 'debug.reset', {})
  assert.deepEqual((await ask(url, 'debug.snap', {})).data.promises, [])
})

test('liveness and readiness are different questions', async (t) => {
  const engine = new FakeEngine()
  const { url } = await startServer(t, {}, engine)
  const health = await fetch(`${url}/health`)
  assert.equal(health.status, 200)
  const { extensions } = (await health.json()) as { extensions: string[] }
  assert.ok(['batch', 'capacity', 'presence'].every((name) => extensions.includes(name)))
  assert.equal((await fetch(`${url}/ready`)).status, 200)
  engine.isDown = true
  const down = await fetch(`${url}/ready`)
  assert.deepEqual([down.status, down.headers.get('retry-after')], [503, '1'])
  assert.equal((await fetch(`${url}/health`)).status, 200)
})

test('old paths are gone, unknown ones are not found, and methods are named', async (t) => {
  const { url } = await startServer(t)
  for (const path of ['/promises', '/promises/a', '/tasks/claim', '/schedules']) {
    const response = await fetch(url + path)
    assert.equal(response.status, 410)
    const { error } = (await response.json()) as { error: { code: number; message: string } }
    assert.equal(error.code, 41_000)
    assert.match(error.message, /Update the SDK .*TypeScript 0\.11/)
  }
  assert.equal((await fetch(`${url}/nowhere`)).status, 404)
  assert.match(await (await fetch(`${url}/metrics`)).text(), /port of their own \(observability\.metrics_port\)/)
  const wrong = await fetch(url)
  assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, 'POST'])
  for (const [path, allowed] of [
    ['/health', 'GET, HEAD'],
    ['/poll/g/w', 'GET'],
  ]) {
    const posted = await fetch(url + path, { method: 'POST' })
    assert.deepEqual([posted.status, posted.headers.get('allow')], [405, allowed])
  }
})

test('past the queue limit a request is refused with when to come back, and the rest is answered', async (t) => {
  const engine = new FakeEngine()
  const answers: (() => void)[] = []
  const asked = Promise.withResolvers<void>()
  engine.answer = () =>
    new Promise((resolve) => {
      if (answers.push(() => resolve({ status: 200, data: {} })) === 2) asked.resolve()
    })
  const { url } = await startServer(t, { 'limits.queue_length': 2, 'limits.batch_length': 2 }, engine)
  const pending = [post(url, envelope('promise.get', { id: 'a' })), post(url, envelope('promise.get', { id: 'b' }))]
  await asked.promise
  const refused = await post(url, envelope('promise.get', { id: 'c' }))
  assert.equal(refused.status, 503)
  assert.equal(refused.headers.get('retry-after'), '1')
  assert.match(refused.body.data, /limits\.queue_length/)
  for (const answer of answers) answer()
  assert.deepEqual(
    (await Promise.all(pending)).map(({ status }) => status),
    [200, 200],
  )
})

test('answers of a batch past the bytes for one are asked for again; one alone always fits', async (t) => {
  const engine = new FakeEngine()
  engine.answer = async () => ({ status: 200, data: { text: 'x'.repeat(1_000) } })
  const { url } = await startServer(t, { 'limits.answer_size': '3KiB' }, engine)
  const gets = Array.from({ length: 4 }, (_, n) => envelope('promise.get', { id: `${n}` }, { corrId: `${n}` }))
  const several = async (asked: unknown) => (await post(url, asked)).body as unknown as Envelope[]
  const answers = await several(gets)
  assert.deepEqual(
    answers.map(({ head }) => [head.corrId, head.status]),
    [
      ['0', 200],
      ['1', 200],
      ['2', 503],
      ['3', 503],
    ],
  )
  assert.match(answers[2]?.data, /limits\.answer_size/)
  engine.answer = async () => ({ status: 200, data: { text: 'x'.repeat(5_000) } })
  assert.equal((await several(gets.slice(0, 1)))[0]?.head.status, 200)
  assert.equal((await post(url, gets[0])).status, 200)
})

test('a stop finishes what is in flight and takes nothing new', async (t) => {
  const engine = new FakeEngine()
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<{ status: 200; data: object }>()
  engine.answer = () => {
    asked.resolve()
    return answer.promise
  }
  const { url, server } = await startServer(t, {}, engine)
  const pending = post(url, envelope('promise.get', { id: 'a' }))
  await asked.promise
  const stopped = server.stop()
  answer.resolve({ status: 200, data: {} })
  assert.equal((await pending).status, 200)
  await stopped
  await assert.rejects(fetch(`${url}/health`))
})

test('a port that is taken is said, with which one', async (t) => {
  const { url } = await startServer(t)
  const port = Number(new URL(url).port)
  await assert.rejects(startServer(t, { 'server.port': port }), new RegExp(`${port}`))
})

test('origins that are allowed may read answers, others may not', async (t) => {
  const { url } = await startServer(t, { 'server.cors.allow_origins': ['https://ours.test'] })
  const allowed = async (origin: string) => {
    const response = await fetch(`${url}/health`, { headers: { origin } })
    return response.headers.get('access-control-allow-origin')
  }
  assert.equal(await allowed('https://ours.test'), 'https://ours.test')
  assert.equal(await allowed('https://theirs.test'), null)
})

test('an answer that cannot be written is an internal error of its request, and the next one is answered', async (t) => {
  const engine = new FakeEngine()
  const { url } = await startServer(t, {}, engine)
  engine.answer = async () => ({ status: 200, data: 1n })
  const failed = await ask(url, 'promise.get', { id: 'a' }, { corrId: 'a' })
  assert.deepEqual([failed.kind, failed.head.corrId, failed.head.status], ['promise.get', 'a', 500])
  engine.answer = async () => ({ status: 200, data: {} })
  assert.equal((await ask(url, 'promise.get', { id: 'a' })).head.status, 200)
})
