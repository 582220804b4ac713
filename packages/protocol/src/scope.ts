// What a prefix of ids covers: the part of a server's ids that a caller may be confined to. An id is opaque to the machine;
// this is the one place that reads a beginning into it, and only for who may ask, never for what a request means.
//
// The rule: a prefix covers the id that equals it, and ids that go on behind it with `.`, `:` or `/`, the marks that SDKs
// and people nest with. `acme` covers `acme`, `acme.x`, `acme:0` and `acme/x`; not `acmeevil`, and not `acme-x`, which as
// often names a neighbour. A prefix that ends in one of `. : / - _` is taken as it is: `acme-` covers `acme-x`.

import { compareIds, ID_BYTES_MAX, idProblem, utf8Bytes } from './ids.ts'
import { quote } from './quote.ts'

/** Ids that a caller may name and see: those that any of the prefixes covers. */
export interface Scope {
  readonly prefixes: readonly string[]
  /** Where the covered ids begin, in the order of ids: all of them start with one of these, or are a prefix. */
  readonly starts: readonly string[]
}

/** What a caller who may not see everything sees: ids, and groups of workers. */
export interface Sight {
  readonly ids: Scope
  readonly groups: Scope
}

const MARKS = ['.', '/', ':'] as const
const OPEN_END = /[.:/_-]$/

/** Bytes that are left for what follows a prefix. */
const PREFIX_BYTES_MAX = ID_BYTES_MAX - 24

/** Null where `prefix` can confine a caller; else why not, as a sentence about `what`. */
export function prefixProblem(prefix: string, what: string): string | null {
  // Else whether a schedule's template is covered would depend on the instant.
  if (prefix.includes('{{')) return `${what} must not contain {{, got ${quote(prefix)}`
  if (utf8Bytes(prefix) > PREFIX_BYTES_MAX) return `${what} must be at most ${PREFIX_BYTES_MAX} bytes of UTF-8`
  return idProblem(prefix, what)
}

export function scopeOf(prefixes: readonly string[]): Scope {
  return { prefixes, starts: prefixes.flatMap(startsOf).sort(compareIds) }
}

export function covers(scope: Scope, id: string): boolean {
  return scope.prefixes.some((prefix) => coveredBy(prefix, id))
}

function coveredBy(prefix: string, id: string): boolean {
  if (!id.startsWith(prefix)) return false
  return id.length === prefix.length || OPEN_END.test(prefix) || isMark(id[prefix.length])
}

function isMark(text: string | undefined): boolean {
  return (MARKS as readonly (string | undefined)[]).includes(text)
}

function startsOf(prefix: string): string[] {
  return OPEN_END.test(prefix) ? [prefix] : [prefix, ...MARKS.map((mark) => prefix + mark)]
}

/**
 * Where a listing that has come to `id` goes on: behind `id` itself where it is covered, else right before the next ids
 * that are. Null: none follow. So a cursor never tells an id that its reader may not see, and what lies between is skipped.
 */
export function positionIn(scope: Scope, id: string): string | null {
  if (covers(scope, id)) return id
  const next = scope.starts.find((start) => compareIds(start, id) > 0)
  return next === undefined ? null : before(next)
}

const LAST = '\u{10FFFF}'

/** An id that sorts before `text` and behind every id that anybody has and that sorts before it. */
function before(text: string): string {
  const points = [...text]
  const last = points.pop()?.codePointAt(0) ?? 0
  const stem = points.join('')
  if (last <= 1) return stem
  // The code point below U+E000 is no character: it is half of a pair.
  return stem + String.fromCodePoint(last === 0xe000 ? 0xd7ff : last - 1) + LAST
}
