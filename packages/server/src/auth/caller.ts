// Who asks, once a token has been believed: the words that the rest of this folder shares, and how claims are read. What a
// claim means is written here and on the page docs/security.md; a claim that cannot be understood gives no right.

import { prefixProblem, quote, type Sight, scopeOf } from '@resonatehq/protocol'

export const ROLES = ['admin', 'operator', 'worker', 'read-only'] as const
export type Role = (typeof ROLES)[number]

export interface Caller {
  /** Claim `sub`: for the audit log. */
  readonly subject: string
  /** Null: a token without a role, as other Resonate servers know them. */
  readonly role: Role | null
  /** The ids that it may name and see; the groups that it may see, serve and address. Null: all. */
  readonly sight: Sight | null
  /** Where it may have messages pushed to: these URLs and what is below them. */
  readonly urls: readonly URL[]
  /** Until when it is believed, ms since epoch. Null: always. */
  readonly expiresAt: number | null
}

export interface Denial {
  /** 401: no valid token. 403: a valid one without the right. 429: too often. 503: it cannot be told now. */
  readonly status: 401 | 403 | 429 | 503
  readonly message: string
  /** When to ask again, s. */
  readonly retryAfterS?: number
}

export type Verdict = Caller | Denial

export function isDenial(verdict: Verdict): verdict is Denial {
  return 'status' in verdict
}

/** Without a key nobody is told from anybody, and everybody may do everything. */
export const ANYONE: Caller = {
  subject: 'anyone',
  role: 'admin',
  sight: null,
  urls: [],
  expiresAt: null,
}

/** The caller that these claims of a verified token describe, or what right they fail to give. */
export function callerOf(claims: Readonly<Record<string, unknown>>, expiresAt: number): Verdict {
  const role = roleOf(claims.role)
  if (typeof role === 'object' && role !== null) return role
  const subject = typeof claims.sub === 'string' ? claims.sub : ''
  const everything = { subject, role, sight: null, urls: [], expiresAt }
  if (role === 'admin') return everything
  const prefixes = textsOf(claims.prefix)
  if (prefixes === null || prefixes.length === 0)
    return forbidden('The token must have a claim prefix: the start of the ids that it is for, or "" for all')
  if (prefixes.includes('')) return everything
  const problem = prefixes.map((prefix) => prefixProblem(prefix, 'The claim prefix')).find((found) => found !== null)
  return problem ? forbidden(problem) : { ...everything, ...confinedTo(prefixes, textsOf(claims.targets) ?? []) }
}

function confinedTo(prefixes: readonly string[], targets: readonly string[]) {
  const urls = targets.filter((target) => URL.canParse(target)).map((target) => new URL(target))
  const groups = targets.filter((target) => !URL.canParse(target) && prefixProblem(target, '') === null)
  return { sight: { ids: scopeOf(prefixes), groups: scopeOf([...prefixes, ...groups]) }, urls }
}

function roleOf(claim: unknown): Role | null | Denial {
  if (claim === undefined || claim === null) return null
  const role = typeof claim === 'string' ? ROLES.find((known) => known === claim.toLowerCase()) : undefined
  return role ?? forbidden(`The claim role must be one of ${ROLES.join(', ')}, got ${quote(claim)}`)
}

/** A text or a list of texts. Null: neither. */
function textsOf(claim: unknown): readonly string[] | null {
  const texts = Array.isArray(claim) ? claim : [claim]
  return texts.every((text) => typeof text === 'string') ? texts : null
}

function forbidden(message: string): Denial {
  return { status: 403, message }
}
