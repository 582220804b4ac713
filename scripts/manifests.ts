// The plain manifests of deploy/kubernetes, rendered from the chart: what both say is written once, in the chart. Needs helm,
// which deploy/tools/install.sh brings.
//
//   node scripts/manifests.ts        writes them anew

import { spawnSync } from 'node:child_process'
import { existsSync, globSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'

const ROOT = join(import.meta.dirname, '..')
const CHART = 'deploy/helm/resonate'
const OWN_HELM = join(ROOT, 'node_modules/.tools/bin/helm')

/** What a cluster has at least to have, as far as the chart asks. */
export const KUBERNETES_VERSION = '1.29.0'

/** Which template of the chart each file shows; the values are in a file of the same name. */
const TEMPLATES: Readonly<Record<string, string>> = {
  server: 'templates/server.yaml',
  service: 'templates/service-monitor.yaml',
  prometheus: 'templates/monitoring.yaml',
  workers: 'templates/workers.yaml',
}

/** File → what is in it. */
export function renderManifests(): Record<string, string> {
  const files = globSync('deploy/kubernetes/values/*.yaml', { cwd: ROOT }).sort()
  return Object.fromEntries(files.map((values) => [`deploy/kubernetes/${basename(values)}`, render(values)]))
}

function render(values: string): string {
  const template = TEMPLATES[basename(values).split(/[-.]/)[0] ?? ''] ?? ''
  const text = helm('template', 'resonate', CHART, '--values', values, '--show-only', template)
  const head = `# Rendered from ${CHART} with ${values} by scripts/manifests.ts. Do not edit: change those.\n`
  return head + plain(text)
}

/** As nobody would write it by hand, but without what is of use to Helm only. */
function plain(text: string): string {
  return text
    .split('\n')
    .filter((line) => !/^# Source: |^\s*app\.kubernetes\.io\/managed-by: /.test(line))
    .join('\n')
    .replaceAll(/^\s*\n/gm, '')
}

export function helm(...args: readonly string[]): string {
  const command = existsSync(OWN_HELM) ? OWN_HELM : 'helm'
  const versioned = args[0] === 'template' ? [...args, '--kube-version', KUBERNETES_VERSION] : args
  const { status, stdout, stderr, error } = spawnSync(command, versioned, { cwd: ROOT, encoding: 'utf8' })
  if (status !== 0) throw new Error(`helm ${args.join(' ')} ended with ${status}: ${error?.message ?? stderr}`)
  return stdout
}

if (import.meta.main)
  for (const [path, text] of Object.entries(renderManifests())) writeFileSync(join(ROOT, path), text)
