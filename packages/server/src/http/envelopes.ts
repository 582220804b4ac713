// `POST /`: one envelope or an array of them, from its body to its answer. The engine decides; every refusal is an envelope that calls
// itself what the request did, as far as that could be read.
// It must never answer before the engine did, and never keep a request after it was answered.

import type { Engine, Platform } from '@resonatehq/engine'
import { type Answer, isKind, namesOf, type Request, type Status, visibleOf } from '@resonatehq/protocol'
import type { Audit } from '../auth/audit.ts'
import { bearerOf } from '../auth/guard.ts'
import type { Logger } from '../log.ts'
import type { Metrics } from '../metrics/scrape.ts'
import type { Tracing } from '../tracing.ts'
import {
  type AdmissionParts,
  createAdmission,
  type Entry,
  isUndecided,
  labelOf,
  type Sender,
  type Undecided,
} from './admission.ts'
import { type Body, parseBody, salvaged } from './body.ts'
import {
  envelopeOf,
  envelopeText,
  type HttpRequest,
  type HttpResponse,
  INTERNAL_ERROR,
  JSON_HEADERS,
} from './messages.ts'

export interface EnvelopeParts extends AdmissionParts {
  readonly audit: Audit
  /** Absent: no traces are kept. */
  readonly tracing?: Tracing | undefined
  readonly platform: Platform
  readonly logger: Logger
  readonly metrics: Metrics
}

export interface Envelopes {
  /** Never rejects. */
  answer(request: HttpRequest): Promise<HttpResponse>
  /** The refusal of a body that is not asked about: who sends it may not, or it was not read to its end. */
  refuse(refusal: BodyRefusal): HttpResponse
}

export interface BodyRefusal {
  readonly status: Status
  readonly message: string
  /** What was read of it. */
  readonly start: Body
}

/** Smaller answers lie with the operating system, as many as there are connections. */
const LARGE = 16 * 1024

const NO_ROOM: Answer = {
  status: 503,
  data: 'There is no room for an answer of this length now (limits.answer_size, limits.unread_bytes). Ask again, for less at a time.',
}

export function createEnvelopes(parts: EnvelopeParts): Envelopes {
  const { config, platform, logger, metrics } = parts
  const read = createAdmission(parts)
  let inFlight = 0
  /** Bytes of large answers that are not taken yet. */
  let unreadBytes = 0

  async function answer(request: HttpRequest): Promise<HttpResponse> {
    const startedAt = platform.ticks()
    const parsed = parseBody(request.body)
    if ('problem' in parsed) return refuse(startedAt, 400, parsed.problem, salvaged(request.body))
    const from = { token: tokenOf(request), peer: request.peer }
    if (Array.isArray(parsed.body)) return answerBatch(startedAt, parsed.body, from)
    const entry = await read(parsed.body, from)
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
      return entries.map((entry) => entry.answer ?? { status: 500, data: INTERNAL_ERROR })
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

  return {
    answer: (request) =>
      answer(request).catch((error) => {
        // A bug, or answers too long for one text: this request is told, the others go on.
        logger.error({ err: error }, 'Request failed')
        return refuse(platform.ticks(), 500, INTERNAL_ERROR, salvaged(request.body))
      }),
    refuse: ({ status, message, start }) => refuse(platform.ticks(), status, message, salvaged(start)),
  }
}

function tokenOf({ headers }: HttpRequest): string | undefined {
  return typeof headers.authorization === 'string' ? bearerOf(headers.authorization) : undefined
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
