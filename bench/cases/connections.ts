// Many workers connected to one server on PostgreSQL, each an open event stream: how long until all are there, what they weigh,
// and whether requests and handing out work cost more because of them.

import { connect, type Socket } from 'node:net'
import type { Case, Sample, Settings } from '../case.ts'
import { database } from '../database.ts'
import { residentMib, startServer } from '../processes.ts'
import { createToExecuteMs } from './latency.ts'
import { requestsPerSecond } from './requests.ts'

/** Opened at once; the next when one is there. */
const OPENING_MAX = 100

export const connections: Case = {
  name: 'connections',
  meaning: 'connected workers, one server on PostgreSQL',
  isOwn: true,
  async run(_, settings) {
    const postgres = await database()
    const samples: Sample[] = []
    for (const count of postgres === null ? [] : settings.isQuick ? [20] : [200, 1_000, 5_000]) {
      const flags = ['--transports-http-poll-max-connections', '10000', '--server-max-connections', '12000']
      const server = await startServer('ours', { database: await postgres?.create(), flags })
      const before = residentMib(server.pid)
      const startedAt = performance.now()
      const sockets = await openAll(server.url, count)
      const openedMs = performance.now() - startedAt
      const weight = ((residentMib(server.pid) - before) * 1_024) / count
      samples.push(...(await measure({ url: server.url, count, openedMs, weight }, settings)))
      for (const socket of sockets) socket.destroy()
      await server.stop()
    }
    return samples
  },
}

interface Connected {
  readonly url: string
  readonly count: number
  readonly openedMs: number
  readonly weight: number
}

async function measure({ url, count, openedMs, weight }: Connected, settings: Settings): Promise<Sample[]> {
  const row = { case: 'connections', server: 'PostgreSQL' }
  const label = `${count.toLocaleString('en')} workers`
  const [p50, p99] = await createToExecuteMs(url, settings)
  return [
    { ...row, what: `${label}: all connected after`, unit: 'ms', value: openedMs },
    { ...row, what: `${label}: memory of each`, unit: 'KiB', value: weight },
    { ...row, what: `${label}: 64 clients`, unit: 'req/s', value: await requestsPerSecond(url, 64, settings) },
    { ...row, what: `${label}: create to execute p50`, unit: 'ms', value: p50 },
    { ...row, what: `${label}: create to execute p99`, unit: 'ms', value: p99 },
  ]
}

async function openAll(url: string, count: number): Promise<Socket[]> {
  const sockets: Socket[] = []
  let next = 0
  const open = async () => {
    while (next < count) sockets.push(await openWorker(url, next++))
  }
  await Promise.all(Array.from({ length: OPENING_MAX }, open))
  return sockets
}

/** Ten to a group. Resolves with its first byte: then it is connected. */
function openWorker(url: string, at: number): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.write(`GET /poll/many-${Math.floor(at / 10)}/w${at} HTTP/1.1\r\nHost: bench\r\n\r\n`)
  return new Promise((resolve, reject) => {
    socket.once('data', (head) => {
      if (head.toString('latin1').startsWith('HTTP/1.1 200')) resolve(socket.resume())
      else reject(new Error(`expected a stream, got ${head.toString('latin1', 0, 200)}`))
    })
    socket.once('error', reject)
  })
}
