// What implementations of this protocol have got wrong, each named by its line in the protocol page's list (section 6).
// Those about delivery (8 and 9) are in the engine's tests, the one about debugging (7) in the server's.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Answer,
  type CreateData,
  DEFAULT_CONFIG,
  type Effect,
  type Input,
  type PromiseRecord,
  type TaskRecord,
} from '@resonatehq/protocol'
import { BareMachine } from './bare.ts'

const TARGET = { 'resonate:target': 'poll://any@g' }
const END = 9_000_000

function machine() {
  const bare = new BareMachine(DEFAULT_CONFIG)
  const ask = (now: number, input: Input): Answer => bare.step(input, now).answer
  return {
    bare,
    ask,
    /** What a step of the server's own changes. */
    step: (now: number, input: Input): readonly Effect[] => bare.step(input, now).effects,
    create: (now: number, id: string, timeoutAt: number, tags: Record<string, string> = {}) =>
      ask(now, { kind: 'promise.create', data: { id, timeoutAt, param: {}, tags } }),
    settle: (now: number, id: string) =>
      ask(now, { kind: 'promise.settle', data: { id, state: 'resolved', value: {} } }),
    acquire: (now: number, id: string, version = 0, pid = 'w') =>
      ask(now, { kind: 'task.acquire', data: { id, version, pid, ttl: 1_000 } }),
    suspend: (now: number, id: string, awaited: string) =>
      ask(now, {
        kind: 'task.suspend',
        data: { id, version: 1, actions: [{ kind: 'promise.register_callback', data: { awaited, awaiter: id } }] },
      }),
    fulfill: (now: number, id: string, version: number) =>
      ask(now, {
        kind: 'task.fulfill',
        data: { id, version, action: { kind: 'promise.settle', data: { id, state: 'resolved', value: {} } } },
      }),
  }
}

test('not here: 1. a timeout armed only for promises with a target: waiters on other external promises hang forever', () => {
  const { bare, create, acquire, suspend, step } = machine()
  create(0, 'external', 100)
  create(0, 'waiter', END, TARGET)
  acquire(0, 'waiter')
  suspend(0, 'waiter', 'external')
  assert.deepEqual(bare.tables.wakes.first, { at: 100, id: 'external' })
  step(100, { kind: 'promise.timeout', data: { id: 'external' } })
  assert.deepEqual(bare.tables.wakes.first, { at: 100, id: 'external' })
  step(100, { kind: 'promise.resume', data: { awaited: 'external', awaiter: 'waiter' } })
  assert.equal(bare.tables.task('waiter')?.state, 'pending')
})

test('not here: 2. task.create, halt, continue, heartbeat, lease expiry and dispatch looking at the stored state instead of the projected one: a dead promise’s task is handed out', () => {
  const { bare, create, acquire, ask, step } = machine()
  for (const id of ['ready', 'held', 'halted']) create(0, id, 2_000, TARGET)
  acquire(0, 'held')
  ask(0, { kind: 'task.halt', data: { id: 'halted' } })
  const action = { kind: 'promise.create', data: { id: 'ready', timeoutAt: END, param: {}, tags: TARGET } } as const
  const created = ask(2_000, { kind: 'task.create', data: { pid: 'w', ttl: 1_000, action } })
  assert.equal((created.data as { task: TaskRecord }).task.state, 'fulfilled')
  assert.equal(ask(2_000, { kind: 'task.halt', data: { id: 'ready' } }).status, 409)
  assert.equal(ask(2_000, { kind: 'task.continue', data: { id: 'halted' } }).status, 409)
  const beat = ask(2_000, { kind: 'task.heartbeat', data: { pid: 'w', tasks: [{ id: 'held', version: 1 }] } })
  assert.deepEqual(beat.data, { lost: ['held'] })
  assert.deepEqual(step(2_000, { kind: 'task.expire', data: { id: 'held' } }), [])
  assert.deepEqual(step(2_000, { kind: 'task.dispatch', data: { id: 'ready', worker: 'w' } }), [])
  assert.equal(acquire(2_000, 'ready').status, 409)
  // All of it before the deadline was written down.
  assert.equal(bare.tables.promise('ready')?.state, 'pending')
})

test('not here: 3. resuming an awaiter that is itself past its deadline', () => {
  const { bare, create, acquire, suspend, settle, step } = machine()
  create(0, 'awaited', END)
  create(0, 'awaiter', 100, TARGET)
  acquire(0, 'awaiter')
  suspend(0, 'awaiter', 'awaited')
  settle(100, 'awaited')
  const changed = step(100, { kind: 'promise.resume', data: { awaited: 'awaited', awaiter: 'awaiter' } })
  assert.deepEqual(
    changed.filter(({ kind }) => kind === 'task'),
    [],
  )
  assert.deepEqual(bare.tables.waiters('awaited').awaiters, [])
})

test('not here: 4. serving unprojected records: a client reads rejected_timedout first and pending later', () => {
  const { bare, create, acquire, settle, ask } = machine()
  const tags = { 'resonate:branch': 'b' }
  create(0, 'a', 100, tags)
  create(0, 'holder', END, { ...TARGET, ...tags })
  create(0, 'waiter', END, TARGET)
  const inside = (answer: Answer) => (answer.data as { action: { data: unknown } }).action.data
  const action = { kind: 'promise.settle', data: { id: 'a', state: 'resolved', value: {} } } as const
  const all = (answer: Answer, name: string) => (answer.data as Record<string, PromiseRecord[]>)[name]?.[0]
  const one = (data: unknown) => (data as { promise: PromiseRecord }).promise
  const reads: (PromiseRecord | undefined)[] = [
    one(ask(100, { kind: 'promise.get', data: { id: 'a' } }).data),
    one(create(100, 'a', END).data),
    one(settle(100, 'a').data),
    one(ask(100, { kind: 'promise.register_callback', data: { awaited: 'a', awaiter: 'waiter' } }).data),
    one(ask(100, { kind: 'promise.register_listener', data: { awaited: 'a', address: 'poll://uni@g/w' } }).data),
    all(ask(100, { kind: 'promise.search', data: {} }), 'promises'),
    all(ask(100, { kind: 'promise.search', data: { state: 'rejected_timedout', tags } }), 'promises'),
    all(acquire(100, 'holder'), 'preload'),
    one(inside(ask(100, { kind: 'task.fence', data: { id: 'holder', version: 1, action } }))),
  ]
  for (const read of reads) assert.deepEqual([read?.state, read?.settledAt], ['rejected_timedout', 100])
  assert.equal(bare.tables.promise('a')?.state, 'pending')
})

test('not here: 5. two workers holding a valid claim on one task, or a message naming a version that was never issued', () => {
  const { create, acquire, fulfill, ask, step } = machine()
  const offered = (now: number) =>
    step(now, { kind: 'task.dispatch', data: { id: 'a', worker: 'w' } }).flatMap((effect) =>
      effect.kind === 'execute' ? [effect.version] : [],
    )
  create(0, 'a', END, TARGET)
  assert.deepEqual(offered(0), [0])
  assert.equal(acquire(0, 'a', 0, 'w').status, 200)
  assert.equal(acquire(0, 'a', 0, 'v').status, 409)
  assert.deepEqual(offered(0), [])
  step(1_000, { kind: 'task.expire', data: { id: 'a' } })
  assert.deepEqual(offered(1_000), [1])
  assert.equal(acquire(1_000, 'a', 0, 'v').status, 409)
  assert.equal(acquire(1_000, 'a', 1, 'v').status, 200)
  assert.equal(ask(1_000, { kind: 'task.release', data: { id: 'a', version: 1 } }).status, 409)
  assert.equal(fulfill(1_000, 'a', 1).status, 409)
  assert.equal(fulfill(1_000, 'a', 2).status, 200)
})

test('not here: 6. a settled promise accepting a new callback or listener', () => {
  const { bare, create, settle, ask } = machine()
  create(0, 'timed out', 100)
  create(0, 'settled', END)
  create(0, 'awaiter', END, TARGET)
  settle(100, 'settled')
  for (const awaited of ['timed out', 'settled']) {
    const address = 'poll://uni@g/w'
    assert.equal(ask(100, { kind: 'promise.register_callback', data: { awaited, awaiter: 'awaiter' } }).status, 200)
    assert.equal(ask(100, { kind: 'promise.register_listener', data: { awaited, address } }).status, 200)
    assert.deepEqual(bare.tables.waiters(awaited), { awaiters: [], addresses: [], more: false })
  }
})

test('not here: 10. task.fence running a create that the front door would have refused', () => {
  const { bare, create, acquire, ask } = machine()
  create(0, 'a', END, TARGET)
  acquire(0, 'a')
  const refused: CreateData[] = [
    { id: 'b', timeoutAt: END, param: {}, tags: { 'resonate:target': 'nowhere' } },
    { id: 'b', timeoutAt: END, param: {}, tags: { 'resonate:delay': '5' } },
    { id: 'b'.repeat(1_025), timeoutAt: END, param: {}, tags: {} },
    { id: '', timeoutAt: END, param: {}, tags: {} },
  ]
  for (const data of refused) {
    const front = ask(0, { kind: 'promise.create', data })
    const fenced = ask(0, {
      kind: 'task.fence',
      data: { id: 'a', version: 1, action: { kind: 'promise.create', data } },
    })
    const { action } = fenced.data as { action: { head: { status: number }; data: unknown } }
    assert.deepEqual([action.head.status, action.data], [400, front.data])
    assert.equal(bare.tables.promise(data.id), null)
  }
})
