// The guards of an envelope, in the order of the protocol page, section 1: what it is, whose it is, what they may ask.
// No row was read yet, so that what is refused here tells nothing about what exists.

import type { Engine } from '@resonatehq/engine'
import {
  type Answer,
  isKind,
  narrowed,
  parseEnvelope,
  parseRequest,
  quote,
  type Request,
  type RequestEnvelope,
  type Status,
} from '@resonatehq/protocol'
import { idDenial, inOwnName, isAudited, kindDenial, requestDenial, timeDenial } from '../auth/access.ts'
import { type Caller, isDenial, type Verdict } from '../auth/caller.ts'
import type { Guard } from '../auth/guard.ts'
import { ruleLimitsOf } from '../config/derived.ts'
import type { Config } from '../config/settings.ts'

export interface AdmissionParts {
  readonly config: Config
  /** Undefined while the server is starting. */
  readonly engine: () => Engine | undefined
  readonly guard: Guard
}

/** What came of one body. At once where it is known already whose token this is. */
export type Admission = (body: unknown, from: Sender) => Entry | Promise<Entry>

/** One envelope on its way: either a request for the engine, or already answered. */
export interface Entry {
  readonly kind: string
  /** The kind as metrics count it: what is none of ours is one label. */
  readonly label: string
  readonly corrId: string
  readonly request?: Request
  readonly debugTime?: number
  readonly answer?: Answer
  /** Who asks. Absent where that could not be told. */
  readonly caller?: Caller
  /** What the audit log is to say of it besides its outcome. */
  readonly act?: {
    readonly subject: string
    readonly role: string | null
    readonly id?: string
    readonly peer?: string
  }
  /** When to ask again, where that is known, s. */
  readonly retryAfterS?: number
}

export type Undecided = Entry & { readonly request: Request }

/** Where a request comes from, as far as it says nothing better itself. */
export interface Sender {
  readonly token: string | undefined
  readonly peer: string | undefined
}

interface Refusal {
  readonly status: Status
  readonly message: string
}

const DEBUG_OFF: Refusal = {
  status: 403,
  message: 'Debug operations are disabled. Start the server with --debug.',
}

export function createAdmission({ config, engine, guard }: AdmissionParts): Admission {
  const limits = ruleLimitsOf(config)

  return (body, from) => {
    const parsed = parseEnvelope(body)
    if (!parsed.ok) return refused(parsed.kind, parsed.corrId, 400, parsed.message)
    const { envelope } = parsed
    const verdict = guard.identify(envelope.head.auth || from.token)
    if (verdict instanceof Promise) return verdict.then((found) => admit(envelope, found, from))
    return admit(envelope, verdict, from)
  }

  function admit(envelope: RequestEnvelope, verdict: Verdict, from: Sender): Entry {
    const { kind, head, data } = envelope
    const { corrId } = head
    if (isDenial(verdict))
      return { ...refused(kind, corrId, verdict.status, verdict.message), retryAfterS: verdict.retryAfterS }
    const isActed = isKind(kind) && isAudited(verdict, kind)
    const who = { caller: verdict, ...(isActed && { act: actOf(verdict, data, from) }) }
    const request = requestOf(envelope, verdict)
    if ('status' in request) return { ...refused(kind, corrId, request.status, request.message), ...who }
    const vitals = head['resonate:worker']
    if (request.kind === 'task.heartbeat') engine()?.report(request.data.pid, vitals ?? {})
    const debugTime = config.debug ? head['resonate:debug_time'] : undefined
    return { kind, label: kind, corrId, request, debugTime, ...who }
  }

  /** What the engine is to decide for this caller, or why nothing. */
  function requestOf({ kind, head, data }: RequestEnvelope, caller: Caller): Request | Refusal {
    const elsewhere = idDenial(caller, data.id)
    if (elsewhere) return elsewhere
    if (!isKind(kind)) return { status: 400, message: `Unknown operation: ${quote(kind)}` }
    const movesTime = config.debug && head['resonate:debug_time'] !== undefined
    const denial = kindDenial(caller, kind, data) ?? (movesTime ? timeDenial(caller) : undefined)
    if (denial) return denial
    if (kind.startsWith('debug.') && !config.debug) return DEBUG_OFF
    const parsed = parseRequest(kind, data, limits)
    if (!parsed.ok) return { status: 400, message: parsed.message }
    // The other ids and addresses that it names can only be told once it is read.
    const foreign = requestDenial(caller, parsed.request)
    if (foreign) return foreign
    const request = inOwnName(caller, parsed.request)
    return caller.sight === null ? request : narrowed(request, caller.sight)
  }
}

function actOf({ subject, role }: Caller, { id }: Readonly<Record<string, unknown>>, { peer }: Sender) {
  return { subject, role, ...(typeof id === 'string' && { id }), ...(peer !== undefined && { peer }) }
}

function refused(kind: string, corrId: string, status: Status, message: string): Entry {
  return { kind, label: labelOf(kind), corrId, answer: { status, data: message } }
}

export function isUndecided(entry: Entry): entry is Undecided {
  return entry.request !== undefined
}

export function labelOf(kind: string): string {
  return isKind(kind) ? kind : 'unknown'
}
