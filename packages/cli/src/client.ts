// One request to a server, one answer. What the server refuses is a value; what keeps an answer from arriving is an
// `Unreachable`, with a sentence that tells a person what to do. Never retries: callers know what that would mean.

import { type Kind, PROTOCOL_VERSION, type RequestTable } from '@resonatehq/protocol'
import type { Io } from './io.ts'
import { isRecord } from './values.ts'

export const DEFAULT_URL = 'http://localhost:8001'

/** A server that takes longer than this to answer one request counts as gone. */
const REQUEST_TIMEOUT_MS = 30_000

export type Reply<K extends Kind> =
  | { readonly ok: true; readonly status: 200 | 300; readonly data: RequestTable[K]['answer'] }
  | { readonly ok: false; readonly status: number; readonly message: string }

export interface Client {
  readonly url: string
  call<K extends Kind>(kind: K, data: RequestTable[K]['data']): Promise<Reply<K>>
  /** Opens `GET /poll/{group}/{pid}`: the body streams messages until `signal` aborts or the server ends it. */
  poll(group: string, pid: string, signal: AbortSignal): Promise<Response>
}

/** No answer came, or none of this protocol. */
export class Unreachable extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'Unreachable'
  }
}

/** `http(s)://host[:port]` without a trailing slash, or null. */
export function serverUrl(text: string): string | null {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol)) return null
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}

export function createClient(io: Io, options: { url: string; token?: string }): Client {
  const { url, token } = options
  const authorization: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  let count = 0

  const envelope = (kind: Kind, data: object) => ({
    kind,
    head: {
      corrId: `cli-${io.now()}-${count++}`,
      version: PROTOCOL_VERSION,
      ...(token === undefined ? {} : { auth: token }),
    },
    data,
  })

  return {
    url,
    async call(kind, data) {
      const response = await exchange(io, url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...authorization },
        body: JSON.stringify(envelope(kind, data)),
      })
      return readReply(url, response)
    },
    poll(group, pid, signal) {
      // It only listens: no task is meant for it.
      const path = `/poll/${encodeURIComponent(group)}/${encodeURIComponent(pid)}?capacity=0`
      return io.fetch(url + path, { headers: { accept: 'text/event-stream', ...authorization }, signal })
    },
  }
}

interface RawResponse {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

async function exchange(io: Io, url: string, init: RequestInit): Promise<RawResponse> {
  const deadline = new AbortController()
  const cancel = io.timer(REQUEST_TIMEOUT_MS, () => deadline.abort())
  try {
    const response = await io.fetch(`${url}/`, { ...init, signal: deadline.signal })
    return {
      status: response.status,
      contentType: response.headers.get('content-type') ?? 'no content type',
      body: await response.text(),
    }
  } catch (fault) {
    throw new Unreachable(unreachableMessage(url, fault, deadline.signal.aborted), fault)
  } finally {
    cancel()
  }
}

function readReply<K extends Kind>(url: string, response: RawResponse): Reply<K> {
  const envelope = parseJson(response.body)
  if (!isRecord(envelope) || !isRecord(envelope.head) || typeof envelope.head.status !== 'number') {
    throw new Unreachable(
      `${url} answered, but not as a Resonate server (HTTP ${response.status}, ${response.contentType}). ` +
        'Expected the API, on port 8001 unless configured otherwise; name it with --server.',
    )
  }
  const { status } = envelope.head
  if (status === 200 || status === 300) {
    return { ok: true, status, data: envelope.data as RequestTable[K]['answer'] }
  }
  return { ok: false, status, message: refusalMessage(status, envelope.data) }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function refusalMessage(status: number, data: unknown): string {
  const said = typeof data === 'string' ? data : JSON.stringify(data)
  if (status === 401) return `${said} (401). Pass a valid token with --token, or in RESONATE_TOKEN.`
  return `${said} (${status})`
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was reset',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ENOTFOUND: 'no host of that name',
  EAI_AGAIN: 'the name could not be looked up',
  ETIMEDOUT: 'the connection timed out',
  UND_ERR_CONNECT_TIMEOUT: 'the connection timed out',
  UND_ERR_SOCKET: 'the server closed the connection',
}

/** What TLS says of a certificate that it does not believe. */
const UNTRUSTED = /^(?:ERR_TLS_CERT_|CERT_|SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|UNABLE_TO_(?:GET_ISSUER|VERIFY))/
/** What it says where nobody speaks it. */
const NO_TLS = /^(?:EPROTO|ERR_SSL_WRONG_VERSION_NUMBER|ERR_SSL_PACKET_LENGTH_TOO_LONG)$/

function unreachableMessage(url: string, fault: unknown, timedOut: boolean): string {
  if (timedOut) return `The server at ${url} did not answer within ${REQUEST_TIMEOUT_MS / 1000} s.`
  const { code, message } = innermost(fault)
  if (UNTRUSTED.test(code)) {
    return (
      `The certificate of ${url} is not trusted: ${message.split(';')[0]}. ` +
      'Name the file of its authority in NODE_EXTRA_CA_CERTS.'
    )
  }
  if (NO_TLS.test(code)) return `What answers at ${url} does not speak TLS. Name it by http:// if it is the server.`
  if (code === 'UND_ERR_SOCKET' && url.startsWith('http:')) {
    return `What is at ${url} closed the connection without an answer. Name it by https:// if it speaks TLS.`
  }
  const reason = REASONS[code] ?? message.replace(/\.$/, '')
  return `No server at ${url}: ${reason}. Start one with \`resonate dev\`, or name another with --server.`
}

/** fetch wraps the socket's error in one or two others; the innermost says what happened. */
function innermost(fault: unknown): { readonly code: string; readonly message: string } {
  if (!(fault instanceof Error)) return { code: '', message: String(fault) }
  const inner = fault instanceof AggregateError ? fault.errors[0] : fault.cause
  if (inner instanceof Error) return innermost(inner)
  return { code: String((fault as { code?: unknown }).code ?? ''), message: fault.message }
}
