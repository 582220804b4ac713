// A program for the published SDK whose functions use the context of the root entry in every way that its declarations allow. It
// compiles against theirs and ours, which published.test.ts and `npm run check` see to; it is never run.

// biome-ignore-all lint/suspicious/noExplicitAny: as programs for it have it.

import { type Context, type Func, Never, Resonate } from '@resonatehq/sdk'
import { same } from './same.ts'

function* child(context: Context, count: number): Generator<any, string, any> {
  yield* context.sleep(count)
  return String(count)
}
async function leaf(_: Context, count: number) {
  return count
}
class Refused extends Error {}

export function* calls(context: Context) {
  const [a, b] = [yield* context.lfi(leaf, 1), yield* context.rfi(child, 1)] as const
  const results = [yield* a, yield* b] as const
  same<(typeof results)[0], number>(true)
  same<(typeof results)[1], string>(true)
  const c = yield* context.lfc(leaf, 1)
  same<typeof c, number>(true)
  const d = yield* context.rfc<boolean>('x', 1, 2, context.options({ target: 'a' }))
  same<typeof d, boolean>(true)
  const e = yield* context.rpc('x')
  same<typeof e, unknown>(true)
  const detached = yield* context.detached(child, 1)
  const f = yield* detached
  same<typeof f, string>(true)
  yield* context.detached('x', 1)
  const inline = yield* context.run(async (inner, count: number) => inner.id + count, 4)
  same<typeof inline, string>(true)
  yield* context.run(function* (inner) {
    yield* inner.sleep(3)
  })
  yield* context.beginRpc((inner) => same<typeof inner, Context>(true))
  return [results, c, d, e]
}

export function* others(context: Context) {
  const { attempt, timeout, version } = context.info
  const open = yield* context.promise()
  const unknown = yield* open
  same<typeof unknown, unknown>(true)
  const made = context.promise<{ a: string }>({ timeout: 1, data: { x: 1 }, tags: { a: 'b' } })
  const ids: string[] = [context.id, context.originId, context.parentId, context.branchId, made.id]
  const settled = yield* yield* made
  same<typeof settled, { a: string }>(true)
  yield* context.sleep(5)
  yield* context.sleep({ for: 5 })
  yield* context.sleep({ until: new Date() })
  yield* context.panic(false, 'x')
  yield* context.assert(true)
  const dependency = context.getDependency('x')
  same<typeof dependency, any>(true)
  const typed = context.getDependency<number>('x')
  same<typeof typed, number | undefined>(true)
  const numbers: number[] = [attempt, timeout, version, yield* context.date.now(), yield* context.math.random()]
  return [numbers, ids]
}

export function* fanOut(context: Context) {
  const options = context.options({ nonRetryableErrors: [Refused, TypeError], retryPolicy: new Never(), timeout: 4 })
  const futures = []
  for (let i = 0; i < 3; i++) futures.push(yield* context.beginRun(leaf, i, options))
  const numbers: number[] = []
  for (const future of futures) numbers.push(yield* future)
  const mixed: (number | string)[] = []
  for (const future of [yield* context.beginRpc(child, 1), yield* context.beginRun(leaf, 1)]) mixed.push(yield* future)
  const states: ('pending' | 'completed')[] = futures.map((future) => future.state)
  return [numbers, mixed, states]
}

function* generic<T>(context: Context, value: T): Generator<any, T, any> {
  yield* context.sleep(1)
  return value
}
function* rest(context: Context, ...values: number[]): Generator<any, number[], any> {
  yield* context.sleep(values.length)
  return values
}
function* optional(context: Context, value?: number): Generator<any, void, any> {
  yield* context.run(optional, undefined, context.options({ timeout: 1 }))
  yield* context.run(optional)
  yield* context.run(optional, value, context.options())
}

export function* shapes(context: Context, byName: Record<string, Func>): Generator<any, unknown, any> {
  const number = yield* context.run(generic<number>, 3)
  same<typeof number, number>(true)
  const list = yield* context.run(rest, 1, 2, 3, context.options({}))
  same<typeof list, number[]>(true)
  const fn = byName.x
  const any = fn ? yield* context.run(fn, 1, 2) : yield* helper(context, optional, 3)
  return [number, list, any]
}

function* helper<F extends Func>(context: Context, fn: F, ...list: any): Generator<any, any, any> {
  return yield* context.run(fn, ...list)
}

class Service {
  *method(context: Context, count: number): Generator<any, number, any> {
    return yield* context.run(this.step.bind(this), count)
  }
  step(_: Context, count: number) {
    return count
  }
}

export function methods(service: Service) {
  new Resonate().register('method', service.method.bind(service))
}
