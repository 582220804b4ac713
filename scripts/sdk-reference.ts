// Writes docs/sdk.md: everything that @resonatehq/sdk exports, by entry point and subject, with the comments of its sources.
// sdk-reference.test.ts fails while the page differs from the code, so nobody has to remember to run this.
//
//   node scripts/sdk-reference.ts

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { emitDeclarations } from './build.ts'
import { type Declaration, declarationOf, exportsOf, merged } from './declarations.ts'

const ROOT = join(import.meta.dirname, '..')
const PAGE = join(ROOT, 'docs/sdk.md')

/** The subject of each module that exports something, in the order of the page. */
const SUBJECTS: Readonly<Record<string, string>> = {
  'sdk/src/resonate.ts': 'The client',
  'sdk/src/async.ts': 'The client and its contexts',
  'sdk/src/client.ts': 'Options of a client',
  'sdk/src/types.ts': 'Functions, contexts and handles',
  'sdk/src/context.ts': 'Options of operations',
  'sdk/src/dependencies.ts': 'Dependencies',
  'sdk/src/engine/options.ts': 'Options of a call',
  'sdk/src/engine/retry.ts': 'Retry policies',
  'sdk/src/engine/errors.ts': 'Errors',
  'sdk/src/promises.ts': 'Promises by id',
  'sdk/src/schedules.ts': 'Schedules and tasks by id',
  'sdk/src/codec.ts': 'Values and their encryption',
  'sdk/src/engine/codec.ts': 'Values that stay readable',
  'sdk/src/log.ts': 'Logging',
  'sdk/src/tracing.ts': 'Tracing',
  'sdk/src/opentelemetry.ts': 'Tracing with OpenTelemetry',
  'sdk/src/http/resonate.ts': 'Workers without a connection',
  'sdk/src/http/adapters.ts': 'Workers without a connection: where they run',
  'sdk/src/http/serving.ts': 'Workers without a connection: one request',
  'sdk/src/http/message.ts': 'Workers without a connection: what comes',
  'sdk/src/world.ts': 'A simulated world',
  'sdk/src/crashes.ts': 'Whatever goes wrong',
  'sdk/src/platform.ts': 'The runtime',
  'sdk/src/runtime.ts': 'The runtime of this process',
  'sdk/src/transport/network.ts': 'Networks',
  'sdk/src/transport/networks.ts': 'Networks made by hand',
  'sdk/src/wire.ts': 'Messages',
  'protocol/src/records.ts': 'Records',
  'protocol/src/requests.ts': 'Envelopes',
  'sdk/src/wire-requests.ts': 'Requests and answers, kind by kind',
  'sdk/src/version.ts': 'Version',
}

export interface EntryPoint {
  /** As it is imported. */
  readonly name: string
  readonly exports: readonly Declaration[]
}

/** What the package exports, read from the sources as they are now. `use` gets it while the declarations are there. */
export function withEntryPoints<T>(use: (entries: readonly EntryPoint[], subjectOf: SubjectOf) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'resonate-reference-'))
  try {
    emitDeclarations(folder)
    const packages = { '@resonatehq/protocol': join(folder, 'protocol/src/index.d.ts') }
    const entries = entryPaths().map(({ name, path }) => ({
      name,
      exports: byName(exportsOf(join(folder, 'sdk', path), packages)),
    }))
    return use(entries, (file) => relative(folder, file).replace(/\.d\.ts$/, '.ts'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The path of the source that a declaration file was made of. */
type SubjectOf = (file: string) => string

function entryPaths(): { name: string; path: string }[] {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'packages/sdk/package.json'), 'utf8'))
  return Object.entries(manifest.exports as Record<string, string>)
    .filter(([, path]) => path.endsWith('.ts'))
    .map(([key, path]) => ({ name: key.replace(/^\./, '@resonatehq/sdk'), path: path.replace(/\.ts$/, '.d.ts') }))
}

/** One of each name: overloads, and a value with its type, are one thing. */
function byName(all: readonly Declaration[]): Declaration[] {
  const names = [...new Set(all.map(({ name }) => name))]
  return names.flatMap((name) => merged(all.filter((each) => each.name === name)) ?? [])
}

export function sdkReference(): string {
  return withEntryPoints((entries, sourceOf) => {
    const shown = new Map<string, string>()
    const parts = entries.map((entry) => entryText(entry, { sourceOf, shown }))
    return `${HEAD}\n${parts.join('\n')}`
  })
}

const HEAD = `<!-- Written by scripts/sdk-reference.ts from the comments in packages/sdk/src: change them there. -->
# SDK reference

Everything that \`@resonatehq/sdk\` exports. [start.md](start.md) and the [package's README](../packages/sdk/README.md) tell how it
is used; [concepts.md](concepts.md) has the words. Instants end in \`At\` and are milliseconds since 1970; durations are milliseconds.
`

interface Shown {
  readonly sourceOf: SubjectOf
  /** Where what an earlier entry has shown already stands: declaration → anchor. */
  readonly shown: Map<string, string>
}

function entryText({ name, exports }: EntryPoint, { sourceOf, shown }: Shown): string {
  const isNew = (each: Declaration) => !shown.has(keyOf(each))
  const fresh = exports.filter(isNew)
  const again = exports.filter((each) => !isNew(each)).map((each) => `[\`${each.name}\`](#${shown.get(keyOf(each))})`)
  const sections = Object.keys(SUBJECTS).map((source) => {
    const own = fresh.filter(({ file }) => sourceOf(file) === source)
    return own.length === 0 ? '' : sectionText(SUBJECTS[source] as string, own)
  })
  const unknown = fresh.find(({ file }) => SUBJECTS[sourceOf(file)] === undefined)
  if (unknown) throw new Error(`${sourceOf(unknown.file)} exports something and has no subject in sdk-reference.ts.`)
  for (const each of fresh) shown.set(keyOf(each), each.name.toLowerCase())
  const also = again.length === 0 ? '' : `\nThe same as above, from here too: ${again.join(', ')}.\n`
  return `## \`${name}\`\n${also}${sections.join('')}`
}

function keyOf({ file, name }: Declaration): string {
  return `${file} ${name}`
}

function sectionText(subject: string, all: readonly Declaration[]): string {
  const isTable = all.length > 20
  return `\n### ${subject}\n${isTable ? tableText(all) : all.map(declarationText).join('')}`
}

/** Many of one make: their names and meanings are all there is to say. */
function tableText(all: readonly Declaration[]): string {
  const whole = all.filter(({ text }) => text.includes('\n'))
  const rows = all
    .filter(({ text }) => !text.includes('\n'))
    .map((each) => `| \`${each.name}\` | ${cell(each.doc)} |\n`)
  return `${whole.map(declarationText).join('')}\n| | |\n|---|---|\n${rows.join('')}`
}

function cell(text: string): string {
  return text.replaceAll('\n', ' ').replaceAll('|', '\\|')
}

function declarationText(declaration: Declaration): string {
  const { name, doc, text, file } = declaration
  const [, base] = /^(?:abstract )?class \w+(?:<.*?>)? extends (\w+)/.exec(text) ?? []
  const inherited = base === undefined ? undefined : (declarationOf(file, base) ?? importedBase(declaration, base))
  const blocks = [text, ...(inherited ? [inherited.text] : [])].map(block)
  return `\n#### ${name}\n\n${doc}\n\n${blocks.join('\n')}`
}

/** The class that a class extends where it comes from another file; none for those of the language. */
function importedBase({ file }: Declaration, base: string): Declaration | undefined {
  const from = new RegExp(`import \\{[^}]*\\b${base}\\b[^}]*\\} from '(\\..*?)'`).exec(readFileSync(file, 'utf8'))?.[1]
  return from === undefined ? undefined : declarationOf(join(file, '..', from.replace(/\.[jt]s$/, '.d.ts')), base)
}

function block(text: string): string {
  const [head = '', ...rest] = membersOf(text)
  const own = [head, ...rest].join('\n').replaceAll(/^( {4})+/gm, (all) => ' '.repeat(all.length / 2))
  return `\`\`\`ts\n${own}\n\`\`\`\n`
}

/** The first line of a declaration, then its members, each with its comment; not what a class keeps for itself. */
export function membersOf(text: string): string[] {
  // The compiler indents by four: a line that deep starts a member, unless it closes one.
  const pieces = text.split(/\n(?= {4}[^\s}])/)
  const members: string[] = []
  let comment = ''
  for (const piece of pieces) {
    if (piece.startsWith('    /**') && piece.trimEnd().endsWith('*/')) {
      comment = `${piece}\n`
      continue
    }
    // The last piece has the closing brace with it.
    const end = /\n\}$/.test(piece) && pieces.length > 1 ? '\n}' : ''
    const isHidden = /^ {4}(?:#private|private|protected)\b/.test(piece)
    if (!isHidden) members.push(comment + piece)
    else if (end && members.length > 0) members.push(`${members.pop()}${end}`)
    comment = ''
  }
  return members
}

if (import.meta.main) writeFileSync(PAGE, sdkReference())
