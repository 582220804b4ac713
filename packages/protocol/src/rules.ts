// The refusals that follow from a parsed request alone, before any state is read: what ids, tags, addresses, deadlines and
// lists may be. Every one is a sentence that names the field and what it holds. Nothing here may look at the clock or at a
// row: what needs either is the machine's. Source: the protocol page, section 2 and the `outcome` column of section 4.

import { addressProblem } from './address.ts'
import { cronProblem } from './cron.ts'
import { ID_BYTES_MAX, idProblem, isPlain, sizeProblem, TEMPLATE_BYTES_MAX, textProblem, utf8Bytes } from './ids.ts'
import { quote } from './quote.ts'
import type { Tags, Value } from './records.ts'
import type { CallbackAction, CallbackData, CreateData, Kind, Request, RequestTable, SettleData } from './requests.ts'
import {
  delayOf,
  hasTask,
  isTimer,
  occurrenceTags,
  TAG_BRANCH,
  TAG_DELAY,
  TAG_ORIGIN,
  TAG_TARGET,
  TAG_TIMER,
  targetOf,
} from './tags.ts'

/** How much one request may hold. A server's configuration; the SDK's local mode takes the defaults. */
export interface RuleLimits {
  /** Schemes of the addresses this server can deliver to. */
  readonly schemes: readonly string[]
  /** Longest address, bytes of UTF-8. */
  readonly addressBytesMax: number
  /** Tags of one promise, or of one search, count. */
  readonly tagsMax: number
  /** One tag, its name and its value together, bytes of UTF-8. */
  readonly tagBytesMax: number
  /** Headers of one value, count. */
  readonly headersMax: number
  /** All headers of one value together, names and values, bytes of UTF-8. */
  readonly headerBytesMax: number
  /** Promises that one suspend may await, or one check ask for, count. */
  readonly actionsMax: number
  /** Tasks that one heartbeat may list, count. */
  readonly tasksMax: number
}

export const DEFAULT_LIMITS: RuleLimits = {
  schemes: ['poll', 'http', 'https'],
  // `poll://uni@group/pid` with a group and a pid of full length is 2,060.
  addressBytesMax: 2_100,
  tagsMax: 128,
  tagBytesMax: 4_096,
  headersMax: 128,
  headerBytesMax: 32_768,
  actionsMax: 10_000,
  tasksMax: 50_000,
}

/** Who halts a task, as it is kept, bytes of UTF-8. */
export const HALT_BY_BYTES_MAX = 200

/** Why a task is halted, as it is kept, bytes of UTF-8. */
export const HALT_REASON_BYTES_MAX = 1_000

/** Longest page of a search, records. */
export const PAGE_MAX = 1000

/** Why `request` is refused with 400 whatever the state is; null where the state decides. */
export function ruleProblem<K extends Kind>(request: Request<K>, limits: RuleLimits): string | null {
  return RULES[request.kind](request.data, limits)
}

type Rule<K extends Kind> = (data: RequestTable[K]['data'], limits: RuleLimits) => string | null

const RULES: { readonly [K in Kind]: Rule<K> } = {
  'promise.get': (data) => idProblem(data.id, 'data.id'),
  'promise.create': (data, limits) => createProblem(data, limits),
  'promise.settle': (data, limits) => settleProblem(data, limits),
  'promise.register_callback': (data) =>
    idProblem(data.awaited, 'data.awaited') ?? idProblem(data.awaiter, 'data.awaiter') ?? differProblem(data),
  'promise.register_listener': (data, limits) =>
    idProblem(data.awaited, 'data.awaited') ?? routeProblem(data.address, limits, 'data.address'),
  'promise.search': (data, limits) => pageProblem(data) ?? tagsProblem(data.tags ?? {}, limits, 'data.tags'),

  'promise.check': (data, limits) =>
    countProblem(data.ids.length, limits.actionsMax, 'data.ids', 'ids') ??
    firstProblem(data.ids, (id, i) => idProblem(id, `data.ids[${i}]`)),

  'promise.explain': (data) => idProblem(data.id, 'data.id'),

  'task.get': (data) => idProblem(data.id, 'data.id'),
  'task.create': (data, limits) =>
    leaseProblem(data) ??
    createProblem(data.action.data, limits, 'data.action.data') ??
    runnableProblem(data.action.data.tags, 'data.action.data.tags'),
  'task.acquire': (data) => idProblem(data.id, 'data.id') ?? leaseProblem(data),
  'task.release': (data) => idProblem(data.id, 'data.id'),
  'task.suspend': (data, limits) => idProblem(data.id, 'data.id') ?? awaitsProblem(data.id, data.actions, limits),
  'task.fulfill': (data, limits) =>
    idProblem(data.id, 'data.id') ??
    settleProblem(data.action.data, limits, 'data.action.data') ??
    (data.action.data.id === data.id
      ? null
      : `data.action.data.id must be the task's own id ${quote(data.id)}, got ${quote(data.action.data.id)}`),
  // Whatever else is wrong with the action is for the fence to answer, inside its own 200.
  'task.fence': (data) =>
    idProblem(data.id, 'data.id') ??
    (data.action.data.id === data.id
      ? `data.action.data.id must not be the task's own id, got ${quote(data.id)}: use task.fulfill to settle it`
      : null),
  'task.heartbeat': (data, limits) =>
    idProblem(data.pid, 'data.pid') ??
    countProblem(data.tasks.length, limits.tasksMax, 'data.tasks', 'tasks') ??
    firstProblem(data.tasks, (task, i) => idProblem(task.id, `data.tasks[${i}].id`)),
  'task.halt': (data) => idProblem(data.id, 'data.id') ?? haltProblem(data),
  'task.continue': (data) => idProblem(data.id, 'data.id'),
  'task.search': (data) => pageProblem(data),

  'schedule.get': (data) => idProblem(data.id, 'data.id'),
  'schedule.create': (data, limits) => scheduleProblem(data, limits),
  'schedule.delete': (data) => idProblem(data.id, 'data.id'),
  'schedule.search': (data, limits) => pageProblem(data) ?? tagsProblem(data.tags ?? {}, limits, 'data.tags'),

  'worker.search': (data) =>
    pageProblem(data) ?? (data.group === undefined ? null : idProblem(data.group, 'data.group')),
  'group.search': (data) => pageProblem(data),

  'retention.preview': (data) => pageProblem(data),
  'backup.create': (data) => (data.name === undefined ? null : fileNameProblem(data.name, 'data.name')),

  'debug.start': () => null,
  'debug.stop': () => null,
  'debug.reset': () => null,
  'debug.tick': () => null,
  'debug.snap': () => null,
}

/** A name within one folder, on every system: it can neither leave it nor hide in it. */
function fileNameProblem(name: string, what: string): string | null {
  if (/^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$/.test(name)) return null
  return `${what} must be a file name of up to 200 letters, digits, dots, - and _, not starting with a dot, got ${quote(name)}`
}

/** The rules of promise.create, at the front door or inside a fence. `at` is where the data stands in the request. */
export function createProblem(data: CreateData, limits: RuleLimits, at = 'data'): string | null {
  return (
    idProblem(data.id, `${at}.id`) ??
    valueProblem(data.param, limits, `${at}.param`) ??
    tagsProblem(data.tags, limits, `${at}.tags`) ??
    lineageProblem(data.tags, `${at}.tags`) ??
    targetProblem(data.tags, limits, `${at}.tags`) ??
    delayProblem(data, `${at}.tags`)
  )
}

/** The rules of promise.settle, at the front door, inside a fulfil or inside a fence. */
export function settleProblem(data: SettleData, limits: RuleLimits, at = 'data'): string | null {
  return idProblem(data.id, `${at}.id`) ?? valueProblem(data.value, limits, `${at}.value`)
}

function scheduleProblem(data: RequestTable['schedule.create']['data'], limits: RuleLimits): string | null {
  return (
    idProblem(data.id, 'data.id') ??
    calendarProblem(data.cron) ??
    idProblem(data.promiseId, 'data.promiseId', TEMPLATE_BYTES_MAX) ??
    valueProblem(data.promiseParam, limits, 'data.promiseParam') ??
    // As they will be on each promise, so that none of them is refused when it is too late to tell anybody.
    tagsProblem({ ...data.promiseTags, ...occurrenceTags(data.id, data.promiseId) }, limits, 'data.promiseTags') ??
    runnableProblem(data.promiseTags, 'data.promiseTags') ??
    targetProblem(data.promiseTags, limits, 'data.promiseTags')
  )
}

function calendarProblem(expression: string): string | null {
  const problem = cronProblem(expression)
  return problem === null ? null : `data.cron ${problem}`
}

// Tags.

/** Counted before anything else, so that a million tags cost no more than counting them. */
function tagsProblem(tags: Tags, limits: RuleLimits, at: string): string | null {
  const names = Object.keys(tags)
  return (
    countProblem(names.length, limits.tagsMax, at, 'tags') ??
    firstProblem(names, (name) => tagProblem(name, tags[name] as string, limits, at))
  )
}

function tagProblem(name: string, value: string, limits: RuleLimits, at: string): string | null {
  // ASCII is a byte a unit. This line is the one that nearly every tag takes.
  if (name.length + value.length <= limits.tagBytesMax && isPlain(name) && isPlain(value)) return null
  const bytes = utf8Bytes(name) + utf8Bytes(value)
  if (bytes > limits.tagBytesMax) {
    return `${at}[${quote(name)}] must be at most ${limits.tagBytesMax} bytes, name and value together, got ${bytes}`
  }
  return textProblem(name, `a name in ${at}`) ?? textProblem(value, `${at}[${quote(name)}]`)
}

/** Origin and branch are searched by like ids, so they are no longer than ids. What they say is the client's business. */
function lineageProblem(tags: Tags, at: string): string | null {
  return (
    sizeProblem(tags[TAG_ORIGIN] ?? '', `${at}["${TAG_ORIGIN}"]`, ID_BYTES_MAX) ??
    sizeProblem(tags[TAG_BRANCH] ?? '', `${at}["${TAG_BRANCH}"]`, ID_BYTES_MAX)
  )
}

/** Nobody runs a timer, so even an unroutable target of one is ignored. */
function targetProblem(tags: Tags, limits: RuleLimits, at: string): string | null {
  const target = targetOf(tags)
  return target === null || isTimer(tags) ? null : routeProblem(target, limits, `${at}["${TAG_TARGET}"]`)
}

function routeProblem(address: string, limits: RuleLimits, at: string): string | null {
  return sizeProblem(address, at, limits.addressBytesMax) ?? addressProblem(address, limits.schemes, at)
}

function delayProblem({ tags, timeoutAt }: CreateData, at: string): string | null {
  const text = tags[TAG_DELAY]
  if (text === undefined) return null
  const name = `${at}["${TAG_DELAY}"]`
  const delay = delayOf(tags)
  if (delay === null) return `${name} must be decimal digits, an instant in ms, got ${quote(text)}`
  if (!hasTask(tags))
    return `${name} needs ${TAG_TARGET} and no ${TAG_TIMER}: without a task there is nothing to hold back`
  return delay < timeoutAt ? null : `${name} must be before the promise's timeoutAt ${timeoutAt}, got ${quote(text)}`
}

/** What task.create and schedules ask of a promise: that somebody runs it, now. */
function runnableProblem(tags: Tags, at: string): string | null {
  if (targetOf(tags) === null) return `${at} must have ${TAG_TARGET}: without one nobody runs the promise`
  if (isTimer(tags)) return `${at} must not make it a timer (${TAG_TIMER}): nobody runs a timer`
  return tags[TAG_DELAY] === undefined ? null : `${at} must not have ${TAG_DELAY} here, got ${quote(tags[TAG_DELAY])}`
}

// Values.

/** Headers and data are opaque, but they are text: a lone surrogate would not survive UTF-8. NUL does. */
function valueProblem(value: Value, limits: RuleLimits, at: string): string | null {
  if (value.data !== undefined && !value.data.isWellFormed()) return malformedProblem(`${at}.data`)
  return value.headers === undefined ? null : headersProblem(value.headers, limits, `${at}.headers`)
}

function headersProblem(headers: Readonly<Record<string, string>>, limits: RuleLimits, at: string): string | null {
  const names = Object.keys(headers)
  const tooMany = countProblem(names.length, limits.headersMax, at, 'headers')
  if (tooMany !== null) return tooMany
  let bytes = 0
  for (const name of names) {
    const value = headers[name] as string
    if (!name.isWellFormed() || !value.isWellFormed()) return malformedProblem(`${at}[${quote(name)}]`)
    bytes += utf8Bytes(name) + utf8Bytes(value)
  }
  if (bytes <= limits.headerBytesMax) return null
  return `${at} must be at most ${limits.headerBytesMax} bytes, names and values together, got ${bytes}`
}

function malformedProblem(at: string): string {
  return `${at} must be valid Unicode, got a lone surrogate: send bytes as base64`
}

// Lists, leases, pages.

function awaitsProblem(id: string, actions: readonly CallbackAction[], limits: RuleLimits): string | null {
  if (actions.length === 0) return 'data.actions must name at least one promise to await, got an empty list'
  const seen = new Set<string>()
  return (
    countProblem(actions.length, limits.actionsMax, 'data.actions', 'actions') ??
    firstProblem(actions, ({ data }, i) => awaitProblem(id, data, seen, `data.actions[${i}].data`))
  )
}

function awaitProblem(id: string, { awaited, awaiter }: CallbackData, seen: Set<string>, at: string): string | null {
  const problem = idProblem(awaited, `${at}.awaited`)
  if (problem !== null) return problem
  if (awaiter !== id) return `${at}.awaiter must be the task's own id ${quote(id)}, got ${quote(awaiter)}`
  if (awaited === id) return `${at}.awaited must not be the task's own id, got ${quote(awaited)}`
  if (seen.has(awaited)) return `${at}.awaited must be awaited once, got ${quote(awaited)} again`
  seen.add(awaited)
  return null
}

function differProblem({ awaited, awaiter }: CallbackData): string | null {
  return awaited === awaiter ? `data.awaiter must not be data.awaited, got ${quote(awaiter)} for both` : null
}

function leaseProblem({ pid, ttl }: { readonly pid: string; readonly ttl: number }): string | null {
  return idProblem(pid, 'data.pid') ?? (ttl >= 1 ? null : `data.ttl must be a number of ms ≥ 1, got ${quote(ttl)}`)
}

function haltProblem({ by = '', reason = '' }: RequestTable['task.halt']['data']): string | null {
  return (
    textProblem(by, 'data.by') ??
    sizeProblem(by, 'data.by', HALT_BY_BYTES_MAX) ??
    textProblem(reason, 'data.reason') ??
    sizeProblem(reason, 'data.reason', HALT_REASON_BYTES_MAX)
  )
}

function pageProblem({ limit }: { readonly limit?: number }): string | null {
  if (limit === undefined || (limit >= 1 && limit <= PAGE_MAX)) return null
  return `data.limit must be between 1 and ${PAGE_MAX}, got ${quote(limit)}`
}

function countProblem(count: number, max: number, at: string, things: string): string | null {
  const reason = excessOf(count, max, things)
  return reason === null ? null : `${at} ${reason}`
}

/** What is wrong with a list of `count` things where `max` are allowed: said of what is parsed and of what is given alike. */
export function excessOf(count: number, max: number, things: string): string | null {
  return count <= max ? null : `must hold at most ${max} ${things}, got ${count}`
}

function firstProblem<T>(items: readonly T[], problemOf: (item: T, index: number) => string | null): string | null {
  for (const [i, item] of items.entries()) {
    const problem = problemOf(item, i)
    if (problem !== null) return problem
  }
  return null
}
