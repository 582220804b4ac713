// From the creation of a promise to the execute message at its worker, on an idle server: a raw client and a raw worker.

import { type Case, percentile, type Sample, type Settings, type Target } from '../case.ts'
import { Connection, createBody } from '../http-client.ts'

let runs = 0

export const latency: Case = {
  name: 'latency',
  meaning: 'create to execute on an idle server',
  async run(target, settings) {
    const server = target as Target
    const [p50, p99] = await createToExecuteMs(server.url, settings)
    const sample = { case: 'latency', unit: 'ms', server: server.name }
    return [
      { ...sample, what: 'create to execute p50', value: p50 },
      { ...sample, what: 'create to execute p99', value: p99 },
    ] satisfies Sample[]
  },
}

/** The worker is connected to the same server, or to another one. */
export async function createToExecuteMs(
  url: string,
  { isQuick }: Settings,
  workerUrl = url,
): Promise<[p50: number, p99: number]> {
  const group = `latency-${process.pid}-${++runs}`
  const worker = await openStream(workerUrl, group)
  const client = await Connection.open(url)
  const latencies: number[] = []
  for (let n = 0; n < (isQuick ? 20 : 300); n++) {
    const id = `${group}.${n}`
    const arrived = worker.sees(id)
    const startedAt = performance.now()
    const answered = client.post(createBody(id, { 'resonate:target': `poll://any@${group}` }))
    latencies.push((await arrived) - startedAt)
    await answered
    // Idle: the next one finds nothing under way.
    await new Promise((resolve) => setTimeout(resolve, 3))
  }
  worker.close()
  client.close()
  latencies.sort((a, b) => a - b)
  return [percentile(latencies, 0.5), percentile(latencies, 0.99)]
}

/** A worker's event stream; `sees` resolves with the instant at which a task's id arrived. */
export async function openStream(url: string, group: string, pid = 'w') {
  const abort = new AbortController()
  const response = await fetch(`${url}/poll/${group}/${pid}`, { signal: abort.signal })
  const waiting = new Map<string, (at: number) => void>()
  const read = async () => {
    const decoder = new TextDecoder()
    let text = ''
    for await (const chunk of response.body as ReadableStream<Uint8Array>) {
      const at = performance.now()
      text += decoder.decode(chunk, { stream: true })
      const events = text.split('\n\n')
      text = events.pop() ?? ''
      for (const event of events) {
        const id = event.startsWith('data:') ? JSON.parse(event.slice(5)).data.task?.id : undefined
        waiting.get(id)?.(at)
        waiting.delete(id)
      }
    }
  }
  // It ends when we close it.
  read().catch(() => {})
  return {
    sees: (id: string) => new Promise<number>((resolve) => waiting.set(id, resolve)),
    close: () => abort.abort(),
  }
}
