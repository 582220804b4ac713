// The chart, with values of all kinds: what it renders is right, what a cluster would refuse it refuses before, and what the server
// is told arrives as it was written. The plain manifests, which are rendered from it, are the matter of kubernetes.test.ts.

import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from '@resonatehq/server'
import { parse } from 'yaml'
import { helm } from '../../../scripts/manifests.ts'
import { ROOT } from './image.ts'
import { compile, envOf, type Manifest, parseManifests, validate } from './manifests.ts'
import { toolMissing } from './tools.ts'

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

test('the values that docs/kubernetes.md shows are values of the chart', { skip: toolMissing('helm') }, async (t) => {
  const page = readFileSync(join(ROOT, 'docs/kubernetes.md'), 'utf8')
  const folder = mkdtempSync(join(tmpdir(), 'resonate-values-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'values.yaml'), /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '')
  const text = helm('template', 'x', 'deploy/helm/resonate', '--values', join(folder, 'values.yaml'))
  const scaled = parseManifests(text).find(({ kind }) => kind === 'ScaledObject')
  assert.equal(scaled?.metadata.name, 'x-worker-orders')
})
