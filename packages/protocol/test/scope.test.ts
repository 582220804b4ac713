// What a prefix covers, and that no listing tells an id that it does not: neither as a record nor in a cursor.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addFootprint,
  compareIds,
  covers,
  DEFAULT_CONFIG,
  decodeCursor,
  encodeCursor,
  isStep,
  type MachineKind,
  Needs,
  namesOf,
  narrowed,
  positionIn,
  prefixProblem,
  type Request,
  scopeOf,
  visibleOf,
} from '@resonatehq/protocol'
import fc from 'fast-check'

const ids = (...given: string[]) => scopeOf(given)
const acme = { ids: scopeOf(['acme']), groups: scopeOf(['acme']) }

test('a prefix covers itself and what is nested below it, not what merely begins alike', () => {
  const scope = ids('acme')
  for (const id of ['acme', 'acme.x', 'acme:0.1', 'acme/a/b', 'acme.']) assert.ok(covers(scope, id), id)
  for (const id of ['acmeevil', 'acme2', 'acme-x', 'acme_x', 'acm', 'ACME', '', 'x.acme'])
    assert.ok(!covers(scope, id), id)
})

test('a prefix that ends in a mark is taken as it is', () => {
  assert.ok(covers(ids('acme-'), 'acme-x'))
  assert.ok(!covers(ids('acme-'), 'acme'))
  assert.ok(covers(ids('acme:'), 'acme:x'))
  assert.ok(!covers(ids('acme:'), 'acme.x'))
})

test('any of several prefixes will do', () => {
  const scope = ids('acme', 'shared')
  assert.ok(covers(scope, 'shared.x') && covers(scope, 'acme') && !covers(scope, 'other'))
})

test('a prefix is an id with room behind it', () => {
  assert.equal(prefixProblem('acme', 'prefix'), null)
  for (const bad of ['', 'a\0', 'a'.repeat(1_001), 'a{{.timestamp}}', '\ud800'])
    assert.match(prefixProblem(bad, 'prefix') ?? '', /^prefix must/)
})

const anId = fc.string({
  minLength: 1,
  maxLength: 6,
  unit: fc.constantFrom('a', 'b', '.', ':', '/', '-', '!', '0', 'é', '\u{1F600}'),
})

test('a listing that goes from position to position meets every covered id and stops before none', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(anId, { maxLength: 60 }),
      fc.uniqueArray(anId, { minLength: 1, maxLength: 3 }),
      (all, prefixes) => {
        const scope = scopeOf(prefixes)
        const sorted = [...all].sort(compareIds)
        const met: string[] = []
        let position = positionIn(scope, '')
        while (position !== null) {
          const after: string = position
          const next = sorted.find((id) => compareIds(id, after) > 0)
          if (next === undefined) break
          if (covers(scope, next)) met.push(next)
          const moved = positionIn(scope, next)
          assert.ok(moved === null || moved === next || compareIds(moved, next) > 0)
          position = moved
        }
        assert.deepEqual(
          met,
          sorted.filter((id) => covers(scope, id)),
        )
      },
    ),
  )
})

const promise = (id: string) => ({ id, state: 'pending', param: {}, value: {}, tags: {}, timeoutAt: 1, createdAt: 0 })

test('a search begins where the scope begins, and its answer and cursor name nothing else', () => {
  const { data } = narrowed({ kind: 'promise.search', data: {} }, acme)
  const after = decodeCursor(data.cursor ?? '') ?? ''
  assert.ok(compareIds(after, 'acme') < 0 && compareIds(after, 'acmd~') > 0)
  const answer = { promises: ['acme', 'acme.x', 'acmeevil'].map(promise), cursor: encodeCursor('acmeevil') }
  const seen = visibleOf('promise.search', answer, acme) as { promises: { id: string }[]; cursor?: string }
  assert.deepEqual(
    seen.promises.map(({ id }) => id),
    ['acme', 'acme.x'],
  )
  assert.equal(seen.cursor, undefined)
  const between = { promises: [], cursor: encodeCursor('acme-neighbour') }
  const { cursor } = visibleOf('promise.search', between, acme) as { cursor: string }
  assert.ok(!cursor.includes('neighbour'))
  assert.equal(narrowed({ kind: 'promise.search', data: { cursor: 'bad' } }, acme).data.cursor, 'bad')
})

test('what a task is handed to replay from holds no record of others', () => {
  const claim = { task: {}, promise: promise('acme.x'), preload: [promise('acme.x:0'), promise('other')] }
  const seen = visibleOf('task.acquire', claim, acme) as typeof claim
  assert.deepEqual(
    seen.preload.map(({ id }) => id),
    ['acme.x:0'],
  )
})

const create = (id: string, tags = {}) => ({ id, timeoutAt: 1, param: {}, tags })

/** One of each kind that names something, every name different, with every name that it has. */
const EXAMPLES: { readonly [K in MachineKind]: readonly [Request<K>['data'], ids: string[], addresses?: string[]] } = {
  'promise.get': [{ id: 'a' }, ['a']],
  'promise.create': [
    create('a', {
      'resonate:target': 'poll://any@g',
      'resonate:origin': 'o',
      'resonate:branch': 'b',
      'resonate:parent': 'p',
    }),
    ['a', 'o', 'b', 'p'],
    ['poll://any@g'],
  ],
  'promise.settle': [{ id: 'a', state: 'resolved', value: {} }, ['a']],
  'promise.register_callback': [{ awaited: 'a', awaiter: 'b' }, ['a', 'b']],
  'promise.register_listener': [{ awaited: 'a', address: 'http://x' }, ['a'], ['http://x']],
  'promise.search': [{}, []],
  'promise.check': [{ ids: ['a', 'b'] }, ['a', 'b']],
  'task.get': [{ id: 'a' }, ['a']],
  'task.create': [
    { pid: 'p', ttl: 1, action: { kind: 'promise.create', data: create('a', { 'resonate:target': 'poll://any@g' }) } },
    ['a'],
    ['poll://any@g'],
  ],
  'task.acquire': [{ id: 'a', version: 0, pid: 'p', ttl: 1 }, ['a']],
  'task.release': [{ id: 'a', version: 0 }, ['a']],
  'task.suspend': [
    { id: 'a', version: 1, actions: [{ kind: 'promise.register_callback', data: { awaited: 'b', awaiter: 'c' } }] },
    ['a', 'b', 'c'],
  ],
  'task.fulfill': [
    { id: 'a', version: 1, action: { kind: 'promise.settle', data: { id: 'b', state: 'resolved', value: {} } } },
    ['a', 'b'],
  ],
  'task.fence': [
    {
      id: 'a',
      version: 1,
      action: {
        kind: 'promise.create',
        data: create('b', { 'resonate:target': 'poll://any@g', 'resonate:origin': 'o' }),
      },
    },
    ['a', 'b', 'o'],
    ['poll://any@g'],
  ],
  'task.heartbeat': [
    {
      pid: 'p',
      tasks: [
        { id: 'a', version: 1 },
        { id: 'b', version: 1 },
      ],
    },
    ['a', 'b'],
  ],
  'task.halt': [{ id: 'a' }, ['a']],
  'task.continue': [{ id: 'a' }, ['a']],
  'task.search': [{}, []],
  'schedule.get': [{ id: 'a' }, ['a']],
  'schedule.create': [
    {
      id: 'a',
      cron: '* * * * *',
      promiseId: '{{.id}}.{{.timestamp}}',
      promiseTimeout: 1,
      promiseParam: {},
      promiseTags: { 'resonate:target': 'poll://any@g' },
    },
    ['a', 'a.{{.timestamp}}'],
    ['poll://any@g'],
  ],
  'schedule.delete': [{ id: 'a' }, ['a']],
  'schedule.search': [{}, []],
}

for (const [kind, [data, expected, addresses = []]] of Object.entries(EXAMPLES)) {
  const request = { kind, data } as Request<MachineKind>

  test(`${kind} names every id and address that it touches`, () => {
    assert.deepEqual(namesOf(request), { ids: expected, addresses })
  })

  test(`the footprint of ${kind} stays within what it names`, () => {
    assert.ok(!isStep(request))
    const needs = new Needs()
    addFootprint(needs, request, DEFAULT_CONFIG)
    const touched = [...needs.ids, ...needs.waiters, ...needs.schedules]
    assert.deepEqual(
      touched.filter((id) => !namesOf(request).ids.includes(id)),
      [],
    )
  })
}

test('a timer’s target is nobody’s address', () => {
  const data = create('a', { 'resonate:target': 'poll://any@other', 'resonate:timer': 'true' })
  assert.deepEqual(namesOf({ kind: 'promise.create', data }).addresses, [])
})

test('a fence around a settle names both promises', () => {
  const action = { kind: 'promise.settle', data: { id: 'b', state: 'resolved', value: {} } } as const
  assert.deepEqual(namesOf({ kind: 'task.fence', data: { id: 'a', version: 1, action } }).ids, ['a', 'b'])
})
