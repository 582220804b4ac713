// What operators scrape: every metric of the table over a real port, the counters that dashboards subtract, and the
// number of workers to scale to.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { freePort } from '../../conformance/test/ports.ts'
import { metricsPage } from '../src/metrics/page.ts'
import { createMetrics } from '../src/metrics/scrape.ts'
import { METRICS } from '../src/metrics/table.ts'
import { ask, create, startServer } from './world.ts'

const TARGET = { 'resonate:target': 'poll://any@g' }

test('every metric of the table is there after a run, and labels are bounded whatever clients send', async (t) => {
  const { url, scrape } = await running(t)
  await connect(t, `${url}/poll/g/w?sdk=ts&version=1&host=h&capacity=4`)
  await ask(url, 'promise.create', create('a', TARGET))
  await ask(url, 'promise.get', { id: 'a' })
  const vitals = { 'resonate:worker': { lagMs: 250, rssBytes: 1_000 } }
  await ask(url, 'task.heartbeat', { pid: 'w', tasks: [] }, vitals)
  for (let n = 0; n < 5; n++) await ask(url, `made.up_${n}`, {})
  const text = await scrape()
  for (const { name } of Object.values(METRICS)) assert.match(text, new RegExp(`^# TYPE ${name} `, 'm'), name)
  assert.match(text, /^resonate_request_total\{kind="promise\.create",status="200"\} 1$/m)
  assert.match(text, /^resonate_request_total\{kind="unknown",status="400"\} 5$/m)
  assert.ok(!text.includes('made.up'))
  assert.match(text, /^resonate_worker_info\{group="g",pid="w",sdk="ts",version="1",host="h"\} 1$/m)
  assert.match(text, /^resonate_worker_event_loop_lag_seconds\{group="g",pid="w"\} 0\.25$/m)
  assert.match(text, /^resonate_worker_resident_memory_bytes\{group="g",pid="w"\} 1000$/m)
  assert.match(text, /^resonate_worker_capacity\{group="g",pid="w"\} 4$/m)
  assert.match(text, /^resonate_worker_heartbeat_age_seconds\{group="g",pid="w"\} [\d.]+$/m)
  assert.match(text, /^resonate_workers\{group="g"\} 1$/m)
})

test('what dashboards of earlier servers ask for has its meaning under the old names and under the new ones', async (t) => {
  const { url, scrape } = await running(t)
  // Taken and completed; taken only; never taken; never to be taken.
  for (const id of ['a', 'b', 'c']) await ask(url, 'promise.create', create(id, TARGET))
  await ask(url, 'promise.create', create('d'))
  for (const id of ['a', 'b']) await ask(url, 'task.acquire', { id, version: 0, pid: 'w', ttl: 60_000 })
  const action = { kind: 'promise.settle', head: {}, data: { id: 'a', state: 'resolved', value: {} } }
  await ask(url, 'task.fulfill', { id: 'a', version: 1, action })
  await ask(url, 'promise.settle', { id: 'c', state: 'rejected_canceled', value: {} })
  const text = await scrape()
  assert.deepEqual(seriesOf(text, 'tasks_total'), {
    'state="created"': 3,
    'state="claimed"': 2,
    'state="acquired"': 2,
    'state="completed"': 1,
    'state="fulfilled"': 1,
  })
  assert.deepEqual(seriesOf(text, 'promises_total'), {
    'state="pending"': 2,
    'state="resolved"': 1,
    'state="rejected"': 0,
    'state="rejected_canceled"': 1,
    'state="rejected_timedout"': 0,
  })
})

test('a task that is released and taken again is claimed once', async (t) => {
  const { url, scrape } = await running(t)
  await ask(url, 'promise.create', create('a', TARGET))
  await ask(url, 'task.acquire', { id: 'a', version: 0, pid: 'w', ttl: 60_000 })
  await ask(url, 'task.release', { id: 'a', version: 1 })
  await ask(url, 'task.acquire', { id: 'a', version: 1, pid: 'w', ttl: 60_000 })
  const text = await scrape()
  assert.equal(seriesOf(text, 'tasks_total')['state="claimed"'], 1)
  assert.equal(seriesOf(text, 'resonate_tasks_released_total')[''], 1)
})

test('workers desired rise with what waits in the group and are none when nothing waits and nothing is held', async (t) => {
  const { url, scrape } = await running(t, { 'scaling.tasks_per_worker': 2 })
  const desired = async () => seriesOf(await scrape(), 'resonate_group_workers_desired')
  assert.deepEqual(await desired(), {})
  for (const id of ['a', 'b', 'c']) await ask(url, 'promise.create', create(id, TARGET))
  assert.deepEqual(await desired(), { 'group="g"': 2 })
  for (const id of ['a', 'b', 'c']) await ask(url, 'promise.settle', { id, state: 'resolved', value: {} })
  assert.deepEqual(await desired(), {})
})

test('what is delayed is no backlog yet', async (t) => {
  const { url, scrape } = await running(t)
  await ask(url, 'promise.create', create('a', { ...TARGET, 'resonate:delay': '8000000000000' }))
  const text = await scrape()
  assert.deepEqual(seriesOf(text, 'resonate_group_ready_tasks'), { 'group="g"': 0 })
  assert.deepEqual(seriesOf(text, 'resonate_group_workers_desired'), { 'group="g"': 0 })
  assert.equal(seriesOf(text, 'resonate_tasks')['group="g",state="pending"'], 1)
})

test('groups past the first two hundred are added up', async (t) => {
  const { url, scrape } = await running(t)
  for (let n = 0; n < 203; n++)
    await ask(url, 'promise.create', create(`p${n}`, { 'resonate:target': `poll://any@g${n}` }))
  const ready = seriesOf(await scrape(), 'resonate_group_ready_tasks')
  assert.equal(Object.keys(ready).length, 201)
  assert.equal(ready['group="other"'], 3)
})

test('a store that does not answer leaves its numbers out and the rest in', async () => {
  const timers: (() => void)[] = []
  const timer = (_ms: number, fn: () => void) => {
    timers.push(fn)
    return () => {}
  }
  const metrics = createMetrics({ build: { version: '1', node: '' }, process: false, timer })
  metrics.watch({ picture: () => Promise.reject(new Error('down')) })
  assert.match(await metrics.text(), /^resonate_store_up 0$/m)
  metrics.watch({ picture: () => new Promise(() => {}) })
  const text = metrics.text()
  timers.at(-1)?.()
  assert.match(await text, /^resonate_store_up 0$/m)
  assert.deepEqual(seriesOf(await metricsText(metrics), 'promises_total'), {})

  async function metricsText(of: typeof metrics): Promise<string> {
    const reading = of.text()
    timers.at(-1)?.()
    return reading
  }
})

test('the page says of each metric who says the same', () => {
  const page = metricsPage()
  assert.match(page, /^\| `tasks_total`<br>counter of the store, by `state` \|/m)
  assert.match(page, /^\| `resonate_request_total`<br>counter of the server, by `kind`, `status` \|/m)
})

async function running(t: TestContext, flags: Record<string, unknown> = {}) {
  const { url, metricsUrl } = await startServer(t, { ...flags, 'observability.metrics_port': await freePort() })
  return { url, scrape: async () => (await fetch(metricsUrl as string)).text() }
}

/** Resolves when the server has written its first line. */
async function connect(t: TestContext, url: string): Promise<void> {
  const abort = new AbortController()
  t.after(() => abort.abort())
  await fetch(url, { signal: abort.signal })
}

/** Labels → value. */
function seriesOf(text: string, name: string): Record<string, number> {
  const lines = [...text.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm'))]
  return Object.fromEntries(lines.map(([, labels = '', value]) => [labels, Number(value)]))
}
