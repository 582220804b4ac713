// The manifests and the chart: right by the published types and schemas of every kind, the same as each other, and true to the
// images, the settings and the metrics that they speak of.

import assert from 'node:assert/strict'
import { cpSync, globSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createServer, loadConfig, METRICS, nodePlatform, silentLogger } from '@resonatehq/server'
import { parse, stringify } from 'yaml'
import { helm, renderManifests } from '../../../scripts/manifests.ts'
import { freePort } from '../../conformance/test/ports.ts'
import { until } from '../../conformance/test/processes.ts'
import { serve } from '../../sdk/test/servers.ts'
import { ROOT, readDockerfile } from './image.ts'
import { compile, type Manifest, parseManifests, readManifests, validate } from './manifests.ts'
import { run, toolMissing } from './tools.ts'

const FILES = globSync('deploy/kubernetes/{prometheus-rule,server,service,workers}*.yaml', { cwd: ROOT }).sort()
const ALL = FILES.flatMap(readManifests)

/** The oldest version that the chart allows, and the newest that the validator knows. */
const VERSIONS = ['1.29', '1.37'] as const

const EVERYTHING = join(import.meta.dirname, 'everything.yaml')
const SQLITE = 'server.storage.type=sqlite'

/** What the chart makes of a release called x. */
function render(...args: readonly string[]): Manifest[] {
  return parseManifests(helm('template', 'x', 'deploy/helm/resonate', ...args))
}

function set(...values: readonly string[]): string[] {
  return values.flatMap((each) => ['--set', each])
}

function serversOf(manifests: readonly Manifest[]): Manifest | undefined {
  return manifests.find(({ kind, metadata }) => /^(Deployment|StatefulSet)$/.test(kind) && metadata.name === 'x')
}

const IMAGES: Readonly<Record<string, string>> = {
  server: 'deploy/docker/server.Dockerfile',
  worker: 'deploy/docker/worker.Dockerfile',
}

for (const path of FILES) {
  test(`${path} is right by the schema of each kind`, async () => {
    for (const manifest of readManifests(path)) await validate(manifest)
  })
}

test('no manifest has a field that its kind does not have', () => {
  assert.equal(compile(ALL), '')
})

test('a field that does not exist, and a value of another type, are found', async () => {
  const [deployment] = ALL.filter(({ kind }) => kind === 'Deployment')
  assert.ok(deployment)
  const misspelt = { ...deployment, spec: { ...deployment.spec, replica: 3 } }
  assert.match(compile([misspelt]), /"replica"' does not exist/)
  await assert.rejects(validate({ ...deployment, spec: { ...deployment.spec, replicas: '3' } }), /replicas/)
})

for (const version of VERSIONS) {
  test(`Kubernetes ${version} takes the manifests, strictly`, { skip: toolMissing('kubernetes-validate') }, () => {
    run('kubernetes-validate', '--strict', '--quiet', '-k', version, ...FILES)
  })
}

test('the plain manifests are what the chart renders', { skip: toolMissing('helm') }, () => {
  for (const [path, text] of Object.entries(renderManifests()))
    assert.equal(readFileSync(join(ROOT, path), 'utf8'), text, `${path}: run node scripts/manifests.ts`)
})

test('the chart is right, also with everything set', { skip: toolMissing('helm') }, async () => {
  helm('lint', 'deploy/helm/resonate', '--strict')
  const manifests = render('--values', EVERYTHING)
  for (const manifest of manifests) await validate(manifest)
  assert.equal(compile(manifests), '')
  const deployment = (name: string) =>
    manifests.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === name)
  const pod = deployment('x')?.spec.template.spec
  assert.match(pod.containers[0].image, /^registry\.example\.com\/resonate@sha256:0{64}$/)
  assert.equal(pod.containers[0].readinessProbe.httpGet.scheme, 'HTTPS')
  assert.deepEqual([pod.securityContext.runAsUser, 'fsGroup' in pod.securityContext], [20001, false])
  const { periodSeconds, failureThreshold } = pod.containers[0].startupProbe
  assert.equal(periodSeconds * failureThreshold, 3600)
  assert.deepEqual([pod.serviceAccountName, pod.automountServiceAccountToken], ['resonate', false])
  const mail = deployment('x-worker-mail')
  assert.equal(mail?.spec.replicas, 7)
  assert.equal(envOf(mail).RESONATE_GROUP, 'Mail of the shop')
  const parcels = manifests.find(
    ({ kind, metadata }) => kind === 'ScaledObject' && metadata.name === 'x-worker-parcels',
  )
  assert.ok(parcels?.spec.triggers[0].metadata.url.endsWith(':9090/scaling/a%20parcel%2Fday'))
})

test('what server.settings says is what the server reads', { skip: toolMissing('helm') }, () => {
  const { settings } = parse(readFileSync(EVERYTHING, 'utf8')).server
  const given = envOf(serversOf(render('--values', EVERYTHING)))
  const loaded = loadConfig({ env: { ...given, RESONATE_STORAGE__POSTGRES__URL: 'postgres://host/database' } })
  assert.ok('config' in loaded, JSON.stringify(loaded))
  const { 'tasks.offer_timeout': _, ...others } = settings
  assert.equal(loaded.config['tasks.offer_timeout'], 3_000)
  for (const [name, value] of Object.entries(others))
    assert.deepEqual(loaded.config[name as keyof typeof loaded.config], value, name)
})

test('the alerts and the dashboard that the chart brings are those that are tested', {
  skip: toolMissing('helm'),
}, () => {
  const manifests = render('--values', EVERYTHING)
  const alerts = parse(readFileSync(join(ROOT, 'deploy/prometheus/alerts.yml'), 'utf8'))
  assert.deepEqual(manifests.find(({ kind }) => kind === 'PrometheusRule')?.spec, alerts)
  const dashboard = JSON.parse(readFileSync(join(ROOT, 'deploy/grafana/dashboard.json'), 'utf8'))
  const map = manifests.find(({ kind }) => kind === 'ConfigMap') as unknown as { data: Record<string, string> }
  assert.deepEqual(JSON.parse(map.data['resonate.json'] ?? ''), dashboard)
})

test('after an install one is told where the API is, and of an Ingress that lets anybody in', {
  skip: toolMissing('helm'),
}, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'resonate-notes-'))
  t.after(() => rmSync(folder, { recursive: true }))
  // Helm prints notes to whoever installs, and to nobody else: here they are a value.
  cpSync(join(ROOT, 'deploy/helm/resonate'), folder, { recursive: true, dereference: true })
  renameSync(join(folder, 'templates/NOTES.txt'), join(folder, 'NOTES.txt'))
  writeFileSync(join(folder, 'templates/notes.yaml'), 'notes: {{ tpl (.Files.Get "NOTES.txt") . | quote }}\n')
  const notes = (...values: string[]) =>
    parse(helm('template', 'x', folder, '--show-only', 'templates/notes.yaml', ...set(...values))).notes as string
  assert.match(
    notes(),
    /^The API is at http:\/\/x\.default:8001 [\s\S]* resonate --server http:\/\/localhost:8001 groups\n$/,
  )
  assert.match(notes('server.settings.server\\.tls\\.cert=/tls.crt'), /^The API is at https:/)
  const open = ['ingress.enabled=true', 'ingress.host=resonate.example.com']
  assert.match(notes(...open), /Whoever reaches resonate\.example\.com may do anything/)
  assert.doesNotMatch(notes(...open, 'server.settings.auth\\.publickey=/key.pem'), /Whoever/)
})

test('there are as many servers as the store allows', { skip: toolMissing('helm') }, () => {
  const replicas = (...values: string[]) => serversOf(render(...set(...values)))?.spec.replicas
  assert.deepEqual([replicas(), replicas('server.replicas=7'), replicas('server.replicas=0')], [3, 7, 0])
  assert.deepEqual([replicas(SQLITE), replicas(SQLITE, 'server.replicas=0')], [1, 0])
})

test('a group may say its tag alone, and has the rest from the defaults', { skip: toolMissing('helm') }, () => {
  const [worker] = render('--set-string', 'workers.a.image.tag=1.20').filter(
    ({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'x-worker-a',
  )
  assert.equal(worker?.spec.template.spec.containers[0].image, 'resonate-worker:1.20')
})

const REFUSED: readonly (readonly [values: readonly string[], reason: RegExp])[] = [
  [['server.replica=3'], /additional properties 'replica' not allowed/],
  [[SQLITE, 'server.replicas=2'], /server\.replicas is 2, but a SQLite file is served by one server/],
  [['server.settings.tasks.offer_timeout=3s'], /\/server\/settings\/tasks.*got object/],
  [['server.settings.server\\.url=http://x'], /server\.settings has server\.url, .* use the value server\.url/],
  [['server.settings.server\\.port=80'], /server\.port: in this chart the API is on port 8001/],
  [['ingress.enabled=true'], /ingress\.host is empty/],
  [['workers.Big_Group.healthPort=0'], /workers\.Big_Group: .* say the group by `group`/],
  [[`workers.${'a'.repeat(60)}.healthPort=0`], /more than 63 characters/],
  [['workers.a.scaling.max=2'], /workers\.a: scaling\.min is 5 and scaling\.max 2/],
  [['workers.a.scaling.min=0'], /workers\.a: scaling\.min is 0, and only KEDA scales to none/],
]

for (const [values, reason] of REFUSED) {
  test(`the chart refuses ${values.join(' with ')}, and says why`, { skip: toolMissing('helm') }, () => {
    assert.throws(() => render(...set(...values)), reason)
  })
}

test('where nobody is to read metrics, nobody can', { skip: toolMissing('helm') }, () => {
  const policy = (...args: string[]) =>
    render(...args).find(({ kind, metadata }) => kind === 'NetworkPolicy' && metadata.name === 'x')?.spec.ingress
  assert.equal(policy().length, 2)
  const [api, ...others] = policy('--set-json', 'networkPolicy.metrics=[]')
  assert.deepEqual(others, [])
  assert.equal(api.ports[0].port, 'api')
})

interface PolicyRule {
  readonly ports: readonly { readonly protocol: string; readonly port: string | number }[]
  readonly from?: readonly { readonly podSelector?: Selector; readonly namespaceSelector?: object }[]
  readonly to?: readonly object[]
}

interface Selector {
  readonly matchLabels?: Readonly<Record<string, string>>
}

const serverPolicy = () => only('server-postgres.yaml', 'NetworkPolicy')[0].spec

/** Whether a pod of the same namespace may connect to a port of a server. */
function admits(port: string, labels: Readonly<Record<string, string>>): boolean {
  const rules: PolicyRule[] = serverPolicy().ingress
  return rules.some(
    ({ ports, from = [{}] }) =>
      ports.some((each) => each.port === port) &&
      from.some(({ podSelector }) =>
        Object.entries(podSelector?.matchLabels ?? {}).every(([label, value]) => labels[label] === value),
      ),
  )
}

const labelsOf = (path: string) =>
  readManifests(path).find(({ kind }) => kind === 'Deployment')?.spec.template.metadata.labels

test('the policy of servers lets in workers and what sets deletion costs, and nobody else', () => {
  assert.equal(admits('api', labelsOf('deploy/kubernetes/workers-cpu.yaml')), true)
  assert.equal(admits('api', labelsOf('deploy/kubernetes/deletion-cost/deployment.yaml')), true)
  assert.equal(admits('api', { app: 'shop' }), false)
  assert.equal(admits('metrics', { app: 'prometheus' }), true)
})

test('the policy of servers is about servers, and lets them out to DNS, PostgreSQL and https', () => {
  const { podSelector, policyTypes, egress } = serverPolicy()
  const labels = labelsOf('deploy/kubernetes/server-postgres.yaml')
  for (const [label, value] of Object.entries(podSelector.matchLabels)) assert.equal(labels[label], value)
  assert.deepEqual(policyTypes, ['Ingress', 'Egress'])
  const out = (egress as PolicyRule[]).flatMap(({ ports, to }) => (to ? [] : ports))
  assert.deepEqual(
    out.map(({ protocol, port }) => `${protocol} ${port}`),
    ['UDP 53', 'TCP 53', 'TCP 5432', 'TCP 443'],
  )
})

test('the job of a scrape has the name that alerts look for, whatever the release is called', () => {
  const [{ spec }] = only('service-monitor.yaml', 'ServiceMonitor')
  const [service] = readManifests('deploy/kubernetes/server-postgres.yaml').filter(({ kind }) => kind === 'Service')
  const alerts = readFileSync(join(ROOT, 'deploy/prometheus/alerts.yml'), 'utf8')
  const job = /up\{job=~"([^"]+)"/.exec(alerts)?.[1] ?? ''
  assert.match(service?.metadata.labels?.[spec.jobLabel] ?? '', new RegExp(`^${job}$`))
})

test('the values that docs/kubernetes.md shows are values of the chart', { skip: toolMissing('helm') }, async (t) => {
  const page = readFileSync(join(ROOT, 'docs/kubernetes.md'), 'utf8')
  const folder = mkdtempSync(join(tmpdir(), 'resonate-values-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'values.yaml'), /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '')
  const text = helm('template', 'x', 'deploy/helm/resonate', '--values', join(folder, 'values.yaml'))
  const scaled = parseManifests(text).find(({ kind }) => kind === 'ScaledObject')
  assert.equal(scaled?.metadata.name, 'x-worker-orders')
})

test('the plain manifests can be taken as they are by kubectl', { skip: toolMissing('kubectl') }, () => {
  const text = run('kubectl', 'kustomize', 'deploy/kubernetes')
  const kinds = parseManifests(text).map(({ kind }) => kind)
  for (const kind of ['Deployment', 'Service', 'PodDisruptionBudget', 'NetworkPolicy', 'HorizontalPodAutoscaler'])
    assert.ok(kinds.includes(kind), `there is no ${kind}`)
})

const WORKLOADS = ALL.filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')

for (const { kind, metadata, spec } of WORKLOADS) {
  const pod = spec.template.spec
  const name = `${kind} ${metadata.name}`
  const [container] = pod.containers
  const { config } = readDockerfile(IMAGES[container.name] ?? '')

  test(`${name} runs as the user of its image, with no right that it does not need`, () => {
    const { runAsUser, runAsGroup, runAsNonRoot, seccompProfile } = pod.securityContext
    assert.equal(`${runAsUser}:${runAsGroup}`, config.user)
    assert.equal(runAsNonRoot, true)
    assert.equal(seccompProfile.type, 'RuntimeDefault')
    assert.equal(pod.automountServiceAccountToken, false)
    assert.equal(pod.enableServiceLinks, false, 'a Service called resonate sets no variable of ours')
    assert.deepEqual(container.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
  })

  test(`${name} has probes, and resources that it asks for and is held to`, () => {
    assert.ok(container.startupProbe && container.livenessProbe)
    for (const bound of ['requests', 'limits'])
      assert.deepEqual(Object.keys(container.resources[bound]).sort(), ['cpu', 'memory'])
  })

  test(`${name} has as much time for a stop as its process takes for it`, () => {
    const env = envOf({ spec })
    const stopMs = env.WORKER_STOP_TIMEOUT_MS ?? Number.parseInt(env.RESONATE_SERVER__SHUTDOWN_TIMEOUT ?? '', 10) * 1000
    const pauseSeconds = Number(container.lifecycle?.preStop.exec.command[1] ?? 0)
    assert.ok(pod.terminationGracePeriodSeconds > pauseSeconds + Number(stopMs) / 1000)
  })

  test(`${name} selects its own pods`, () => {
    for (const [label, value] of Object.entries(spec.selector.matchLabels))
      assert.equal(spec.template.metadata.labels[label], value)
  })

  test(`${name} has a number of replicas, unless something else sets it`, () => {
    const isScaled = ALL.some((other) => other.spec.scaleTargetRef?.name === metadata.name)
    assert.equal(spec.replicas === undefined, isScaled)
  })
}

for (const { kind, spec } of WORKLOADS.filter(({ metadata }) => metadata.name === 'resonate')) {
  test(`the ${kind} of servers sets what the server knows, and names the ports that it opens`, () => {
    const [{ ports, env }] = spec.template.spec.containers
    const given = { ...envOf({ spec }) }
    const secret = env.find((each: { valueFrom?: object }) => each.valueFrom)
    if (secret) given[secret.name] = 'postgres://user:password@host:5432/database'
    const loaded = loadConfig({ env: given })
    assert.ok('config' in loaded, JSON.stringify(loaded))
    assert.equal(loaded.config['storage.type'], kind === 'Deployment' ? 'postgres' : 'sqlite')
    const opened = [loaded.config['server.port'], loaded.config['observability.metrics_port']]
    assert.deepEqual(
      ports.map((port: { containerPort: number }) => port.containerPort),
      opened,
    )
  })
}

for (const file of ['server-postgres.yaml', 'server-sqlite.yaml']) {
  test(`${file}: a drain of a node can go on with one server, and while the database is away`, () => {
    const [{ spec }] = only(file, 'PodDisruptionBudget')
    assert.deepEqual([spec.maxUnavailable, spec.minAvailable], [1, undefined])
    assert.equal(spec.unhealthyPodEvictionPolicy, 'AlwaysAllow')
  })
}

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

test('a server that still prepares its database is alive by its probes, and not ready', async () => {
  const port = await freePort()
  const loaded = loadConfig({
    flags: { 'server.port': port, 'observability.metrics_port': 0, 'storage.type': 'memory' },
  })
  assert.ok('config' in loaded)
  const migration = Promise.withResolvers<never>()
  const parts = { platform: nodePlatform(), logger: silentLogger, openEngine: () => migration.promise }
  const started = createServer(loaded.config, parts).start()
  const [{ spec }] = only('server-postgres.yaml', 'Deployment')
  const { startupProbe, livenessProbe, readinessProbe } = spec.template.spec.containers[0]
  const answer = async ({ httpGet }: { httpGet: { path: string } }) =>
    (await fetch(`http://127.0.0.1:${port}${httpGet.path}`)).status
  await until('the port is open', () => answer(livenessProbe).catch(() => undefined))
  const answers = await Promise.all([startupProbe, livenessProbe, readinessProbe].map(answer))
  assert.deepEqual(answers, [200, 200, 503])
  migration.reject(new Error('enough'))
  await assert.rejects(started, /enough/)
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

function only(file: string, kind: string): [Manifest] {
  const found = readManifests(`deploy/kubernetes/${file}`).filter((manifest) => manifest.kind === kind)
  assert.equal(found.length, 1)
  return found as [Manifest]
}

function envOf(workload: Pick<Manifest, 'spec'> | undefined): Record<string, string> {
  const env: { name: string; value?: string }[] = workload?.spec.template.spec.containers[0].env
  return Object.fromEntries(env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])))
}
