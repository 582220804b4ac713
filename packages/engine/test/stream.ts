// Random request streams: few ids so that they collide, right and wrong versions, jumps of the clock, workers that come
// and go, requests that break rules. fast-check draws them, and shrinks one that fails.

import type { Request } from '@resonatehq/protocol'
import fc from 'fast-check'

export const GROUPS = ['g', 'h'] as const
export const PIDS = ['p1', 'p2', 'p3'] as const

/** One thing that happens. Versions are relative: they are resolved when the op runs. */
export type Op =
  | { readonly op: 'request'; readonly request: Request; readonly isStale: boolean }
  /** Everything drawn since the last cut is submitted together. */
  | { readonly op: 'cut' }
  | { readonly op: 'advance'; readonly ms: number }
  | { readonly op: 'connect'; readonly group: string; readonly pid: string; readonly capacity?: number }
  | { readonly op: 'disconnect'; readonly group: string; readonly pid: string }
  /** A worker acquires what it was offered, in order. */
  | { readonly op: 'work'; readonly pid: string }
  /** A worker suspends the first task that it holds until `awaited` settles. */
  | { readonly op: 'await'; readonly pid: string; readonly awaited: string }

const id = fc.constantFrom('a', 'a:0', 'b', 'b.0', 'é', '😀')
const pid = fc.constantFrom(...PIDS)
const group = fc.constantFrom(...GROUPS)
const ttl = fc.constantFrom(1, 50, 1_000, 60_000)
const value = fc.constantFrom({}, { data: 'eyJ4IjoxfQ==' }, { headers: {}, data: '' }, { headers: { k: 'v' } })
/** Relative to the instant at which it is submitted; see `resolve`. */
const timeout = fc.constantFrom(0, 10, 1_000, 30_000, 600_000, Number.MAX_SAFE_INTEGER)
const target = fc.constantFrom(
  'poll://any@g',
  'poll://any@g/p1',
  'poll://uni@g/p2',
  'poll://any@h',
  'http://push.test/x',
)
const badTarget = fc.constantFrom('g', 'poll://uni@g', 'ftp://x')

const tags = fc
  .record(
    {
      'resonate:target': fc.oneof({ weight: 20, arbitrary: target }, { weight: 1, arbitrary: badTarget }),
      'resonate:branch': fc.constantFrom('a', 'b'),
      'resonate:origin': fc.constantFrom('a', 'b'),
      'resonate:timer': fc.constantFrom('true', 'false'),
      user: fc.constantFrom('x', 'y'),
    },
    { requiredKeys: [] },
  )
  .map((drawn) => drawn as Record<string, string>)

const create = fc.record({ id, timeoutAt: timeout, param: value, tags })
const settlement = fc.constantFrom('resolved', 'rejected', 'rejected_canceled')
const settle = fc.record({ id, state: settlement, value })
const createAction = create.map((data) => ({ kind: 'promise.create', data }))
const settleAction = settle.map((data) => ({ kind: 'promise.settle', data }))
const limit = fc.constantFrom(1, 2, 3, 100, 1_000)
const version = fc.constant(0)
const cron = fc.constantFrom('* * * * *', '*/5 * * * * *', '@hourly', '0 0 1 1 *')

const reasons = fc.constantFrom('', 'a "reason"', 'x'.repeat(1_001))

function of<K extends Request['kind']>(kind: K, data: fc.Arbitrary<unknown>, weight: number) {
  return { weight, arbitrary: data.map((drawn) => ({ kind, data: drawn }) as Request) }
}

const request: fc.Arbitrary<Request> = fc.oneof(
  of('promise.get', fc.record({ id }), 2),
  of('promise.check', fc.record({ ids: fc.array(id, { maxLength: 3 }) }), 2),
  of('promise.create', create, 12),
  of('promise.settle', settle, 4),
  of('promise.register_callback', fc.record({ awaited: id, awaiter: id }), 8),
  of(
    'promise.register_listener',
    fc.record({ awaited: id, address: fc.oneof({ weight: 6, arbitrary: target }, badTarget) }),
    6,
  ),
  of(
    'promise.search',
    fc.record({ limit, state: fc.constantFrom('pending', 'resolved'), tags }, { requiredKeys: [] }),
    2,
  ),
  of('task.get', fc.record({ id }), 1),
  of('task.create', fc.record({ pid, ttl, action: createAction }), 4),
  of('task.acquire', fc.record({ id, version, pid, ttl, preload: fc.boolean() }), 12),
  of('task.release', fc.record({ id, version }), 4),
  of(
    'task.suspend',
    fc
      .record(
        { id, version, awaited: fc.uniqueArray(id, { minLength: 0, maxLength: 3 }), kept: fc.nat(2) },
        { requiredKeys: ['id', 'version', 'awaited'] },
      )
      .map(({ awaited, ...rest }) => ({
        ...rest,
        actions: awaited.map((one) => ({
          kind: 'promise.register_callback',
          data: { awaited: one, awaiter: rest.id },
        })),
      })),
    10,
  ),
  of(
    'task.fulfill',
    fc.record({ id, version, state: settlement, value }).map(({ state, value: drawn, ...rest }) => ({
      ...rest,
      action: { kind: 'promise.settle', data: { id: rest.id, state, value: drawn } },
    })),
    4,
  ),
  of('task.fence', fc.record({ id, version, action: fc.oneof(createAction, settleAction) }), 8),
  of('task.heartbeat', fc.record({ pid, tasks: fc.array(fc.record({ id, version }), { maxLength: 3 }) }), 6),
  of('task.halt', fc.record({ id, version, by: fc.constant('é'), reason: reasons }, { requiredKeys: ['id'] }), 4),
  of('task.continue', fc.record({ id }), 4),
  of('task.search', fc.record({ limit, state: fc.constantFrom('pending', 'acquired') }, { requiredKeys: [] }), 2),
  of('schedule.get', fc.record({ id: fc.constantFrom('s', 't') }), 1),
  of(
    'schedule.create',
    fc.record({
      id: fc.constantFrom('s', 't'),
      cron,
      promiseId: fc.constantFrom('{{.id}}.{{.timestamp}}', 'a', '{{.timestamp}}\0'),
      promiseTimeout: fc.constantFrom(0, 1_000, 3_600_000),
      promiseParam: value,
      promiseTags: target.map((to) => ({ 'resonate:target': to })),
    }),
    2,
  ),
  of('schedule.delete', fc.record({ id: fc.constantFrom('s', 't') }), 1),
  of('schedule.search', fc.record({ limit }), 1),
)

const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 60,
    arbitrary: fc
      .record({ request, isStale: fc.oneof({ weight: 8, arbitrary: fc.constant(false) }, fc.constant(true)) })
      .map((drawn): Op => ({ op: 'request', ...drawn })),
  },
  { weight: 8, arbitrary: fc.constant<Op>({ op: 'cut' }) },
  {
    weight: 8,
    arbitrary: fc.constantFrom(1, 10, 999, 1_000, 5_000, 5_001, 31_000).map((ms): Op => ({ op: 'advance', ms })),
  },
  {
    weight: 4,
    arbitrary: fc
      .record({ group, pid, capacity: fc.constantFrom(1, 2) }, { requiredKeys: ['group', 'pid'] })
      .map((drawn): Op => ({ op: 'connect', ...drawn })),
  },
  { weight: 3, arbitrary: fc.record({ group, pid }).map((drawn): Op => ({ op: 'disconnect', ...drawn })) },
  { weight: 6, arbitrary: fc.record({ pid }).map((drawn): Op => ({ op: 'work', ...drawn })) },
  { weight: 6, arbitrary: fc.record({ pid, awaited: id }).map((drawn): Op => ({ op: 'await', ...drawn })) },
)

export function stream(length: number): fc.Arbitrary<Op[]> {
  // A short one may not be refused, or what fails could not be shrunk to the few steps that matter.
  return fc.array(op, { minLength: 1, maxLength: length, size: 'max' })
}

/** The request with its instants made absolute, and versions that are the current ones unless it is stale. */
export function resolve(
  drawn: Request,
  at: { now: number; versionOf: (id: string) => number; isStale: boolean },
): Request {
  const walk = (part: unknown, key: string, owner: Record<string, unknown>): unknown => {
    if (key === 'timeoutAt') return Math.max(0, Math.min(Number.MAX_SAFE_INTEGER, at.now + (part as number)))
    if (key === 'version') return Math.max(0, at.versionOf(owner.id as string) - (at.isStale ? 1 : 0))
    if (Array.isArray(part)) return part.map((item, index) => walk(item, `${index}`, owner))
    if (typeof part !== 'object' || part === null) return part
    const record = part as Record<string, unknown>
    return Object.fromEntries(Object.entries(record).map(([name, inner]) => [name, walk(inner, name, record)]))
  }
  return walk(drawn, '', {}) as Request
}
