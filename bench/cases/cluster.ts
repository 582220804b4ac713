// One, two and four servers on one PostgreSQL, with one server on SQLite beside them: requests and workflows a second, and from
// the creation of a promise at one server to its task at a worker of another. Everything runs on this machine, the load too:
// what more servers carry shows only where they have cores of their own.

import type { Case, Sample, Settings } from '../case.ts'
import { costOf, type Place } from '../cost.ts'
import { database } from '../database.ts'
import { startServer, startWorkers } from '../processes.ts'
import { createToExecuteMs } from './latency.ts'
import { requestsPerSecond } from './requests.ts'
import { caller, measure } from './workflows.ts'

const CLIENTS = 256
const WORKERS = 4
const IN_FLIGHT = 64
let runs = 0

export const cluster: Case = {
  name: 'cluster',
  meaning: `servers on one PostgreSQL; ${CLIENTS} clients, ${WORKERS} workers`,
  isOwn: true,
  async run(_, settings) {
    const alone = { servers: [await startServer('ours')], postgres: null }
    const samples = await measureAll('1 server, SQLite', alone, settings)
    const postgres = await database()
    for (const count of postgres === null ? [] : [1, 2, 4]) {
      const url = (await postgres?.create()) as string
      const servers = await Promise.all(Array.from({ length: count }, () => startServer('ours', { database: url })))
      const name = `${count} server${count > 1 ? 's' : ''}, PostgreSQL`
      samples.push(...(await measureAll(name, { servers, postgres }, settings)))
    }
    return samples
  },
}

async function measureAll(server: string, place: Place, settings: Settings): Promise<Sample[]> {
  const row = { case: 'cluster', server }
  const urls = place.servers.map(({ url }) => url)
  await requests(urls, { ...settings, isQuick: true })
  const [p50, p99] = await createToExecuteMs(urls[0] as string, settings, urls.at(-1))
  const asked = await costOf(place, () => requests(urls, settings))
  const done = await costOf(place, () => workflows(urls, settings))
  await Promise.all(place.servers.map((one) => one.stop()))
  return [
    { ...row, what: 'requests', unit: 'req/s', value: asked.perSecond },
    { ...row, what: 'processor time of a request, servers', unit: 'µs', value: asked.serverUs },
    { ...row, what: 'processor time of a request, database', unit: 'µs', value: asked.databaseUs },
    { ...row, what: `workflows of one step, ${IN_FLIGHT} in flight`, unit: 'wf/s', value: done.perSecond },
    { ...row, what: 'create to execute, first server to last, p50', unit: 'ms', value: p50 },
    { ...row, what: 'create to execute, first server to last, p99', unit: 'ms', value: p99 },
  ]
}

async function requests(urls: readonly string[], settings: Settings): Promise<number> {
  const rates = await Promise.all(urls.map((url) => requestsPerSecond(url, CLIENTS / urls.length, settings)))
  return rates.reduce((sum, rate) => sum + rate, 0)
}

/** Workers and callers spread over the servers, so that most work is created at one and done at another. */
async function workflows(urls: readonly string[], settings: Settings): Promise<number> {
  const group = `cluster-${process.pid}-${++runs}`
  const placed = Array.from({ length: WORKERS }, (_, at) => urls[at % urls.length] as string)
  const started = placed.map((url) => startWorkers(1, { url, group, sdk: 'ours' }))
  const workers = (await Promise.all(started)).flat()
  const callers = urls.map((url) => caller(url, group, 'ours'))
  const each = callers.map((one) => measure(one, 'oneStep', IN_FLIGHT / urls.length, settings))
  const rates = await Promise.all(each)
  await Promise.all(callers.map((one) => one.stop()))
  await Promise.all(workers.map((worker) => worker.stop()))
  return rates.reduce((sum, { perSecond }) => sum + perSecond, 0)
}
