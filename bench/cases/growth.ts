// Whether it matters how much is stored: requests a second and latency with a thousand, a hundred thousand and a million
// promises in the file. The sizes take turns, so that a machine that speeds up or slows down does so for all of them.

import { type Changes, Needs, WorkingSet } from '@resonatehq/protocol'
import type { Store } from '@resonatehq/store'
import { sqliteStore } from '@resonatehq/store/sqlite'
import type { Case, Sample } from '../case.ts'
import { FAR } from '../http-client.ts'
import { residentMib, startServer } from '../processes.ts'
import { createToExecuteMs } from './latency.ts'
import { requestsPerSecond } from './requests.ts'

export const growth: Case = {
  name: 'growth',
  meaning: 'the same with more and more promises stored',
  isOwn: true,
  async run(_, settings) {
    const samples: Sample[] = []
    for (const stored of settings.isQuick ? [1_000, 10_000] : [1_000, 100_000, 1_000_000]) {
      const server = await startServer('ours', {
        seed: (file) => fillStore(sqliteStore({ path: file, wall: Date.now }), stored),
      })
      const row = { case: 'growth', server: 'ours' }
      const label = `${stored.toLocaleString('en')} stored`
      await requestsPerSecond(server.url, 64, { ...settings, isQuick: true })
      const perSecond = await requestsPerSecond(server.url, 64, settings)
      // Until the pages are in memory as a server's are that has run for a while: ids at random touch a million rows' index.
      for (let n = 0; n < 3; n++) await requestsPerSecond(server.url, 64, settings, { spread: 'seed-' })
      const spread = await requestsPerSecond(server.url, 64, settings, { spread: 'seed-' })
      const [p50] = await createToExecuteMs(server.url, settings)
      samples.push({ ...row, what: `${label}: 64 clients`, unit: 'req/s', value: perSecond })
      samples.push({ ...row, what: `${label}: 64 clients, ids at random`, unit: 'req/s', value: spread })
      samples.push({ ...row, what: `${label}: create to execute p50`, unit: 'ms', value: p50 })
      samples.push({ ...row, what: `${label}: resident`, unit: 'MiB', value: residentMib(server.pid) })
      await server.stop()
    }
    return samples
  },
}

/** Fills a new store: half of the promises settled, half pending, a fifth with a task. */
export async function fillStore(store: Store, count: number): Promise<void> {
  await store.open()
  for (let from = 0; from < count; from += 10_000) {
    const transaction = await store.begin(new Needs())
    await transaction.commit(rows(from, Math.min(count, from + 10_000)))
  }
  await store.close()
}

function rows(from: number, to: number): Changes {
  const numbers = Array.from({ length: to - from }, (_, at) => from + at)
  const promises = numbers.map((n) => {
    const isPending = n % 2 === 0
    const id = `seed-${(n * 7_919) % 10_000_019}-${n}`
    const state = isPending ? ('pending' as const) : ('resolved' as const)
    const times = {
      timeoutAt: FAR,
      createdAt: 1_000,
      settledAt: isPending ? null : 2_000,
      wakeAt: isPending ? FAR : null,
    }
    return { row: { id, state, param: {}, value: {}, tags: {}, origin: id, branch: id, ...times }, isNew: true }
  })
  const tasks = promises
    .filter((_, at) => at % 5 === 0)
    .map(({ row }) => {
      const isPending = row.state === 'pending'
      const state = isPending ? ('pending' as const) : ('fulfilled' as const)
      const none = {
        ttl: null,
        pid: null,
        offeredAt: null,
        worker: null,
        resumes: 0,
        lost: 0,
        released: 0,
        awaits: null,
        halt: null,
        version: 0,
      }
      const due = isPending ? 1_000 : null
      const queue = `poll://any@absent-${row.id.length % 7}`
      return { row: { id: row.id, state, ...none, dueAt: due, sinceAt: due, address: queue, queue }, isNew: true }
    })
  return { ...new WorkingSet().changes(), promises, tasks }
}
