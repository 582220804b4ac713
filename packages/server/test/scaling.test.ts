// GET /scaling/{group} on the port of metrics: what a group has to do, and how many workers that needs, as JSON.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { freePort } from '../../conformance/test/ports.ts'
import { createMetrics } from '../src/metrics/scrape.ts'
import { ask, create, startServer } from './world.ts'

async function running(t: TestContext) {
  const { url, metricsUrl } = await startServer(t, { 'observability.metrics_port': await freePort() })
  const scaling = async (path: string, method = 'GET') => {
    const response = await fetch(new URL(path, metricsUrl), { method })
    return { status: response.status, body: await response.json() }
  }
  return { url, scaling }
}

test('a group that nobody has worked in needs no worker', async (t) => {
  const { scaling } = await running(t)
  const zeros = { group: 'nobody', backlog: 0, acquired: 0, workers: 0, workersDesired: 0 }
  assert.deepEqual(await scaling('/scaling/nobody'), { status: 200, body: zeros })
})

test('what waits and what is in hand needs workers, until it is done', async (t) => {
  const { url, scaling } = await running(t)
  for (const id of ['a', 'b', 'c']) await ask(url, 'promise.create', create(id, { 'resonate:target': 'poll://any@g' }))
  const waiting = (await scaling('/scaling/g')).body
  assert.equal(waiting.backlog, 3)
  assert.ok(waiting.workersDesired > 0)
  assert.equal((await ask(url, 'task.acquire', { id: 'a', version: 0, pid: 'w', ttl: 60_000 })).head.status, 200)
  const held = (await scaling('/scaling/g')).body
  assert.deepEqual([held.backlog, held.acquired], [2, 1])
  for (const id of ['a', 'b', 'c']) await ask(url, 'promise.settle', { id, state: 'resolved', value: {} })
  assert.equal((await scaling('/scaling/g')).body.workersDesired, 0)
})

test('a group is named as in a URL', async (t) => {
  const { scaling } = await running(t)
  assert.equal((await scaling('/scaling/a%20b')).body.group, 'a b')
  for (const path of ['/scaling/', '/scaling/%ff', '/scaling', '/'])
    assert.equal((await scaling(path)).status, 404, path)
  assert.equal((await scaling('/scaling/g', 'POST')).status, 405)
})

test('what is not known is never told as zeros: a group would lose its workers', async () => {
  const metrics = createMetrics({ build: { version: '1', node: '' }, process: false })
  metrics.watch({ picture: () => Promise.reject(new Error('down')) })
  assert.equal(await metrics.demand('g'), null)
})
