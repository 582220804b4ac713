// The engine alone: promise.create and promise.settle in one process, without HTTP, over each store.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEngine } from '@resonatehq/engine'
import { nodePlatform } from '@resonatehq/server'
import { memoryStore, type Store } from '@resonatehq/store'
import { sqliteStore } from '@resonatehq/store/sqlite'
import type { Case, Sample, Settings } from '../case.ts'
import { FAR } from '../http-client.ts'

const log = { info() {}, warn() {}, error: (fields: object, message: string) => console.error(message, fields) }

export const engine: Case = {
  name: 'engine',
  meaning: 'create + settle in one process, without HTTP',
  isOwn: true,
  async run(_, settings) {
    const samples: Sample[] = []
    for (const clients of [1, 64, 256]) {
      samples.push(await measure('memory', memoryStore({ wall: Date.now }), clients, settings))
      const folder = mkdtempSync(join(tmpdir(), 'resonate-bench-'))
      const sqlite = sqliteStore({ path: join(folder, 'bench.db'), wall: Date.now })
      samples.push(await measure('SQLite FULL', sqlite, clients, settings))
      rmSync(folder, { recursive: true })
    }
    return samples
  },
}

async function measure(name: string, store: Store, clients: number, settings: Settings): Promise<Sample> {
  const value = await engineRequestsPerSecond(store, clients, settings)
  return { case: 'engine', what: `${name}, ${clients} clients`, unit: 'req/s', server: 'in process', value }
}

export async function engineRequestsPerSecond(store: Store, clients: number, { isQuick }: Settings): Promise<number> {
  const instance = createEngine({ store, platform: nodePlatform(), log, serverUrl: 'http://bench' })
  await instance.start()
  const until = performance.now() + (isQuick ? 100 : 1_500)
  const startedAt = performance.now()
  let requests = 0
  const client = async (at: number) => {
    for (let n = 0; performance.now() < until; n++) {
      const id = `${at}-${n}`
      await instance.submit({ kind: 'promise.create', data: { id, timeoutAt: FAR, param: {}, tags: {} } })
      await instance.submit({ kind: 'promise.settle', data: { id, state: 'resolved', value: {} } })
      requests += 2
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, at) => client(at)))
  const perSecond = (requests / (performance.now() - startedAt)) * 1_000
  await instance.stop()
  return perSecond
}
