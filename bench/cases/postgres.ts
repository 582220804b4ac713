// One server on PostgreSQL: without HTTP, with it, with more and more promises stored, and how much of the time it waits for the
// log to reach the disk.

import { postgresStore } from '@resonatehq/store/postgres'
import type { Case, Sample, Settings } from '../case.ts'
import { database, watchingLog } from '../database.ts'
import { startServer } from '../processes.ts'
import { engineRequestsPerSecond } from './engine.ts'
import { fillStore } from './growth.ts'
import { createToExecuteMs } from './latency.ts'
import { requestsPerSecond } from './requests.ts'

const row = { case: 'postgres', server: 'PostgreSQL' }

export const postgres: Case = {
  name: 'postgres',
  meaning: 'one server on PostgreSQL, fsync on',
  isOwn: true,
  async run(_, settings) {
    const server = await database()
    if (server === null) return []
    const samples: Sample[] = []
    for (const clients of [1, 64, 256]) samples.push(await withoutHttp(await server.create(), clients, settings))
    for (const clients of [1, 64, 256]) samples.push(...(await overHttp(await server.create(), clients, settings)))
    for (const stored of settings.isQuick ? [1_000, 10_000] : [1_000, 100_000, 1_000_000])
      samples.push(...(await grown(await server.create(), stored, settings)))
    return samples
  },
}

async function withoutHttp(url: string, clients: number, settings: Settings): Promise<Sample> {
  const value = await engineRequestsPerSecond(postgresStore({ url }), clients, settings)
  return { ...row, what: `without HTTP, ${clients} clients`, unit: 'req/s', value }
}

async function overHttp(url: string, clients: number, settings: Settings): Promise<Sample[]> {
  const server = await startServer('ours', { database: url })
  const { result, waiting } = await watchingLog(url, () => requestsPerSecond(server.url, clients, settings))
  await server.stop()
  return [
    { ...row, what: `over HTTP, ${clients} clients`, unit: 'req/s', value: result },
    {
      ...row,
      what: `over HTTP, ${clients} clients: time in which a session waits for the log`,
      unit: '%',
      value: 100 * waiting,
    },
  ]
}

async function grown(url: string, stored: number, settings: Settings): Promise<Sample[]> {
  await fillStore(postgresStore({ url }), stored)
  const server = await startServer('ours', { database: url })
  const what = `${stored.toLocaleString('en')} stored`
  await requestsPerSecond(server.url, 64, settings, { spread: 'seed-' })
  const perSecond = await requestsPerSecond(server.url, 64, settings, { spread: 'seed-' })
  const [p50] = await createToExecuteMs(server.url, settings)
  await server.stop()
  return [
    { ...row, what: `${what}: 64 clients, ids at random`, unit: 'req/s', value: perSecond },
    { ...row, what: `${what}: create to execute p50`, unit: 'ms', value: p50 },
  ]
}
