// What is at each path, without a socket: plain records in, plain records out. The listener brings the bytes, and the streams of
// workers are its business.

import type { Engine } from '@resonatehq/engine'
import { PROTOCOL_VERSION, quote } from '@resonatehq/protocol'
import type { Origins } from '../auth/origins.ts'
import { VERSION } from '../version.ts'
import { createEnvelopes, type EnvelopeParts, type Envelopes } from './envelopes.ts'
import { errorOf, type HttpRequest, type HttpResponse, headersOf, JSON_HEADERS, onlyBy, READ } from './messages.ts'

export interface Http {
  /** Never rejects. */
  handle(request: HttpRequest): HttpResponse | Promise<HttpResponse>
  /** The refusal of a body that was not read to its end. */
  readonly refuseBody: Envelopes['refuse']
}

export interface HttpParts extends EnvelopeParts {
  readonly origins: Origins
}

/** What this server adds to the published protocol, each of it optional for a client. */
export const EXTENSIONS: readonly string[] = [
  'batch',
  'capacity',
  'presence',
  'preload',
  'lost',
  'revoke',
  'check',
  'explain',
  'halt',
  'retention',
  'backup',
]

/** How long the store may take to answer the readiness check. */
const READY_TIMEOUT_MS = 5_000

/** The paths of an API that SDKs before this protocol spoke. */
const LEGACY = /^\/(promises|schedules|tasks)(\/|$)/
const LEGACY_MESSAGE =
  'This path belongs to an API that is gone. Update the SDK to one that speaks protocol version ' +
  `${PROTOCOL_VERSION}: TypeScript 0.11, Python 0.7, Rust 0.6, Go 0.1, Java 0.1, or later.`

export function createHttp(parts: HttpParts): Http {
  const { origins, platform, logger } = parts
  const envelopes = createEnvelopes(parts)
  const legacySeen = new Set<string>()
  let readiness: Promise<HttpResponse> | undefined

  function handle(request: HttpRequest): HttpResponse | Promise<HttpResponse> {
    const { method, path, headers } = request
    if (method === 'OPTIONS' && headers.origin !== undefined && origins.preflight)
      return { status: 204, headers: origins.preflight, body: '' }
    if (path === '/') return method === 'POST' ? ask(request) : onlyBy(request, ['POST'])
    if (path === '/health') return READ.includes(method) ? health() : onlyBy(request, READ)
    if (path === '/ready') return READ.includes(method) ? ready() : onlyBy(request, READ)
    if (LEGACY.test(path)) return legacy(path)
    if (isPollPath(path)) return onlyBy(request, ['GET'])
    const elsewhere = path === '/metrics' ? ' Metrics have a port of their own (observability.metrics_port).' : ''
    return errorOf(
      404,
      `Nothing is at ${quote(path)}. Requests go to POST /, workers to GET /poll/{group}/{pid}.${elsewhere}`,
    )
  }

  function ask(request: HttpRequest): HttpResponse | Promise<HttpResponse> {
    const denial = origins.denialOf(request.headers)
    return denial ? envelopes.refuse({ ...denial, start: request.body }) : envelopes.answer(request)
  }

  function health(): HttpResponse {
    const body = { version: VERSION, protocol: PROTOCOL_VERSION, extensions: EXTENSIONS }
    return { status: 200, headers: JSON_HEADERS, body: JSON.stringify(body) }
  }

  /** One check at a time, whoever asks meanwhile. */
  function ready(): Promise<HttpResponse> {
    readiness ??= checkStore().finally(() => {
      readiness = undefined
    })
    return readiness
  }

  async function checkStore(): Promise<HttpResponse> {
    const engine = parts.engine()
    if (!engine) return errorOf(503, 'The server is starting or stopping.')
    if (await answersInTime(engine)) return { status: 200, headers: JSON_HEADERS, body: '{"ready":true}' }
    return errorOf(503, 'The store does not answer. The log of the server says why.')
  }

  function answersInTime(engine: Engine): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = platform.timer(READY_TIMEOUT_MS, () => resolve(false))
      const settle = (answers: boolean) => {
        cancel()
        resolve(answers)
      }
      engine.ping().then(
        () => settle(true),
        () => settle(false),
      )
    })
  }

  /**
   * Said once in the log for each old path: such a client comes back every few seconds. The body is an error as that API
   * had it, the only one from which such a client reads what it is told.
   */
  function legacy(path: string): HttpResponse {
    const [, section = ''] = path.split('/')
    if (!legacySeen.has(section)) logger.warn({ path: `/${section}` }, 'A client uses the API of older SDKs')
    legacySeen.add(section)
    const error = { code: 41_000, message: LEGACY_MESSAGE }
    return { status: 410, headers: headersOf(410), body: JSON.stringify({ error }) }
  }

  return { handle, refuseBody: envelopes.refuse }
}

/** Where workers connect. A GET of such a path is answered by a stream, which is none of this file's business. */
export function isPollPath(path: string): boolean {
  return path.startsWith('/poll/')
}
