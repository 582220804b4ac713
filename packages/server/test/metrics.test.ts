// What operators scrape: every metric of the table, over a real port.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { METRICS } from '../src/index.ts'
import { ask, create, startServer } from './world.ts'

test('every metric of the table is there after a run, and labels are bounded whatever clients send', async (t) => {
  const { url, metricsUrl } = await startServer(t, { 'observability.metrics_port': await freePort() })
  const abort = new AbortController()
  t.after(() => abort.abort())
  await fetch(`${url}/poll/g/w?sdk=ts&version=1&host=h`, { signal: abort.signal })
  await ask(url, 'promise.create', create('a', { 'resonate:target': 'poll://any@g' }))
  await ask(url, 'promise.get', { id: 'a' })
  const vitals = { 'resonate:worker': { lagMs: 250, rssBytes: 1_000 } }
  await ask(url, 'task.heartbeat', { pid: 'w', tasks: [] }, vitals)
  for (let n = 0; n < 5; n++) await ask(url, `made.up_${n}`, {})
  const text = await (await fetch(metricsUrl as string)).text()
  for (const { name } of Object.values(METRICS)) assert.match(text, new RegExp(`^# TYPE ${name} `, 'm'), name)
  assert.match(text, /^resonate_request_total\{kind="promise\.create",status="200"\} 1$/m)
  assert.match(text, /^resonate_request_total\{kind="unknown",status="400"\} 5$/m)
  assert.ok(!text.includes('made.up'))
  assert.match(text, /^resonate_worker_info\{group="g",pid="w",sdk="ts",version="1",host="h"\} 1$/m)
  assert.match(text, /^resonate_worker_event_loop_lag_seconds\{group="g",pid="w"\} 0\.25$/m)
  assert.match(text, /^resonate_worker_resident_memory_bytes\{group="g",pid="w"\} 1000$/m)
})

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
