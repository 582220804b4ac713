// What lies in deploy/prometheus and deploy/grafana, and the queries of docs/metrics.md: every metric that they name is
// there after a real run, Prometheus' own tool accepts the rules, and a real Prometheus that scrapes a real server gives the
// answers that the queries promise.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Context, Resonate } from '@resonatehq/sdk/async'
import { createServer, loadConfig, nodePlatform, type Server, silentLogger } from '@resonatehq/server'
import { parse } from 'yaml'
import { freePort } from '../../conformance/test/ports.ts'
import { ROOT } from './image.ts'
import { Prometheus } from './prometheus.ts'
import { run, toolMissing } from './tools.ts'

const alerts = readFileSync(join(ROOT, 'deploy/prometheus/alerts.yml'), 'utf8')
const dashboard = readFileSync(join(ROOT, 'deploy/grafana/dashboard.json'), 'utf8')
const page = readFileSync(join(ROOT, 'docs/metrics.md'), 'utf8')

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly annotations: { readonly summary: string; readonly runbook: string }
}

const rules = (parse(alerts) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules)
interface Panel {
  readonly title: string
  readonly description?: string
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } }
  /** None: a heading between panels. */
  readonly targets?: readonly { readonly expr: string; readonly legendFormat?: string }[]
}

const panels = (JSON.parse(dashboard) as { panels: Panel[] }).panels.filter(({ targets }) => targets)
const panelQueries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
const pageQueries = [...page.matchAll(/^\| [^|`]+ \| `((?:max|sum|histogram_quantile)[^`]*)` \|$/gm)].map(
  ([, query]) => query as string,
)

let server: Server
let scrape: () => Promise<string>
let url: string
let resonate: Resonate

before(async () => {
  const flags = {
    'server.port': 0,
    'server.bind': '127.0.0.1',
    'storage.type': 'memory',
    'observability.metrics_port': await freePort(),
    'observability.metrics_bind': '127.0.0.1',
  }
  const loaded = loadConfig({ flags })
  assert.ok('config' in loaded)
  server = createServer(loaded.config, { platform: nodePlatform(), logger: silentLogger, node: process.version })
  const addresses = await server.start()
  url = addresses.url
  scrape = async () => (await fetch(addresses.metricsUrl as string)).text()
  resonate = Resonate.remote({ url, group: 'g' })
  resonate.register('leaf', async () => 1)
  resonate.register('root', async (context: Context) => {
    const parts = [context.rpc<number>('leaf'), context.rpc<number>('leaf')]
    return (await Promise.all(parts)).length
  })
  await work(5)
  await post('task.heartbeat', { pid: resonate.pid, tasks: [] }, { 'resonate:worker': { lagMs: 3, rssBytes: 4 } })
  // Something that waits in a group of nobody, and something pushed.
  for (const [id, target] of [
    ['waiting', 'poll://any@nobody'],
    ['pushed', 'http://127.0.0.1:9/'],
  ]) {
    await post('promise.create', { id, timeoutAt: Date.now() + 3_600_000, tags: { 'resonate:target': target } })
  }
})

after(async () => {
  await resonate?.stop()
  await server?.stop()
})

let count = 0

async function rootCall(): Promise<number> {
  const handle = await resonate.rpc<number>(`root-${count++}`, 'root', resonate.options({ target: 'g' }))
  return handle.result()
}

async function work(calls: number): Promise<void> {
  const roots = Array.from({ length: calls }, () => rootCall())
  assert.deepEqual(await Promise.all(roots), Array(calls).fill(2))
}

async function post<T = unknown>(kind: string, data: object, head: object = {}): Promise<T> {
  const body = JSON.stringify({ kind, head: { corrId: '1', version: '2026-04-01', ...head }, data })
  const answer = await fetch(url, { method: 'POST', body })
  const envelope = (await answer.json()) as { data: T }
  assert.equal(answer.status, 200, String(envelope.data))
  return envelope.data
}

/** Series that only a server on PostgreSQL has. */
const ON_POSTGRES = new Set(['resonate_store_connections'])

for (const [what, queries] of Object.entries({
  alerts: rules.map(({ expr }) => expr),
  dashboard: panelQueries,
  page: pageQueries,
})) {
  test(`every metric of the ${what} is there after a real run`, async () => {
    const text = await scrape()
    const names = new Set(queries.flatMap(namesOf))
    assert.ok(names.size >= 5, [...names].join(' '))
    for (const name of names) {
      const family = name.replace(/_(bucket|sum|count)$/, '')
      const isThere = text.includes(`\n# TYPE ${name} `) || text.includes(`\n# TYPE ${family} `)
      assert.ok(isThere, `${name} is no metric of the server`)
      assert.ok(ON_POSTGRES.has(name) || new RegExp(`^${name}[{ ]`, 'm').test(text), `${name} has no series`)
    }
  })
}

/** Metrics that a query names: ours and the process's, by their beginning. */
function namesOf(query: string): string[] {
  return query.match(/\b(?:resonate_|tasks_total|promises_total|process_|nodejs_)\w*/g) ?? []
}

test('every alert has a section in the page on trouble', () => {
  const trouble = readFileSync(join(ROOT, 'docs/troubleshooting.md'), 'utf8')
  const anchors = [...trouble.matchAll(/^##+ (.+)$/gm)].map(([, title = '']) => anchorOf(title))
  for (const { alert, annotations } of rules) {
    const [file, anchor = ''] = annotations.runbook.split('#')
    assert.equal(file, 'docs/troubleshooting.md', alert)
    assert.ok(anchors.includes(anchor), `${alert}: there is no section #${anchor}`)
  }
})

function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\w\s-]/g, '')
    .replace(/\s+/g, '-')
}

interface RuleTests {
  readonly tests: { readonly alert_rule_test: { readonly alertname: string; readonly exp_alerts?: unknown[] }[] }[]
}

test('every alert has a test in which it fires, and one in which it does not', () => {
  const { tests } = parse(readFileSync(join(ROOT, 'deploy/prometheus/alerts.test.yml'), 'utf8')) as RuleTests
  const looks = tests.flatMap(({ alert_rule_test }) => alert_rule_test)
  for (const { alert } of rules) {
    const outcomes = looks
      .filter(({ alertname }) => alertname === alert)
      .map(({ exp_alerts }) => exp_alerts !== undefined)
    assert.deepEqual([...new Set(outcomes)].sort(), [false, true], alert)
  }
})

test('every panel says what it shows, in which unit, and names each of its lines', () => {
  for (const { title, description, fieldConfig, targets = [] } of panels) {
    assert.ok(description && fieldConfig?.defaults.unit, title)
    for (const { legendFormat } of targets) assert.ok(legendFormat, title)
  }
})

test('every panel is of the servers that are chosen, and of the groups that are chosen where it tells groups apart', () => {
  const { list } = (JSON.parse(dashboard) as { templating: { list: { name: string }[] } }).templating
  assert.deepEqual(list.map(({ name }) => name).sort(), ['datasource', 'group', 'job'])
  for (const query of panelQueries) {
    const selectors = [...query.matchAll(/\b(?:resonate_|tasks_total|promises_total|process_|nodejs_)\w*(\{[^}]*\})?/g)]
    assert.ok(selectors.length > 0, query)
    for (const [, selector = ''] of selectors) {
      assert.match(selector, /job=~"\$job"/, query)
      if (/\bby \([^)]*\bgroup\b/.test(query)) assert.match(selector, /group=~"\$group"/, query)
    }
  }
})

test('promtool accepts the rules, and they fire when they must', { skip: toolMissing('promtool') }, () => {
  run('promtool', 'check', 'rules', 'deploy/prometheus/alerts.yml')
  run('promtool', 'test', 'rules', 'deploy/prometheus/alerts.test.yml')
})

test('a real Prometheus gives the answers that the queries promise', { skip: toolMissing('prometheus') }, async (t) => {
  const relay = await startRelay()
  t.after(() => relay.stop())
  const prometheus = await Prometheus.start(t, relay.port)
  await relay.scraped(2)
  await work(5)
  // A sample is stored once its scrape is over, which is so when a later one begins.
  await relay.scraped(3)
  const ask = (query: string) => prometheus.values(query)
  for (const query of [...pageQueries, ...panelQueries.map(withoutVariables), ...rules.map(({ expr }) => expr)])
    await ask(query)

  const [rate = 0] = await ask('max(rate(tasks_total{state="completed"}[5m]))')
  assert.ok(rate > 0, `${rate} tasks were completed a second`)
  assert.deepEqual(await ask('max(promises_total{state="pending"})'), [2])
  assert.deepEqual(await ask('max(tasks_total{state="claimed"}) - max(tasks_total{state="completed"})'), [0])
  assert.deepEqual(await ask('tasks_total{state="acquired"} - ignoring(state) tasks_total{state="fulfilled"}'), [0])
  assert.deepEqual(await ask('max(tasks_total{state="completed"})'), [30])
  assert.deepEqual(await ask('max by (group) (resonate_group_ready_tasks{group="nobody"})'), [1])
  assert.deepEqual(await ask('max by (group) (resonate_group_workers_desired{group="nobody"})'), [1])
  assert.deepEqual(await ask('max by (group) (resonate_workers{group="g"})'), [1])
})

interface Reason {
  readonly kind: string
  readonly group?: string
  readonly func?: string
  readonly workers?: number
  readonly versions?: readonly number[]
}

test('a function that no worker of the group has is told by name, as the SDK says what its workers have', async () => {
  await resonate.rpc('missing-1', 'nope', resonate.options({ target: 'g' }))
  const reason = async () => {
    const { steps } = await post<{ steps: { reason: Reason }[] }>('promise.explain', { id: 'missing-1' })
    return steps.at(-1)?.reason
  }
  // A worker takes the task, sees that it has no such function, and gives it back.
  let found = await reason()
  while (found?.kind !== 'no_function') found = await reason()
  assert.deepEqual([found.group, found.func, found.workers, found.versions], ['g', 'nope', 1, []])
  await post('promise.settle', { id: 'missing-1', state: 'rejected_canceled' })
})

function withoutVariables(query: string): string {
  return query.replaceAll('$__rate_interval', '5m').replaceAll(/\$(job|group)/g, '.*')
}

/** Stands between Prometheus and the server, so that a test knows of each scrape. */
async function startRelay(): Promise<{ port: number; scraped(more: number): Promise<void>; stop(): void }> {
  const waiting: { left: number; done: () => void }[] = []
  const http = createHttpServer((_request, response) => {
    for (const one of waiting) if (--one.left === 0) one.done()
    void scrape().then((text) => response.setHeader('content-type', 'text/plain; version=0.0.4').end(text))
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  return {
    port: (http.address() as AddressInfo).port,
    scraped: (left) => new Promise((done) => waiting.push({ left, done })),
    stop: () => void http.close().closeAllConnections(),
  }
}
