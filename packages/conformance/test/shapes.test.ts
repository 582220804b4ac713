// The programs that users write, in both styles, on three grounds: our SDK and our server, the published SDK and our server, our
// SDK with a server inside. Results and effects are equal on all three, and so are the trees of durable promises that are left
// behind: ids, tags and states.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Promises } from '@resonatehq/sdk'
import { createServer, loadConfig, nodePlatform, openEngine, type Server, silentLogger } from '@resonatehq/server'
import { SHAPES } from './shapes/all.ts'
import {
  type AnyClient,
  callerOf,
  clientOf,
  type Effect,
  encoded,
  partsOf,
  registerShape,
  rememberingOutside,
  type Sdk,
} from './shapes/clients.ts'
import { type Shape, STYLES, type Style } from './shapes/shape.ts'
import { Wire } from './wire.ts'

interface Node {
  readonly id: string
  readonly state: string
  readonly tags: Readonly<Record<string, string>>
}

interface Run {
  readonly result: unknown
  /** In the order of their ids and names: what runs side by side has no order. */
  readonly effects: readonly Effect[]
  readonly tree: readonly Node[]
}

async function run(shape: Shape, style: Style, sdk: Sdk, url?: string): Promise<Run> {
  const client = clientOf(sdk, style, url)
  const answer = (id: string, text: string) => client.promises.resolve(id, { data: encoded(text) })
  const { outside, effects } = rememberingOutside(async (id, text) => void (await answer(id, text)))
  registerShape(client, shape, style, partsOf(sdk, outside))
  try {
    const result = await shape.use(callerOf(client), shape.name)
    const promises = url === undefined ? await ownPromises(client) : await promisesAt(url)
    return { result, effects: effects.toSorted(byText), tree: treeOf(promises) }
  } finally {
    await client.stop()
  }
}

async function promisesAt(url: string): Promise<readonly Node[]> {
  const { data } = await new Wire(url).ask('promise.search', { limit: 1_000 })
  return data.promises as Node[]
}

/** Of a client with its server inside. */
async function ownPromises(client: AnyClient): Promise<readonly Node[]> {
  return (await (client.promises as unknown as Promises).search({ limit: 1_000 })).promises
}

function treeOf(promises: readonly Node[]): Node[] {
  return promises.map(({ id, state, tags }) => ({ id, state, tags })).toSorted(byText)
}

function byText(a: unknown, b: unknown): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1
}

async function onServer<T>(use: (url: string) => Promise<T>): Promise<T> {
  const loaded = loadConfig({
    flags: { 'server.port': 0, 'observability.metrics_port': 0, 'storage.type': 'memory' },
  })
  assert.ok('config' in loaded, JSON.stringify(loaded))
  const server: Server = createServer(loaded.config, { platform: nodePlatform(), logger: silentLogger, openEngine })
  const { url } = await server.start()
  try {
    return await use(url)
  } finally {
    await server.stop()
  }
}

for (const shape of SHAPES) {
  for (const style of STYLES) {
    test(`${shape.name}, ${style}: the same on every ground`, async () => {
      const ours = await onServer((url) => run(shape, style, 'ours', url))
      const published = await onServer((url) => run(shape, style, 'published', url))
      const embedded = await run(shape, style, 'ours')
      assert.ok(ours.tree.length > 0)
      assert.deepEqual(ours.result, published.result, 'the results of ours and of the published SDK')
      assert.deepEqual(ours.effects, published.effects, 'the effects of ours and of the published SDK')
      assert.deepEqual(ours.tree, published.tree, 'the promises of ours and of the published SDK')
      assert.deepEqual(embedded.result, ours.result, 'embedded and with a server')
      assert.deepEqual(embedded.effects, ours.effects, 'embedded and with a server')
      assert.deepEqual(embedded.tree, ours.tree, 'the promises embedded and with a server')
    })
  }
}
