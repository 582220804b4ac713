// What implementations of this protocol have got wrong, one test a fault, by the protocol page's own list (section 6). Those
// about delivery (8 and 9) are in the engine's tests, the one about debugging (7) in the server's.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, DEFAULT_CONFIG, type Input, type PromiseRecord, type TaskRecord } from '@resonatehq/protocol'
import { BareMachine } from './bare.ts'

const TARGET = { 'resonate:target': 'poll://any@g' }

function machine() {
  const bare = new BareMachine(DEFAULT_CONFIG)
  const ask = (now: number, input: Input): Answer => bare.step(input, now).answer
  return {
    bare,
    ask,
    create: (now: number, id: string, timeoutAt: number, tags: Record<string, string> = {}) =>
      ask(now, { kind: 'promise.create', data: { id, timeoutAt, param: {}, tags } }),
    acquire: (now: number, id: string, version = 0, pid = 'w') =>
      ask(now, { kind: 'task.acquire', data: { id, version, pid, ttl: 1_000 } }),
    suspend: (now: number, id: string, awaited: string) =>
      ask(now, {
        kind: 'task.suspend',
        data: { id, version: 1, actions: [{ kind: 'promise.register_callback', data: { awaited, awaiter: id } }] },
      }),
    promise: (now: number, id: string) =>
      (ask(now, { kind: 'promise.get', data: { id } }).data as { promise: PromiseRecord }).promise,
    task: (now: number, id: string) => (ask(now, { kind: 'task.get', data: { id } }).data as { task: TaskRecord }).task,
  }
}

test('1. a timeout is armed for promises without a target, and their waiters wake', () => {
  const { bare, create, acquire, suspend, ask, task } = machine()
  create(0, 'external', 100)
  create(0, 'waiter', 9_000, TARGET)
  acquire(0, 'waiter')
  suspend(0, 'waiter', 'external')
  assert.equal(bare.tables.wakes.first?.id, 'external')
  assert.equal(bare.tables.wakes.first?.at, 100)
  ask(100, { kind: 'promise.timeout', data: { id: 'external' } })
  ask(100, { kind: 'promise.resume', data: { awaited: 'external', awaiter: 'waiter' } })
  assert.equal(task(100, 'waiter').state, 'pending')
})

test('2. a dead promise’s task is not handed out, by any request or step', () => {
  const { create, acquire, ask, task } = machine()
  create(0, 'a', 100, TARGET)
  create(0, 'held', 100, TARGET)
  acquire(0, 'held')
  const action = { kind: 'promise.create', data: { id: 'a', timeoutAt: 9_000, param: {}, tags: TARGET } } as const
  const created = ask(100, { kind: 'task.create', data: { pid: 'w', ttl: 1_000, action } })
  assert.equal((created.data as { task: TaskRecord }).task.state, 'fulfilled')
  assert.equal(ask(100, { kind: 'task.halt', data: { id: 'a' } }).status, 409)
  assert.equal(ask(100, { kind: 'task.continue', data: { id: 'a' } }).status, 409)
  const beat = ask(100, { kind: 'task.heartbeat', data: { pid: 'w', tasks: [{ id: 'held', version: 1 }] } })
  assert.deepEqual(beat.data, { lost: ['held'] })
  ask(2_000, { kind: 'task.expire', data: { id: 'held' } })
  ask(2_000, { kind: 'task.dispatch', data: { id: 'a', worker: 'w' } })
  assert.equal(task(2_000, 'held').state, 'fulfilled')
  assert.equal(task(2_000, 'a').state, 'fulfilled')
  assert.equal(acquire(2_000, 'a').status, 409)
})

test('3. an awaiter that is itself past its deadline is not resumed', () => {
  const { bare, create, acquire, suspend, ask } = machine()
  create(0, 'awaited', 9_000)
  create(0, 'awaiter', 100, TARGET)
  acquire(0, 'awaiter')
  suspend(0, 'awaiter', 'awaited')
  ask(100, { kind: 'promise.settle', data: { id: 'awaited', state: 'resolved', value: {} } })
  ask(100, { kind: 'promise.resume', data: { awaited: 'awaited', awaiter: 'awaiter' } })
  assert.equal(bare.tables.task('awaiter')?.state, 'suspended')
  assert.deepEqual(bare.tables.waiters('awaited').awaiters, [])
})

test('4. no record is served unprojected', () => {
  const { bare, create, ask, promise } = machine()
  create(0, 'a', 100, TARGET)
  assert.equal(bare.tables.promise('a')?.state, 'pending')
  assert.equal(promise(100, 'a').state, 'rejected_timedout')
  const states = (answer: Answer) => (answer.data as { promises: PromiseRecord[] }).promises.map(({ state }) => state)
  assert.deepEqual(states(ask(100, { kind: 'promise.search', data: {} })), ['rejected_timedout'])
  assert.deepEqual(states(ask(100, { kind: 'promise.search', data: { state: 'pending' } })), [])
  const found = ask(100, { kind: 'task.search', data: {} }).data as { tasks: TaskRecord[] }
  assert.deepEqual(
    found.tasks.map(({ state }) => state),
    ['fulfilled'],
  )
})

test('5. two workers never hold a valid claim on one task, and no message names a version that was never issued', () => {
  const { bare, create, acquire, ask } = machine()
  create(0, 'a', 90_000, TARGET)
  const offered = bare.step({ kind: 'task.dispatch', data: { id: 'a', worker: 'w' } }, 0).effects
  assert.deepEqual(
    offered.find(({ kind }) => kind === 'execute'),
    {
      kind: 'execute',
      id: 'a',
      version: 0,
      address: 'poll://any@g',
      worker: 'w',
    },
  )
  assert.equal(acquire(0, 'a', 0, 'w').status, 200)
  assert.equal(acquire(0, 'a', 0, 'v').status, 409)
  ask(1_000, { kind: 'task.expire', data: { id: 'a' } })
  assert.equal(acquire(1_000, 'a', 0, 'v').status, 409)
  assert.equal(acquire(1_000, 'a', 1, 'v').status, 200)
  assert.equal(ask(1_000, { kind: 'task.release', data: { id: 'a', version: 1 } }).status, 409)
})

test('6. a settled promise accepts no new callback or listener', () => {
  const { bare, create, ask } = machine()
  create(0, 'done', 100)
  create(0, 'awaiter', 9_000, TARGET)
  const address = 'poll://uni@g/w'
  assert.equal(
    ask(100, { kind: 'promise.register_callback', data: { awaited: 'done', awaiter: 'awaiter' } }).status,
    200,
  )
  assert.equal(ask(100, { kind: 'promise.register_listener', data: { awaited: 'done', address } }).status, 200)
  assert.deepEqual(bare.tables.waiters('done'), { awaiters: [], addresses: [], more: false })
})

test('10. task.fence does not run a create that the front door would have refused', () => {
  const { bare, create, acquire, ask } = machine()
  create(0, 'a', 9_000, TARGET)
  acquire(0, 'a')
  const data = { id: 'b', timeoutAt: 9_000, param: {}, tags: { 'resonate:target': 'nowhere' } }
  const fenced = ask(0, { kind: 'task.fence', data: { id: 'a', version: 1, action: { kind: 'promise.create', data } } })
  const front = ask(0, { kind: 'promise.create', data })
  const { action } = fenced.data as { action: { head: { status: number }; data: unknown } }
  assert.deepEqual([action.head.status, action.data], [front.status, front.data])
  assert.equal(front.status, 400)
  assert.equal(bare.tables.promise('b'), null)
})
