// Makes what is published: each package that is not private as JavaScript with its types, in a folder of its own that
// `npm pack` and `npm publish` take. The checkout itself runs from TypeScript and must never depend on this.
//
//   node scripts/build.ts            writes dist/protocol, dist/store, dist/engine, dist/server, dist/sdk, dist/cli
//   npm publish ./dist/sdk           publishes one of them

import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

const ROOT = join(import.meta.dirname, '..')

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly files?: readonly string[]
  readonly exports?: unknown
  readonly [field: string]: unknown
}

/** What only the checkout has a use for. */
const CHECKOUT_ONLY = ['scripts', 'devDependencies', 'files', 'allowScripts']

/** Builds every package into a folder under `out` with the name of its own. Throws where the code does not compile. */
export function build(out: string): string[] {
  rmSync(out, { recursive: true, force: true })
  compile(out)
  return published().map((folder) => {
    stage(join(ROOT, 'packages', folder), join(out, folder))
    return join(out, folder)
  })
}

/** The folders of the packages that are published. */
export function published(): string[] {
  return globSync('packages/*/package.json', { cwd: ROOT })
    .filter((path) => readManifest(join(ROOT, path)).private !== true)
    .map((path) => dirname(relative('packages', path)))
    .sort()
}

/** Only the types, as `<package>/src/*.d.ts`; also of code that does not compile, which is for the compiler to say. */
export function emitDeclarations(out: string): void {
  tsc(['--outDir', out, '--emitDeclarationOnly', '--sourceMap', 'false', '--inlineSources', 'false'])
}

function compile(out: string): void {
  const { status, stdout, stderr } = tsc(['--outDir', out])
  if (status !== 0) throw new Error(`The packages do not compile:\n${stdout}${stderr}`)
  for (const path of globSync('**/*.d.ts', { cwd: out })) {
    rewrite(join(out, path))
    declareRequired(join(out, path))
  }
}

function tsc(flags: readonly string[]) {
  const args = [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', join(ROOT, 'tsconfig.build.json'), ...flags]
  return spawnSync(process.execPath, args, { encoding: 'utf8' })
}

/** What the compiler does not make: the manifest, the pages, and files that are no TypeScript. */
function stage(from: string, to: string): void {
  const manifest = readManifest(join(from, 'package.json'))
  if (!existsSync(to)) throw new Error(`${manifest.name} is not compiled: list its src in tsconfig.build.json.`)
  for (const path of wholeFiles(from, manifest)) {
    mkdirSync(dirname(join(to, path)), { recursive: true })
    cpSync(join(from, path), join(to, path))
    if (path.endsWith('.js')) rewrite(join(to, path))
  }
  cpSync(join(ROOT, 'LICENSE'), join(to, 'LICENSE'))
  if (existsSync(join(from, 'README.md'))) cpSync(join(from, 'README.md'), join(to, 'README.md'))
  writeFileSync(join(to, 'package.json'), `${JSON.stringify(publishedManifest(manifest), null, 2)}\n`)
}

function wholeFiles(from: string, { files = [] }: Manifest): string[] {
  return files
    .flatMap((path) => globSync(`${path}/**/*.*`, { cwd: from }))
    .filter((path) => !/\.tsx?$/.test(path) && !path.startsWith('dist/'))
}

export function publishedManifest(manifest: Manifest): object {
  const kept = Object.entries(manifest).filter(([field]) => !CHECKOUT_ONLY.includes(field))
  const exports = manifest.exports ? (built(manifest.exports, true) as Record<string, Entry>) : undefined
  return {
    ...Object.fromEntries(kept),
    ...(exports ? { exports, ...withoutExports(exports) } : {}),
    ...(manifest.imports ? { imports: built(manifest.imports, false) } : {}),
  }
}

type Entry = string | { readonly require: { readonly types: string; readonly default: string } }

/** For resolvers from before `exports`: that of TypeScript's `module: commonjs` is one. */
function withoutExports(exports: Readonly<Record<string, Entry>>): object {
  const typed = Object.entries(exports).flatMap(([name, entry]) =>
    typeof entry === 'string' ? [] : [{ name, ...entry.require }],
  )
  const main = typed.find(({ name }) => name === '.')
  const others = typed.filter(({ name }) => name !== '.').map(({ name, types }) => [name.slice(2), [types]])
  return {
    ...(main ? { main: main.default, types: main.types } : {}),
    ...(others.length > 0 ? { typesVersions: { '*': Object.fromEntries(others) } } : {}),
  }
}

/** Each path of a source in a table of entries as the path of what it becomes; with its types where others import it. */
function built(entry: unknown, isTyped: boolean): unknown {
  if (typeof entry === 'object' && entry !== null)
    return Object.fromEntries(Object.entries(entry).map(([key, value]) => [key, built(value, isTyped)]))
  const path = String(entry)
  if (!path.endsWith('.ts')) return path
  const stem = path.slice(0, -'.ts'.length)
  const code = `${stem}.js`
  if (!isTyped) return code
  return { import: { types: `${stem}.d.ts`, default: code }, require: { types: `${stem}.d.cts`, default: code } }
}

/**
 * Node requires what is an ES module, but TypeScript's `node16` and `node18` do not believe it: by the name of its declarations what
 * they require is a CommonJS module, as it is to them in every way that they can notice.
 */
function declareRequired(path: string): void {
  const text = readFileSync(path, 'utf8').replace(/\n\/\/# sourceMappingURL=.*/, '')
  const required = text.replaceAll(/((?:from|import)\s*\(?\s*)(['"])(\.{1,2}\/[^'"]+)\.js\2/g, '$1$2$3.cjs$2')
  writeFileSync(path.replace(/\.d\.ts$/, '.d.cts'), required)
}

/** The compiler leaves declarations, and files that are JavaScript already, with the names of the sources. */
function rewrite(path: string): void {
  const text = readFileSync(path, 'utf8')
  writeFileSync(path, text.replaceAll(/((?:from|import)\s*\(?\s*)(['"])(\.{1,2}\/[^'"]+)\.ts\2/g, '$1$2$3.js$2'))
}

function readManifest(path: string): Manifest {
  return JSON.parse(readFileSync(path, 'utf8')) as Manifest
}

function main(args: readonly string[]): void {
  const out = join(ROOT, 'dist')
  if (!args.includes('--refuse')) return build(out).forEach((folder) => void console.log(relative(ROOT, folder)))
  console.error(
    'This folder holds TypeScript, which Node does not run inside node_modules, so it is not packed as it is.',
  )
  console.error(
    'Run `npm run build` at the root of the repository, then `npm pack ./dist/<package>` or `npm publish` on it.',
  )
  process.exitCode = 1
}

if (import.meta.main) main(process.argv.slice(2))
