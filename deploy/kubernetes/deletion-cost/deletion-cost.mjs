// Tells Kubernetes which workers have the least to do, so that a smaller group loses those first: the annotation
// controller.kubernetes.io/pod-deletion-cost of each worker's pod is the number of tasks that it has in hand. Workers are asked
// for from the server, which knows them by the name of their host, and that is the name of their pod.
// It must never write what is written already: each change is a request that the cluster has to keep.

import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

const ANNOTATION = 'controller.kubernetes.io/pod-deletion-cost'
const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'

const env = process.env
const resonate = env.RESONATE_URL ?? 'http://resonate:8001'
const api = env.KUBERNETES_API ?? `https://${env.KUBERNETES_SERVICE_HOST}:${env.KUBERNETES_SERVICE_PORT}`
const account = env.ACCOUNT_FOLDER ?? ACCOUNT
const everyMs = Number(env.EVERY_MS ?? 15_000)
/** Who takes longer to answer is asked again in the next round. */
const TIMEOUT_MS = 10_000
const selector = env.POD_SELECTOR ?? 'app.kubernetes.io/name=resonate-worker'

/** Host → tasks in hand, of every worker that is connected to any server. */
async function tasksByHost() {
  const tasks = new Map()
  let cursor
  do {
    const head = { corrId: '1', version: '2026-04-01', ...(env.RESONATE_TOKEN ? { auth: env.RESONATE_TOKEN } : {}) }
    const body = JSON.stringify({ kind: 'worker.search', head, data: { limit: 1000, ...(cursor ? { cursor } : {}) } })
    const { data } = await ask(resonate, { method: 'POST', body })
    for (const worker of data.workers) {
      const host = worker.info.host ?? ''
      if (worker.state === 'connected') tasks.set(host, (tasks.get(host) ?? 0) + worker.tasks)
    }
    cursor = data.cursor
  } while (cursor)
  return tasks
}

/** Pods of workers, and the cost that each has now. */
async function podCosts() {
  const { items } = await kubernetes(`?labelSelector=${encodeURIComponent(selector)}`)
  return items.map(({ metadata }) => [metadata.name, metadata.annotations?.[ANNOTATION] ?? '0'])
}

function setCost(pod, cost) {
  const body = JSON.stringify({ metadata: { annotations: { [ANNOTATION]: cost } } })
  return kubernetes(`/${pod}`, { method: 'PATCH', body, headers: { 'content-type': 'application/merge-patch+json' } })
}

/** The token is read each time: the cluster renews it. */
async function kubernetes(path, { headers, ...request } = {}) {
  const [token, namespace] = ['token', 'namespace'].map((name) => readFileSync(`${account}/${name}`, 'utf8').trim())
  const url = `${api}/api/v1/namespaces/${namespace}/pods${path}`
  return ask(url, { ...request, headers: { ...headers, authorization: `Bearer ${token}` } })
}

async function ask(url, request) {
  const response = await fetch(url, { ...request, signal: AbortSignal.timeout(TIMEOUT_MS) })
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}: ${await response.text()}`)
  return response.json()
}

async function round() {
  const tasks = await tasksByHost()
  for (const [pod, cost] of await podCosts()) {
    const wanted = String(tasks.get(pod) ?? 0)
    // A pod may be gone by now, which is no reason to leave out those after it.
    if (wanted !== cost) await setCost(pod, wanted).catch((error) => warn(`the cost of ${pod} stays ${cost}`, error))
  }
}

function warn(what, error) {
  console.error(`${what}: ${error.cause?.message ?? error.message}`)
}

process.once('SIGTERM', () => process.exit(0))
for (;;) {
  await round().catch((error) => warn('costs stay as they are', error))
  await pause(everyMs)
}
