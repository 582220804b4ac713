// Requests and answers of HTTP as plain records, and the forms that answers have: an envelope of the protocol, or an error of HTTP
// itself. Pure.

import { type Answer, PROTOCOL_VERSION, quote, type Status } from '@resonatehq/protocol'
import type { Body } from './body.ts'

export interface HttpRequest {
  readonly method: string
  /** As on the wire, still percent-encoded, without the query. */
  readonly path: string
  /** Behind the `?`, or empty. */
  readonly query: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Body
  /** The other end of the connection, for the audit log. */
  readonly peer?: string
}

export interface HttpResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** To be called once it is written or its client is gone. Absent: it is too small to matter. */
  readonly taken?: () => void
}

export const JSON_HEADERS: Readonly<Record<string, string>> = { 'content-type': 'application/json' }

/** Methods that ask for what is there. */
export const READ: readonly string[] = ['GET', 'HEAD']

/** What a client is told of a bug. */
export const INTERNAL_ERROR = 'Internal error: see the log of the server'

/** An error of HTTP itself: a path, a method. */
export function errorOf(status: number, message: string): HttpResponse {
  return { status, headers: headersOf(status), body: JSON.stringify({ error: message }) }
}

export function onlyBy(
  { path, method }: Pick<HttpRequest, 'path' | 'method'>,
  allowed: readonly string[],
): HttpResponse {
  const { headers, ...rest } = errorOf(405, `${quote(path)} answers ${allowed[0]} only, got ${quote(method)}`)
  return { ...rest, headers: { ...headers, allow: allowed.join(', ') } }
}

/** A refusal as an envelope, for what is not a request of the protocol. */
export function refusalOf(kind: string, status: Status, message: string, retryAfterS?: number): HttpResponse {
  return envelopeOf({ kind, corrId: '0', retryAfterS }, { status, data: message })
}

export function envelopeOf(
  entry: { kind: string; corrId: string; retryAfterS?: number | undefined },
  answer: Answer,
): HttpResponse {
  return {
    status: answer.status,
    headers: headersOf(answer.status, entry.retryAfterS),
    body: envelopeText(entry, answer),
  }
}

export function envelopeText({ kind, corrId }: { kind: string; corrId: string }, { status, data }: Answer): string {
  return JSON.stringify({ kind, head: { corrId, status, version: PROTOCOL_VERSION }, data })
}

export function headersOf(status: number, retryAfterS = 1): Readonly<Record<string, string>> {
  if (status === 429 || status === 503) return { ...JSON_HEADERS, 'retry-after': `${retryAfterS}` }
  return status === 401 ? { ...JSON_HEADERS, 'www-authenticate': 'Bearer' } : JSON_HEADERS
}
