// Reads a compose file: merged, with its variables put in, as what the tests look at. Whether the file is right is not judged
// here but by the published schema and by the loader of Docker Compose itself.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { ROOT } from './image.ts'

export const COMPOSE_FILES = ['deploy/compose/docker-compose.yml', 'deploy/compose/docker-compose.cluster.yml'] as const

export interface Service {
  readonly image: string
  readonly build?: { readonly context: string; readonly dockerfile: string }
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly depends_on?: readonly string[] | Readonly<Record<string, Dependency>>
  readonly deploy?: { readonly replicas?: number }
  readonly read_only?: boolean
  readonly stop_grace_period?: string
}

export interface Dependency {
  readonly condition: string
  /** It is started anew when the other is replaced. */
  readonly restart?: boolean
}

export interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes?: Readonly<Record<string, unknown>>
}

/** Without environment of its own, so that each `${NAME:-default}` is its default. */
export function readCompose(path: string): Compose {
  const text = readFileSync(join(ROOT, path), 'utf8').replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1')
  return parse(text, { merge: true }) as Compose
}

/** Files and folders of the checkout that a service mounts: path in the container → path from the root of the checkout. */
export function mountedFiles({ volumes = [] }: Service): Record<string, string> {
  const bound = volumes.map((volume) => volume.split(':')).filter(([source]) => source?.startsWith('.'))
  return Object.fromEntries(bound.map(([source = '', target = '']) => [target, join('deploy/compose', source)]))
}

/** The services that must be there before this one. */
export function dependencies({ depends_on = [] }: Service): string[] {
  return Array.isArray(depends_on) ? [...depends_on] : Object.keys(depends_on)
}
