// deploy/kubernetes/deletion-cost, as a process between a real server with workers on hosts of different names, and a server
// that plays the part of the Kubernetes API that it uses.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Resonate } from '@resonatehq/sdk'
import { Process, ServerProcess, until } from '../../conformance/test/processes.ts'
import { ROOT } from './image.ts'
import { compile, parseManifests, readManifests, validate } from './manifests.ts'
import { run, toolMissing } from './tools.ts'

const FOLDER = 'deploy/kubernetes/deletion-cost'
const WORKER = join(ROOT, 'examples/worker/main.ts')
const ANNOTATION = 'controller.kubernetes.io/pod-deletion-cost'

/** A pod that is listed, and gone when its cost is to be written. */
const GONE = 'pod-gone'

interface Cluster {
  readonly url: string
  readonly costs: Map<string, string>
  readonly patches: string[]
}

/** Lists pods by their label and patches their annotations, for who has the token of this account. */
async function cluster(t: TestContext, pods: readonly string[]): Promise<Cluster> {
  const costs = new Map<string, string>()
  const patches: string[] = []
  const path = '/api/v1/namespaces/ours/pods'
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '', 'http://cluster')
    const pod = url.pathname.slice(path.length + 1)
    const isKnown = request.headers.authorization === 'Bearer secret' && url.pathname.startsWith(path)
    if (!isKnown) return response.writeHead(403).end('{}')
    if (request.method === 'PATCH') {
      const { metadata } = JSON.parse(await textOf(request))
      if (pod === GONE) return response.writeHead(404).end('{}')
      costs.set(pod, metadata.annotations[ANNOTATION])
      patches.push(`${pod} ${metadata.annotations[ANNOTATION]}`)
      return response.end('{}')
    }
    assert.equal(url.searchParams.get('labelSelector'), 'app.kubernetes.io/name=resonate-worker')
    const items = pods.map((name) => {
      const cost = name === GONE ? '9' : costs.get(name)
      return { metadata: { name, annotations: annotationsOf(cost) } }
    })
    response.end(JSON.stringify({ items }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, costs, patches }
}

function annotationsOf(cost: string | undefined): Record<string, string> | undefined {
  return cost === undefined ? undefined : { [ANNOTATION]: cost }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += chunk
  return text
}

test('a pod costs what its worker has in hand, nothing is written twice, and one that is gone holds up no other', async (t) => {
  const server = await ServerProcess.start(t)
  const kubernetes = await cluster(t, [GONE, 'pod-busy', 'pod-idle'])
  const account = mkdtempSync(join(tmpdir(), 'resonate-account-'))
  t.after(() => rmSync(account, { recursive: true }))
  writeFileSync(join(account, 'token'), 'secret\n')
  writeFileSync(join(account, 'namespace'), 'ours')
  const worker = async (host: string, group: string) => {
    // As the cluster does: the name of the host is the name of the pod.
    const env = { HOSTNAME: host, RESONATE_URL: server.url, RESONATE_GROUP: group }
    const started = new Process(t, [WORKER], env)
    await started.says('is ready')
  }
  await worker('pod-busy', 'busy')
  await worker('pod-idle', 'idle')
  const resonate = Resonate.remote({ url: server.url, group: 'clients' })
  const to = resonate.options({ target: 'busy' })
  const calls = ['a', 'b', 'c'].map((id) => resonate.rpc(id, 'work', { steps: 1, stepMs: 60_000 }, to))
  for (const call of calls) call.catch(() => {})

  const program = join(ROOT, FOLDER, 'deletion-cost.mjs')
  const marking = new Process(t, [program], {
    ACCOUNT_FOLDER: account,
    KUBERNETES_API: kubernetes.url,
    RESONATE_URL: server.url,
    EVERY_MS: '20',
  })
  await until('three tasks cost three', async () => (kubernetes.costs.get('pod-busy') === '3' ? true : undefined))
  for (const id of ['a', 'b', 'c']) await resonate.promises.cancel(id)
  await until('none cost nothing', async () => (kubernetes.costs.get('pod-busy') === '0' ? true : undefined))
  assert.equal(kubernetes.costs.get('pod-idle'), undefined, 'what costs nothing and is said to is left alone')
  assert.equal(new Set(kubernetes.patches).size, kubernetes.patches.length, kubernetes.patches.join(', '))
  assert.equal(await marking.kill('SIGTERM'), 0)
  await resonate.stop()
})

test('its manifests are right, on the Node that the tests run on', async () => {
  const manifests = readManifests(`${FOLDER}/deployment.yaml`)
  const deployment = manifests.find(({ kind }) => kind === 'Deployment')
  const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  assert.equal(deployment?.spec.template.spec.containers[0].image, `node:${devDependencies.node}-alpine`)
  for (const manifest of manifests) await validate(manifest)
  assert.equal(compile(manifests), '')
})

test('its program is in the ConfigMap that it is started from', { skip: toolMissing('kubectl') }, () => {
  const manifests = parseManifests(run('kubectl', 'kustomize', FOLDER))
  const map = manifests.find(({ kind }) => kind === 'ConfigMap')
  const deployment = manifests.find(({ kind }) => kind === 'Deployment')
  assert.ok(map && deployment)
  assert.deepEqual(deployment.spec.template.spec.volumes, [{ name: 'program', configMap: { name: map.metadata.name } }])
})
