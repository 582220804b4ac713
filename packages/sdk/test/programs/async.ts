// A program for the published SDK that uses the async entry in every way that its declarations allow. It compiles against theirs
// and ours, which published.test.ts and `npm run check` see to; it is never run.

// biome-ignore-all lint/suspicious/noExplicitAny: as programs for it have it.

import {
  type AnyFunc,
  type Context,
  type DetachedHandle,
  DurablePromise,
  Exponential,
  type Info,
  Resonate,
  type ResonateFunc,
  type ResonateHandle,
  type ResonateSchedule,
} from '@resonatehq/sdk/async'
import { same } from './same.ts'

async function leaf(info: Info, count: number) {
  return count + info.attempt
}

async function flow(context: Context, count: number) {
  const call = context.run(leaf, count)
  same<typeof call, DurablePromise<number>>(true)
  const results = await Promise.all([call, context.rpc<string>('x', 1), context.rpc('x')])
  same<typeof results, [number, string, unknown]>(true)
  await Promise.race([context.run(leaf, 1), context.sleep(4)])
  const detached = await context.detached(flow, 3)
  same<typeof detached, DetachedHandle>(true)
  const named: DurablePromise<DetachedHandle> = context.detached('x', 1)
  const open = [context.promise<boolean>({ timeout: 3, data: {}, tags: {} }), context.promise()] as const
  const settled = [await open[0], await open[1]] as const
  same<(typeof settled)[0], boolean>(true)
  same<(typeof settled)[1], unknown>(true)
  await context.sleep({ for: 3 })
  await context.sleep({ until: new Date() })
  context.panic(false, 'x')
  context.assert(true)
  const options = context.options({ nonRetryableErrors: [TypeError], retryPolicy: new Exponential() })
  await context.run(async (_: Context, text: string) => text, 'x', options)
  const list: DurablePromise<number>[] = []
  for (let i = 0; i < 3; i++) list.push(context.run(leaf, i))
  const numbers = await Promise.all(list)
  same<typeof numbers, number[]>(true)
  const dependency = [context.getDependency('x'), context.getDependency<number>('x')] as const
  same<(typeof dependency)[1], number | undefined>(true)
  numbers.push(context.timeoutAt, context.version, await context.date.now(), await context.math.random())
  const texts: string[] = [call.id, context.func, context.branchId, context.originId, context.parentId]
  await call.then((value) => value + 1).catch(() => 3)
  return { numbers, texts, named, isOne: open[0] instanceof DurablePromise }
}

export async function calls(resonate: Resonate, what: AnyFunc | string) {
  const handle = await resonate.run('id', leaf, 3)
  same<typeof handle, ResonateHandle<number>>(true)
  const unknown = await resonate.run('id', 'flow', 3)
  same<typeof unknown, ResonateHandle<unknown>>(true)
  await resonate.rpc<number>('id', leaf, 3)
  await resonate.run('id', what, 1)
  const schedule: ResonateSchedule = await resonate.schedule('name', '* * * * *', flow, 3)
  const stub: ResonateFunc<typeof flow> = resonate.register(flow)
  const { run, rpc, options } = stub
  return [await run('id', 3, options({})), await rpc('id', 3), schedule, await resonate.get<string>('id')]
}

export class Stopped extends Resonate {
  override async stop() {
    await super.stop()
  }
}

/** What a test of a workflow gives it. */
export function mocked(): Pick<Context, 'run'> {
  const made = new DurablePromise('id', Promise.resolve(3))
  same<typeof made, DurablePromise<number>>(true)
  return { run: () => new DurablePromise<any>('id', Promise.resolve(3)) }
}
