// What an id may contain, the order of ids, and the lock key of one. Ids are opaque: what their dots and colons mean is the
// client's business, so nothing here may ever refuse an id for its structure or read an owner out of it.

import { quote } from './quote.ts'

/** Longest id, pid and group, bytes of UTF-8. */
export const ID_BYTES_MAX = 1024

/** Longest template of promise ids in a schedule, bytes of UTF-8: leaves room for the timestamp. */
export const TEMPLATE_BYTES_MAX = 900

/** Why `id` is no id, as a sentence about the field `what`; null where it is one. */
export function idProblem(id: string, what: string, bytesMax: number = ID_BYTES_MAX): string | null {
  if (id.length === 0) return `${what} must not be empty`
  if (id.length <= bytesMax && isPlain(id)) return null
  return textProblem(id, what) ?? sizeProblem(id, what, bytesMax)
}

/** Why `text` cannot be matched by every database, as a sentence about `what`: it must be valid Unicode without NUL. */
export function textProblem(text: string, what: string): string | null {
  if (text.includes('\0')) return `${what} must not contain NUL, got ${quote(text)}`
  if (!text.isWellFormed()) return `${what} must be valid Unicode, got a lone surrogate in ${quote(text)}`
  return null
}

/** Why `text` is too long, as a sentence about `what`; null where it fits `bytesMax` bytes of UTF-8. */
export function sizeProblem(text: string, what: string, bytesMax: number): string | null {
  if (text.length * 3 <= bytesMax) return null
  const bytes = utf8Bytes(text)
  return bytes <= bytesMax ? null : `${what} must be at most ${bytesMax} bytes of UTF-8, got ${bytes}: ${quote(text)}`
}

/** `text` as one that has neither of these problems: cut where it is too long, with `…` for what is left out. */
export function clip(text: string, bytesMax: number): string {
  const clean = text.toWellFormed().replaceAll('\0', '\ufffd')
  if (utf8Bytes(clean) <= bytesMax) return clean
  const { read } = new TextEncoder().encodeInto(clean, new Uint8Array(bytesMax - utf8Bytes('…')))
  return `${clean.slice(0, read)}…`
}

/** Length in UTF-8, bytes. A lone surrogate counts three, as its replacement would. */
export function utf8Bytes(text: string): number {
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) continue
    if (unit < 0x800) {
      bytes += 1
    } else {
      bytes += 2
      if (isPair(unit, text.charCodeAt(i + 1))) i += 1
    }
  }
  return bytes
}

// A pair is two units and four bytes: the lead's two extra bytes are all it adds, so its trail is stepped over.
function isPair(lead: number, trail: number): boolean {
  return lead >= 0xd800 && lead < 0xdc00 && trail >= 0xdc00 && trail < 0xe000
}

/** Nothing but ASCII without NUL: nearly every id and tag, told by one short loop. */
export function isPlain(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit === 0 || unit > 0x7f) return false
  }
  return true
}

/**
 * The order of listings: that of the ids' UTF-8 bytes, which is the order of their code points. JavaScript's own `<`
 * compares UTF-16 units and puts U+1F600 before U+FF5E; databases do not, and a cursor must mean the same in all of them.
 */
export function compareIds(a: string, b: string): number {
  const common = Math.min(a.length, b.length)
  for (let i = 0; i < common; i++) {
    const left = a.charCodeAt(i)
    const right = b.charCodeAt(i)
    if (left !== right) return rank(left) - rank(right)
  }
  return a.length - b.length
}

// Surrogates stand for code points above every other unit, so they go last.
function rank(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit
}

/**
 * What the ids of one workflow usually share and those of others do not: the id up to its first `:`, or else without its
 * trailing `.number` and `.d<hex>` segments. A hint for locking only: two ids that share a name merely wait for each other.
 * Never empty: an id that is nothing but such a tail (`:x`) is its own name.
 */
export function lockName(id: string): string {
  const colon = id.indexOf(':')
  const end = colon >= 0 ? colon : endOfStem(id)
  return end === 0 ? id : id.slice(0, end)
}

function endOfStem(id: string): number {
  let end = id.length
  for (let dot = id.lastIndexOf('.'); dot >= 0; dot = id.lastIndexOf('.', dot - 1)) {
    if (!isMinted(id, dot + 1, end)) return end
    end = dot
    if (dot === 0) break
  }
  return end
}

// `7`, or `d` and hexadecimal digits: what SDKs append for a child and for detached work.
function isMinted(id: string, start: number, end: number): boolean {
  const detached = id.charCodeAt(start) === 0x64
  const first = detached ? start + 1 : start
  if (first >= end) return false
  for (let i = first; i < end; i++) {
    const unit = id.charCodeAt(i)
    const digit = unit >= 0x30 && unit <= 0x39
    if (!digit && !(detached && unit >= 0x61 && unit <= 0x66)) return false
  }
  return true
}
