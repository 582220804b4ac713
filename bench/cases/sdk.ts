// What the SDK itself costs, ours and the published one in turns on one server: local steps, awaits of remote results one
// after the other (does the ten-thousandth cost more than the hundredth?), and what a suspended workflow weighs.

import { type Case, type Sample, type Settings, skipped } from '../case.ts'
import { Connection, envelope, settleBody } from '../http-client.ts'
import { type StartedWorker, startServer, startWorkers, type WorkerOptions } from '../processes.ts'
import { type Caller, caller } from './workflows.ts'

type Sdk = Settings['sdk']
interface Bench {
  readonly url: string
  readonly sdk: Sdk
  readonly isQuick: boolean
}

/** Longest that one workflow is waited for: the published SDK replays all that was, on each await. */
const PATIENCE_MS = 60_000
const ARRAY_MAX = 1_000
/** Suspended at once. The published SDK begins a few hundred a second. */
const SUSPENDED = { ours: 100_000, published: 10_000 }
let runs = 0

export const sdk: Case = {
  name: 'sdk',
  meaning: 'steps, awaits and suspended workflows, on our SDK and on the published one',
  isOwn: true,
  async run(_, { isQuick }) {
    const samples: Sample[] = []
    for (const sdk of ['ours', 'published'] as const) {
      const server = await startServer('ours')
      const bench = { url: server.url, sdk, isQuick }
      samples.push(await steps(bench))
      for (const workers of [1, 4]) samples.push(...(await awaits(bench, workers)))
      samples.push(...(await suspended(bench)))
      await server.stop()
    }
    return samples
  },
}

async function steps(bench: Bench): Promise<Sample> {
  const count = bench.isQuick ? 100 : 1_000
  const tookMs = await withWorkers(bench, 1, async ({ client }) => {
    await timed(client, 'steps', count)
    return timed(client, 'steps', count)
  })
  return sample(bench, `${show(count)} local steps of a workflow`, 'steps/s', (count / tookMs) * 1_000)
}

async function awaits(bench: Bench, workers: number): Promise<Sample[]> {
  const samples: Sample[] = []
  const counts = bench.isQuick ? [1, 10, 100] : [1, 10, 100, 1_000, 10_000]
  await withWorkers(bench, workers, async ({ client }) => {
    await timed(client, 'chain', 20)
    for (const count of counts) {
      const what = `${show(count)} remote results one after the other, ${workers} worker${workers === 1 ? '' : 's'}`
      const tookMs = await timed(client, 'chain', count)
      if (tookMs === Number.POSITIVE_INFINITY) return skipped(`${bench.sdk} SDK: ${what}: not within ${PATIENCE_MS} ms`)
      samples.push(sample(bench, what, 'ms/await', tookMs / count))
    }
  })
  return samples
}

/** Workflows that wait for a promise each: what one adds to the heap of the only worker, and how fast all go on. */
async function suspended(bench: Bench): Promise<Sample[]> {
  const count = bench.isQuick ? 500 : SUSPENDED[bench.sdk]
  return withWorkers(bench, 1, async ({ client, workers: [worker] }) => {
    const before = await (worker as StartedWorker).heapBytes()
    const run = `suspended-${process.pid}-${++runs}`
    const ids = Array.from({ length: count }, (_, at) => `${run}-${at}`)
    const startedAt = performance.now()
    await inTurn(ids, 64, (id) => client.begin(id, 'waiter'))
    await allAre(bench.url, 'suspended', ids)
    const suspendedAt = performance.now()
    const heap = (await (worker as StartedWorker).heapBytes()) - before
    const resumedAt = performance.now()
    await settleAll(
      bench.url,
      ids.map((id) => `${id}:0`),
    )
    await allAre(bench.url, 'fulfilled', ids)
    const what = `${show(count)} suspended workflows in one worker`
    const perSecond = (fromMs: number, untilMs: number) => (count / (untilMs - fromMs)) * 1_000
    return [
      sample(bench, `${what}: heap of each`, 'bytes', heap / count),
      sample(bench, `${what}: begun and suspended`, 'wf/s', perSecond(startedAt, suspendedAt)),
      sample(bench, `${what}: settled, resumed and done`, 'wf/s', perSecond(resumedAt, performance.now())),
    ]
  })
}

function sample({ sdk }: Bench, what: string, unit: string, value: number): Sample {
  return { case: 'sdk', what, unit, server: `${sdk} SDK`, value }
}

interface Running {
  readonly client: Caller
  readonly workers: readonly StartedWorker[]
}

async function withWorkers<T>({ url, sdk }: Bench, count: number, work: (running: Running) => Promise<T>): Promise<T> {
  const options: WorkerOptions = { url, group: `sdk-${process.pid}-${++runs}`, sdk }
  const workers = await startWorkers(count, options)
  const client = caller(url, options.group, sdk)
  try {
    return await work({ client, workers })
  } finally {
    await client.stop()
    // A workflow that was given up is still running.
    await Promise.all(workers.map((worker) => worker.stop('SIGKILL')))
  }
}

/** How long a workflow takes, ms; infinite if it is not done in time. */
async function timed(client: Caller, func: string, count: number): Promise<number> {
  const startedAt = performance.now()
  let cancel: NodeJS.Timeout | undefined
  const given = new Promise<number>((resolve) => {
    cancel = setTimeout(() => resolve(Number.POSITIVE_INFINITY), PATIENCE_MS)
  })
  const done = client.call(`${func}-${process.pid}-${++runs}`, func, count).then(() => performance.now() - startedAt)
  done.catch(() => {})
  const tookMs = await Promise.race([done, given])
  clearTimeout(cancel)
  return tookMs
}

async function inTurn<T>(items: readonly T[], lanes: number, work: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0
  const lane = async () => {
    for (let at = next++; at < items.length; at = next++) await work(items[at] as T)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

async function settleAll(url: string, ids: readonly string[]): Promise<void> {
  const connections = await Promise.all(Array.from({ length: 64 }, () => Connection.open(url)))
  const free = [...connections]
  await inTurn(ids, connections.length, async (id) => {
    const connection = free.pop() as Connection
    await connection.post(settleBody(id))
    free.push(connection)
  })
  for (const connection of connections) connection.close()
}

/** Resolves when each of these tasks is in this state. */
async function allAre(url: string, state: string, ids: readonly string[]): Promise<void> {
  const connection = await Connection.open(url)
  for (let from = 0; from < ids.length; from += ARRAY_MAX) {
    const gets = ids.slice(from, from + ARRAY_MAX).map((id) => envelope('task.get', { id }))
    while (!(await areAll(connection, state, `[${gets}]`))) await new Promise((resolve) => setTimeout(resolve, 50))
  }
  connection.close()
}

async function areAll(connection: Connection, state: string, gets: string): Promise<boolean> {
  const answers = JSON.parse(await connection.post(gets)) as { data: { task?: { state: string } } }[]
  return answers.every(({ data }) => data.task?.state === state)
}

function show(count: number): string {
  return count.toLocaleString('en')
}
