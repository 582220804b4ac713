// What each request over HTTP is answered, without a socket: plain records in, plain records out. The listener brings
// the bytes; the engine decides. Guards run in the order of the protocol page, section 1, and every refusal of `POST /`
// is an envelope that calls itself what the request did, as far as that could be read.
// It must never answer before the engine did, and never keep a request after it was answered.

import { isUtf8 } from 'node:buffer'
import type { Engine, Platform } from '@resonatehq/engine'
import {
  type Answer,
  isKind,
  namesOf,
  narrowed,
  PROTOCOL_VERSION,
  parseEnvelope,
  parseRequest,
  quote,
  type Request,
  type RequestEnvelope,
  type Status,
  salvage,
  visibleOf,
} from '@resonatehq/protocol'
import { idDenial, inOwnName, isAudited, kindDenial, requestDenial, timeDenial } from './auth/access.ts'
import type { Audit } from './auth/audit.ts'
import { type Caller, isDenial, type Verdict } from './auth/caller.ts'
import { bearerOf, type Guard } from './auth/guard.ts'
import type { Origins } from './auth/origins.ts'
import { ruleLimitsOf } from './config/derived.ts'
import type { Config } from './config/settings.ts'
import type { Logger } from './log.ts'
import type { Metrics } from './metrics/scrape.ts'
import type { Tracing } from './tracing.ts'
import { VERSION } from './version.ts'

export interface HttpRequest {
  readonly method: string
  /** As on the wire, still percent-encoded, without the query. */
  readonly path: string
  /** Behind the `?`, or empty. */
  readonly query: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Uint8Array | string
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

export interface Http {
  /** Never rejects. */
  handle(request: HttpRequest): HttpResponse | Promise<HttpResponse>
  /** The refusal of a body that was not read to its end: too large, or no room for it. `start` is what was read. */
  refuseBody(refusal: { status: 413 | 503; message: string; start: Uint8Array | string }): HttpResponse
  /** Envelopes that are being decided. */
  readonly inFlight: number
}

export interface HttpParts {
  readonly config: Config
  /** Undefined while the server is starting. */
  readonly engine: () => Engine | undefined
  readonly guard: Guard
  readonly origins: Origins
  readonly audit: Audit
  /** Absent: no traces are kept. */
  readonly tracing?: Tracing | undefined
  readonly platform: Platform
  readonly logger: Logger
  readonly metrics: Metrics
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

const JSON_HEADERS: Readonly<Record<string, string>> = { 'content-type': 'application/json' }

/** How long the store may take to answer the readiness check. */
const READY_TIMEOUT_MS = 5_000

/** The paths of an API that SDKs before this protocol spoke. */
const LEGACY = /^\/(promises|schedules|tasks)(\/|$)/
const LEGACY_MESSAGE =
  'This path belongs to an API that is gone. Update the SDK to one that speaks protocol version ' +
  `${PROTOCOL_VERSION}: TypeScript 0.11, Python 0.7, Rust 0.6, Go 0.1, Java 0.1, or later.`

/** One envelope on its way: either a request for the engine, or already answered. */
interface Entry {
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

type Undecided = Entry & { readonly request: Request }

export function createHttp(parts: HttpParts): Http {
  const { config, guard, origins, platform, logger, metrics } = parts
  const limits = ruleLimitsOf(config)
  const legacySeen = new Set<string>()
  let inFlight = 0
  /** Bytes of large answers that are not taken yet. */
  let unreadBytes = 0
  let readiness: Promise<HttpResponse> | undefined

  function handle(request: HttpRequest): HttpResponse | Promise<HttpResponse> {
    const { method, path, headers } = request
    if (method === 'OPTIONS' && headers.origin !== undefined && origins.preflight)
      return { status: 204, headers: origins.preflight, body: '' }
    if (path === '/') return method === 'POST' ? answer(request).catch(failed(request)) : onlyBy(request, ['POST'])
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

  async function answer(request: HttpRequest): Promise<HttpResponse> {
    const startedAt = platform.ticks()
    const denial = origins.denialOf(request.headers)
    if (denial) return refuse(startedAt, denial.status, denial.message, salvageText(startOf(request.body)))
    const parsed = parseBody(request.body)
    if ('problem' in parsed) return refuse(startedAt, 400, parsed.problem, salvageText(startOf(request.body)))
    const token = tokenOf(request)
    if (Array.isArray(parsed.body)) return answerBatch(startedAt, parsed.body, { token, peer: request.peer })
    const entry = await read(parsed.body, { token, peer: request.peer })
    const full = noRoomFor(entry.request ? 1 : 0)
    if (full) return refuse(startedAt, 503, full, entry)
    const [decided] = await decideAll([entry])
    const response = envelopeOf(entry, finish(startedAt, entry, decided as Answer))
    return unreadBytes > 0 && response.body.length > room() ? envelopeOf(entry, NO_ROOM) : held(response)
  }

  function room(): number {
    return config['limits.unread_bytes'] - unreadBytes
  }

  /** Counted until it is taken. */
  function held(response: HttpResponse): HttpResponse {
    const { length } = response.body
    if (length < LARGE) return response
    unreadBytes += length
    const taken = () => {
      unreadBytes -= length
    }
    return { ...response, taken }
  }

  /** A bug, or answers too long for one text: this request is told, the others go on. */
  function failed(request: HttpRequest): (error: unknown) => HttpResponse {
    return (error) => {
      logger.error({ err: error }, 'Request failed')
      return refuse(
        platform.ticks(),
        500,
        'Internal error: see the log of the server',
        salvageText(startOf(request.body)),
      )
    }
  }

  async function answerBatch(startedAt: number, bodies: readonly unknown[], from: Sender): Promise<HttpResponse> {
    const most = config['limits.batch_length']
    const nobody = { kind: 'unknown', corrId: '0' }
    if (bodies.length === 0 || bodies.length > most)
      return refuse(startedAt, 400, `A batch must hold 1 to ${most} envelopes, got ${bodies.length}`, nobody)
    const entries: Entry[] = []
    for (const body of bodies) {
      // One after the other, so that of a token that asks too often the last are refused; and at once where it is known.
      const entry = read(body, from)
      entries.push(entry instanceof Promise ? await entry : entry)
    }
    const full = noRoomFor(entries.filter(isUndecided).length)
    if (full) return refuse(startedAt, 503, full, nobody)
    const answers = await decideAll(entries)
    const given = entries.map((entry, at) => finish(startedAt, entry, answers[at] as Answer))
    return held({ status: 200, headers: JSON_HEADERS, body: `[${textsWithin(entries, given).join(',')}]` })
  }

  /** As many answers as there is room for. The rest is decided too, and asked for again: that is what a 503 means. */
  function textsWithin(entries: readonly Entry[], answers: readonly Answer[]): string[] {
    const most = Math.min(config['limits.answer_size'], room())
    let size = 0
    return entries.map((entry, at) => {
      const text = size > most ? '' : envelopeText(entry, answers[at] as Answer)
      size += text.length
      // One that nobody holds up always fits.
      const fits = size <= most || (at === 0 && unreadBytes === 0)
      return fits ? text : envelopeText(entry, NO_ROOM)
    })
  }

  /** The guards, in their order. At once where it is known already whose token this is. */
  function read(body: unknown, from: Sender): Entry | Promise<Entry> {
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
    if (request.kind === 'task.heartbeat') parts.engine()?.report(request.data.pid, vitals ?? {})
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

  function noRoomFor(more: number): string | undefined {
    if (more === 0) return undefined
    if (!parts.engine()) return 'The server is starting or stopping. Try again.'
    const most = config['limits.queue_length']
    if (inFlight + more <= most) return undefined
    return `${inFlight} requests are being decided, of ${most} at most (limits.queue_length). Try again.`
  }

  /** The answer of each entry, in order. What was refused by a guard keeps its place. */
  async function decideAll(entries: readonly Entry[]): Promise<Answer[]> {
    const undecided = entries.filter(isUndecided)
    inFlight += undecided.length
    try {
      const decided = await submit(undecided)
      return entries.map((entry) => entry.answer ?? (decided.shift() as Answer))
    } catch (error) {
      logger.error({ err: error }, 'Request failed')
      return entries.map((entry) => entry.answer ?? { status: 500, data: 'Internal error: see the log of the server' })
    } finally {
      inFlight -= undecided.length
    }
  }

  async function submit(entries: readonly Undecided[]): Promise<Answer[]> {
    const engine = parts.engine() as Engine
    const [first] = entries
    if (!first) return []
    if (entries.length === 1) return [await engine.submit(first.request, timeOf(first))]
    const answers: Answer[] = []
    for (const run of runsOfOneTime(entries)) answers.push(...(await engine.submitAll(run.requests, run.options)))
    return answers
  }

  function refuse(
    startedAt: number,
    status: Status,
    data: string,
    from: { kind: string; corrId: string },
  ): HttpResponse {
    const entry = { ...from, label: labelOf(from.kind) }
    return envelopeOf(entry, count(startedAt, entry, { status, data }))
  }

  /** What this caller may see of what was decided; and a line of the audit log, where it belongs there. */
  function finish(startedAt: number, entry: Entry, answer: Answer): Answer {
    const { kind, act, caller, corrId } = entry
    if (act) parts.audit.record({ ...act, kind, corrId, status: answer.status })
    parts.tracing?.answered(kind, answer, { tookMs: platform.ticks() - startedAt, endedAt: platform.now() })
    const sight = caller?.sight
    const isListing = sight && isKind(kind) && (answer.status === 200 || answer.status === 300)
    const data = isListing ? visibleOf(kind, answer.data, sight) : answer.data
    return count(startedAt, entry, { status: answer.status, data })
  }

  function count(
    startedAt: number,
    entry: Pick<Entry, 'kind' | 'label' | 'corrId' | 'request'>,
    answer: Answer,
  ): Answer {
    const elapsedMs = platform.ticks() - startedAt
    metrics.answered(entry.label, answer.status, elapsedMs)
    if (logger.isDebug) logger.debug({ ...factsOf(entry, answer), elapsedMs }, 'Request answered')
    else if (answer.status >= 500 && answer.status !== 503) logger.warn(factsOf(entry, answer), 'Request failed')
    return answer
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

  return {
    handle,
    refuseBody: ({ status, message, start }) => refuse(platform.ticks(), status, message, salvageText(startOf(start))),
    get inFlight() {
      return inFlight
    },
  }
}

/** Where workers connect. A GET of such a path is answered by a stream, which is none of this file's business. */
export function isPollPath(path: string): boolean {
  return path.startsWith('/poll/')
}

/** A refusal as an envelope, for what is not a request of the protocol. */
export function refusalOf(kind: string, status: Status, message: string, retryAfterS?: number): HttpResponse {
  return envelopeOf({ kind, corrId: '0', retryAfterS }, { status, data: message })
}

/** An error of HTTP itself: a path, a method. */
export function errorOf(status: number, message: string): HttpResponse {
  return { status, headers: headersOf(status), body: JSON.stringify({ error: message }) }
}

interface Refusal {
  readonly status: Status
  readonly message: string
}

const DEBUG_OFF: Refusal = {
  status: 403,
  message: 'Debug operations are disabled. Start the server with --debug.',
}

/** Where a request comes from, as far as it says nothing better itself. */
interface Sender {
  readonly token: string | undefined
  readonly peer: string | undefined
}

function actOf({ subject, role }: Caller, { id }: Readonly<Record<string, unknown>>, { peer }: Sender) {
  return { subject, role, ...(typeof id === 'string' && { id }), ...(peer !== undefined && { peer }) }
}

/** Smaller answers lie with the operating system, as many as there are connections. */
const LARGE = 16 * 1024

const NO_ROOM: Answer = {
  status: 503,
  data: 'There is no room for an answer of this length now (limits.answer_size, limits.unread_bytes). Ask again, for less at a time.',
}

/** Methods that ask for what is there. */
export const READ: readonly string[] = ['GET', 'HEAD']

export function onlyBy(
  { path, method }: Pick<HttpRequest, 'path' | 'method'>,
  allowed: readonly string[],
): HttpResponse {
  const { headers, ...rest } = errorOf(405, `${quote(path)} answers ${allowed[0]} only, got ${quote(method)}`)
  return { ...rest, headers: { ...headers, allow: allowed.join(', ') } }
}

function tokenOf({ headers }: HttpRequest): string | undefined {
  return typeof headers.authorization === 'string' ? bearerOf(headers.authorization) : undefined
}

function parseBody(body: Uint8Array | string): { body: unknown } | { problem: string } {
  // Replaced bytes would change an id in silence.
  if (typeof body !== 'string' && !isUtf8(body))
    return {
      problem: 'The body must be JSON in UTF-8, but holds bytes that are not UTF-8 (compressed bodies are not taken)',
    }
  try {
    return { body: JSON.parse(textOf(body)) }
  } catch (error) {
    return { problem: `The body must be a JSON envelope: ${error instanceof Error ? error.message : String(error)}` }
  }
}

function textOf(body: Uint8Array | string): string {
  if (typeof body === 'string') return body
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8')
}

/** As much of a body as is looked at for what it calls itself. */
function startOf(body: Uint8Array | string): string {
  return textOf(typeof body === 'string' ? body.slice(0, SALVAGE_MAX) : body.subarray(0, SALVAGE_MAX))
}

const SALVAGE_MAX = 4096
const KIND = /"kind"\s*:\s*("(?:[^"\\]|\\.){1,200}")/
const CORR_ID = /"corrId"\s*:\s*("(?:[^"\\]|\\.){0,200}")/

/** The kind and corrId of text that is no JSON, or not all of it. A guess, but one that helps who reads the answer. */
function salvageText(text: string): { kind: string; corrId: string } {
  return salvage({ kind: unquoted(KIND.exec(text)?.[1]), head: { corrId: unquoted(CORR_ID.exec(text)?.[1]) } })
}

function unquoted(literal: string | undefined): unknown {
  try {
    return JSON.parse(literal ?? '')
  } catch {
    return undefined
  }
}

/** What a line about a request says: which one, of which execution, and why it was refused. */
function factsOf(entry: Pick<Entry, 'kind' | 'corrId' | 'request'>, { status, data }: Answer): object {
  const { kind, corrId, request } = entry
  const [id] = request ? namesOf(request).ids : []
  const pid = request && 'pid' in request.data ? request.data.pid : undefined
  return {
    kind,
    corrId,
    ...(id !== undefined && { id }),
    ...(pid !== undefined && { pid }),
    status,
    ...(typeof data === 'string' && { reason: data }),
  }
}

function refused(kind: string, corrId: string, status: Status, message: string): Entry {
  return { kind, label: labelOf(kind), corrId, answer: { status, data: message } }
}

function isUndecided(entry: Entry): entry is Undecided {
  return entry.request !== undefined
}

function timeOf(entry: Entry): { debugTime: number } | undefined {
  return entry.debugTime === undefined ? undefined : { debugTime: entry.debugTime }
}

/** Neighbours of one debug time go together. Without debug times, which is always so in production, that is all. */
function runsOfOneTime(entries: readonly Undecided[]): { requests: Request[]; options?: { debugTime: number } }[] {
  const runs: { requests: Request[]; options?: { debugTime: number } }[] = []
  for (const [at, entry] of entries.entries()) {
    const last = runs.at(-1)
    if (last && entries[at - 1]?.debugTime === entry.debugTime) last.requests.push(entry.request)
    else runs.push({ requests: [entry.request], options: timeOf(entry) })
  }
  return runs
}

function envelopeOf(
  entry: { kind: string; corrId: string; retryAfterS?: number | undefined },
  answer: Answer,
): HttpResponse {
  return {
    status: answer.status,
    headers: headersOf(answer.status, entry.retryAfterS),
    body: envelopeText(entry, answer),
  }
}

function headersOf(status: number, retryAfterS = 1): Readonly<Record<string, string>> {
  if (status === 429 || status === 503) return { ...JSON_HEADERS, 'retry-after': `${retryAfterS}` }
  return status === 401 ? { ...JSON_HEADERS, 'www-authenticate': 'Bearer' } : JSON_HEADERS
}

function envelopeText({ kind, corrId }: { kind: string; corrId: string }, { status, data }: Answer): string {
  return JSON.stringify({ kind, head: { corrId, status, version: PROTOCOL_VERSION }, data })
}

function labelOf(kind: string): string {
  return isKind(kind) ? kind : 'unknown'
}
