// The story of docs/processes.md, containers.md, metrics.md and serverless.md in one, as a user lives it: a group grows, loses a
// worker, follows its backlog up and down, and calls a function at a URL; one server on PostgreSQL, every worker a process of
// its own, and a real Prometheus that is asked what the pages say it can be asked.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { Resonate } from '@resonatehq/sdk'
import { freePort } from '../../conformance/test/ports.ts'
import { CLI, Process, until } from '../../conformance/test/processes.ts'
import { postgresBinaries, startPostgres } from '../../store/test/postgres-server.ts'
import { ROOT } from './image.ts'
import { Prometheus } from './prometheus.ts'
import { toolMissing } from './tools.ts'

const GROUP = 'thumbnails'
const SECRET = 'between us'
const STEPS = 3
const DESIRED = `max(resonate_group_workers_desired{group="${GROUP}"})`

const skip = toolMissing('prometheus') || (postgresBinaries() === null && 'PostgreSQL is not installed')

test('the guide, from its first worker to its last', { skip }, async (t) => {
  const { url, metricsPort } = await startServer(t)
  const prometheus = await Prometheus.start(t, metricsPort)
  const resonate = Resonate.remote({ url, group: 'clients' })
  t.after(() => resonate.stop())
  const workers: Process[] = []

  async function grow(count: number): Promise<void> {
    const env = { RESONATE_URL: url, RESONATE_GROUP: GROUP, WORKER_CONCURRENCY: '4' }
    const more = Array.from({ length: count - workers.length }, () => new Process(t, [WORKER], env))
    await Promise.all(more.map((worker) => worker.says('is ready')))
    workers.push(...more)
  }

  /** Calls of three steps each, and the process that each step was done by. */
  function calls(name: string, count: number, stepMs: number): Promise<number[][]> {
    const to = resonate.options({ target: GROUP })
    const call = async (at: number) => {
      const steps = await resonate.rpc<string[]>(`${name}-${at}`, 'work', { steps: STEPS, stepMs }, to)
      return steps.map((step) => Number(/by (\d+)$/.exec(step)?.[1]))
    }
    return Promise.all(Array.from({ length: count }, (_, at) => call(at)))
  }

  await t.test('four processes of one program are a group, and share its work', async () => {
    await grow(4)
    const pids = new Set((await calls('shared', 60, 20)).flat())
    assert.deepEqual(pids, new Set(workers.map(({ child }) => child.pid)))
    const { stdout } = await promisify(execFile)(process.execPath, [CLI, 'groups', '--json', '--server', url])
    assert.match(stdout, new RegExp(`"group": ?"${GROUP}"[^}]*"workers": ?4`))
  })

  await t.test('one is killed: the others end what it had, and do no step again that was done', async () => {
    const results = calls('killed', 16, 250)
    await until('the first steps are done', async () => ((await done(resonate, 'killed')) >= 16 ? true : undefined))
    const victim = workers.shift() as Process
    await victim.kill('SIGKILL')
    const all = await results
    const taken = all.filter((pids) => pids.includes(victim.child.pid as number))
    assert.ok(taken.length > 0, 'it had something in hand')
    for (const pids of taken) assert.equal(pids[0], victim.child.pid, 'what it had done stays done')
    for (const pids of all) assert.notEqual(pids.at(-1), victim.child.pid)
  })

  await t.test('the number of workers that are desired rises with the backlog and falls with it', async () => {
    const results = calls('load', 300, 50)
    await until('more than eight are desired', async () => (await atLeast(prometheus, DESIRED, 9)) || undefined)
    await grow(8)
    for (const pids of await results) assert.equal(pids.length, STEPS)
    await until('nobody is desired any more', async () => (await prometheus.values(DESIRED))[0] === 0 || undefined)
  })

  await t.test('six of the eight drain under load: nothing is lost, and nothing waits for a lease to end', async () => {
    const results = calls('drain', 100, 20)
    await until('some are done', async () => ((await done(resonate, 'drain')) >= 20 ? true : undefined))
    const leaving = workers.splice(2)
    assert.deepEqual(new Set(await Promise.all(leaving.map((worker) => worker.kill('SIGTERM')))), new Set([0]))
    for (const pids of await results) assert.equal(pids.length, STEPS)
    const { stdout } = await promisify(execFile)(process.execPath, [CLI, 'groups', '--json', '--server', url])
    assert.match(stdout, new RegExp(`"group": ?"${GROUP}"[^}]*"workers": ?2`))
  })

  await t.test('a function is called at its URL, and runs only while it has something to do', async () => {
    const pushed = new Process(t, [PUSHED], { PORT: '0', RESONATE_SECRET: SECRET })
    const target = (await pushed.says('POST http')).replace('POST ', '')
    const order = resonate.rpc<string>('order-1', 'order', 'a lamp', resonate.options({ target }))
    assert.equal(await order, 'charged for a lamp, shipped a lamp')
  })

  await t.test('what Prometheus is asked about the whole story, it answers', async () => {
    const tasks = 60 + 16 + 300 + 100 + 2
    const completed = 'max(tasks_total{state="completed"})'
    await until('all is scraped', async () => (await atLeast(prometheus, completed, tasks)) || undefined)
    const one = async (query: string) => {
      const values = await prometheus.values(query)
      assert.equal(values.length, 1, query)
      return values[0] as number
    }
    assert.ok((await one('max(rate(tasks_total{state="completed"}[5m]))')) > 0)
    assert.equal(await one('max(promises_total{state="pending"})'), 0)
    assert.equal(await one('max(tasks_total{state="claimed"}) - max(tasks_total{state="completed"})'), 0)
    assert.equal(await one(completed), await one('max(tasks_total{state="fulfilled"})'))
    assert.equal(await one(`max(resonate_workers{group="${GROUP}"})`), 2)
  })
  await resonate.stop()
})

const WORKER = join(ROOT, 'examples/worker/main.ts')
const PUSHED = join(ROOT, 'examples/serverless/main.ts')

async function startServer(t: TestContext): Promise<{ url: string; metricsPort: number }> {
  const database = await startPostgres()
  t.after(() => database.stop())
  const [port, metricsPort] = [await freePort(), await freePort()]
  const settings = {
    RESONATE_STORAGE__POSTGRES__URL: await database.create(),
    RESONATE_STORAGE__TYPE: 'postgres',
    RESONATE_SERVER__PORT: `${port}`,
    RESONATE_SERVER__BIND: '127.0.0.1',
    RESONATE_OBSERVABILITY__METRICS_PORT: `${metricsPort}`,
    RESONATE_TRANSPORTS__HTTP_PUSH__SECRET: SECRET,
    RESONATE_TRANSPORTS__HTTP_PUSH__PRIVATE_NETWORKS: '127.0.0.0/8,::1/128',
    RESONATE_SCALING__TARGET_WAIT: '1s',
    // So that a killed worker is noticed at once on a server that has just started.
    RESONATE_TASKS__DISCONNECT_GRACE: '500ms',
    RESONATE_TASKS__DISCONNECT_UPTIME: '0',
  }
  const server = new Process(t, [CLI, 'serve'], settings)
  await server.says('Server listening')
  return { url: `http://127.0.0.1:${port}`, metricsPort }
}

/** How many steps of these calls are done. */
async function done({ promises }: Resonate, name: string): Promise<number> {
  let count = 0
  let cursor: string | undefined
  do {
    const page = await promises.search({ state: 'resolved', limit: 1_000, ...(cursor && { cursor }) })
    count += page.promises.filter(({ id }) => id.startsWith(`${name}-`)).length
    cursor = page.cursor
  } while (cursor)
  return count
}

async function atLeast(prometheus: Prometheus, query: string, least: number): Promise<boolean> {
  return ((await prometheus.values(query))[0] ?? 0) >= least
}
