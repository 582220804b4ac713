// promise.create + promise.settle over HTTP: one request a POST, and many in an array.

import type { Case, Sample, Settings, Target } from '../case.ts'
import { Connection, createBody, settleBody } from '../http-client.ts'
import { residentMib } from '../processes.ts'

const BATCH = 50
let runs = 0

export const requests: Case = {
  name: 'requests',
  meaning: 'promise.create + promise.settle over HTTP',
  async run(target, settings) {
    const server = target as Target
    const samples: Sample[] = []
    for (const clients of [1, 64, 256]) {
      const value = await requestsPerSecond(server.url, clients, settings)
      samples.push({ case: 'requests', what: `${clients} clients`, unit: 'req/s', server: server.name, value })
    }
    if (await takesArrays(server.url)) {
      const value = await requestsPerSecond(server.url, 16, settings, { batch: BATCH })
      const what = `16 clients, arrays of ${BATCH}`
      samples.push({ case: 'requests', what, unit: 'req/s', server: server.name, value })
    }
    const memory = residentMib(server.pid)
    samples.push({
      case: 'memory',
      what: 'resident after the requests',
      unit: 'MiB',
      server: server.name,
      value: memory,
    })
    return samples
  },
}

export interface Load {
  /** Requests of one POST. */
  readonly batch?: number
  /** Ids start with this and a number that jumps about, so that neighbours in time are none in the store. */
  readonly spread?: string
}

/** Closed loop: each client sends its next request when the last was answered. */
export async function requestsPerSecond(
  url: string,
  clients: number,
  { isQuick }: Settings,
  { batch = 1, spread = '' }: Load = {},
): Promise<number> {
  // No dots: what stands before a number after a dot is a workflow, and servers take turns on one.
  const run = `r${process.pid}-${++runs}`
  const connections = await Promise.all(Array.from({ length: clients }, () => Connection.open(url)))
  const startedAt = performance.now()
  const until = startedAt + (isQuick ? 300 : 2_000)
  let answered = 0
  const client = async (connection: Connection, at: number) => {
    for (let n = 0; performance.now() < until; n++) {
      const ids = Array.from(
        { length: batch },
        (_, item) => `${scattered(spread, n * clients + at)}${run}-${at}-${n}-${item}`,
      )
      for (const body of [createBody, settleBody]) {
        const bodies = ids.map((id) => body(id))
        const answer = await connection.post(batch === 1 ? (bodies[0] as string) : `[${bodies.join(',')}]`)
        if (batch > 1 && answer.split('"status":200').length <= batch)
          throw new Error(`expected ${batch} × 200, got ${answer}`)
        answered += batch
      }
    }
  }
  await Promise.all(connections.map(client))
  const perSecond = (answered / (performance.now() - startedAt)) * 1_000
  for (const connection of connections) connection.close()
  return perSecond
}

function scattered(spread: string, n: number): string {
  return spread === '' ? '' : `${spread}${(n * 7_919_993) % 10_000_019}-`
}

/** Whether a server says that it knows the `batch` extension. Others answer `/health` with anything. */
async function takesArrays(url: string): Promise<boolean> {
  const text = await (await fetch(`${url}/health`)).text()
  return /"extensions":\[[^\]]*"batch"/.test(text)
}
