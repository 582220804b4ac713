// The SDKs that shapes run on, behind one face: ours and the published one, each in both styles.

import { Constant, Never, Resonate, type ResonateHandle } from '@resonatehq/sdk'
import { Resonate as AsyncResonate } from '@resonatehq/sdk/async'
import * as published from 'resonate-published'
import * as publishedAsync from 'resonate-published/async'
import type { Caller, Outside, Parts, Shape, Style } from './shape.ts'

/** What the classes of both SDKs have in common, as far as shapes need it. */
export interface AnyClient {
  register(name: string, func: unknown, options?: { version?: number }): unknown
  rpc(id: string, name: string, ...args: unknown[]): Promise<unknown>
  get(id: string): Promise<ResonateHandle<unknown>>
  options(options: object): unknown
  readonly promises: { resolve(id: string, content: { data: string }): Promise<unknown> }
  stop(): Promise<void>
}

export type Sdk = 'ours' | 'published'

/** A client that is a worker of the group `default` too. Without a url: embedded. */
export function clientOf(sdk: Sdk, style: Style, url?: string, ttl = 60_000): AnyClient {
  if (sdk === 'published') {
    const options = { url: url as string, ttl, logLevel: 'error' } as const
    const client = style === 'generator' ? new published.Resonate(options) : new publishedAsync.Resonate(options)
    return client as unknown as AnyClient
  }
  const Class = style === 'generator' ? Resonate : AsyncResonate
  return (url === undefined ? Class.local({ ttl }) : new Class({ url, ttl, logLevel: 'error' })) as unknown as AnyClient
}

export function partsOf(sdk: Sdk, outside: Outside): Parts {
  const { Constant: C, Never: N } = sdk === 'ours' ? { Constant, Never } : published
  return {
    ...outside,
    constant: (delay, maxRetries) => new C({ delay, maxRetries }),
    never: () => new N(),
  }
}

export function registerShape(client: AnyClient, shape: Shape, style: Style, parts: Parts): void {
  for (const [name, func, version = 1] of shape.functions(style, parts)) client.register(name, func, { version })
}

export function callerOf(client: AnyClient): Caller {
  return {
    async rpc(id, name, args, version = 1) {
      // In one style it gives the result, in the other a handle.
      const answer = await client.rpc(id, name, ...args, client.options({ version, target: 'default' }))
      return isHandle(answer) ? answer.result() : answer
    },
    result: async (id) => (await client.get(id)).result(),
  }
}

function isHandle(answer: unknown): answer is ResonateHandle<unknown> {
  return typeof (answer as { result?: unknown } | null)?.result === 'function'
}

/** The text that a value of any SDK is stored as. */
export function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64')
}

/** An outside that only counts and remembers; `person` settles promises at once. */
export function rememberingOutside(person: Outside['person']): { outside: Outside; effects: Effect[] } {
  const effects: Effect[] = []
  const asked = new Map<string, number>()
  const outside: Outside = {
    effect: ({ id }, name) => effects.push({ id, name }),
    times(name) {
      const times = (asked.get(name) ?? 0) + 1
      asked.set(name, times)
      return times
    },
    person,
  }
  return { outside, effects }
}

export interface Effect {
  readonly id: string
  readonly name: string
}
