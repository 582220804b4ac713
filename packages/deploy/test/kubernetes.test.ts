// The plain manifests: right by the published types and schemas of every kind, the same as what the chart renders, and true to the
// images and the settings that they speak of.

import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createServer, loadConfig, nodePlatform, silentLogger } from '@resonatehq/server'
import { renderManifests } from '../../../scripts/manifests.ts'
import { freePort } from '../../conformance/test/ports.ts'
import { until } from '../../conformance/test/processes.ts'
import { ROOT, readDockerfile } from './image.ts'
import { compile, envOf, only, parseManifests, readManifests, validate } from './manifests.ts'
import { run, toolMissing } from './tools.ts'

const FILES = globSync('deploy/kubernetes/{prometheus-rule,server,service,workers}*.yaml', { cwd: ROOT }).sort()
const ALL = FILES.flatMap(readManifests)

/** The oldest version that the chart allows, and the newest that the validator knows. */
const VERSIONS = ['1.29', '1.37'] as const

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
