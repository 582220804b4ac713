// Workers that come and go while there is work, as real processes: fewer by SIGTERM, as a cluster makes them fewer, and none and
// some again by what a server says that the backlog needs. Nothing is lost, and nothing waits for a lease to end.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Resonate } from '@resonatehq/sdk'
import { freePort } from '../../conformance/test/ports.ts'
import { isLong, Process, ServerProcess, until } from '../../conformance/test/processes.ts'
import { ROOT } from './image.ts'

const GROUP = 'workers'
const WORKER = join(ROOT, 'examples/worker/main.ts')
const CALLS = isLong ? 2_000 : 200

interface Demand {
  readonly backlog: number
  readonly acquired: number
  readonly workers: number
  readonly workersDesired: number
}

interface World {
  readonly resonate: Resonate
  worker(env?: Record<string, string>): Promise<Process>
  demand(): Promise<Demand>
  /** The sum of a metric over all its series. */
  metric(name: string): Promise<number>
}

async function world(t: TestContext): Promise<World> {
  const port = await freePort()
  let client: Resonate | undefined
  t.after(() => client?.stop())
  const server = await ServerProcess.start(t, '--observability-metrics-port', `${port}`)
  const resonate = Resonate.remote({ url: server.url, group: 'clients' })
  client = resonate
  const metrics = `http://127.0.0.1:${port}`
  const answers = () => fetch(`${metrics}/scaling/${GROUP}`).then(({ ok }) => ok || undefined)
  await until('the port of metrics is open', () => answers().catch(() => undefined))
  return {
    resonate,
    async worker(env = {}) {
      const worker = new Process(t, [WORKER], { RESONATE_URL: server.url, RESONATE_GROUP: GROUP, ...env })
      await worker.says('is ready')
      return worker
    },
    demand: async () => (await fetch(`${metrics}/scaling/${GROUP}`)).json() as Promise<Demand>,
    async metric(name) {
      const text = await (await fetch(`${metrics}/metrics`)).text()
      const values = [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))]
      assert.ok(values.length > 0, `there is no metric ${name}`)
      return values.reduce((sum, [, value]) => sum + Number(value), 0)
    },
  }
}

/** Calls of three short steps each, and the workers that each of them named. */
async function work({ resonate }: World, name: string, calls: number): Promise<string[][]> {
  const options = resonate.options({ target: GROUP })
  const ids = Array.from({ length: calls }, (_, at) => `${name}.${at}`)
  return Promise.all(ids.map((id) => resonate.rpc<string[]>(id, 'work', { steps: 3, stepMs: 20 }, options)))
}

test('eight workers become two under load: nothing is lost, and nothing waits for a lease to end', async (t) => {
  const all = await world(t)
  const workers = await Promise.all(Array.from({ length: 8 }, () => all.worker({ WORKER_CONCURRENCY: '4' })))
  const results = work(all, 'drain', CALLS)
  await until('every worker has something in hand', async () => ((await all.demand()).acquired >= 8 ? true : undefined))
  const codes = await Promise.all(workers.slice(2).map((worker) => worker.kill('SIGTERM')))
  assert.deepEqual(new Set(codes), new Set([0]))
  for (const result of await results) assert.equal(result.length, 3)
  assert.equal(await all.metric('resonate_leases_lost_total'), 0)
  assert.equal((await all.demand()).workers, 2)
})

test('what a worker cannot end in time goes to another, from where it stood', async (t) => {
  const all = await world(t)
  const first = await all.worker({ WORKER_STOP_TIMEOUT_MS: '0' })
  const options = all.resonate.options({ target: GROUP })
  const call = all.resonate.rpc<string[]>('given-back', 'work', { steps: 20, stepMs: 250 }, options)
  await until('the first step is recorded', async () => {
    const { promises } = await all.resonate.promises.search({ state: 'resolved', limit: 1 })
    return promises.length > 0 ? true : undefined
  })
  assert.equal(await first.kill('SIGTERM'), 0)
  const second = await all.worker()
  const steps = await call
  assert.equal(steps[0], `step 1 by ${first.child.pid}`)
  assert.equal(steps[19], `step 20 by ${second.child.pid}`)
  assert.equal(await all.metric('resonate_tasks_released_total'), 1)
  assert.equal(await all.metric('resonate_leases_lost_total'), 0)
})

test('a group goes from none to some and back to none by what its backlog needs', async (t) => {
  const all = await world(t)
  const running: Process[] = []
  const scale = async () => {
    const { workersDesired } = await all.demand()
    const wanted = Math.min(4, workersDesired)
    while (running.length < wanted) running.push(await all.worker())
    while (running.length > wanted) assert.equal(await running.pop()?.kill('SIGTERM'), 0)
    return workersDesired
  }
  for (const round of ['first', 'second']) {
    assert.equal(await scale(), 0)
    let isDone = false
    const results = work(all, round, 40).finally(() => {
      isDone = true
    })
    let most = 0
    await until('the work is done and nobody is left', async () => {
      most = Math.max(most, await scale())
      return isDone && running.length === 0 ? true : undefined
    })
    assert.equal((await results).length, 40)
    assert.ok(most > 1, `${most} workers were desired at most`)
  }
  assert.equal(await all.metric('resonate_leases_lost_total'), 0)
})
