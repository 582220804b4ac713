// That the cluster test would find what it looks for, shown on made-up histories: a check that cannot fail proves nothing.

import assert from 'node:assert/strict'
import { connect, createServer } from 'node:net'
import { test } from 'node:test'
import type { PromiseRecord } from '@resonatehq/protocol'
import { Chance } from '../chance.ts'
import type { Operation } from '../linearizable/history.ts'
import { freePort } from '../ports.ts'
import { acknowledged, repeatedEffects, sharedClaims } from './audit.ts'
import { Balancer } from './balancer.ts'
import { drawFaults, type Incident } from './faults.ts'
import { bugsIn, type Entry, operationsOf } from './journal.ts'

const head = { corrId: '1', status: 200, version: '2026-04-01' }
const get = (id: string) => ({ kind: 'promise.get', head, data: { id } })
const PROMISE = { id: 'p', state: 'pending', param: {}, value: {}, tags: {}, timeoutAt: 9, createdAt: 1 } as const

function call(key: string, at: number, body: unknown): Entry {
  return { what: 'call', key, at, body }
}

function answer(key: string, at: number, body?: unknown): Entry {
  return { what: 'answer', key, at, body }
}

test('each envelope of a body is an operation with an answer of its own', () => {
  const answers = [
    { ...get('a'), data: { promise: PROMISE } },
    { ...get('b'), head: { ...head, status: 404 }, data: 'no' },
  ]
  const operations = operationsOf('c', [call('1', 10, [get('a'), get('b')]), answer('1', 20, answers)])
  assert.deepEqual(
    operations.map(({ request, answer, calledAt, returnedAt }) => [request.data, answer?.status, calledAt, returnedAt]),
    [
      [{ id: 'a' }, 200, 10, 20],
      [{ id: 'b' }, 404, 10, 20],
    ],
  )
})

test('what was never answered, cut short or answered 503 has an outcome that nobody knows; what was turned away has none', () => {
  const status = (status: number) => ({ kind: 'promise.get', head: { ...head, status }, data: 'later' })
  const entries = [
    call('1', 1, get('never')),
    call('2', 2, get('cut')),
    answer('2', 3),
    call('3', 4, [get('outage'), get('outage too')]),
    answer('3', 5, status(503)),
    call('4', 6, get('turned away')),
    answer('4', 7, status(429)),
  ]
  const operations = operationsOf('c', entries)
  assert.deepEqual(
    operations.map(({ request }) => (request.data as { id: string }).id),
    ['never', 'cut', 'outage', 'outage too'],
  )
  for (const { answer, returnedAt } of operations)
    assert.deepEqual([answer, returnedAt], [null, Number.POSITIVE_INFINITY])
})

test('an answer of 500 is found, whatever else is in its body', () => {
  const answers = [get('a'), { kind: 'promise.get', head: { ...head, status: 500 }, data: 'assertion failed' }]
  assert.deepEqual(bugsIn('c', [call('1', 1, [get('a'), get('b')]), answer('1', 2, answers)]), [
    'c was answered 500 to promise.get: assertion failed',
  ])
})

function acquired(pid: string, version: number): Operation {
  const request = { kind: 'task.acquire', data: { id: 'p', version: version - 1, pid, ttl: 1 } } as const
  const task = { id: 'p', state: 'acquired', version, resumes: 0, ttl: 1, pid }
  return { client: pid, request, answer: { status: 200, data: { task, promise: PROMISE } }, calledAt: 1, returnedAt: 2 }
}

test('a claim that two workers were given is found', () => {
  assert.deepEqual(sharedClaims([acquired('a', 1), acquired('b', 2), acquired('a', 1)]), [])
  assert.deepEqual(sharedClaims([acquired('a', 1), acquired('b', 1)]), ['p at version 1 was given to a and to b'])
})

test('whatever an answer shows was acknowledged', () => {
  assert.deepEqual([...acknowledged([acquired('a', 1), { ...acquired('b', 1), answer: null }])], ['p'])
})

const settled: PromiseRecord = { ...PROMISE, state: 'resolved', settledAt: 1_000 }
const frozen: Incident = { name: 'w', how: 'SIGSTOP', fromAt: 900, toAt: 5_000 }

function repeated(beganAt: number, incidents: readonly Incident[] = [], record: PromiseRecord | null = settled) {
  return repeatedEffects([{ id: 'p', name: 'w', beganAt }], new Map([['p', record]]), incidents).length
}

test('a step that begins after its result was recorded is found, unless its worker stood still in between', () => {
  assert.equal(repeated(999), 0)
  assert.equal(repeated(1_500), 1)
  assert.equal(repeated(5_100, [frozen]), 0)
  assert.equal(repeated(6_100, [frozen]), 1)
  assert.equal(repeated(5_100, [{ ...frozen, name: 'another' }]), 1)
})

test('a step without a record, or with one that is never settled, is found', () => {
  assert.equal(repeated(999, [], null), 1)
  assert.equal(repeated(999, [], PROMISE), 1)
})

test('the faults of a seed are always the same, of every kind, and fit the time', () => {
  const victim = (name: string) => ({ name, signal: () => {}, restart: async () => {} })
  const kinds = [[victim('s0'), victim('s1')], [victim('w0'), victim('w1')], [victim('db')]]
  const draw = () => drawFaults(new Chance(7), kinds, 60_000)
  const faults = draw()
  assert.equal(JSON.stringify(draw()), JSON.stringify(faults))
  assert.equal(new Set(faults.map(({ victim }) => victim.name)).size, 5)
  assert.ok(faults.reduce((sum, { afterMs, lastsMs }) => sum + afterMs + lastsMs, 0) <= 60_000)
})

test('the balancer takes turns, and passes by who refuses', async (t) => {
  const ports: number[] = []
  for (const name of ['a', 'b']) {
    const server = createServer((socket) => socket.end(name))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.after(() => server.close())
    ports.push((server.address() as { port: number }).port)
  }
  const url = new URL(await Balancer.start(t, [...ports, await freePort()]))
  const seen: string[] = []
  for (let n = 0; n < 6; n++) {
    let text = ''
    for await (const chunk of connect(Number(url.port), url.hostname)) text += chunk
    seen.push(text)
  }
  assert.deepEqual(seen, ['a', 'b', 'a', 'b', 'a', 'b'])
})
