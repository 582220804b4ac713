// What groups of workers are scaled by, in the plain manifests: the figures that there are, and what is made of it when there
// are none.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { METRICS } from '@resonatehq/server'
import { stringify } from 'yaml'
import { freePort } from '../../conformance/test/ports.ts'
import { serve } from '../../sdk/test/servers.ts'
import { ROOT } from './image.ts'
import { only } from './manifests.ts'
import { run, toolMissing } from './tools.ts'

test('workers scale from 5 to 50 at 70 % of their CPU', () => {
  const [{ spec }] = only('workers-cpu.yaml', 'HorizontalPodAutoscaler')
  assert.deepEqual([spec.minReplicas, spec.maxReplicas], [5, 50])
  assert.equal(spec.metrics[0].resource.target.averageUtilization, 70)
})

test('what scales with the backlog asks for a metric that there is', () => {
  const metric = METRICS.groupDesired.name
  const [{ spec: hpa }] = only('workers-backlog.yaml', 'HorizontalPodAutoscaler')
  assert.equal(hpa.metrics[0].external.metric.name, metric)
  const adapter = readFileSync(join(ROOT, 'deploy/kubernetes/prometheus-adapter.yaml'), 'utf8')
  assert.ok(adapter.includes(`as: ${metric}`))
  const [{ spec: keda }] = only('workers-keda-prometheus.yaml', 'ScaledObject')
  assert.ok(keda.triggers[0].metadata.query.startsWith(`max(${metric}{group="workers"})`))
  assert.equal(keda.minReplicaCount, 0)
})

test('a group that nobody has heard of needs nobody, and one of servers that nobody hears from is not known', {
  skip: toolMissing('promtool'),
}, (t) => {
  const [{ spec }] = only('workers-keda-prometheus.yaml', 'ScaledObject')
  const { query, ignoreNullValues } = spec.triggers[0].metadata
  assert.equal(ignoreNullValues, 'false', 'no answer is a failure, after which the fallback holds')
  const up = { series: 'resonate_store_up{instance="a"}', values: '1' }
  const away = { series: 'resonate_store_up{instance="b"}', values: '0' }
  const desired = ['a', 'b'].map((instance) => ({
    series: `resonate_group_workers_desired{group="workers", instance="${instance}"}`,
    values: '4',
  }))
  const cases = [
    { input_series: [up, ...desired], answer: [{ value: 4 }] },
    { input_series: [up, away], answer: [{ value: 0 }] },
    { input_series: [away], answer: [] },
    { input_series: [], answer: [] },
  ]
  const tests = cases.map(({ input_series, answer }) => ({
    interval: '1m',
    input_series,
    promql_expr_test: [
      { expr: query, eval_time: '0m', exp_samples: answer.map(({ value }) => ({ labels: '{}', value })) },
    ],
  }))
  const folder = mkdtempSync(join(tmpdir(), 'resonate-query-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'query.yml'), stringify({ tests }))
  run('promtool', 'test', 'rules', join(folder, 'query.yml'))
})

test('what KEDA is told to ask a server for is there', async (t) => {
  const port = await freePort()
  await serve(t, { settings: { 'observability.metrics_port': port } })
  const [{ spec }] = only('workers-keda.yaml', 'ScaledObject')
  const { url, valueLocation, targetValue } = spec.triggers[0].metadata
  const asked = new URL(url)
  assert.deepEqual([asked.hostname, asked.port], ['resonate.default', '9090'])
  const answer = await (await fetch(`http://127.0.0.1:${port}${asked.pathname}`)).json()
  assert.equal(answer.group, 'workers')
  assert.equal(answer[valueLocation], 0)
  assert.equal(targetValue, '1', 'one worker for each that is desired')
})
