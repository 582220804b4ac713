// The rules that a request breaks by itself, whatever the state: each with the message it gets, and the near misses that pass.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CreateData, Kind, Request, RequestTable } from '../src/requests.ts'
import { createProblem, DEFAULT_LIMITS, ruleProblem, settleProblem } from '../src/rules.ts'
import { delayOf, hasTask, originOf } from '../src/tags.ts'

type Data<K extends Kind> = RequestTable[K]['data']

function problemOf<K extends Kind>(kind: K, data: Data<K>, limits = DEFAULT_LIMITS): string | null {
  return ruleProblem({ kind, data } as Request<Kind>, limits)
}

const TARGET = { 'resonate:target': 'poll://any@workers' }
const TIMER = { 'resonate:timer': 'true' }
const DELAY = { 'resonate:delay': '5' }

function create(data: Partial<CreateData>): CreateData {
  return { id: 'p', timeoutAt: 10, param: {}, tags: {}, ...data }
}

/** A request of each kind that breaks no rule. */
const SOUND: { readonly [K in Kind]: Data<K> } = {
  'promise.get': { id: 'p' },
  'promise.create': create({ tags: { ...TARGET, 'any:other': 'tag' } }),
  'promise.settle': { id: 'p', state: 'resolved', value: {} },
  'promise.register_callback': { awaited: 'a', awaiter: 'b' },
  'promise.register_listener': { awaited: 'a', address: 'https://host/hook' },
  'promise.search': { tags: { a: 'b' }, limit: 1000 },
  'promise.check': { ids: ['p', 'q'] },
  'promise.explain': { id: 'p' },
  'worker.search': { group: 'g', limit: 1 },
  'group.search': { limit: 1000 },
  'task.get': { id: 't' },
  'task.create': { pid: 'w', ttl: 1, action: { kind: 'promise.create', data: create({ tags: TARGET }) } },
  'task.acquire': { id: 't', version: 0, pid: 'w', ttl: 1 },
  'task.release': { id: 't', version: 1 },
  'task.suspend': {
    id: 't',
    version: 1,
    actions: ['a', 'b'].map((awaited) => ({ kind: 'promise.register_callback', data: { awaited, awaiter: 't' } })),
  },
  'task.fulfill': {
    id: 't',
    version: 1,
    action: { kind: 'promise.settle', data: { id: 't', state: 'resolved', value: {} } },
  },
  'task.fence': { id: 't', version: 1, action: { kind: 'promise.create', data: create({}) } },
  'task.heartbeat': { pid: 'w', tasks: [{ id: 't', version: 1 }] },
  'task.halt': { id: 't' },
  'task.continue': { id: 't' },
  'task.search': { limit: 1 },
  'schedule.get': { id: 's' },
  'schedule.create': {
    id: 's',
    cron: '0 0 * * *',
    promiseId: '{{.id}}.{{.timestamp}}',
    promiseTimeout: 0,
    promiseParam: {},
    promiseTags: TARGET,
  },
  'schedule.delete': { id: 's' },
  'schedule.search': { limit: 10 },
  'retention.preview': { ageMs: 1, limit: 1 },
  'backup.create': { name: 'before-upgrade.db' },
  'debug.start': {},
  'debug.stop': {},
  'debug.reset': {},
  'debug.tick': { time: 0 },
  'debug.snap': {},
}
const KINDS = Object.keys(SOUND) as Kind[]

test('a sound request of every kind breaks no rule', () => {
  for (const kind of KINDS) assert.equal(problemOf(kind, SOUND[kind]), null, kind)
})

test('a backup is named, not placed: its name cannot leave the folder of backups', () => {
  for (const name of ['', '.', '..', '../x', '/etc/passwd', 'a/b', 'a\\b', '.hidden', 'a\0', 'a b', 'x'.repeat(201)]) {
    assert.match(problemOf('backup.create', { name }) ?? '', /^data\.name must be a file name/, name)
  }
})

test('every id and pid of every kind obeys the rules of ids', () => {
  for (const kind of KINDS) {
    for (const name of ['id', 'pid', 'awaited', 'awaiter', 'promiseId']) {
      if (!(name in SOUND[kind])) continue
      for (const bad of ['', 'a\0', '\udfff', 'é'.repeat(513)]) {
        const problem = problemOf(kind, { ...SOUND[kind], [name]: bad } as Data<Kind>)
        assert.match(problem ?? 'accepted', new RegExp(`^data\\.${name} must `), kind)
      }
    }
  }
  const tasks = [
    { id: 't', version: 1 },
    { id: '', version: 1 },
  ]
  assert.equal(problemOf('task.heartbeat', { pid: 'w', tasks }), 'data.tasks[1].id must not be empty')
  assert.match(
    problemOf('schedule.create', { ...SOUND['schedule.create'], promiseId: 'x'.repeat(901) }) ?? '',
    /at most 900 bytes/,
  )
})

test('creating a promise refuses tags that mean something impossible', () => {
  const long = 'o'.repeat(1025)
  const cases: [Partial<CreateData>, RegExp | null][] = [
    [{}, null],
    [{ timeoutAt: 0 }, null],
    [{ tags: { 'resonate:target': 'poll://uni@g/w' } }, null],
    [
      { tags: { 'resonate:target': 'workers' } },
      /^data\.tags\["resonate:target"\] must be an address this server can route \(.*\), got "workers"$/,
    ],
    [{ tags: { 'resonate:target': '' } }, /must be an address .*, got ""$/],
    [{ tags: { 'resonate:target': 'gcps://a/b' } }, /must be an address/],
    [
      { tags: { 'resonate:target': `http://host/${'x'.repeat(2100)}` } },
      /^data\.tags\["resonate:target"\] must be at most 2100 bytes/,
    ],
    [{ tags: { ...TIMER, 'resonate:target': 'workers' } }, null],
    [{ tags: TIMER }, null],
    [{ tags: { 'resonate:timer': 'TRUE', 'resonate:target': 'workers' } }, /must be an address/],
    [{ tags: { ...TARGET, ...DELAY } }, null],
    [{ tags: { ...TARGET, 'resonate:delay': '09' } }, null],
    [
      { tags: { ...TARGET, 'resonate:delay': '10' } },
      /^data\.tags\["resonate:delay"\] must be before the promise's timeoutAt 10, got "10"$/,
    ],
    [{ tags: { ...TARGET, 'resonate:delay': '9'.repeat(400) }, timeoutAt: Number.MAX_SAFE_INTEGER }, /must be before/],
    ...['', ' 5', '5 ', '-5', '+5', '5.0', '1e3', '0x5', '٥', 'soon', '5\n'].map(
      (text): [Partial<CreateData>, RegExp] => [
        { tags: { ...TARGET, 'resonate:delay': text } },
        /^data\.tags\["resonate:delay"\] must be decimal digits, an instant in ms, got "/,
      ],
    ),
    [{ tags: DELAY }, /^data\.tags\["resonate:delay"\] needs resonate:target and no resonate:timer/],
    [{ tags: { ...TARGET, ...TIMER, ...DELAY } }, /needs resonate:target and no resonate:timer/],
    [{ tags: { 'resonate:origin': '', 'resonate:branch': 'any thing', 'resonate:parent': '' } }, null],
    [{ tags: { 'resonate:origin': long } }, /^data\.tags\["resonate:origin"\] must be at most 1024 bytes/],
    [{ tags: { 'resonate:branch': long } }, /^data\.tags\["resonate:branch"\] must be at most 1024 bytes/],
    [{ tags: { 'a\0': 'b' } }, /^a name in data\.tags must not contain NUL, got "a\\u0000"$/],
    [{ tags: { a: 'b\ud800' } }, /^data\.tags\["a"\] must be valid Unicode/],
    [{ tags: { '': '' } }, null],
  ]
  for (const [data, message] of cases) {
    const problem = createProblem(create(data), DEFAULT_LIMITS)
    if (message === null) assert.equal(problem, null)
    else assert.match(problem ?? `accepted ${JSON.stringify(data).slice(0, 100)}`, message)
    assert.ok((problem ?? '').length < 300)
    assert.equal(problemOf('promise.create', create(data)), problem)
  }
})

test('tags and headers are bounded in number and in bytes', () => {
  const limits = { ...DEFAULT_LIMITS, tagsMax: 3, tagBytesMax: 10, headersMax: 2, headerBytesMax: 10 }
  const four = { a: '', b: '', c: '', d: '' }
  const cases: [Partial<CreateData>, string | null][] = [
    [{ tags: { a: '', b: '', c: '' } }, null],
    [{ tags: four }, 'data.tags must hold at most 3 tags, got 4'],
    [{ tags: { name: '123456' } }, null],
    [{ tags: { name: '1234567' } }, 'data.tags["name"] must be at most 10 bytes, name and value together, got 11'],
    [{ tags: { é: '€€' } }, null],
    [{ tags: { é: '€€€' } }, 'data.tags["é"] must be at most 10 bytes, name and value together, got 11'],
    [{ param: { headers: { a: '1234', b: '1234' } } }, null],
    [
      { param: { headers: { a: '1234', b: '12345' } } },
      'data.param.headers must be at most 10 bytes, names and values together, got 11',
    ],
    [{ param: { headers: { a: '', b: '', c: '' } } }, 'data.param.headers must hold at most 2 headers, got 3'],
  ]
  for (const [data, message] of cases) assert.equal(createProblem(create(data), limits), message)
  assert.equal(problemOf('promise.search', { tags: four }, limits), 'data.tags must hold at most 3 tags, got 4')
  assert.equal(problemOf('schedule.search', { tags: four }, limits), 'data.tags must hold at most 3 tags, got 4')
})

test('payloads may be any text, NUL included, but a lone surrogate is none', () => {
  const settle = (value: object) => settleProblem({ id: 'p', state: 'resolved', value }, DEFAULT_LIMITS)
  for (const value of [
    {},
    { data: '' },
    { data: '\0é😀\n' },
    { headers: { 'x\0': '\0' } },
    { data: 'x'.repeat(5_000_000) },
  ]) {
    assert.equal(settle(value), null)
  }
  assert.equal(
    settle({ data: 'a\ud83d' }),
    'data.value.data must be valid Unicode, got a lone surrogate: send bytes as base64',
  )
  assert.match(settle({ headers: { a: '\udc00' } }) ?? '', /^data\.value\.headers\["a"\] must be valid Unicode/)
  assert.match(settle({ headers: { '\udc00': 'a' } }) ?? '', /^data\.value\.headers\["\\udc00"\] must be valid Unicode/)
})

test('a promise does not await itself', () => {
  assert.equal(
    problemOf('promise.register_callback', { awaited: 'a', awaiter: 'a' }),
    'data.awaiter must not be data.awaited, got "a" for both',
  )
})

test('a listener is an address that this server can route', () => {
  assert.match(
    problemOf('promise.register_listener', { awaited: 'a', address: 'poll://w@g' }) ?? '',
    /^data\.address must be an address .* got "poll:\/\/w@g"$/,
  )
  const limits = { ...DEFAULT_LIMITS, schemes: ['poll'] }
  assert.match(
    problemOf('promise.register_listener', { awaited: 'a', address: 'http://h' }, limits) ?? '',
    /\(poll:\/\/any@group, poll:\/\/any@group\/pid, poll:\/\/uni@group\/pid\), got "http:\/\/h"$/,
  )
  const longest = `poll://uni@${'g'.repeat(1024)}/${'p'.repeat(1024)}`
  assert.equal(problemOf('promise.register_listener', { awaited: 'a', address: longest }), null)
})

test('a page has 1 to 1,000 records', () => {
  for (const kind of ['promise.search', 'task.search', 'schedule.search'] as const) {
    for (const limit of [1, 1000]) assert.equal(problemOf(kind, { limit }), null)
    for (const limit of [0, 1001, 2 ** 53 - 1]) {
      assert.equal(problemOf(kind, { limit }), `data.limit must be between 1 and 1000, got ${limit}`)
    }
  }
})

test('a lease lasts at least a millisecond', () => {
  const message = 'data.ttl must be a number of ms ≥ 1, got 0'
  assert.equal(problemOf('task.acquire', { id: 't', version: 0, pid: 'w', ttl: 0 }), message)
  assert.equal(problemOf('task.create', { ...SOUND['task.create'], ttl: 0 }), message)
})

test('a task is created and a schedule fires only for what somebody is to run now', () => {
  const cases: [Record<string, string>, RegExp | null][] = [
    [TARGET, null],
    [{ ...TARGET, 'resonate:timer': 'false' }, null],
    [{}, /must have resonate:target: without one nobody runs the promise$/],
    [{ ...TARGET, ...TIMER }, /must not make it a timer \(resonate:timer\)/],
    [{ 'resonate:target': 'nowhere' }, /must be an address/],
    [{ ...TARGET, ...DELAY }, /must not have resonate:delay here, got "5"$/],
  ]
  for (const [tags, message] of cases) {
    const task = problemOf('task.create', {
      pid: 'w',
      ttl: 1,
      action: { kind: 'promise.create', data: create({ tags }) },
    })
    const schedule = problemOf('schedule.create', { ...SOUND['schedule.create'], promiseTags: tags })
    if (message === null) assert.deepEqual([task, schedule], [null, null])
    assert.match(task ?? 'data.action.data.tags', message ?? /^data\.action\.data\.tags$/)
    assert.match(schedule ?? 'data.promiseTags', message ?? /^data\.promiseTags$/)
    assert.ok((task ?? 'data.action.data.tags').startsWith('data.action.data.tags'))
    assert.ok((schedule ?? 'data.promiseTags').startsWith('data.promiseTags'))
  }
})

test('a suspend awaits at least one promise, each once, none of them itself, all for itself', () => {
  const suspend = (...pairs: [awaited: string, awaiter: string][]) =>
    problemOf('task.suspend', {
      id: 't',
      version: 1,
      actions: pairs.map(([awaited, awaiter]) => ({ kind: 'promise.register_callback', data: { awaited, awaiter } })),
    })
  const at = (i: number) => `data.actions[${i}].data`
  assert.equal(suspend(), 'data.actions must name at least one promise to await, got an empty list')
  assert.equal(suspend(['a', 't'], ['b', 'u']), `${at(1)}.awaiter must be the task's own id "t", got "u"`)
  assert.equal(suspend(['a', 't'], ['t', 't']), `${at(1)}.awaited must not be the task's own id, got "t"`)
  assert.equal(suspend(['a', 't'], ['b', 't'], ['a', 't']), `${at(2)}.awaited must be awaited once, got "a" again`)
  assert.equal(suspend(['', 't']), `${at(0)}.awaited must not be empty`)
  assert.equal(suspend(['__proto__', 't'], ['constructor', 't']), null)
  const many = Array.from({ length: 10_001 }, (_, i): [string, string] => [`a${i}`, 't'])
  assert.equal(suspend(...many), 'data.actions must hold at most 10000 actions, got 10001')
  assert.equal(suspend(...many.slice(1)), null)
})

test('a fulfil settles its own promise', () => {
  const fulfill = (id: string, value = {}) =>
    problemOf('task.fulfill', {
      id: 't',
      version: 1,
      action: { kind: 'promise.settle', data: { id, state: 'resolved', value } },
    })
  assert.equal(fulfill('t'), null)
  assert.equal(fulfill('u'), `data.action.data.id must be the task's own id "t", got "u"`)
  assert.match(fulfill('t', { data: '\ud800' }) ?? '', /^data\.action\.data\.value\.data must be valid Unicode/)
})

test('a fence is refused for an action on its own promise and for nothing else that its action breaks', () => {
  const fence = (data: CreateData) =>
    problemOf('task.fence', { id: 't', version: 1, action: { kind: 'promise.create', data } })
  assert.equal(
    fence(create({ id: 't' })),
    `data.action.data.id must not be the task's own id, got "t": use task.fulfill to settle it`,
  )
  for (const data of [create({ id: '' }), create({ tags: { 'resonate:target': 'x' } }), create({ tags: DELAY })]) {
    assert.equal(fence(data), null)
    assert.notEqual(createProblem(data, DEFAULT_LIMITS), null)
  }
  const action = { kind: 'promise.settle', data: { id: 't', state: 'resolved', value: {} } } as const
  assert.match(problemOf('task.fence', { id: 't', version: 1, action }) ?? '', /must not be the task's own id/)
})

test('a heartbeat may list no tasks at all, and not more than it may hold', () => {
  assert.equal(problemOf('task.heartbeat', { pid: 'w', tasks: [] }), null)
  const tasks = Array.from({ length: 3 }, (_, i) => ({ id: `t${i}`, version: 1 }))
  assert.equal(
    problemOf('task.heartbeat', { pid: 'w', tasks }, { ...DEFAULT_LIMITS, tasksMax: 2 }),
    'data.tasks must hold at most 2 tasks, got 3',
  )
})

test('a schedule needs a calendar that fires and leaves room for the tags it adds', () => {
  const schedule = (data: Partial<Data<'schedule.create'>>, limits = DEFAULT_LIMITS) =>
    problemOf('schedule.create', { ...SOUND['schedule.create'], ...data }, limits)
  assert.match(schedule({ cron: 'daily' }) ?? '', /^data\.cron "daily" is no cron expression: /)
  assert.match(
    schedule({ cron: '0 0 * * 0' }) ?? '',
    /^data\.cron "0 0 \* \* 0" is no cron expression: day of week takes 1 to 7 \(1 is Sunday/,
  )
  assert.match(schedule({ cron: '0 0 30 2 *' }) ?? '', /^data\.cron "0 0 30 2 \*" never fires/)
  assert.match(schedule({ promiseParam: { data: '\ud800' } }) ?? '', /^data\.promiseParam\.data must be valid Unicode/)
  assert.equal(schedule({}, { ...DEFAULT_LIMITS, tagsMax: 6 }), null)
  assert.equal(schedule({}, { ...DEFAULT_LIMITS, tagsMax: 5 }), 'data.promiseTags must hold at most 5 tags, got 6')
})

test('what follows from tags: a task, a delay, an origin', () => {
  assert.ok(hasTask(TARGET))
  assert.ok(!hasTask({}))
  assert.ok(!hasTask({ ...TARGET, ...TIMER }))
  assert.equal(delayOf({ 'resonate:delay': '0005' }), 5)
  assert.equal(delayOf({ 'resonate:delay': '9'.repeat(20) }), Number.MAX_SAFE_INTEGER)
  assert.equal(delayOf({ 'resonate:delay': '-5' }), null)
  assert.equal(originOf('p', {}), 'p')
  assert.equal(originOf('p', { 'resonate:origin': 'root' }), 'root')
})
