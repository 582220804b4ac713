// What a caller may do: one row a kind of request, so that the compiler asks for a new one, and the rules that hold its ids
// and addresses against the caller's scope. Which ids a request names is the machine's to say.
// Decided from the request alone, before any row is read: a refusal tells nothing about what exists.

import {
  clip,
  covers,
  HALT_BY_BYTES_MAX,
  type Kind,
  namesOf,
  parseAddress,
  quote,
  type Request,
  type Scope,
} from '@resonatehq/protocol'
import { isAtOrBelow } from '../urls.ts'
import type { Caller, Denial, Role } from './caller.ts'

/** `read` changes nothing. `work` is what applications and workers do. `operate` is for people. */
export type Right = 'read' | 'work' | 'operate' | 'debug'

interface Rule {
  readonly right: Right
  /** What it takes where the request names a version, and so is good for the holder of that claim alone. */
  readonly ofHolder?: Right
  /** Whose requests of this kind are written to the audit log. `known`: of whoever has a token. */
  readonly audited: 'all' | 'known' | 'operators' | 'none'
  /** About all that is stored: not for a caller who is confined to a part of it. */
  readonly isWhole?: true
}

const read: Rule = { right: 'read', audited: 'none' }
const work: Rule = { right: 'work', audited: 'none' }
const operate: Rule = { right: 'operate', audited: 'all' }
const debug: Rule = { right: 'debug', audited: 'all' }

const RULES: { readonly [K in Kind]: Rule } = {
  'promise.get': read,
  'promise.create': work,
  'promise.settle': { right: 'work', audited: 'operators' },
  'promise.register_callback': work,
  'promise.register_listener': work,
  'promise.search': read,
  'promise.check': read,

  'task.get': read,
  'task.create': work,
  'task.acquire': work,
  'task.release': work,
  'task.suspend': work,
  'task.fulfill': work,
  'task.fence': work,
  'task.heartbeat': work,
  // A worker may give up what it holds: it could as well settle it.
  'task.halt': { ...operate, ofHolder: 'work' },
  'task.continue': operate,
  'task.search': read,

  'schedule.get': read,
  'schedule.create': work,
  'schedule.delete': { right: 'work', audited: 'all' },
  'schedule.search': read,

  // It changes nothing: where nobody is told from anybody a line would say nothing.
  'retention.preview': { right: 'operate', audited: 'known', isWhole: true },
  'backup.create': { ...operate, isWhole: true },

  'promise.explain': read,
  'worker.search': read,
  'group.search': read,

  'debug.start': debug,
  'debug.stop': debug,
  'debug.reset': debug,
  'debug.tick': debug,
  'debug.snap': debug,
}

const RIGHTS: Readonly<Record<Role, readonly Right[]>> = {
  admin: ['read', 'work', 'operate', 'debug'],
  operator: ['read', 'work', 'operate'],
  worker: ['read', 'work'],
  'read-only': ['read'],
}

/** A token that names no role has always been good for everything within its prefix. */
const WITHOUT_ROLE: readonly Right[] = RIGHTS.operator

/** Why this caller may not ask about this id, whatever else is wrong with its request. */
export function idDenial({ sight }: Caller, id: unknown): Denial | undefined {
  if (sight === null || typeof id !== 'string' || covers(sight.ids, id)) return undefined
  return forbidden(`The token is for ids below ${prefixesOf(sight.ids)}, not for ${quote(id)}`)
}

/** Why this caller may not ask for this kind, whatever ids the request names. */
export function kindDenial(caller: Caller, kind: Kind, { version = null }: Unread): Denial | undefined {
  const { right, ofHolder = right } = RULES[kind]
  return rightDenial(caller, version === null ? right : ofHolder, kind)
}

/** What a request carries, not looked at yet. */
type Unread = Readonly<Record<string, unknown>>

/** The request in its caller's own name: with a token, nobody halts in another's. */
export function inOwnName({ subject, expiresAt }: Caller, request: Request): Request {
  if (request.kind !== 'task.halt' || expiresAt === null) return request
  const { by: _, ...data } = request.data
  return { ...request, data: { ...data, ...(subject !== '' && { by: clip(subject, HALT_BY_BYTES_MAX) }) } }
}

/** Why this caller may not say what time it is (`resonate:debug_time`). */
export function timeDenial(caller: Caller): Denial | undefined {
  return rightDenial(caller, 'debug', 'resonate:debug_time')
}

/** Why this caller may not ask this. */
export function requestDenial(caller: Caller, request: Request): Denial | undefined {
  const { sight } = caller
  if (sight === null) return undefined
  if (RULES[request.kind].isWhole)
    return forbidden(`${request.kind} is about all ids, and the token is for those below ${prefixesOf(sight.ids)}`)
  const { ids, addresses } = namesOf(request)
  const foreign = ids.find((id) => !covers(sight.ids, id))
  if (foreign !== undefined) return idDenial(caller, foreign)
  const unreachable = addresses.find((address) => !mayReach(caller, address))
  return unreachable === undefined ? undefined : forbidden(addressMessage(caller, unreachable))
}

/** Why a worker with this token may not connect in this group. */
export function connectionDenial(caller: Caller, group: string): Denial | undefined {
  const denial = rightDenial(caller, 'work', 'worker connections')
  if (denial || caller.sight === null || covers(caller.sight.groups, group)) return denial
  return forbidden(
    `The token is for groups below ${prefixesOf(caller.sight.groups)}, not for ${quote(group)} (claim targets)`,
  )
}

/** Whether this request of this caller belongs in the audit log. */
export function isAudited(caller: Caller, kind: Kind): boolean {
  const isKnown = caller.expiresAt !== null
  switch (RULES[kind].audited) {
    case 'all':
      return true
    case 'known':
      return isKnown
    case 'operators':
      return caller.role === 'operator' || (caller.role === 'admin' && isKnown)
    case 'none':
      return false
  }
}

function rightDenial({ role }: Caller, right: Right, what: string): Denial | undefined {
  const rights = role === null ? WITHOUT_ROLE : RIGHTS[role]
  return rights.includes(right) ? undefined : forbidden(`The role ${role ?? 'of this token'} is not good for ${what}`)
}

/** What nobody could route is for the rules of the protocol to refuse. */
function mayReach({ sight, urls }: Caller, text: string): boolean {
  const address = parseAddress(text)
  if (address === null) return true
  if (address.kind !== 'push') return sight === null || covers(sight.groups, address.group)
  const url = URL.parse(address.url)
  return url !== null && urls.some((allowed) => isAtOrBelow(url, allowed))
}

function addressMessage({ sight, urls }: Caller, address: string): string {
  const where = [...(sight?.groups.prefixes ?? []).map((group) => `poll://…@${group}`), ...urls.map(String)]
  return `The token is for the addresses ${where.map(quote).join(', ')}, not for ${quote(address)} (claim targets)`
}

function prefixesOf({ prefixes }: Scope): string {
  return prefixes.map(quote).join(', ')
}

function forbidden(message: string): Denial {
  return { status: 403, message }
}
