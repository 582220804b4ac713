// Whole workflows, called by rpc and run by four workers: how many a second, and how long each takes.

import { Resonate } from '@resonatehq/sdk'
import { Resonate as PublishedResonate } from 'resonate-published'
import { type Case, percentile, type Sample, type Settings, type Target } from '../case.ts'
import { startWorkers } from '../processes.ts'

const WORKERS = 4
const SHAPES = { oneStep: 'one step', tenSteps: 'ten steps', fanOut: 'fan-out of ten' } as const
let runs = 0

export const workflows: Case = {
  name: 'workflows',
  meaning: `rpc workflows, ${WORKERS} workers`,
  async run(target, settings) {
    const server = target as Target
    const group = `bench-${process.pid}-${++runs}`
    const workers = await startWorkers(WORKERS, { url: server.url, group, sdk: settings.sdk })
    const client = caller(server.url, group, settings.sdk)
    const samples: Sample[] = []
    await measure(client, 'oneStep', 16, { ...settings, isQuick: true })
    for (const shape of Object.keys(SHAPES) as (keyof typeof SHAPES)[]) {
      for (const inFlight of settings.isQuick ? [16] : [1, 16, 64, 256]) {
        const { perSecond, p50, p99 } = await measure(client, shape, inFlight, settings)
        const row = { case: 'workflows', server: `${server.name}, ${settings.sdk} SDK` }
        const what = `${SHAPES[shape]}, ${inFlight} in flight`
        samples.push({ ...row, what, unit: 'wf/s', value: perSecond })
        samples.push({ ...row, what: `${what} p50`, unit: 'ms', value: p50 })
        samples.push({ ...row, what: `${what} p99`, unit: 'ms', value: p99 })
      }
    }
    await client.stop()
    await Promise.all(workers.map((worker) => worker.stop()))
    return samples
  },
}

export interface Caller {
  /** Resolves with its result. */
  call(id: string, func: string, argument: number): Promise<unknown>
  /** Resolves when it was accepted. */
  begin(id: string, func: string): Promise<unknown>
  stop(): unknown
}

export function caller(url: string, target: string, sdk: Settings['sdk']): Caller {
  const client =
    sdk === 'published' ? new PublishedResonate({ url, group: 'bench' }) : new Resonate({ url, group: 'bench' })
  const options = client.options({ target })
  const rpc = client.rpc.bind(client) as (id: string, func: string, ...args: unknown[]) => Promise<unknown>
  const begin = client.beginRpc.bind(client) as typeof rpc
  return {
    call: (id, func, argument) => rpc(id, func, argument, options),
    begin: (id, func) => begin(id, func, options),
    stop: () => client.stop(),
  }
}

export async function measure(client: Caller, shape: string, inFlight: number, { isQuick }: Settings) {
  const run = `${shape}-${process.pid}-${++runs}`
  const latencies: number[] = []
  const startedAt = performance.now()
  const until = startedAt + (isQuick ? 500 : 3_000)
  const loop = async (at: number) => {
    for (let n = 0; performance.now() < until; n++) {
      const calledAt = performance.now()
      await client.call(`${run}-${at}-${n}`, shape, 1)
      latencies.push(performance.now() - calledAt)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, (_, at) => loop(at)))
  const perSecond = (latencies.length / (performance.now() - startedAt)) * 1_000
  latencies.sort((a, b) => a - b)
  return { perSecond, p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) }
}
