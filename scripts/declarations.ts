// Reads what a package offers from the declarations that the compiler makes of it: each export with its comment and its text.
// A reader of that one regular form, not of TypeScript: what it cannot follow it says, and it must never guess.

import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { lineOf, sourceOf } from './source.ts'

export interface Declaration {
  /** As it is exported. */
  readonly name: string
  /** Gone once types are erased. */
  readonly isType: boolean
  /** The text of its comment, without the stars; empty where there is none. */
  readonly doc: string
  /** As the compiler wrote it, without `export` and `declare`; overloads one after the other. */
  readonly text: string
  /** The declaration file. */
  readonly file: string
}

/** Where a package's declarations are, by the name it is imported by. */
export type Packages = Readonly<Record<string, string>>

interface Statement {
  readonly code: string
  readonly text: string
  readonly doc: string
}

const DECLARED = /^(?:export )?(?:declare )?(?:abstract )?(class|interface|type|const|let|function) (\w+)/
const LISTED = /^export (type )?(\*|\{[\s\S]*\})(?: from ['"](.*)['"])?/

/** Everything that a declaration file exports, in its own order; what others export for it in theirs. */
export function exportsOf(file: string, packages: Packages = {}): Declaration[] {
  return statementsOf(file).flatMap((statement) => {
    const list = LISTED.exec(statement.text)
    if (list) return listed(file, list, packages)
    return statement.text.startsWith('export ') ? declared(file, statement) : []
  })
}

/** A declaration of a file by its name there, whether it is exported or not. */
export function declarationOf(file: string, name: string): Declaration | undefined {
  const found = statementsOf(file)
    .flatMap((statement) => declared(file, statement))
    .filter((each) => each.name === name)
  return merged(found)
}

function declared(file: string, { text, doc }: Statement): Declaration[] {
  const [, keyword, name] = DECLARED.exec(text) ?? []
  if (!keyword || !name) return []
  const isType = keyword === 'interface' || keyword === 'type'
  return [{ name, isType, doc, text: text.replace(/^(?:export )?(?:declare )?/, ''), file }]
}

function listed(file: string, [, type, what = '', from]: RegExpExecArray, packages: Packages): Declaration[] {
  const source = from === undefined ? file : resolved(file, from, packages)
  if (what === '*') return exportsOf(source, packages)
  const offered = from === undefined ? undefined : exportsOf(source, packages)
  return what
    .slice(1, -1)
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
    .flatMap((each) => {
      const [, ownType, name = '', alias = name] = /^(type )?(\w+)(?: as (\w+))?$/.exec(each) ?? []
      const all = offered ? offered.filter((one) => one.name === name) : [declarationOf(source, name)]
      if (!all[0]) throw new Error(`${file}: nothing is known of '${name}' from ${source}`)
      const isType = Boolean(type ?? ownType)
      return all.flatMap((one) => (one ? [{ ...one, name: alias, isType: isType || one.isType }] : []))
    })
}

/** Overloads, and a value with its type, as one. */
export function merged(all: readonly Declaration[]): Declaration | undefined {
  const [first] = all
  if (!first) return undefined
  return {
    ...first,
    isType: all.every(({ isType }) => isType),
    doc: all.map(({ doc }) => doc).find((doc) => doc !== '') ?? '',
    text: all.map(({ text }) => text).join('\n'),
  }
}

function resolved(file: string, specifier: string, packages: Packages): string {
  const path = packages[specifier]
  if (path) return path
  if (specifier.startsWith('.')) return join(dirname(file), specifier.replace(/\.[jt]s$/, '.d.ts'))
  throw new Error(`${file}: where '${specifier}' is declared is not known`)
}

/** The statements of a file with the comments above them. */
function statementsOf(file: string): Statement[] {
  const source = sourceOf(file, readFileSync(file, 'utf8'))
  const statements: Statement[] = []
  let at = 0
  while (at < source.code.length) {
    const start = at + (/\S/.exec(source.code.slice(at))?.index ?? source.code.length)
    if (start >= source.code.length) return statements
    const end = endOf(source.code, start)
    if (end === undefined) throw new Error(`${file}:${lineOf(source, start)}: a statement does not end`)
    const text = source.text.slice(start, end)
    statements.push({ code: source.code.slice(start, end), text, doc: docOf(source.text.slice(at, start)) })
    at = end
  }
  return statements
}

/** A class or an interface ends with its brace, everything else with a semicolon. */
function endOf(code: string, start: number): number | undefined {
  const endsWithBrace = /^(?:export )?(?:declare )?(?:abstract )?(?:class|interface) /.test(
    code.slice(start, start + 60),
  )
  let depth = 0
  for (let at = start; at < code.length; at++) {
    const char = code[at] as string
    if ('{(['.includes(char)) depth += 1
    if ('})]'.includes(char)) depth -= 1
    if (depth > 0) continue
    // A brace that closes a bound of a type parameter is followed by more.
    if (endsWithBrace ? char === '}' && /^\s*(?:\n|$)/.test(code.slice(at + 1, at + 80)) : char === ';') return at + 1
  }
  return undefined
}

/** The last comment of what stands above a statement. */
function docOf(above: string): string {
  const comment = above.match(/\/\*\*([\s\S]*?)\*\//g)?.at(-1)
  if (!comment) return ''
  return comment
    .slice(3, -2)
    .split('\n')
    .map((line) => line.trim().replace(/^\* ?/, ''))
    .join('\n')
    .trim()
}
