// Handing out work: who gets which task, and what happens to it when they do not take it. Time is moved by hand.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_CONFIG, type DebugSnapshot, nextCron, type Request } from '@resonatehq/protocol'
import { memoryStore, type Store } from '@resonatehq/store'
import type { Push } from '../src/index.ts'
import { NO_OBSERVER } from '../src/observer.ts'
import { ManualPlatform } from './manual-platform.ts'
import { type Bench, open, Port, START } from './world.ts'

test('a task goes out the moment it is created', async (t) => {
  const bench = await open(t)
  const port = await bench.connect('w')
  await bench.create('a')
  assert.deepEqual(port.messages, [
    { kind: 'execute', head: { serverUrl: 'http://test' }, data: { task: { id: 'a', version: 0 } } },
  ])
})

test('a worker that connects gets what was waiting, the longest waiting first', async (t) => {
  const bench = await open(t)
  for (const id of ['c', 'a', 'b']) {
    await bench.create(id)
    await bench.advance(1)
  }
  const port = await bench.connect('w')
  assert.deepEqual(port.take(), ['c', 'a', 'b'])
})

test('the worker with the fewest tasks in hand is chosen, ties in turn', async (t) => {
  const bench = await open(t)
  const ports = [await bench.connect('w1'), await bench.connect('w2'), await bench.connect('w3')]
  for (let at = 0; at < 7; at++) await bench.create(`t${at}`)
  assert.deepEqual(
    ports.map((port) => port.take().length),
    [3, 2, 2],
  )
  await bench.acquire('t1', 'w2')
  await bench.fulfill('t1')
  await bench.create('next')
  assert.deepEqual(ports[1]?.take(), ['next'])
})

test('a worker never gets more than its capacity, and the rest waits in the store', async (t) => {
  const bench = await open(t)
  const port = await bench.connect('w', { capacity: 2 })
  for (const id of ['a', 'b', 'c', 'd']) await bench.create(id)
  assert.deepEqual(port.take(), ['a', 'b'])
  await bench.acquire('a', 'w')
  assert.deepEqual(port.take(), [])
  await bench.fulfill('a')
  assert.deepEqual(port.take(), ['c'])
})

test('a suspended task gives its place to another, and comes back to the worker that ran it', async (t) => {
  const bench = await open(t)
  const port = await bench.connect('w1', { capacity: 1 })
  await bench.create('a')
  await bench.acquire('a', 'w1')
  await bench.create('x', 'poll://any@elsewhere')
  await bench.create('b')
  assert.deepEqual(port.take(), ['a'])
  const action = { kind: 'promise.register_callback', data: { awaited: 'x', awaiter: 'a' } } as const
  await bench.ask({ kind: 'task.suspend', data: { id: 'a', version: 1, actions: [action] } })
  assert.deepEqual(port.take(), ['b'])
  const other = await bench.connect('w2')
  await bench.acquire('b', 'w1')
  await bench.fulfill('b')
  await bench.ask({ kind: 'promise.settle', data: { id: 'x', state: 'resolved', value: {} } })
  assert.deepEqual([port.take(), other.take()], [['a'], []])
})

test('any@group/pid prefers that worker, uni@group/pid waits for it', async (t) => {
  const bench = await open(t)
  const [first, second] = [await bench.connect('w1'), await bench.connect('w2')]
  for (const id of ['a', 'b']) await bench.create(id, 'poll://any@g/w2')
  assert.deepEqual([first.take(), second.take()], [[], ['a', 'b']])
  second.close()
  await bench.settle()
  assert.deepEqual(first.take(), ['a', 'b'])
  await bench.create('c', 'poll://any@g/w2')
  await bench.create('d', 'poll://uni@g/w2')
  assert.deepEqual(first.take(), ['c'])
  const back = await bench.connect('w2')
  assert.deepEqual(back.take(), ['d'])
})

test('an offer that was not acquired goes to another worker, and the late one goes last until it is heard from', async (t) => {
  const bench = await open(t)
  const late = await bench.connect('late')
  await bench.create('a')
  assert.deepEqual(late.take(), ['a'])
  const good = await bench.connect('good')
  await bench.advance(4_999)
  assert.deepEqual(good.take(), [])
  await bench.advance(1)
  assert.deepEqual(good.take(), ['a'])
  for (const id of ['b', 'c']) await bench.create(id)
  assert.deepEqual([late.take(), good.take()], [[], ['b', 'c']])
  await bench.acquire('a', 'late')
  await bench.create('d')
  assert.deepEqual([late.take(), good.take()], [['d'], []])
})

test('a late worker is heard from when it asks for what others have by now: one that was frozen works again', async (t) => {
  const bench = await open(t)
  const frozen = await bench.connect('frozen')
  await bench.create('a')
  const good = await bench.connect('good')
  await bench.advance(5_000)
  await bench.acquire('a', 'good')
  assert.deepEqual([frozen.take(), good.take()], [['a'], ['a']])
  const late = { kind: 'task.acquire', data: { id: 'a', version: 0, pid: 'frozen', ttl: 1_000 } } as const
  assert.equal((await bench.ask(late)).status, 409)
  await bench.create('b')
  assert.deepEqual([frozen.take(), good.take()], [['b'], []])
})

test('what the only worker let lapse is offered to it again, though it takes one at a time', async (t) => {
  const bench = await open(t)
  const only = await bench.connect('only', { capacity: 1 })
  await bench.create('a')
  await bench.create('b')
  assert.deepEqual(only.take(), ['a'])
  await bench.advance(5_001)
  assert.equal(only.take().length, 1)
})

test('a task that a worker gave back goes to another one, though that has more in hand', async (t) => {
  const bench = await open(t)
  const giver = await bench.connect('giver')
  await bench.create('a')
  await bench.acquire('a', 'giver')
  const busy = await bench.connect('busy')
  await bench.create('b', 'poll://uni@g/busy')
  assert.deepEqual([giver.take(), busy.take()], [['a'], ['b']])
  await bench.ask({ kind: 'task.release', data: { id: 'a', version: 1 } })
  assert.deepEqual([giver.take(), busy.take()], [[], ['a']])
})

test('a preferred worker that let an offer lapse is passed over until it is heard from', async (t) => {
  const bench = await open(t)
  const frozen = await bench.connect('frozen')
  const other = await bench.connect('other')
  await bench.create('a', 'poll://any@g/frozen')
  assert.deepEqual([frozen.take(), other.take()], [['a'], []])
  await bench.advance(5_001)
  await bench.acquire('a', 'other')
  assert.deepEqual([frozen.take(), other.take()], [[], ['a']])
  await bench.create('b', 'poll://any@g/frozen')
  assert.deepEqual([frozen.take(), other.take()], [[], ['b']])
  await bench.acquire('b', 'frozen')
  await bench.create('c', 'poll://any@g/frozen')
  assert.deepEqual([frozen.take(), other.take()], [['c'], []])
})

test('on a server with nothing else to do what is due happens at its instant, also what was just asked for', async (t) => {
  const bench = await open(t)
  const port = await bench.connect('w')
  // After this look at the store it sleeps for a second.
  await bench.ask({ kind: 'promise.create', data: { id: 'x', timeoutAt: START + 300, param: {}, tags: {} } })
  await bench.advance(310)
  const dueAt = nextCron('* * * * * *', START + 310) as number
  const promiseTags = { 'resonate:target': 'poll://any@g' }
  const times = { cron: '* * * * * *', promiseTimeout: 1e6 }
  await bench.ask({
    kind: 'schedule.create',
    data: { id: 's', promiseId: 's.{{.timestamp}}', promiseParam: {}, promiseTags, ...times },
  })
  await bench.advance(dueAt - (START + 310) - 1)
  assert.deepEqual(port.take(), [])
  await bench.advance(1)
  assert.deepEqual(port.take(), [`s.${dueAt}`])
})

test('what was offered to a connection that ended goes to another worker at once', async (t) => {
  const bench = await open(t)
  const gone = await bench.connect('gone')
  await bench.create('a')
  const other = await bench.connect('other')
  gone.close()
  await bench.settle()
  assert.deepEqual(other.take(), ['a'])
})

test('a connection that cannot take a message did not get it', async (t) => {
  const bench = await open(t)
  const full = await bench.connect('full', { isFull: true })
  const other = await bench.connect('other')
  for (const id of ['a', 'b']) await bench.create(id)
  assert.deepEqual([full.take(), other.take().sort()], [[], ['a', 'b']])
})

test('a connection that is full gets the rest once it has drained, and is left alone until then', async (t) => {
  const bench = await open(t)
  const port = await bench.connect('w')
  await bench.create('u', 'poll://any@nobody')
  await bench.ask({ kind: 'promise.register_listener', data: { awaited: 'u', address: 'poll://uni@g/w' } })
  port.isFull = true
  await bench.create('a')
  await bench.ask({ kind: 'promise.settle', data: { id: 'u', state: 'resolved', value: {} } })
  const refused = port.refused
  await bench.create('b')
  await bench.advance(4_000)
  assert.equal(port.refused, refused)
  port.isFull = false
  port.drained()
  await bench.settle()
  assert.deepEqual(port.take().sort(), ['!u', 'a', 'b'])
})

test('a connection that drains while what it is owed is being sent gets the rest too', async (t) => {
  const bench = await open(t)
  const ids = ['u1', 'u2', 'u3']
  for (const id of ids) {
    await bench.create(id, 'poll://any@nobody')
    await bench.ask({ kind: 'promise.register_listener', data: { awaited: id, address: 'poll://uni@g/w' } })
    await bench.ask({ kind: 'promise.settle', data: { id, state: 'resolved', value: {} } })
  }
  const port = new Port('w', {})
  const take = port.send.bind(port)
  port.send = (message) => {
    // Room for one message, and for the next a moment later: sooner than the first is written off.
    const isTaken = take(message)
    if (isTaken) port.isFull = true
    else
      queueMicrotask(() => {
        port.isFull = false
        port.drained()
      })
    return isTaken
  }
  port.drained = bench.engine.connect(port).drained
  for (let round = 0; round < 4; round++) await bench.settle()
  assert.deepEqual([...new Set(port.take())].sort(), ['!u1', '!u2', '!u3'])
})

test('what a full connection refused takes none of its capacity', async (t) => {
  const bench = await open(t)
  const port = await bench.connect('w', { capacity: 1 })
  port.isFull = true
  await bench.create('a')
  await bench.advance(2_000)
  port.isFull = false
  port.drained()
  await bench.settle()
  assert.deepEqual(port.take(), ['a'])
})

test('the leases of a worker without a connection end after the grace, and its work goes on elsewhere', async (t) => {
  const bench = await open(t)
  await bench.advance(30_000)
  const dying = await bench.connect('dying')
  await bench.create('a')
  await bench.acquire('a', 'dying')
  const other = await bench.connect('other')
  dying.close()
  await bench.settle()
  await bench.advance(4_999)
  assert.deepEqual(other.take(), [])
  await bench.advance(10)
  assert.deepEqual(other.take(), ['a'])
})

test('a worker that reconnects or heartbeats within the grace keeps its leases', async (t) => {
  const bench = await open(t)
  await bench.advance(30_000)
  const back = await bench.connect('back')
  const quiet = await bench.connect('quiet')
  await bench.create('a', 'poll://uni@g/back')
  await bench.create('b', 'poll://uni@g/quiet')
  await bench.acquire('a', 'back')
  await bench.acquire('b', 'quiet')
  back.close()
  quiet.close()
  await bench.advance(3_000)
  await bench.connect('back')
  await bench.ask({ kind: 'task.heartbeat', data: { pid: 'quiet', tasks: [{ id: 'b', version: 1 }] } })
  await bench.advance(20_000)
  const states = await bench.ask({ kind: 'task.search', data: {} })
  const tasks = (states.data as { tasks: { id: string; state: string }[] }).tasks
  assert.deepEqual(
    tasks.map(({ id, state }) => [id, state]),
    [
      ['a', 'acquired'],
      ['b', 'acquired'],
    ],
  )
})

test('a worker without a connection that goes on working keeps its leases, and the server rests', async (t) => {
  const bench = await open(t)
  await bench.advance(30_000)
  const port = await bench.connect('w')
  port.close()
  await bench.settle()
  await bench.advance(1_000)
  const claims = Array.from({ length: 600 }, (_, n) => claim(`a${n}`, 'w'))
  await bench.engine.submitAll(claims)
  let reads = 0
  const held = bench.store.held.bind(bench.store)
  bench.store.held = async (query) => (++reads > 100 ? [] : held(query))
  await bench.advance(10_000)
  assert.ok(reads <= 15, `read ${reads} times`)
  const { data } = await bench.ask({ kind: 'task.search', data: { state: 'acquired', limit: 1_000 } })
  assert.equal((data as { tasks: unknown[] }).tasks.length, 600)
})

test('a heartbeat that lists many tasks and one that is none renews nothing', async (t) => {
  const bench = await open(t)
  await bench.ask(claim('a', 'w'))
  await bench.advance(1_000)
  const tasks = [...Array.from({ length: 600 }, () => ({ id: 'a', version: 1 })), { id: '', version: 1 }]
  const answer = await bench.ask({ kind: 'task.heartbeat', data: { pid: 'w', tasks } })
  assert.equal(answer.status, 400)
  assert.match(String(answer.data), /data\.tasks\[600\]\.id/)
  const { data } = await bench.ask({ kind: 'debug.snap', data: {} })
  assert.deepEqual((data as DebugSnapshot).taskTimeouts, [{ id: 'a', type: 1, timeout: START + 60_000 }])
})

function claim(id: string, pid: string): Request {
  const tags = { 'resonate:target': 'poll://any@g' }
  const action = { kind: 'promise.create', data: { id, timeoutAt: START + 1_000_000, param: {}, tags } } as const
  return { kind: 'task.create', data: { pid, ttl: 60_000, action } }
}

test('a restart of the server ends no live lease', async (t) => {
  const bench = await open(t)
  await bench.connect('w')
  await bench.create('a')
  await bench.acquire('a', 'w')
  await bench.restart()
  await bench.advance(20_000)
  await bench.connect('w')
  await bench.advance(25_000)
  const { data } = await bench.ask({ kind: 'task.get', data: { id: 'a' } })
  assert.equal((data as { task: { state: string } }).task.state, 'acquired')
})

test('a server that was frozen and woke ends no live lease', async (t) => {
  const bench = await open(t)
  await bench.advance(30_000)
  await bench.connect('w')
  await bench.create('a')
  await bench.acquire('a', 'w')
  bench.platform.freeze(20_000)
  await bench.advance(2_000)
  const { data } = await bench.ask({ kind: 'task.get', data: { id: 'a' } })
  assert.equal((data as { task: { state: string } }).task.state, 'acquired')
})

test('after a restart a worker that does not come back loses its leases, once the server has been up for a while', async (t) => {
  const bench = await open(t)
  await bench.connect('w')
  await bench.create('a')
  await bench.acquire('a', 'w')
  await bench.restart()
  const other = await bench.connect('other')
  await bench.advance(29_000)
  assert.deepEqual(other.take(), [])
  await bench.advance(2_000)
  assert.deepEqual(other.take(), ['a'])
})

test('capacity counts what a worker holds over a restart of the server', async (t) => {
  const bench = await open(t)
  await bench.connect('w', { capacity: 1 })
  await bench.create('a')
  await bench.acquire('a', 'w')
  await bench.restart()
  const port = await bench.connect('w', { capacity: 1 })
  await bench.create('b')
  assert.deepEqual(port.take(), [])
  await bench.fulfill('a')
  assert.deepEqual(port.take(), ['b'])
})

test('a delayed task is not offered before its time, and then at once', async (t) => {
  const bench = await open(t)
  const port = await bench.connect('w')
  await bench.create('a', 'poll://any@g', { 'resonate:delay': `${START + 5_000}` })
  await bench.advance(4_999)
  assert.deepEqual(port.take(), [])
  await bench.advance(1)
  assert.deepEqual(port.take(), ['a'])
})

test('a thousand tasks that ripen together and that nobody takes hold nobody else up', async (t) => {
  const bench = await open(t)
  const port = await bench.connect('w')
  const delay = { 'resonate:delay': String(START + 5_000) }
  const data = (id: string, group: string) => {
    const tags = { 'resonate:target': `poll://any@${group}`, ...delay }
    return { id, timeoutAt: START + 10_000_000, param: {}, tags }
  }
  const creates = Array.from({ length: 1_000 }, (_, n) => data(`a${n}`, 'nobody'))
  await bench.engine.submitAll([...creates, data('z', 'g')].map((data) => ({ kind: 'promise.create', data })))
  await bench.advance(5_000)
  assert.deepEqual(port.take(), ['z'])
})

test('an unblock waits for its listener, and is owed again when its connection ends just after', async (t) => {
  const bench = await open(t)
  await bench.create('a', 'poll://any@nobody')
  await bench.ask({ kind: 'promise.register_listener', data: { awaited: 'a', address: 'poll://uni@g/w' } })
  await bench.ask({ kind: 'promise.settle', data: { id: 'a', state: 'resolved', value: {} } })
  const first = await bench.connect('w')
  assert.deepEqual(first.take(), ['!a'])
  await bench.advance(14_000)
  first.close()
  await bench.settle()
  const second = await bench.connect('w')
  assert.deepEqual(second.take(), ['!a'])
  await bench.advance(15_001)
  second.close()
  await bench.settle()
  const third = await bench.connect('w')
  assert.deepEqual(third.take(), [])
})

test('an unblock for any@group/pid goes to that worker, and to another where it is not connected', async (t) => {
  const bench = await open(t)
  const [other, named] = [await bench.connect('other'), await bench.connect('named')]
  await settledFor(bench, { id: 'x', address: 'poll://any@g/named' })
  await bench.settle()
  assert.deepEqual([other.take(), named.take()], [[], ['!x']])
  named.close()
  await settledFor(bench, { id: 'y', address: 'poll://any@g/named' })
  await bench.settle()
  assert.ok(other.take().includes('!y'))
})

test('an unblock tells of the promise that there is, not of one of the same id that was forgotten', async (t) => {
  const bench = await open(t, { promiseRetentionMs: 1_000, promiseRoundMs: 100 })
  const port = await bench.connect('w')
  const lengths: (number | undefined)[] = []
  for (const bytes of [1, 2]) {
    await settledFor(bench, { id: 'x', address: 'poll://any@g', bytes })
    await bench.settle()
    for (const message of port.messages.splice(0)) {
      if (message.kind === 'unblock') lengths.push(message.data.promise.value.data?.length)
    }
    await bench.advance(5_000)
  }
  assert.deepEqual(lengths, [1, 2])
})

test('an unblock survives a restart of the server', async (t) => {
  const bench = await open(t)
  await bench.create('a', 'poll://any@nobody')
  await bench.ask({ kind: 'promise.register_listener', data: { awaited: 'a', address: 'poll://uni@g/w' } })
  await bench.ask({ kind: 'promise.settle', data: { id: 'a', state: 'resolved', value: {} } })
  await bench.restart()
  const port = await bench.connect('w')
  assert.deepEqual(port.take(), ['!a'])
})

test('an unblock that nobody fetched is dropped after the retention', async (t) => {
  const bench = await open(t, { messageRetentionMs: 100_000 })
  await bench.create('a', 'poll://any@nobody')
  await bench.ask({ kind: 'promise.register_listener', data: { awaited: 'a', address: 'poll://uni@g/w' } })
  await bench.ask({ kind: 'promise.settle', data: { id: 'a', state: 'resolved', value: {} } })
  await bench.advance(200_000)
  const port = await bench.connect('w')
  assert.deepEqual(port.take(), [])
})

test('a pushed execute is sent again after the retry timeout, a pushed unblock with back-off until it is taken', async (t) => {
  const pushed: string[] = []
  let isUp = false
  const push: Push = async (url, message) => {
    pushed.push(`${message.kind} ${url}`)
    return isUp
  }
  const bench = await open(t, { push })
  await bench.create('a', 'https://worker.test/')
  assert.deepEqual(pushed.splice(0), ['execute https://worker.test/'])
  await bench.advance(29_999)
  assert.deepEqual(pushed.splice(0), [])
  await bench.advance(1)
  assert.deepEqual(pushed.splice(0), ['execute https://worker.test/'])
  await bench.ask({ kind: 'promise.register_listener', data: { awaited: 'a', address: 'https://listener.test/' } })
  await bench.ask({ kind: 'promise.settle', data: { id: 'a', state: 'resolved', value: {} } })
  await bench.advance(3_500)
  assert.deepEqual(pushed.splice(0), Array(3).fill('unblock https://listener.test/'))
  isUp = true
  await bench.advance(60_000)
  assert.deepEqual(pushed.splice(0), ['unblock https://listener.test/'])
})

test('what a worker is owed is read a few MB at a time, and it gets all of it', async (t) => {
  const bench = await open(t)
  for (let n = 0; n < 30; n++) await settledFor(bench, { id: `x${n}`, address: 'poll://any@g', bytes: 500_000 })
  const pages: number[] = []
  const promises = bench.store.promises.bind(bench.store)
  bench.store.promises = async (query) => {
    const page = await promises(query)
    pages.push(page.rows.reduce((sum, { value }) => sum + (value.data?.length ?? 0), 0))
    return page
  }
  const port = await bench.connect('w')
  await bench.settle()
  assert.equal(new Set(port.take()).size, 30)
  assert.ok(
    pages.every((bytes) => bytes <= 5_000_000),
    `${pages}`,
  )
  const { data } = await bench.ask({ kind: 'debug.snap', data: {} })
  assert.deepEqual((data as DebugSnapshot).messages, [])
})

test('after a restart what is owed to a URL that is down keeps nothing from one that is up', async (t) => {
  const bench = await open(t)
  for (let n = 0; n < 250; n++) await settledFor(bench, { id: `a${n}`, address: 'https://down.test/' })
  await settledFor(bench, { id: 'z', address: 'https://up.test/' })
  const taken: string[] = []
  const push: Push = async (url) => {
    if (url !== 'https://up.test/') return false
    taken.push(url)
    return true
  }
  await bench.restart({ push })
  await bench.advance(2_000)
  assert.deepEqual(taken, ['https://up.test/'])
})

test('of what a URL did not take little waits in memory, and once it does it gets the rest too', async (t) => {
  let isUp = false
  const taken = new Set<string>()
  const push: Push = async (_url, message) => {
    if (isUp && message.kind === 'unblock') taken.add(message.data.promise.id)
    return isUp
  }
  const bench = await open(t, { push })
  const retries: number[] = []
  const timer = bench.platform.timer.bind(bench.platform)
  for (let n = 0; n < 40; n++) {
    bench.platform.timer = (delayMs, fn) => {
      if (delayMs === 1_000) retries.push(n)
      return timer(delayMs, fn)
    }
    await settledFor(bench, { id: `x${n}`, address: 'https://down.test/', bytes: 1_000_000 })
  }
  assert.ok(new Set(retries).size <= 17, `${new Set(retries).size} of them wait`)
  isUp = true
  await bench.advance(130_000)
  assert.equal(taken.size, 40)
})

test('what is not owed any more is not pushed any more', async (t) => {
  let isUp = false
  let taken = 0
  const push: Push = async () => {
    if (isUp) taken++
    return isUp
  }
  const bench = await open(t, { push, messageRetentionMs: 600_000 })
  await settledFor(bench, { id: 'x', address: 'https://down.test/' })
  await bench.advance(700_000)
  isUp = true
  await bench.advance(120_000)
  assert.equal(taken, 0)
})

async function settledFor(bench: Bench, { id, address, bytes = 1 }: { id: string; address: string; bytes?: number }) {
  await bench.engine.submitAll([
    { kind: 'promise.create', data: { id, timeoutAt: START + 1e7, param: {}, tags: {} } },
    { kind: 'promise.register_listener', data: { awaited: id, address } },
    { kind: 'promise.settle', data: { id, state: 'resolved', value: { data: 'v'.repeat(bytes) } } },
  ])
}

test('one thousand waiters are all woken', async (t) => {
  const bench = await open(t)
  await bench.create('x', 'poll://any@nobody')
  const ids = Array.from({ length: 1_000 }, (_, at) => `w${String(at).padStart(4, '0')}`)
  await bench.engine.submitAll(
    ids.map((id): Request => {
      const action = {
        kind: 'promise.create',
        data: { id, timeoutAt: START + 1e7, param: {}, tags: { 'resonate:target': 'poll://any@g' } },
      }
      return { kind: 'task.create', data: { pid: 'p', ttl: 60_000, action } } as Request
    }),
  )
  await bench.engine.submitAll(
    ids.map((id): Request => {
      const action = { kind: 'promise.register_callback', data: { awaited: 'x', awaiter: id } } as const
      return { kind: 'task.suspend', data: { id, version: 1, actions: [action] } }
    }),
  )
  const port = await bench.connect('p')
  await bench.ask({ kind: 'promise.settle', data: { id: 'x', state: 'resolved', value: {} } })
  await bench.advance(1)
  assert.deepEqual(port.take().sort(), ids)
})

test('a request that throws does not take its batch along', async (t) => {
  const failures: string[] = []
  const log = { info() {}, warn() {}, error: (_: object, message: string) => void failures.push(message) }
  const bench = await open(t, { log })
  const create = (id: string): Request => ({
    kind: 'promise.create',
    data: { id, timeoutAt: START + 9_999, param: {}, tags: {} },
  })
  // The parser lets no such request through: it stands for a bug.
  const bug = { kind: 'promise.get', data: null } as unknown as Request
  const answers = await Promise.all([create('b'), bug, create('a')].map((one) => bench.engine.submit(one)))
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 500, 200],
  )
  assert.deepEqual(failures, ['a request failed inside the machine'])
})

test('a store that fails is answered 503 and nothing that was told is taken back', async (t) => {
  const platform = new ManualPlatform({ now: START })
  const store = memoryStore({ wall: () => platform.now() })
  let isBroken = false
  const begin: Store['begin'] = async (needs) => {
    const transaction = await store.begin(needs)
    return isBroken ? { ...transaction, commit: () => Promise.reject(new Error('disk full')) } : transaction
  }
  const flaky: Store = new Proxy(store, {
    get: (target, name) => {
      const own = name === 'begin' ? begin : Reflect.get(target, name)
      return typeof own === 'function' ? own.bind(target) : own
    },
  })
  const failures: string[] = []
  const log = { info() {}, warn() {}, error: (_: object, message: string) => void failures.push(message) }
  const bench = await open(t, { store: flaky, platform, log, machine: DEFAULT_CONFIG })
  const create: Request = { kind: 'promise.create', data: { id: 'a', timeoutAt: START + 9_999, param: {}, tags: {} } }
  isBroken = true
  assert.equal((await bench.engine.submit(create)).status, 503)
  isBroken = false
  assert.equal((await bench.engine.submit({ kind: 'promise.get', data: { id: 'a' } })).status, 404)
  assert.equal((await bench.engine.submit(create)).status, 200)
  assert.deepEqual(failures, ['The store failed: until it answers again, requests get 503'])
})

test('past the queue limit requests are refused with 503 and the rest is answered', async (t) => {
  const bench = await open(t, { limits: { queueMax: 3 } })
  const create = (id: string): Request => ({
    kind: 'promise.create',
    data: { id, timeoutAt: START + 9_999, param: {}, tags: {} },
  })
  const answers = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((id) => bench.engine.submit(create(id))))
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200, 503, 503],
  )
})

test('workers that connect at once share commits, and each gets its work', async (t) => {
  let batches = 0
  const bench = await open(t, { observer: { ...NO_OBSERVER, batch: () => void batches++ } })
  const ports = Array.from({ length: 100 }, (_, at) => new Port(`w${at}`, {}))
  for (const port of ports) bench.engine.connect(port)
  await bench.settle()
  assert.ok(batches <= 3, `${batches} batches`)
  for (const { pid } of ports) await bench.create(`for ${pid}`, `poll://uni@g/${pid}`)
  for (const port of ports) assert.deepEqual(port.take(), [`for ${port.pid}`])
})
