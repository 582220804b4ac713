// A program that exports what it makes without saying the types: a library that is compiled with `declaration` must be able to name
// them by the SDK's entries. published.test.ts compiles it so; it is never run.

import { Codec, type Context, HttpNetwork, PollMessageSource, Resonate } from '@resonatehq/sdk'
import { type Context as AsyncContext, Resonate as AsyncResonate } from '@resonatehq/sdk/async'

export const resonate = new Resonate()
export const asyncResonate = new AsyncResonate()

export function* flow(context: Context, count: number) {
  const future = yield* context.beginRun(async () => count)
  return yield* future
}

export function operations(context: Context) {
  const { date, math, info } = context
  const local = [context.run(flow, 1), context.lfi(flow, 1)] as const
  const remote = [context.rpc(flow, 1), context.rfi(flow, 1), context.detached(flow, 1)] as const
  const others = [context.promise<string>(), context.sleep(1), context.panic(false), context.options()] as const
  return { date, math, info, local, remote, others }
}

export function asyncOperations(context: AsyncContext) {
  return [context.run(flow, 1), context.detached('flow'), context.promise<string>(), context.options()] as const
}

export const stub = resonate.register(flow)
export const asyncStub = asyncResonate.register('flow', async (_: AsyncContext, count: number) => count)
export const { promises, schedules } = resonate
export const handle = resonate.beginRun('id', flow, 1)
export const claimed = promises.createWithTask('a', 1, 'p', 1)
export const network = new HttpNetwork({ adapter: new PollMessageSource({ url: 'http://x/poll/a/b' }) })
export const { send } = network
export const encoded = new Codec().encode(1)
