// Rules on the code itself that the compiler and the linter do not know, checked as a test. Each finding says what to do.
// A rule that is in the way is changed here, with its reason, not worked around.
//
//   node scripts/tidy.ts        prints the findings; exits 1 if there are any

import { globSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'

import { importsOf, lineOf, mentionedFiles, type Source, sourceOf } from './source.ts'

const ROOT = join(import.meta.dirname, '..')
const SCOPE = '@resonatehq/'

export interface Finding {
  readonly path: string
  readonly line: number
  readonly message: string
}

export interface Repository {
  readonly sources: readonly Source[]
  /** The package.json of each folder in packages/. */
  readonly manifests: ReadonlyMap<string, Manifest>
}

export interface Manifest {
  readonly name: string
  readonly exports?: unknown
  readonly imports?: unknown
  readonly bin?: unknown
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

/** Which packages may import which. Nobody imports cli; tests, benches, examples and scripts import what they like. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  store: ['protocol'],
  engine: ['protocol', 'store'],
  server: ['protocol', 'store', 'engine'],
  sdk: ['protocol', 'store', 'engine'],
  cli: ['protocol', 'store', 'server'],
}

/** Packages that must also run where there is no Node: no `node:` import outside the folders and files named here. */
const NO_NODE: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  engine: [],
  store: ['src/sqlite/', 'src/postgres/', 'src/move.ts'],
  sdk: ['src/platform-node.ts', 'src/heartbeat-thread.ts'],
}

/** The files in which clock, chance, timers, process and console are reached for; everything else is given them. */
const AMBIENT_FILES = [
  'main.ts',
  'log.ts',
  'output.ts',
  'platform.ts',
  'platform-node.ts',
  'runtime.ts',
  'heartbeat-thread.ts',
  'listen.ts',
]

const AMBIENT: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['Date.now', /\bDate\s*\.\s*now\b/g],
  ['new Date() without an instant', /\bnew\s+Date\s*(?:\(\s*\)|(?![\s(]))/g],
  ['performance.now', /\bperformance\s*\.\s*now\b/g],
  ['Math.random', /\bMath\s*\.\s*random\b/g],
  ['a global timer', /(?:(?<![.\w$])|\bglobalThis\s*\.\s*)set(?:Timeout|Interval|Immediate)\s*\(/g],
  ['AbortSignal.timeout', /\bAbortSignal\s*\.\s*timeout\b/g],
  ['chance from crypto', /\b(?:randomUUID|randomBytes|randomInt|getRandomValues)\b/g],
  ['the process', /(?<![.\w$])process\s*\.|\bglobalThis\s*\.\s*process\b/g],
  ['the console', /(?<![.\w$])console\s*\.|\bglobalThis\s*\.\s*console\b/g],
]

// Written in pieces, so that this file does not find itself.
const LEFTOVERS = new RegExp(`\\b(?:${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].join('|')})\\b`, 'g')

const RULES: readonly ((source: Source, repository: Repository) => Finding[])[] = [
  header,
  packageImports,
  nodeImports,
  database,
  ports,
  ambient,
  defaultExports,
  leftovers,
  testMarks,
  typeEscapes,
]

export function tidy(repository: Repository): Finding[] {
  return [
    ...repository.sources.flatMap((source) => RULES.flatMap((rule) => rule(source, repository))),
    ...deadFiles(repository),
    ...importCircles(repository),
  ]
}

// --- one file at a time

function header(source: Source): Finding[] {
  const text = source.text.replace(/^#!.*\n/, '')
  const comment = /^\s*((?:\/\/.*\n)+|\/\*[\s\S]*?\*\/)/.exec(text)?.[1] ?? ''
  if (comment.replace(/\W/g, '').length >= 20) return []
  return [
    { path: source.path, line: 1, message: 'Open with a paragraph: what the file is for, what it must never do.' },
  ]
}

function packageImports(source: Source, { manifests }: Repository): Finding[] {
  const own = packageOf(source)
  if (own === null || !isShipped(source)) return []
  const allowed = (MAY_IMPORT[own] ?? []).map((name) => SCOPE + name)
  const manifest = manifests.get(own)
  const declared = Object.keys({ ...manifest?.dependencies, ...manifest?.peerDependencies })
  return imported(source).flatMap(({ specifier, line }) => {
    if (specifier.startsWith('node:')) return []
    if (specifier.startsWith('.')) return leavesPackage(source, specifier) ? [at(source, line, outside(specifier))] : []
    const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
    if (name.startsWith(SCOPE) || name === 'resonate') {
      return allowed.includes(name) ? [] : [at(source, line, `${own} must not import ${name}: ${direction(own)}.`)]
    }
    if (declared.includes(name) || hasOwn(manifest?.imports, name)) return []
    return [at(source, line, `${name} is no dependency of packages/${own}/package.json: add it there, or do without.`)]
  })
}

/** What a package calls by a name of its own, `#name`, is listed in its manifest. */
function hasOwn(names: unknown, name: string): boolean {
  return name.startsWith('#') && typeof names === 'object' && names !== null && name in names
}

function direction(own: string): string {
  const allowed = MAY_IMPORT[own] ?? []
  return allowed.length === 0 ? 'it imports no other package' : `it may import ${allowed.join(', ')} only`
}

function outside(specifier: string): string {
  return `${specifier} leaves the package: import the other package by its name.`
}

function nodeImports(source: Source): Finding[] {
  const own = packageOf(source)
  const exempt = own === null ? undefined : NO_NODE[own]
  if (exempt === undefined || !isShipped(source) || exempt.some((path) => inPackage(source).startsWith(path))) return []
  return imported(source)
    .filter(({ specifier, dynamic }) => specifier.startsWith('node:') && !dynamic)
    .map(({ specifier, line }) =>
      at(source, line, `${own} also runs where there is no Node: be given what ${specifier} would do, or import() it.`),
    )
}

function database(source: Source): Finding[] {
  if (!isShipped(source) || source.path.startsWith('packages/store/src/sqlite/')) return []
  return imported(source)
    .filter(({ specifier }) => specifier === 'node:sqlite')
    .map(({ line }) =>
      at(source, line, 'Only packages/store/src/sqlite talks to SQLite: go through the Store interface.'),
    )
}

function ports(source: Source): Finding[] {
  if (!isShipped(source) || posix.basename(source.path) === 'listen.ts') return []
  const message = 'Only packages/server/src/listen.ts opens a port.'
  const calls = found(source, /\b(?:https?|http2|net|tls|dgram)\s*\.\s*create\w*(?:Server|Socket)\b/g, () => message)
  const imports = imported(source)
    .filter(({ specifier, clause }) => specifier.startsWith('node:') && /\bcreate\w*(?:Server|Socket)\b/.test(clause))
    .map(({ line }) => at(source, line, message))
  return [...calls, ...imports]
}

function ambient(source: Source): Finding[] {
  if (!/^src\//.test(inPackage(source)) || AMBIENT_FILES.includes(posix.basename(source.path))) return []
  return AMBIENT.flatMap(([name, pattern]) =>
    found(
      source,
      pattern,
      () => `Be given it instead of reaching for ${name} (allowed in ${AMBIENT_FILES.join(', ')}).`,
    ),
  )
}

/** Cloudflare calls the default export of a Worker, and nothing else. */
const DEFAULT_EXPORTED = ['examples/serverless/worker.ts']

function defaultExports(source: Source): Finding[] {
  if (DEFAULT_EXPORTED.includes(source.path)) return []
  return found(source, /\bexport\s+default\b|\bas\s+default\b/g, () => 'Export it by a name, not as the default.')
}

function leftovers(source: Source): Finding[] {
  return foundIn(
    source,
    source.text,
    LEFTOVERS,
    (word) => `Do it now or file it; ${word} in the code is read by nobody.`,
  )
}

function testMarks(source: Source): Finding[] {
  if (!source.path.endsWith('.test.ts')) return []
  return [
    ...found(source, /\.\s*only\s*\(|\bonly\s*:\s*true\b/g, () => 'Take `only` out: it silences every other test.'),
    ...found(source, /\.\s*(?:skip|todo)\s*\(|\b(?:skip|todo)\s*:\s*true\b/g, () => 'Say why: { skip: "the reason" }.'),
  ]
}

function typeEscapes(source: Source): Finding[] {
  return [
    ...found(source, /\bas\s+any\b/g, () => 'Name the type, or narrow an unknown, instead of `as any`.'),
    ...foundIn(source, source.text, /@ts-(?:ignore|nocheck)\b/g, (word) => `Fix the type instead of ${word}.`).filter(
      ({ line }) => (source.text.split('\n')[line - 1] ?? '').includes('//'),
    ),
  ]
}

// --- all files together

/** Every shipped file is an entry point or imported, directly or not, by one. */
function deadFiles({ sources, manifests }: Repository): Finding[] {
  const shipped = new Map(sources.filter(isShipped).map((source) => [source.path, source]))
  const open = [...shipped.values()].filter((source) => isEntry(source, manifests))
  const alive = new Set<string>()
  for (let source = open.pop(); source !== undefined; source = open.pop()) {
    if (alive.has(source.path)) continue
    alive.add(source.path)
    for (const path of neighbours(source)) {
      const neighbour = shipped.get(path)
      if (neighbour !== undefined) open.push(neighbour)
    }
  }
  return [...shipped.values()]
    .filter((source) => !alive.has(source.path))
    .map((source) => at(source, 1, 'Nothing that is shipped imports this file: delete it, or export it from index.ts.'))
}

function isEntry(source: Source, manifests: ReadonlyMap<string, Manifest>): boolean {
  const own = packageOf(source)
  const manifest = own === null ? undefined : manifests.get(own)
  const named = JSON.stringify([manifest?.exports ?? '', manifest?.imports ?? '', manifest?.bin ?? ''])
  return inPackage(source) === 'src/main.ts' || named.includes(`${inPackage(source)}"`)
}

function neighbours(source: Source): string[] {
  const relative = [...importsOf(source).map(({ specifier }) => specifier), ...mentionedFiles(source)]
  return relative.filter((path) => path.startsWith('.')).map((path) => resolve(source, path))
}

/** Files that import each other, types alone included, cannot be understood one after the other. */
function importCircles({ sources }: Repository): Finding[] {
  const shipped = new Map(sources.filter(isShipped).map((source) => [source.path, source]))
  const done = new Set<string>()
  const findings: Finding[] = []
  const visit = (source: Source, trail: readonly string[]) => {
    const start = trail.indexOf(source.path)
    if (start >= 0) {
      const circle = [...trail.slice(start), source.path].map((path) => posix.basename(path)).join(' → ')
      findings.push(at(source, 1, `Break this circle of imports: ${circle}.`))
    }
    if (done.has(source.path)) return
    done.add(source.path)
    for (const path of imports(source)) {
      const next = shipped.get(path)
      if (next !== undefined) visit(next, [...trail, source.path])
    }
  }
  for (const source of shipped.values()) visit(source, [])
  return findings
}

function imports(source: Source): string[] {
  return importsOf(source)
    .filter(({ specifier }) => specifier.startsWith('.'))
    .map(({ specifier }) => resolve(source, specifier))
}

// --- words of the rules

function packageOf(source: Source): string | null {
  return /^packages\/([^/]+)\//.exec(source.path)?.[1] ?? null
}

function inPackage(source: Source): string {
  return source.path.replace(/^packages\/[^/]+\//, '')
}

/** What users get, as opposed to tests, benches, examples and scripts. */
function isShipped(source: Source): boolean {
  return /^packages\/[^/]+\/(?:src|bin)\//.test(source.path)
}

function resolve(source: Source, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(source.path), specifier))
}

function leavesPackage(source: Source, specifier: string): boolean {
  return !resolve(source, specifier).startsWith(`packages/${packageOf(source)}/`)
}

function imported(source: Source) {
  return importsOf(source).map((each) => ({ ...each, line: lineOf(source, each.offset) }))
}

function at(source: Source, line: number, message: string): Finding {
  return { path: source.path, line, message }
}

function found(source: Source, pattern: RegExp, message: (match: string) => string): Finding[] {
  return foundIn(source, source.code, pattern, message)
}

function foundIn(source: Source, text: string, pattern: RegExp, message: (match: string) => string): Finding[] {
  return [...text.matchAll(pattern)].map((match) => at(source, lineOf(source, match.index), message(match[0])))
}

// --- this repository

export function readRepository(root: string = ROOT): Repository {
  const patterns = ['packages/*/{src,bin,test}/**/*.{ts,tsx,js}', '{scripts,bench,examples}/**/*.ts']
  const paths = patterns
    .flatMap((pattern) => globSync(pattern, { cwd: root }))
    .map((path) => path.replaceAll('\\', '/'))
  const sources = paths
    .filter((path) => !path.includes('node_modules/'))
    .sort()
    .map((path) => sourceOf(path, readFileSync(join(root, path), 'utf8')))
  const manifests = new Map(
    globSync('packages/*/package.json', { cwd: root }).map((path) => [
      path.split(/[\\/]/)[1] ?? '',
      JSON.parse(readFileSync(join(root, path), 'utf8')) as Manifest,
    ]),
  )
  return { sources, manifests }
}

export function findingText({ path, line, message }: Finding): string {
  return `${path}:${line}: ${message}`
}

if (import.meta.main) {
  const findings = tidy(readRepository())
  for (const finding of findings) console.log(findingText(finding))
  process.exitCode = findings.length === 0 ? 0 : 1
}
