// From bytes that became JSON to a typed request: the only place where shapes are checked. Each request's shape is one
// declaration made of small readers; a reader returns what it read or the Problem it met. None may throw, and what a request
// holds is always a copy of what was given. What values mean (ids, tags, addresses, sizes) is the rules'.
//
// Told apart here once and for all: unknown keys are ignored, an optional field that is null is absent, fractions of
// instants and durations are rounded up, and what exceeds 2^53 - 1 is clamped to it.

import { quote } from './quote.ts'
import { PROMISE_STATES, type Settlement, TASK_STATES, type Tags, type TaskRef, type Value } from './records.ts'
import {
  type Action,
  type CallbackData,
  type CreateAction,
  type CreateData,
  type Kind,
  PROTOCOL_VERSION,
  type Request,
  type RequestEnvelope,
  type RequestTable,
  type SettleAction,
  type SettleData,
} from './requests.ts'
import { DEFAULT_LIMITS, excessOf, type RuleLimits } from './rules.ts'

/** What a request that cannot be read is answered. */
export interface Refusal {
  readonly status: 400
  readonly message: string
}

/** The counts past which reading a list or an object stops: the same record that the rules take. */
export type ReadLimits = Pick<RuleLimits, 'tagsMax' | 'headersMax' | 'actionsMax' | 'tasksMax'>

// Readers.

type Reader<T> = (value: unknown, limits: ReadLimits) => T | Problem

/**
 * What is wrong, and where: the path grows from the inside out as readers hand it on, so that reading well costs no paths.
 * A class, so that nothing which was sent can pass for one.
 */
class Problem {
  readonly reason: string
  path = ''

  constructor(reason: string) {
    this.reason = reason
  }

  within(step: string): Problem {
    const joint = this.path === '' || this.path.startsWith('[') ? '' : '.'
    this.path = step + joint + this.path
    return this
  }

  /** `whole` is what to call the thing itself where the problem is not inside it. */
  message(whole: string): string {
    return `${this.path === '' ? whole : this.path} ${this.reason}`
  }
}

function expected(what: string, value: unknown): Problem {
  return new Problem(`must be ${what}, got ${quote(value)}`)
}

type Fields<T> = { readonly [K in keyof Required<T>]: Reader<T[K]> }

/** An object with these fields. What a reader leaves undefined is left out. */
function fields<T>(readers: Fields<T>): Reader<T> {
  const entries = Object.entries<Reader<unknown>>(readers)
  const stepTo = (name: string) => (/^\w+$/.test(name) ? name : `[${quote(name)}]`)
  return (value, limits) => {
    if (!isObject(value)) return expected('an object', value)
    const out: Record<string, unknown> = {}
    for (const [name, read] of entries) {
      const part = read(value[name], limits)
      if (part instanceof Problem) return part.within(stepTo(name))
      if (part !== undefined) out[name] = part
    }
    return out as T
  }
}

function optional<T>(read: Reader<T>): Reader<T | undefined> {
  return (value, limits) => (value === undefined || value === null ? undefined : read(value, limits))
}

function orEmpty<T extends object>(read: Reader<T>): Reader<T> {
  return (value, limits) => (value === undefined || value === null ? ({} as T) : read(value, limits))
}

function listOf<T>(read: Reader<T>, { max, things }: { max: 'actionsMax' | 'tasksMax'; things: string }): Reader<T[]> {
  return (value, limits) => {
    if (!Array.isArray(value)) return expected('a list', value)
    const tooMany = tooManyOf(value.length, limits[max], things)
    if (tooMany) return tooMany
    const out: T[] = []
    for (let i = 0; i < value.length; i++) {
      const part = read(value[i], limits)
      if (part instanceof Problem) return part.within(`[${i}]`)
      out.push(part)
    }
    return out
  }
}

/** Names to strings. Any name will do, `__proto__` too: it is defined, not assigned, and so means nothing special. */
function textsOf({ max, things }: { max: 'tagsMax' | 'headersMax'; things: string }): Reader<Tags> {
  return (value, limits) => {
    if (!isObject(value)) return expected('an object of strings', value)
    const names = Object.keys(value)
    const tooMany = tooManyOf(names.length, limits[max], things)
    if (tooMany) return tooMany
    const out: Record<string, string> = {}
    for (const name of names) {
      const text = value[name]
      if (typeof text !== 'string') return expected('a string', text).within(`[${quote(name)}]`)
      if (name === '__proto__') define(out, name, text)
      else out[name] = text
    }
    return out
  }
}

function define(out: object, name: string, value: string): void {
  Object.defineProperty(out, name, { value, enumerable: true, writable: true, configurable: true })
}

function tooManyOf(count: number, max: number, things: string): Problem | null {
  const reason = excessOf(count, max, things)
  return reason === null ? null : new Problem(reason)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const text: Reader<string> = (value) => (typeof value === 'string' ? value : expected('a string', value))

const flag: Reader<boolean> = (value) => (typeof value === 'boolean' ? value : expected('true or false', value))

const object: Reader<Readonly<Record<string, unknown>>> = (value) =>
  isObject(value) ? value : expected('an object', value)

function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0
}

/** An instant or a duration, ms. Adding 0 turns -0 into 0. */
const millis: Reader<number> = (value) =>
  isTime(value) ? Math.min(Math.ceil(value), Number.MAX_SAFE_INTEGER) + 0 : expected('a number ≥ 0', value)

const count: Reader<number> = (value) =>
  isTime(value) && Number.isSafeInteger(value) ? value + 0 : expected('an integer ≥ 0', value)

function oneOf<T extends string>(...choices: readonly T[]): Reader<T> {
  const what = choices.map((choice) => quote(choice)).join(' or ')
  return (value) => (choices.includes(value as T) ? (value as T) : expected(what, value))
}

// Shapes.

const value = fields<Value>({
  headers: optional(textsOf({ max: 'headersMax', things: 'headers' })),
  data: optional(text),
})

const tags = textsOf({ max: 'tagsMax', things: 'tags' })

const createData = fields<CreateData>({ id: text, timeoutAt: millis, param: orEmpty(value), tags: orEmpty(tags) })

const settleData = fields<SettleData>({
  id: text,
  state: oneOf<Settlement>('resolved', 'rejected', 'rejected_canceled'),
  value: orEmpty(value),
})

const callbackData = fields<CallbackData>({ awaited: text, awaiter: text })

const actionHead = fields<{ readonly corrId?: string }>({ corrId: optional(text) })

function action<K extends string, D>(kind: K, data: Reader<D>): Reader<Action<K, D>> {
  return fields<Action<K, D>>({ kind: oneOf(kind), head: optional(actionHead), data })
}

const createAction: Reader<CreateAction> = action('promise.create', createData)
const settleAction: Reader<SettleAction> = action('promise.settle', settleData)
const callbackAction = action('promise.register_callback', callbackData)

const fenceKind = fields({ kind: oneOf('promise.create', 'promise.settle') })

const fenceAction: Reader<CreateAction | SettleAction> = (value, limits) => {
  const kind = fenceKind(value, limits)
  if (kind instanceof Problem) return kind
  return kind.kind === 'promise.create' ? createAction(value, limits) : settleAction(value, limits)
}

/** What the server itself adds to a request, whatever the wire says. */
const never: Reader<undefined> = () => undefined
const seen = { sight: never }

const idOnly = { id: text }
const taskRef = { id: text, version: count }
const page = { limit: optional(count), cursor: optional(text) }
const lease = { pid: text, ttl: millis }
const preload = { preload: optional(flag) }

const SHAPES: { readonly [K in Kind]: Reader<RequestTable[K]['data']> } = {
  'promise.get': fields(idOnly),
  'promise.create': createData,
  'promise.settle': settleData,
  'promise.register_callback': callbackData,
  'promise.register_listener': fields({ awaited: text, address: text }),
  'promise.search': fields({ state: optional(oneOf(...PROMISE_STATES)), tags: optional(tags), ...page }),

  'promise.check': fields({ ids: listOf(text, { max: 'actionsMax', things: 'ids' }) }),

  'promise.explain': fields({ ...idOnly, ...seen }),

  'task.get': fields(idOnly),
  'task.create': fields({ ...lease, action: createAction, ...preload }),
  'task.acquire': fields({ ...taskRef, ...lease, ...preload }),
  'task.release': fields(taskRef),
  'task.suspend': fields({
    ...taskRef,
    actions: listOf(callbackAction, { max: 'actionsMax', things: 'actions' }),
    kept: optional(count),
    ...preload,
  }),
  'task.fulfill': fields({ ...taskRef, action: settleAction }),
  'task.fence': fields({ ...taskRef, action: fenceAction, ...preload }),
  'task.heartbeat': fields({
    pid: text,
    tasks: listOf(fields<TaskRef>(taskRef), { max: 'tasksMax', things: 'tasks' }),
    ...seen,
  }),
  'task.halt': fields({ ...idOnly, version: optional(count), by: optional(text), reason: optional(text) }),
  'task.continue': fields(idOnly),
  'task.search': fields({ state: optional(oneOf(...TASK_STATES)), ...page }),

  'schedule.get': fields(idOnly),
  'schedule.create': fields({
    id: text,
    cron: text,
    promiseId: text,
    promiseTimeout: millis,
    promiseParam: orEmpty(value),
    promiseTags: orEmpty(tags),
  }),
  'schedule.delete': fields(idOnly),
  'schedule.search': fields({ tags: optional(tags), ...page }),

  'worker.search': fields({ group: optional(text), ...page, ...seen }),
  'group.search': fields({ ...page, ...seen }),

  'retention.preview': fields({ ageMs: optional(millis), ...page }),
  'backup.create': fields({ name: optional(text) }),

  'debug.start': fields({}),
  'debug.stop': fields({}),
  'debug.reset': fields({}),
  'debug.tick': fields({ time: millis }),
  'debug.snap': fields({}),
}

export function isKind(kind: string): kind is Kind {
  return Object.hasOwn(SHAPES, kind)
}

/** The request that `data` is, filled and rounded as the header of this file says; or what is wrong with which field of it. */
export function parseRequest(
  kind: Kind,
  data: Readonly<Record<string, unknown>>,
  limits: ReadLimits = DEFAULT_LIMITS,
): { readonly ok: true; readonly request: Request } | { readonly ok: false; readonly message: string } {
  const read = SHAPES[kind](data, limits)
  if (read instanceof Problem) return { ok: false, message: read.within('data').message('data') }
  return { ok: true, request: { kind, data: read } as Request }
}

// The envelope.

/** An instant that must be whole: it steers the clock of a test, where a rounded one would hide a mistake. */
const debugTime: Reader<number> = (value) =>
  isTime(value) && Number.isInteger(value)
    ? Math.min(value, Number.MAX_SAFE_INTEGER) + 0
    : expected('an integer ≥ 0', value)

const nonEmpty: Reader<string> = (value) =>
  typeof value === 'string' && value !== '' ? value : expected('a non-empty string', value)

// What a request does not depend on is never a reason to refuse it: a token that is no string is no token, and what a
// worker says of itself is shown where it makes sense.
const textOrNothing: Reader<string | undefined> = (value) => (typeof value === 'string' ? value : undefined)
const numberOrNothing: Reader<number | undefined> = (value) => (Number.isFinite(value) ? (value as number) : undefined)
const vitals = fields<NonNullable<RequestEnvelope['head']['resonate:worker']>>({
  lagMs: numberOrNothing,
  rssBytes: numberOrNothing,
  tasks: numberOrNothing,
})

// The order of the fields is the order of the guards.
const envelope = fields<RequestEnvelope>({
  kind: nonEmpty,
  data: object,
  head: fields<RequestEnvelope['head']>({
    corrId: text,
    version: oneOf(PROTOCOL_VERSION),
    'resonate:debug_time': optional(debugTime),
    auth: textOrNothing,
    'resonate:worker': (value, limits) => (isObject(value) ? vitals(value, limits) : undefined),
  }),
})

export type ParsedEnvelope =
  | { readonly ok: true; readonly envelope: RequestEnvelope }
  | { readonly ok: false; readonly kind: string; readonly corrId: string; readonly message: string }

/** The guards of the envelope up to `resonate:debug_time`, in the order of the protocol page, section 1. */
export function parseEnvelope(body: unknown): ParsedEnvelope {
  const parsed = envelope(body, DEFAULT_LIMITS)
  if (!(parsed instanceof Problem)) return { ok: true, envelope: parsed }
  return { ok: false, ...salvage(body), message: parsed.message('the envelope') }
}

/** What an answer to an envelope that could not be read calls itself. */
export function salvage(body: unknown): { readonly kind: string; readonly corrId: string } {
  const { kind, head } = isObject(body) ? body : {}
  const corrId = isObject(head) ? head.corrId : undefined
  return {
    kind: typeof kind === 'string' && kind !== '' ? kind : 'unknown',
    corrId: typeof corrId === 'string' ? corrId : '0',
  }
}
