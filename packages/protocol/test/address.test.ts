// Where addresses lead, taken literally, and what a server says of those that it cannot route.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Address, addressProblem, groupOf, parseAddress, queueOf } from '../src/address.ts'

test('an address is read literally: the group up to the first slash, the pid all after it', () => {
  const cases: [string, Address][] = [
    ['poll://any@workers', { kind: 'any', group: 'workers' }],
    ['poll://any@workers/', { kind: 'any', group: 'workers' }],
    ['poll://any@workers/w1', { kind: 'any', group: 'workers', pid: 'w1' }],
    ['poll://any@g/a/b/', { kind: 'any', group: 'g', pid: 'a/b/' }],
    ['poll://any@g//', { kind: 'any', group: 'g', pid: '/' }],
    ['poll://uni@g/w1', { kind: 'uni', group: 'g', pid: 'w1' }],
    ['poll://any@a%2Fb/c%20d', { kind: 'any', group: 'a%2Fb', pid: 'c%20d' }],
    ['poll://any@any@g/p', { kind: 'any', group: 'any@g', pid: 'p' }],
    ['poll://any@Größe/😀', { kind: 'any', group: 'Größe', pid: '😀' }],
    ['poll://any@a b?c#d', { kind: 'any', group: 'a b?c#d' }],
    [`poll://any@${'g'.repeat(1024)}`, { kind: 'any', group: 'g'.repeat(1024) }],
    ['http://host', { kind: 'push', url: 'http://host' }],
    ['https://host:8443/a/b?c=d#e', { kind: 'push', url: 'https://host:8443/a/b?c=d#e' }],
    ['gcps://project/topic', { kind: 'push', url: 'gcps://project/topic' }],
  ]
  for (const [text, address] of cases) assert.deepEqual(parseAddress(text), address, text)
})

const NOWHERE = [
  '',
  'workers',
  'poll://',
  'poll://workers',
  'poll://worker-1@default',
  'poll://any@',
  'poll://any@/w1',
  'poll://uni@',
  'poll://uni@g',
  'poll://uni@g/',
  'poll://uni@/p',
  'poll://ANY@g',
  'POLL://any@g',
  'poll:any@g',
  ' poll://any@g',
  'poll://any@g\0',
  'poll://any@\ud800',
  'poll://any@g/\ud800',
  `poll://any@${'g'.repeat(1025)}`,
  `poll://uni@g/${'é'.repeat(513)}`,
  'http://',
  'http://:80',
  'http://[::1',
  'http://host:99999/',
  'http://host/\n',
  'http://host/\ud800',
  'http:host',
  '://host',
  'gcps://',
  '__proto__',
]

test('what nothing can route is no address', () => {
  for (const text of NOWHERE) assert.equal(parseAddress(text), null, JSON.stringify(text).slice(0, 60))
})

test('an address that this server cannot route is refused by its text and the forms that work', () => {
  const schemes = ['poll', 'https']
  for (const text of ['poll://any@g', 'poll://uni@g/p', 'https://host/']) {
    assert.equal(addressProblem(text, schemes, 'data.address'), null, text)
  }
  for (const text of [...NOWHERE, 'http://host/', 'gcps://project/topic']) {
    const problem = addressProblem(text, schemes, 'data.address') ?? 'accepted'
    assert.match(
      problem,
      /^data\.address must be an address this server can route \(poll:\/\/any@group, .*, https:\/\/…\), got "/,
    )
    assert.ok(problem.length < 240 && problem.isWellFormed(), problem)
  }
  assert.equal(
    addressProblem('kafka://topic', schemes, 'data.address'),
    'data.address must be an address this server can route ' +
      '(poll://any@group, poll://any@group/pid, poll://uni@group/pid, https://…), got "kafka://topic"',
  )
})

test('polling can be switched off like any other transport', () => {
  assert.match(addressProblem('poll://any@g', ['http'], 'data.address') ?? '', /\(http:\/\/…\)/)
})

test('a task that any worker of a group may take waits in the one queue of the group, every other one in its own', () => {
  const cases: [string, string, string | null][] = [
    ['poll://any@g', 'poll://any@g', 'g'],
    ['poll://any@g/', 'poll://any@g', 'g'],
    ['poll://any@g/w1', 'poll://any@g', 'g'],
    ['poll://any@g/w1/x', 'poll://any@g', 'g'],
    ['poll://uni@g/w1', 'poll://uni@g/w1', 'g'],
    ['https://host/any@g', 'https://host/any@g', null],
    ['gcps://project/topic', 'gcps://project/topic', null],
  ]
  for (const [address, queue, group] of cases) {
    assert.equal(queueOf(address), queue)
    assert.equal(groupOf(address), group)
  }
})
