// Reads Kubernetes manifests and judges them by the published types of their kinds, twice: at run time by the schemas, which know
// formats and ranges but let unknown fields pass, and by the compiler, which does not.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { ROOT } from './image.ts'

export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
  // biome-ignore lint/suspicious/noExplicitAny: each kind has a spec of its own, and the types of their packages judge it.
  readonly spec: any
}

export function readManifests(path: string): Manifest[] {
  return parseManifests(readFileSync(join(ROOT, path), 'utf8'))
}

export function parseManifests(text: string): Manifest[] {
  const documents = parseAllDocuments(text)
  for (const { errors } of documents) if (errors[0]) throw errors[0]
  return documents.map((document) => document.toJS()).filter((manifest) => manifest !== null)
}

/** The module that knows a kind. */
function moduleOf({ apiVersion, kind }: Manifest): string {
  const [group = ''] = apiVersion.split('/')
  const own: Readonly<Record<string, string>> = {
    'keda.sh': '@kubernetes-models/keda',
    'monitoring.coreos.com': '@kubernetes-models/prometheus-operator',
  }
  return `${own[group] ?? 'kubernetes-models'}/${apiVersion}/${kind}`
}

/** Throws what the schema of its kind says against a manifest. */
export async function validate(manifest: Manifest): Promise<void> {
  const models = await import(moduleOf(manifest))
  new models[manifest.kind](manifest).validate()
}

/** What the compiler says against manifests as literals of their types: above all, fields that do not exist. */
export function compile(manifests: readonly Manifest[]): string {
  const parent = join(ROOT, 'node_modules/.tools')
  mkdirSync(parent, { recursive: true })
  const folder = mkdtempSync(join(parent, 'manifests-'))
  try {
    const lines = manifests.map(
      (manifest, at) =>
        `import type { I${manifest.kind} as T${at} } from '${moduleOf(manifest)}'\nexport const m${at}: T${at} = ${JSON.stringify(manifest)}`,
    )
    writeFileSync(join(folder, 'manifests.ts'), lines.join('\n'))
    const flags = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--ignoreConfig']
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
    return spawnSync(process.execPath, [tsc, ...flags, join(folder, 'manifests.ts')], { encoding: 'utf8' }).stdout
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The only manifest of a kind in one of the files of deploy/kubernetes. */
export function only(file: string, kind: string): [Manifest] {
  const found = readManifests(`deploy/kubernetes/${file}`).filter((manifest) => manifest.kind === kind)
  assert.equal(found.length, 1)
  return found as [Manifest]
}

/** The variables of a workload that stand in it as text. */
export function envOf(workload: Pick<Manifest, 'spec'> | undefined): Record<string, string> {
  const env: { name: string; value?: string }[] = workload?.spec.template.spec.containers[0].env
  return Object.fromEntries(env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])))
}
