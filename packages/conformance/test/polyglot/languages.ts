// The languages of these tests: how the worker of each is started, or what is missing here. Every worker has the same
// functions; `hello` says in which language it ran.

import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface Language {
  /** How its tests are called, with the version of its SDK. */
  readonly title: string
  /** What its `hello` says. */
  readonly name: string
  /** The program and its first arguments. */
  readonly command: readonly [string, ...string[]]
  /** Null where it can be started. */
  readonly missing: string | null
}

const HERE = dirname(fileURLToPath(import.meta.url))
const CACHE = join(HERE, '../../../../node_modules/.polyglot')

export const typescript: Language = {
  title: 'TypeScript of this repository',
  name: 'typescript',
  command: [process.execPath, join(HERE, 'typescript/worker.ts')],
  missing: null,
}

export function python(version: string, program = 'python/worker.py'): Language {
  const interpreter = join(CACHE, `python-${version}/bin/python`)
  return {
    title: `Python ${version}`,
    name: 'python',
    command: [interpreter, '-B', join(HERE, program)],
    missing: missing(join(CACHE, `python-${version}/installed.txt`), `resonate-sdk ${version}, and Python 3.12`),
  }
}

export const rust = built('polyglot-worker')

/** The programs that docs/languages.md shows, which lie in page/ as they stand there. */
export const page: readonly Language[] = [
  { ...typescript, command: [process.execPath, join(HERE, 'page/headline.ts')] },
  python('0.8.1', 'page/shout.py'),
  built('examples/count'),
]

function built(program: string): Language {
  const file = join(CACHE, 'rust/debug', program)
  return { title: 'Rust 0.6.0', name: 'rust', command: [file], missing: missing(file, 'resonate-sdk 0.6.0, and cargo') }
}

function missing(file: string, what: string): string | null {
  return existsSync(file) ? null : `needs ${what}: run packages/conformance/test/polyglot/install.sh`
}
