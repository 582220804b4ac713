// Shapes: what is read of a request, what is filled in, rounded and ignored, and which message every malformed one gets.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isKind, parseEnvelope, parseRequest } from '../src/parse.ts'
import type { Kind } from '../src/requests.ts'

const MAX = Number.MAX_SAFE_INTEGER
type Json = Record<string, unknown>

/** What is read of `data`, or the message it gets. */
function read(kind: Kind, data: Json): unknown {
  const parsed = parseRequest(kind, data)
  if (!parsed.ok) return parsed.message
  assert.equal(parsed.request.kind, kind)
  return parsed.request.data
}

const create = { id: 'p', timeoutAt: 10 }
const created = { ...create, param: {}, tags: {} }
const settle = { id: 'p', state: 'resolved' }
const settled = { ...settle, value: {} }
const createAction = { kind: 'promise.create', head: {}, data: create }
const settleAction = { kind: 'promise.settle', data: settle }
const awaitAction = { kind: 'promise.register_callback', head: { corrId: 'c' }, data: { awaited: 'a', awaiter: 't' } }
const schedule = { id: 's', cron: '@daily', promiseId: 'p', promiseTimeout: 5 }

/** The smallest request of each kind, and what is read of it. */
const SMALLEST: { readonly [K in Kind]: [Json, unknown] } = {
  'promise.get': [{ id: 'p' }, { id: 'p' }],
  'promise.create': [create, created],
  'promise.settle': [settle, settled],
  'promise.register_callback': [
    { awaited: 'a', awaiter: 'b' },
    { awaited: 'a', awaiter: 'b' },
  ],
  'promise.register_listener': [
    { awaited: 'a', address: 'x' },
    { awaited: 'a', address: 'x' },
  ],
  'promise.search': [{}, {}],
  'promise.check': [{ ids: ['p'] }, { ids: ['p'] }],
  'promise.explain': [{ id: 'p' }, { id: 'p' }],
  'worker.search': [{}, {}],
  'group.search': [{}, {}],
  'task.get': [{ id: 't' }, { id: 't' }],
  'task.create': [
    { pid: 'w', ttl: 1, action: createAction },
    { pid: 'w', ttl: 1, action: { ...createAction, data: created } },
  ],
  'task.acquire': [
    { id: 't', version: 0, pid: 'w', ttl: 1 },
    { id: 't', version: 0, pid: 'w', ttl: 1 },
  ],
  'task.release': [
    { id: 't', version: 1 },
    { id: 't', version: 1 },
  ],
  'task.suspend': [
    { id: 't', version: 1, actions: [awaitAction] },
    { id: 't', version: 1, actions: [awaitAction] },
  ],
  'task.fulfill': [
    { id: 't', version: 1, action: settleAction },
    { id: 't', version: 1, action: { ...settleAction, data: settled } },
  ],
  'task.fence': [
    { id: 't', version: 1, action: settleAction },
    { id: 't', version: 1, action: { ...settleAction, data: settled } },
  ],
  'task.heartbeat': [
    { pid: 'w', tasks: [] },
    { pid: 'w', tasks: [] },
  ],
  'task.halt': [{ id: 't' }, { id: 't' }],
  'task.continue': [{ id: 't' }, { id: 't' }],
  'task.search': [{}, {}],
  'schedule.get': [{ id: 's' }, { id: 's' }],
  'schedule.create': [schedule, { ...schedule, promiseParam: {}, promiseTags: {} }],
  'schedule.delete': [{ id: 's' }, { id: 's' }],
  'schedule.search': [{}, {}],
  'retention.preview': [{}, {}],
  'backup.create': [{}, {}],
  'debug.start': [{}, {}],
  'debug.stop': [{}, {}],
  'debug.reset': [{}, {}],
  'debug.tick': [{ time: 1 }, { time: 1 }],
  'debug.snap': [{}, {}],
}
const KINDS = Object.keys(SMALLEST) as Kind[]

test('the smallest request of every kind is read, with what is absent filled in', () => {
  for (const kind of KINDS) {
    const [data, expected] = SMALLEST[kind]
    assert.deepEqual(read(kind, data), expected, kind)
  }
})

test('unknown keys are ignored at every depth', () => {
  const noisy = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(noisy)
    if (typeof value !== 'object' || value === null) return value
    return {
      ...Object.fromEntries(Object.entries(value).map(([k, v]) => [k, noisy(v)])),
      zz: { a: [1] },
      constructor: 1,
    }
  }
  for (const kind of KINDS) {
    const [data, expected] = SMALLEST[kind]
    assert.deepEqual(read(kind, noisy(data) as Json), expected, kind)
  }
})

test('a request that lacks a field, or has null or the wrong type for it, is refused by the path of the field', () => {
  for (const kind of KINDS) {
    const [data] = SMALLEST[kind]
    for (const name of Object.keys(data)) {
      const { [name]: _, ...without } = data
      for (const [broken, shown] of [
        [without, 'nothing'],
        [{ ...data, [name]: null }, 'null'],
        [{ ...data, [name]: true }, 'true'],
      ] as const) {
        const message = read(kind, broken)
        assert.equal(typeof message, 'string', `${kind} without ${name} was read`)
        assert.match(message as string, new RegExp(`^data\\.${name} must be .*, got ${shown}$`), kind)
      }
    }
  }
})

test('an optional field that is null is absent', () => {
  const nulls: [Kind, Json][] = [
    ['promise.create', { param: null, tags: null }],
    ['promise.create', { param: { headers: null, data: null } }],
    ['promise.settle', { value: null }],
    ['promise.search', { state: null, tags: null, limit: null, cursor: null }],
    ['task.create', { preload: null, action: { ...createAction, head: {}, data: { ...create, tags: null } } }],
    ['task.acquire', { preload: null }],
    ['task.search', { state: null, limit: null, cursor: null }],
    ['schedule.create', { promiseParam: null, promiseTags: null }],
    ['schedule.search', { tags: null, limit: null, cursor: null }],
  ]
  for (const [kind, extra] of nulls) {
    const [data, expected] = SMALLEST[kind]
    assert.deepEqual(read(kind, { ...data, ...extra }), expected, kind)
  }
})

test('what is given is kept: headers that are empty, data that is empty, preload, head of an action', () => {
  const kept: [Kind, Json][] = [
    ['promise.create', { ...created, param: { headers: {} } }],
    ['promise.create', { ...created, param: { headers: { a: '' }, data: '' }, tags: { '': '' } }],
    ['promise.settle', { ...settled, value: { data: 'e30=' } }],
    ['promise.search', { state: 'rejected_timedout', tags: { a: 'b' }, limit: 1000, cursor: '' }],
    ['task.search', { state: 'halted', limit: 1, cursor: 'x' }],
    ['task.acquire', { id: 't', version: MAX, pid: 'w', ttl: 1, preload: false }],
    [
      'task.heartbeat',
      {
        pid: 'w',
        tasks: [
          { id: 'a', version: 0 },
          { id: 'a', version: 0 },
        ],
      },
    ],
    ['task.fence', { id: 't', version: 1, action: { kind: 'promise.create', head: { corrId: 'c' }, data: created } }],
  ]
  for (const [kind, data] of kept) assert.deepEqual(read(kind, data), data, kind)
})

test('fractions of instants and durations are rounded up, and what exceeds 2^53 - 1 is clamped', () => {
  const cases: [number, number][] = [
    [0, 0],
    [-0, 0],
    [Number.MIN_VALUE, 1],
    [0.5, 1],
    [1.5, 2],
    [1e15 + 0.5, 1e15 + 1],
    [MAX, MAX],
    [MAX + 1, MAX],
    [1e300, MAX],
    [Infinity, MAX],
  ]
  for (const [given, kept] of cases) {
    assert.deepEqual(read('promise.create', { ...create, timeoutAt: given }), { ...created, timeoutAt: kept })
    assert.deepEqual(read('task.acquire', { id: 't', version: 0, pid: 'w', ttl: given }), {
      id: 't',
      version: 0,
      pid: 'w',
      ttl: kept,
    })
    assert.deepEqual(read('debug.tick', { time: given }), { time: kept })
    const { promiseTimeout } = read('schedule.create', { ...schedule, promiseTimeout: given }) as typeof schedule
    assert.ok(Object.is(promiseTimeout, kept))
  }
})

test('versions and limits are whole numbers', () => {
  for (const version of [-1, 0.5, 1e300, Number.NaN, Infinity, '1', null]) {
    assert.match(String(read('task.release', { id: 't', version })), /^data\.version must be an integer ≥ 0, got /)
  }
  for (const limit of [-1, 1.5, '10', [], Infinity]) {
    assert.match(String(read('promise.search', { limit })), /^data\.limit must be an integer ≥ 0, got /)
  }
  assert.deepEqual(read('task.release', { id: 't', version: -0 }), { id: 't', version: 0 })
})

test('a malformed part is named by its path and shown by its value', () => {
  const long = 'x'.repeat(100_000)
  const suspend = (action: unknown) => ({ id: 't', version: 1, actions: [awaitAction, action] })
  const fence = (action: unknown) => ({ id: 't', version: 1, action })
  const cases: [Kind, Json, string][] = [
    ['promise.get', { id: 5 }, 'data.id must be a string, got 5'],
    ['promise.get', { id: ['p'] }, 'data.id must be a string, got a list'],
    ['promise.get', { id: {} }, 'data.id must be a string, got an object'],
    ['promise.create', { ...create, timeoutAt: 'soon' }, 'data.timeoutAt must be a number ≥ 0, got "soon"'],
    ['promise.create', { ...create, timeoutAt: long }, `data.timeoutAt must be a number ≥ 0, got "${'x'.repeat(60)}…"`],
    ['promise.create', { ...create, timeoutAt: -1 }, 'data.timeoutAt must be a number ≥ 0, got -1'],
    ['promise.create', { ...create, timeoutAt: Number.NaN }, 'data.timeoutAt must be a number ≥ 0, got NaN'],
    ['promise.create', { ...create, timeoutAt: 10n }, 'data.timeoutAt must be a number ≥ 0, got 10'],
    ['promise.create', { ...create, param: [] }, 'data.param must be an object, got an empty list'],
    ['promise.create', { ...create, param: { data: 5 } }, 'data.param.data must be a string, got 5'],
    ['promise.create', { ...create, param: { data: { a: 1 } } }, 'data.param.data must be a string, got an object'],
    [
      'promise.create',
      { ...create, param: { headers: [] } },
      'data.param.headers must be an object of strings, got an empty list',
    ],
    [
      'promise.create',
      { ...create, param: { headers: { a: null } } },
      'data.param.headers["a"] must be a string, got null',
    ],
    ['promise.create', { ...create, tags: 'a' }, 'data.tags must be an object of strings, got "a"'],
    [
      'promise.create',
      { ...create, tags: { 'resonate:delay': 5 } },
      'data.tags["resonate:delay"] must be a string, got 5',
    ],
    [
      'promise.create',
      { ...create, tags: { [long]: [1] } },
      `data.tags["${'x'.repeat(60)}…"] must be a string, got a list`,
    ],
    ['promise.create', { ...create, tags: { a: ['b'] } }, 'data.tags["a"] must be a string, got a list'],
    [
      'promise.settle',
      { ...settle, state: 'rejected_timedout' },
      'data.state must be "resolved" or "rejected" or "rejected_canceled", got "rejected_timedout"',
    ],
    [
      'promise.settle',
      { ...settle, state: 'pending' },
      'data.state must be "resolved" or "rejected" or "rejected_canceled", got "pending"',
    ],
    [
      'promise.settle',
      { ...settle, state: ['resolved'] },
      'data.state must be "resolved" or "rejected" or "rejected_canceled", got a list',
    ],
    ['promise.settle', { ...settle, value: 'x' }, 'data.value must be an object, got "x"'],
    ['promise.search', { tags: [] }, 'data.tags must be an object of strings, got an empty list'],
    ['promise.search', { cursor: 5 }, 'data.cursor must be a string, got 5'],
    [
      'task.search',
      { state: 'resolved' },
      'data.state must be "pending" or "acquired" or "suspended" or "halted" or "fulfilled", got "resolved"',
    ],
    [
      'task.acquire',
      { id: 't', version: 0, pid: 'w', ttl: 1, preload: 0 },
      'data.preload must be true or false, got 0',
    ],
    ['task.create', { pid: 'w', ttl: 1, action: [] }, 'data.action must be an object, got an empty list'],
    [
      'task.create',
      { pid: 'w', ttl: 1, action: settleAction },
      'data.action.kind must be "promise.create", got "promise.settle"',
    ],
    [
      'task.create',
      { pid: 'w', ttl: 1, action: { ...createAction, data: { ...create, timeoutAt: 'soon' } } },
      'data.action.data.timeoutAt must be a number ≥ 0, got "soon"',
    ],
    [
      'task.create',
      { pid: 'w', ttl: 1, action: { ...createAction, head: 'h' } },
      'data.action.head must be an object, got "h"',
    ],
    [
      'task.create',
      { pid: 'w', ttl: 1, action: { ...createAction, head: { corrId: 1 } } },
      'data.action.head.corrId must be a string, got 1',
    ],
    ['task.suspend', suspend(null), 'data.actions[1] must be an object, got null'],
    [
      'task.suspend',
      suspend({ ...awaitAction, kind: 'promise.create' }),
      'data.actions[1].kind must be "promise.register_callback", got "promise.create"',
    ],
    [
      'task.suspend',
      suspend({ ...awaitAction, data: { awaited: 'a' } }),
      'data.actions[1].data.awaiter must be a string, got nothing',
    ],
    [
      'task.suspend',
      suspend({ ...awaitAction, data: [] }),
      'data.actions[1].data must be an object, got an empty list',
    ],
    [
      'task.suspend',
      { id: 't', version: 1, actions: { 0: awaitAction } },
      'data.actions must be a list, got an object',
    ],
    ['task.fulfill', fence(createAction), 'data.action.kind must be "promise.settle", got "promise.create"'],
    [
      'task.fence',
      fence({ kind: 'task.get', data: {} }),
      'data.action.kind must be "promise.create" or "promise.settle", got "task.get"',
    ],
    [
      'task.fence',
      fence({ data: create }),
      'data.action.kind must be "promise.create" or "promise.settle", got nothing',
    ],
    ['task.fence', fence({ ...createAction, data: null }), 'data.action.data must be an object, got null'],
    [
      'task.fence',
      fence({ ...settleAction, data: { ...settle, state: 'x' } }),
      'data.action.data.state must be "resolved" or "rejected" or "rejected_canceled", got "x"',
    ],
    ['task.heartbeat', { pid: 'w', tasks: {} }, 'data.tasks must be a list, got an object'],
    ['task.heartbeat', { pid: 'w', tasks: ['t'] }, 'data.tasks[0] must be an object, got "t"'],
    [
      'task.heartbeat',
      { pid: 'w', tasks: [{ id: 't', version: 1 }, { id: 't' }] },
      'data.tasks[1].version must be an integer ≥ 0, got nothing',
    ],
    ['schedule.create', { ...schedule, promiseTags: { a: 1 } }, 'data.promiseTags["a"] must be a string, got 1'],
    ['debug.tick', { time: '1' }, 'data.time must be a number ≥ 0, got "1"'],
  ]
  for (const [kind, data, message] of cases) assert.equal(read(kind, data), message)
})

test('an action of a fence that can be read is read, whatever rule it breaks', () => {
  const broken = { ...created, id: '', tags: { 'resonate:target': 'nowhere', 'resonate:delay': 'x' } }
  const action = { kind: 'promise.create', data: broken }
  assert.deepEqual(read('task.fence', { id: 't', version: 1, action }), { id: 't', version: 1, action })
})

test('names that mean something to JavaScript are names like any other', () => {
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length', '0']
  const tags = JSON.parse(`{${names.map((name) => `"${name}":"${name}!"`)}}`)
  const given = { ...create, tags, param: { headers: tags } }
  const data = read('promise.create', given) as { tags: Json; param: { headers: Json } }
  for (const kept of [data.tags, data.param.headers]) {
    assert.equal(JSON.stringify(kept), JSON.stringify(tags))
    assert.equal(Object.getPrototypeOf(kept), Object.prototype)
  }
  const polluting = JSON.parse('{"__proto__":{"id":"p","timeoutAt":1},"constructor":{"prototype":{"x":1}}}')
  assert.equal(read('promise.create', polluting), 'data.id must be a string, got nothing')
  assert.match(
    String(read('promise.create', { ...create, tags: JSON.parse('{"__proto__":{"a":"b"}}') })),
    /tags\["__proto__"\] must be a string/,
  )
  assert.equal(({} as Json).x, undefined)
})

test('what is read shares nothing with what was given', () => {
  const given = { ...create, param: { headers: { a: 'b' }, data: 'd' }, tags: { a: 'b' } }
  const data = read('promise.create', given) as typeof given
  given.tags.a = 'changed'
  given.param.headers.a = 'changed'
  assert.deepEqual(data, { ...create, param: { headers: { a: 'b' }, data: 'd' }, tags: { a: 'b' } })
})

test('reading stops at a list or an object of too many, before any entry is looked at', () => {
  const tags = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`t${i}`, i]))
  assert.equal(read('promise.create', { ...create, tags }), 'data.tags must hold at most 128 tags, got 100000')
  assert.equal(read('promise.search', { tags }), 'data.tags must hold at most 128 tags, got 100000')
  assert.equal(
    read('promise.create', { ...create, param: { headers: tags } }),
    'data.param.headers must hold at most 128 headers, got 100000',
  )
  const many = Array(100_000).fill(null)
  assert.equal(
    read('task.suspend', { id: 't', version: 1, actions: many }),
    'data.actions must hold at most 10000 actions, got 100000',
  )
  assert.equal(
    read('task.heartbeat', { pid: 'w', tasks: many }),
    'data.tasks must hold at most 50000 tasks, got 100000',
  )
  const limits = { tagsMax: 1, headersMax: 1, actionsMax: 1, tasksMax: 1 }
  const parsed = parseRequest('promise.create', { ...create, tags: { a: '', b: '' } }, limits)
  assert.deepEqual(parsed, { ok: false, message: 'data.tags must hold at most 1 tags, got 2' })
})

test('a kind is one of the table, and nothing that every object inherits', () => {
  for (const kind of KINDS) assert.ok(isKind(kind))
  for (const kind of [
    '',
    'promise',
    'promise.Get',
    'promises.get',
    '__proto__',
    'constructor',
    'toString',
    'task.get ',
  ]) {
    assert.ok(!isKind(kind), kind)
  }
})

const head = { corrId: 'c', version: '2026-04-01' }

test('an envelope is read, with unknown keys ignored and what steers nothing read leniently', () => {
  const cases: [Json, Json][] = [
    [head, head],
    [{ ...head, 'resonate:origin': 'x', extra: [] }, head],
    [
      { ...head, auth: 't', 'resonate:debug_time': 5 },
      { ...head, auth: 't', 'resonate:debug_time': 5 },
    ],
    [{ ...head, auth: null, 'resonate:debug_time': null, 'resonate:worker': null }, head],
    [{ ...head, auth: 5, 'resonate:worker': 'busy' }, head],
    [
      { ...head, 'resonate:debug_time': -0 },
      { ...head, 'resonate:debug_time': 0 },
    ],
    [
      { ...head, 'resonate:debug_time': 1e300 },
      { ...head, 'resonate:debug_time': MAX },
    ],
    [
      { ...head, 'resonate:worker': { lagMs: 1.5, rssBytes: '9', tasks: 3, more: 1 } },
      { ...head, 'resonate:worker': { lagMs: 1.5, tasks: 3 } },
    ],
    [
      { ...head, corrId: '' },
      { ...head, corrId: '' },
    ],
  ]
  for (const [given, kept] of cases) {
    const parsed = parseEnvelope({ kind: 'any.kind', head: given, data: { id: 1 }, extra: 1 })
    assert.deepEqual(parsed, { ok: true, envelope: { kind: 'any.kind', head: kept, data: { id: 1 } } })
  }
})

test('the guards of the envelope are taken in their order, and kind and corrId are salvaged where they can be read', () => {
  const good = { kind: 'k', head, data: {} }
  const cases: [unknown, string, string, string][] = [
    [undefined, 'unknown', '0', 'the envelope must be an object, got nothing'],
    [null, 'unknown', '0', 'the envelope must be an object, got null'],
    ['{}', 'unknown', '0', 'the envelope must be an object, got "{}"'],
    [[good], 'unknown', '0', 'the envelope must be an object, got a list'],
    [{}, 'unknown', '0', 'kind must be a non-empty string, got nothing'],
    [{ ...good, kind: '' }, 'unknown', 'c', 'kind must be a non-empty string, got ""'],
    [{ ...good, kind: 5, data: 5, head: {} }, 'unknown', '0', 'kind must be a non-empty string, got 5'],
    [{ ...good, data: undefined, head: {} }, 'k', '0', 'data must be an object, got nothing'],
    [{ ...good, data: null }, 'k', 'c', 'data must be an object, got null'],
    [{ ...good, data: [] }, 'k', 'c', 'data must be an object, got an empty list'],
    [{ ...good, data: 'x' }, 'k', 'c', 'data must be an object, got "x"'],
    [{ kind: 'k', data: {} }, 'k', '0', 'head must be an object, got nothing'],
    [{ ...good, head: null }, 'k', '0', 'head must be an object, got null'],
    [{ ...good, head: [] }, 'k', '0', 'head must be an object, got an empty list'],
    [{ ...good, head: { corrId: 7 } }, 'k', '0', 'head.corrId must be a string, got 7'],
    [{ ...good, head: { corrId: null, version: 'x' } }, 'k', '0', 'head.corrId must be a string, got null'],
    [{ ...good, head: { corrId: 'c' } }, 'k', 'c', 'head.version must be "2026-04-01", got nothing'],
    [
      { ...good, head: { corrId: 'c', version: '2025-01-15', 'resonate:debug_time': 'x' } },
      'k',
      'c',
      'head.version must be "2026-04-01", got "2025-01-15"',
    ],
    ...[1.5, -1, 'x', Number.NaN, Infinity, true, {}].map((time): [unknown, string, string, string] => [
      { ...good, head: { ...head, 'resonate:debug_time': time } },
      'k',
      'c',
      `head["resonate:debug_time"] must be an integer ≥ 0, got ${typeof time === 'object' ? 'an object' : typeof time === 'string' ? '"x"' : time}`,
    ]),
  ]
  for (const [body, kind, corrId, message] of cases) {
    assert.deepEqual(parseEnvelope(body), { ok: false, kind, corrId, message })
  }
})

test('no value of JSON makes reading throw', () => {
  const values = [
    undefined,
    null,
    true,
    0,
    -1,
    Number.POSITIVE_INFINITY,
    '',
    'x',
    '\ud800',
    [],
    [null],
    [[]],
    {},
    { id: null },
    { kind: {} },
    { headers: 1 },
  ]
  for (const kind of KINDS) {
    const [data] = SMALLEST[kind]
    for (const name of [...Object.keys(data), 'param', 'value', 'tags', 'limit', 'state', 'preload']) {
      for (const value of values) {
        const parsed = parseRequest(kind, { ...data, [name]: value })
        if (!parsed.ok) assert.match(parsed.message, /^data\..* must .*, got /)
      }
    }
  }
})
