// That the checker accepts what a server may do and rejects what none may: by hand, and on random histories of the machine
// itself, against a search that tries every order.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, DEFAULT_CONFIG, decide, type MachineKind, type Request, Tables } from '@resonatehq/protocol'
import { Chance } from '../chance.ts'
import { type Operation, type Part, partsById } from './history.ts'
import { machineModel, problemIn, type Rows } from './machine.ts'
import { check, type Model } from './search.ts'

const T = 1_000_000
const LATER = T + 600_000
const TARGET = { 'resonate:target': 'poll://any@g' }
const [CREATE_DATA, VALUE] = [{ id: 'p', timeoutAt: LATER, param: {}, tags: {} }, { data: 'b25l' }]
const create: Request<MachineKind> = { kind: 'promise.create', data: CREATE_DATA }
const createTask: Request<MachineKind> = { kind: 'promise.create', data: { ...CREATE_DATA, tags: TARGET } }
const get: Request<MachineKind> = { kind: 'promise.get', data: { id: 'p' } }
const PENDING = { ...CREATE_DATA, state: 'pending', value: {}, createdAt: T }
const RESOLVED = { ...PENDING, state: 'resolved', value: VALUE, settledAt: T + 10 }
const REJECTED = { ...PENDING, state: 'rejected', value: {}, settledAt: T + 10 }
const DUTY = { ...PENDING, tags: TARGET }

function settle(state: 'resolved' | 'rejected'): Request<MachineKind> {
  return { kind: 'promise.settle', data: { id: 'p', state, value: state === 'resolved' ? VALUE : {} } }
}

function acquire(version: number, pid: string, ttl = 1_000): Request<MachineKind> {
  return { kind: 'task.acquire', data: { id: 'p', version, pid, ttl } }
}

function fulfill(version: number): Request<MachineKind> {
  const action = { kind: 'promise.settle' as const, data: { id: 'p', state: 'resolved' as const, value: VALUE } }
  return { kind: 'task.fulfill', data: { id: 'p', version, action } }
}

function held(version: number, pid: string, ttl = 1_000): object {
  return { task: { id: 'p', state: 'acquired', version, resumes: 0, ttl, pid }, promise: DUTY, preload: [] }
}

/** `from` and `to`: ms after T. A promise as the answer is short for 200 with it; a number for a refusal. */
function op(from: number, to: number, request: Request<MachineKind>, answered: object | number | null): Operation {
  const times = { calledAt: T + from, returnedAt: answered === null ? Number.POSITIVE_INFINITY : T + to }
  if (typeof answered === 'number') return { client: 'c', request, ...times, answer: refusal(answered) }
  const data = answered && ('state' in answered ? { promise: answered } : answered)
  return { client: 'c', request, ...times, answer: data && { status: 200, data } }
}

function refusal(status: number): Answer {
  return { status: status as Answer['status'], data: 'no' }
}

const STRICT = { clockSlackMs: 0 }

function accepts(...history: Operation[]): void {
  assert.equal(problemIn(history, STRICT), null)
}

function rejects(...history: Operation[]): void {
  assert.match(problemIn(history, STRICT) ?? 'accepted', /is not linearizable/)
}

test('one call after the other, as the machine answers them, is linearizable', () => {
  accepts(
    op(-2, -1, get, 404),
    op(0, 1, create, PENDING),
    op(2, 3, get, PENDING),
    op(10, 11, settle('resolved'), RESOLVED),
    op(12, 13, settle('rejected'), RESOLVED),
  )
})

test('calls at the same time may take effect in either order', () => {
  const late = { ...PENDING, createdAt: T + 3 }
  accepts(op(0, 5, create, late), op(1, 4, get, 404), op(2, 6, get, late))
  accepts(op(0, 1, create, PENDING), op(5, 15, settle('resolved'), RESOLVED), op(6, 14, settle('rejected'), RESOLVED))
})

test('a call without an answer may have happened, early or late, or never', () => {
  accepts(op(-5, 0, create, null), op(1, 2, get, PENDING))
  accepts(op(-5, 0, create, null), op(1, 2, get, 404), op(2, 3, get, 404))
  const created = op(0, 1, create, PENDING)
  accepts(created, op(2, 0, settle('resolved'), null), op(5, 6, get, PENDING), op(20, 21, get, RESOLVED))
})

test('a timeout may have passed that no answer has shown, and none before it', () => {
  const action = { kind: 'promise.create' as const, data: { ...CREATE_DATA, timeoutAt: T + 10, tags: TARGET } }
  const createClaimed: Request<MachineKind> = { kind: 'task.create', data: { pid: 'a', ttl: 1_000, action } }
  const getTask: Request<MachineKind> = { kind: 'task.get', data: { id: 'p' } }
  for (const [request, version] of [[action, 0] as const, [createClaimed, 1] as const]) {
    const over = { task: { id: 'p', state: 'fulfilled', version, resumes: 0 } }
    accepts(op(0, 0, request, null), op(5, 15, getTask, over))
    rejects(op(0, 0, request, null), op(5, 9, getTask, over))
  }
})

test('a stale read is found', () => {
  rejects(op(0, 1, create, PENDING), op(9, 11, settle('resolved'), RESOLVED), op(12, 13, get, PENDING))
})

test('a lost create is found', () => {
  rejects(op(0, 1, create, PENDING), op(2, 3, get, 404))
  rejects(op(0, 1, create, PENDING), op(5, 6, create, { ...PENDING, createdAt: T + 5 }))
})

test('two settlements that both won are found', () => {
  rejects(op(0, 1, create, PENDING), op(8, 12, settle('resolved'), RESOLVED), op(8, 12, settle('rejected'), REJECTED))
})

test('a settlement without an answer cannot be undone once it was seen', () => {
  rejects(
    op(0, 1, create, PENDING),
    op(5, 0, settle('resolved'), null),
    op(11, 12, get, RESOLVED),
    op(13, 14, get, PENDING),
  )
})

test('two holders of one version are found', () => {
  const born = op(0, 1, createTask, DUTY)
  accepts(born, op(2, 5, acquire(0, 'a'), held(1, 'a')), op(2, 5, acquire(0, 'b'), 409))
  rejects(born, op(2, 5, acquire(0, 'a'), held(1, 'a')), op(2, 5, acquire(0, 'b'), held(1, 'b')))
})

test('a claim that is taken while its lease holds is found, and one taken after it ended is not', () => {
  const born = op(0, 1, createTask, DUTY)
  const first = op(10, 11, acquire(0, 'a', 1_000), held(1, 'a'))
  rejects(born, first, op(500, 501, acquire(1, 'b'), held(2, 'b')))
  accepts(born, first, op(1_011, 1_012, acquire(1, 'b'), held(2, 'b')))
  rejects(
    born,
    first,
    op(1_011, 1_012, acquire(1, 'b'), held(2, 'b')),
    op(1_020, 1_021, fulfill(1), { ...DUTY, ...settledParts() }),
  )
})

function settledParts(): object {
  return { state: 'resolved', value: VALUE, settledAt: T + 1_020 }
}

test('a worker that was gone for the grace may lose a long lease, not before', () => {
  const born = op(0, 1, createTask, DUTY)
  const first = op(10, 11, acquire(0, 'a', 60_000), held(1, 'a', 60_000))
  rejects(born, first, op(4_000, 4_001, acquire(1, 'b'), held(2, 'b')))
  accepts(born, first, op(5_011, 5_012, acquire(1, 'b'), held(2, 'b')))
})

test('a deadline that is met too early is found', () => {
  const early = { ...PENDING, state: 'rejected_timedout', settledAt: LATER }
  rejects(op(0, 1, create, PENDING), op(2, 3, get, early))
  accepts(op(0, 1, create, PENDING), op(600_000, 600_001, get, early))
})

test('a fence is seen by the task and by what it creates', () => {
  const action = { kind: 'promise.create' as const, data: { ...CREATE_DATA, id: 'p:0' } }
  const fence: Request<MachineKind> = { kind: 'task.fence', data: { id: 'p', version: 1, action } }
  const child = { ...PENDING, id: 'p:0', createdAt: T + 20 }
  const head = { corrId: '1', status: 200, version: 'v' }
  const inner = { action: { kind: 'promise.create', head, data: { promise: child } }, preload: [] }
  const before = [op(0, 1, createTask, DUTY), op(10, 11, acquire(0, 'a'), held(1, 'a'))]
  const look: Request<MachineKind> = { kind: 'promise.get', data: { id: 'p:0' } }
  accepts(...before, op(20, 21, fence, inner), op(22, 23, look, child))
  rejects(...before, op(20, 21, fence, inner), op(22, 23, look, 404))
  rejects(op(0, 1, createTask, DUTY), op(20, 21, fence, inner))
})

test('a suspended task is nobody’s until it is woken', () => {
  const callback = { kind: 'promise.register_callback' as const, data: { awaited: 'q', awaiter: 'p' } }
  const suspend: Request<MachineKind> = { kind: 'task.suspend', data: { id: 'p', version: 1, actions: [callback] } }
  const other = { ...PENDING, id: 'q' }
  const before = [
    op(0, 1, createTask, DUTY),
    op(0, 1, { kind: 'promise.create', data: { ...CREATE_DATA, id: 'q' } }, other),
    op(10, 11, acquire(0, 'a'), held(1, 'a')),
    op(12, 13, suspend, {}),
  ]
  accepts(...before, op(20, 21, acquire(1, 'b'), held(2, 'b')))
  rejects(...before, op(20, 21, fulfill(1), { ...DUTY, state: 'resolved', value: VALUE, settledAt: T + 20 }))
  rejects(
    ...before,
    op(
      11,
      11.5,
      { kind: 'promise.settle', data: { id: 'q', state: 'resolved', value: {} } },
      { ...other, state: 'resolved', settledAt: T + 11 },
    ),
  )
})

test('a failure tells the calls around it', () => {
  const problem = problemIn([op(0, 1, create, PENDING), op(2, 3, get, 404)], STRICT) as string
  assert.match(problem, /what was seen of p is not linearizable: 1 of 2 calls are in order/)
  assert.match(problem, /promise\.get {"id":"p"} → 404/)
})

// --- at random

const REQUESTS: readonly ((chance: Chance, version: number) => Request<MachineKind>)[] = [
  () => create,
  () => createTask,
  () => get,
  () => ({ kind: 'task.get', data: { id: 'p' } }),
  (chance) => settle(chance.pick(['resolved', 'rejected'])),
  (chance, version) => acquire(version, chance.pick(['a', 'b']), chance.pick([5, 1_000])),
  (_, version) => fulfill(version),
  (_, version) => ({ kind: 'task.release', data: { id: 'p', version } }),
  (chance, version) => ({
    kind: 'task.heartbeat',
    data: { pid: chance.pick(['a', 'b']), tasks: [{ id: 'p', version }] },
  }),
  () => ({ kind: 'task.halt', data: { id: 'p' } }),
  () => ({ kind: 'task.continue', data: { id: 'p' } }),
]

/** Calls that overlap, each decided by the machine at an instant between its begin and its end; some answers are lost. */
function randomHistory(chance: Chance, length: number): Operation[] {
  const tables = new Tables()
  const calls = Array.from({ length }, () => {
    const decidedAt = chance.between(0, 4 * length)
    return { decidedAt, calledAt: decidedAt - chance.between(0, 12), returnedAt: decidedAt + chance.between(0, 12) }
  }).sort((a, b) => a.decidedAt - b.decidedAt)
  return calls.map(({ decidedAt, calledAt, returnedAt }, at) => {
    const now = Math.floor(T + decidedAt)
    const apply = (input: Parameters<typeof decide>[1]) => {
      const decision = decide({ view: tables, now, config: DEFAULT_CONFIG }, input)
      for (const effect of decision.effects) tables.apply(effect)
      return decision.answer
    }
    if (chance.happens(0.5)) apply({ kind: 'task.expire', data: { id: 'p' } })
    const request = chance.pick(REQUESTS)(chance, tables.task('p')?.version ?? 0)
    const isLost = chance.happens(0.15)
    const times = { calledAt: T + calledAt, returnedAt: isLost ? Number.POSITIVE_INFINITY : T + returnedAt }
    const answer = isLost && chance.happens(0.5) ? null : apply(request)
    return { client: `c${at}`, request, ...times, answer: isLost ? null : structuredClone(answer) }
  })
}

test('what the machine did is linearizable, whatever overlaps and whatever answers are lost', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const problem = problemIn(randomHistory(new Chance(seed), 40), { clockSlackMs: 1 })
    assert.equal(problem, null, `seed ${seed}: ${problem}`)
  }
})

/** Every order of the calls, one by one, with those that were not answered anywhere or nowhere. */
function isLinearizable(left: readonly Part[], model: Model<Rows, Part>, state: Rows): boolean {
  if (left.every(({ fits }) => fits === null)) return true
  return left.some((call, at) => {
    const others = left.filter((_, index) => index !== at)
    if (others.some(({ returnedAt }) => returnedAt < call.calledAt)) return false
    return model.next(state, call).some((next) => isLinearizable(others, model, next))
  })
}

/** One answer becomes that of another call, as a server would give that mixes states up. */
function mutated(chance: Chance, history: readonly Operation[]): Operation[] {
  const answered = history.filter(({ answer }) => answer !== null)
  if (answered.length < 2) return [...history]
  const [one, other] = [chance.pick(answered), chance.pick(answered)]
  return history.map((operation) => (operation === one ? { ...operation, answer: other.answer } : operation))
}

test('of small histories with an answer that is another’s, the search says the same as trying every order', () => {
  const verdicts = { linearizable: 0, 'not linearizable': 0, undecided: 0 }
  for (let seed = 1; seed <= 400; seed++) {
    const chance = new Chance(seed)
    for (const [id, parts] of partsById(mutated(chance, randomHistory(chance, 7)))) {
      const model = machineModel(id, parts, { clockSlackMs: 1 })
      const { kind } = check(parts, model)
      assert.equal(kind === 'linearizable', isLinearizable(parts, model, model.initial), `seed ${seed}`)
      verdicts[kind]++
    }
  }
  assert.ok(verdicts.linearizable > 50 && verdicts['not linearizable'] > 50, JSON.stringify(verdicts))
})

test('a search that did not look everywhere is undecided', () => {
  const history = randomHistory(new Chance(1), 40)
  const [[id, parts] = ['', []]] = partsById(history)
  assert.equal(check(parts, machineModel(id, parts), { placesMax: 3 }).kind, 'undecided')
})
