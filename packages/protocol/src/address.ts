// The grammar of addresses: where the messages of a task, or of a listener, go. Taken literally: nothing is ever
// percent-decoded, lower-cased or normalised, so that two addresses are the same exactly where their texts are.
//
//   poll://any@group        any worker of the group          poll://uni@group/pid   that worker alone
//   poll://any@group/pid    that worker, else any other      scheme://…             pushed by a transport of the server

import { idProblem } from './ids.ts'
import { quote } from './quote.ts'

export type Address =
  | { readonly kind: 'any'; readonly group: string; readonly pid?: string }
  | { readonly kind: 'uni'; readonly group: string; readonly pid: string }
  | { readonly kind: 'push'; readonly url: string }

const POLL = 'poll://'
const ANY = 'poll://any@'
const UNI = 'poll://uni@'
const SCHEME = /^([a-z][a-z0-9+.-]*):\/\/./
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\0-\x1f\x7f]/

/** What `text` names. Null where nothing, whatever transports a server has, could ever route it. */
export function parseAddress(text: string): Address | null {
  if (text.startsWith(ANY)) return parsePoll('any', text)
  if (text.startsWith(UNI)) return parsePoll('uni', text)
  if (text.startsWith(POLL)) return null
  return isPushable(text) ? { kind: 'push', url: text } : null
}

// The group is what stands before the first slash, the pid all after it: a pid may contain slashes, and an empty one is none.
function parsePoll(kind: 'any' | 'uni', text: string): Address | null {
  const { group, pid } = splitPoll(text)
  if (idProblem(group, 'group') !== null) return null
  if (pid === '') return kind === 'any' ? { kind, group } : null
  if (idProblem(pid, 'pid') !== null) return null
  return { kind, group, pid }
}

// `any@` and `uni@` are equally long.
function splitPoll(text: string): { group: string; pid: string } {
  const slash = text.indexOf('/', ANY.length)
  if (slash < 0) return { group: text.slice(ANY.length), pid: '' }
  return { group: text.slice(ANY.length, slash), pid: text.slice(slash + 1) }
}

function isPushable(text: string): boolean {
  const scheme = schemeOf(text)
  if (scheme === null || CONTROL.test(text) || !text.isWellFormed()) return false
  return scheme === 'http' || scheme === 'https' ? URL.canParse(text) : true
}

function schemeOf(text: string): string | null {
  return SCHEME.exec(text)?.[1] ?? null
}

/**
 * Null where a server with these schemes switched on (`['poll', 'http', 'https']`) can route `text`; else a sentence about
 * the field `what` that names the address and what would work.
 */
export function addressProblem(text: string, schemes: readonly string[], what: string): string | null {
  const address = parseAddress(text)
  const scheme = address?.kind === 'push' ? (schemeOf(text) ?? '') : 'poll'
  if (address !== null && schemes.includes(scheme)) return null
  return `${what} must be an address this server can route (${schemes.map(formsOf).join(', ')}), got ${quote(text)}`
}

function formsOf(scheme: string): string {
  return scheme === 'poll' ? 'poll://any@group, poll://any@group/pid, poll://uni@group/pid' : `${scheme}://…`
}

/**
 * The ready-queue in which a task with this target waits: one a group for those that any of its workers may take (a
 * preferred pid is only a preference), and one an address for the rest.
 */
export function queueOf(address: string): string {
  if (!address.startsWith(ANY)) return address
  const slash = address.indexOf('/', ANY.length)
  return slash < 0 ? address : address.slice(0, slash)
}

/** The group whose workers poll for this address; null where it is pushed. */
export function groupOf(address: string): string | null {
  return address.startsWith(ANY) || address.startsWith(UNI) ? splitPoll(address).group : null
}
