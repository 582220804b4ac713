// A program for the published SDK that uses the client of the root entry in every way that its declarations allow. It compiles
// against theirs and ours, which published.test.ts and `npm run check` see to; it is never run.

// biome-ignore-all lint/suspicious/noExplicitAny: as programs for it have it.

import {
  type Context,
  Exponential,
  type Func,
  Resonate,
  type ResonateFunc,
  type ResonateHandle,
  type RetryPolicy,
} from '@resonatehq/sdk'
import { same } from './same.ts'

function* flow(context: Context, count: number, name?: string): Generator<any, number, any> {
  return (yield* context.run((_: Context, n: number) => n + 1, count)) + (name?.length ?? 0)
}
async function leaf(_: Context, count: number): Promise<string> {
  return String(count)
}
const plain = (_: Context) => 5

export function made(): Resonate {
  type Options = NonNullable<ConstructorParameters<typeof Resonate>[0]>
  const options: Options = { url: 'http://x', group: 'g', pid: 'p', ttl: 1, token: 't', timeout: 3, verbose: true }
  options.logLevel = 'debug'
  return new Resonate(options)
}

export function registers(resonate: Resonate) {
  resonate.register('untyped', function* (context, count: number) {
    same<typeof context, Context>(true)
    const text = yield* context.run(leaf, count)
    same<typeof text, string>(true)
    const attempt = yield* context.run((inner) => inner.info.attempt)
    same<typeof attempt, number>(true)
    return text
  })
  resonate.register('later', async (context) => context.id)
  const fn: Func = (context) => same<typeof context, Context>(true)
  for (const each of [fn, flow, leaf, plain] as Func[]) resonate.register(each)
  const named: Record<string, Func> = { flow, leaf, plain }
  for (const [name, each] of Object.entries(named)) resonate.register(name, each, { version: 2 })
  return resonate.register(flow, { version: 2 })
}

export function wrapped<F extends Func>(resonate: Resonate, name: string, fn: F): ResonateFunc<F> {
  return resonate.register(name, fn, { version: 1 })
}

export async function calls(resonate: Resonate, what: Func | string, list: any[]) {
  const counted = await resonate.run('id', flow, 3)
  same<typeof counted, number>(true)
  const told = await resonate.run<string>('id', 'flow', 3)
  same<typeof told, string>(true)
  const unknown = [await resonate.run('id', 'flow', 3), await resonate.rpc('id', 'flow', 3)] as const
  same<(typeof unknown)[0], unknown>(true)
  same<(typeof unknown)[1], unknown>(true)
  const handles = [await resonate.beginRun('id', 'flow'), await resonate.beginRpc('id', 'flow')] as const
  same<(typeof handles)[0], ResonateHandle<unknown>>(true)
  same<(typeof handles)[1], ResonateHandle<unknown>>(true)
  const inferred: string = await resonate.rpc('id', 'flow', 3)
  await resonate.run('id', flow, 3, 'name', resonate.options({ target: 'x' }))
  const asked = [await resonate.run<number>('id', flow, 3), await resonate.rpc<number>('id', flow, 3)]
  same<typeof asked, number[]>(true)
  await resonate.run('id', what, ...list)
  await resonate.rpc<number>('id', what, 1, 2)
  const begun = [await resonate.beginRun('id', what, 1), await resonate.beginRpc('id', what, ...list)]
  const got = await resonate.get('id')
  same<typeof got, ResonateHandle<any>>(true)
  const typed = await resonate.get<number>('id')
  same<Awaited<ReturnType<typeof typed.result>>, number>(true)
  return [inferred, begun, await typed.done()]
}

export async function stubs(resonate: Resonate) {
  const stub: ResonateFunc<typeof flow> = resonate.register('flow', flow)
  const result = await stub.run('id', 1, 'name', stub.options({ version: 3, tags: { a: 'b' } }))
  same<typeof result, number>(true)
  const { run, rpc, beginRun, beginRpc } = stub
  stub.run = async () => 3
  const handle = await beginRun('id', 1)
  handle.id = 'other'
  const fake: ResonateHandle<number> = { id: 'a', result: async () => 1, done: async () => true }
  return [await run('id', 1), await rpc('id', 1), await (await beginRpc('id', 1)).done(), fake]
}

export function options(resonate: Resonate) {
  const given = { tags: { a: 'b' }, target: 't', timeout: 3, version: 1, retryPolicy: new Exponential() }
  const made: ReturnType<Resonate['options']> = resonate.options(given)
  made.tags.x = 'y'
  made.nonRetryableErrors.push(TypeError)
  const numbers: number[] = [made.timeout, made.version]
  const policy: RetryPolicy | undefined = made.retryPolicy
  const id: string | undefined = made.id
  return [numbers, policy, id, resonate.options(made), resonate.options({ ...made, timeout: 3 })]
}

export class Audited extends Resonate {
  constructor() {
    super({ url: 'http://x' })
  }
  override async stop() {
    await super.stop()
  }
  override options(given = {}) {
    return super.options(given)
  }
  override setDependency(name: string, dependency: any): void {
    super.setDependency(name, dependency)
  }
  override get<T = any>(id: string): Promise<ResonateHandle<T>> {
    return super.get<T>(id)
  }
}

export async function promises(resonate: Resonate) {
  const content = { headers: { a: 'b' }, data: 'x' }
  const promise = await resonate.promises.create('id', Date.now() + 1, { ...content, tags: { a: 'b' } })
  promise.tags.a = 'c'
  const value = JSON.parse(Buffer.from(promise.value.data, 'base64').toString())
  const header: string | undefined = promise.value.headers?.x
  await resonate.promises.resolve('id', content)
  await resonate.promises.reject('id', { data: 'x' })
  await resonate.promises.cancel('id')
  const claimed = await resonate.promises.createWithTask('id', 1, 'pid', 1, { data: 'x' })
  const version: number | undefined = claimed.task?.version
  await resonate.promises.registerCallback('a', 'b')
  const listened = (await resonate.promises.registerListener('a', 'b')).promise.id
  return [value, header, version, listened]
}

export async function schedules(resonate: Resonate) {
  const schedule = await resonate.schedule('name', '* * * * *', flow, 3)
  await schedule.delete()
  await resonate.schedule('name', '* * * * *', 'flow', 3, resonate.options({ timeout: 4 }))
  const parts = { promiseHeaders: {}, promiseData: 'd', promiseTags: {} }
  const record = await resonate.schedules.create('id', '* * * * *', 'x', 1, { description: 'd', tags: {}, ...parts })
  record.promiseTags.a = 'b'
  const gone: undefined = await resonate.schedules.delete('id')
  return [record.promiseParam.data, await resonate.schedules.get('id'), gone]
}
