// A server over HTTP: POST for requests, an event stream for messages.
// H1. What is sent in one macrotask travels in one body where the server takes batches; nothing waits on a timer.
// H2. A group of requests is never split over two bodies that are under way at once: its order is the order of decision.
// H3. A fault is answered by asking again, with back-off and jitter: every request of the protocol is idempotent by its id or its
//     version. The reply says that it was repeated, so that the engine can tell an echo from a refusal.

import { type Message, PROTOCOL_VERSION } from '@resonatehq/protocol'
import { errors, messageOf, ResonateTimeoutException } from '../engine/errors.ts'
import type { Logger } from '../log.ts'
import type { Door, Platform } from '../platform.ts'
import { MessageStream, parseObject, StreamRefused } from './stream.ts'
import {
  backoffMs,
  type Call,
  isPassing,
  type Reply,
  type SendOptions,
  type Transport,
  type WorkerFacts,
  withInnerHeads,
} from './transport.ts'

/** Envelopes in one body at most, as the batch extension has it. */
const BATCH_MAX = 1_000
/** Characters in one body at most: a quarter of the server's default limit of bytes, for what UTF-8 makes of them. */
const BODY_CHARS_MAX = 1_000_000
/** Bodies under way at once. What comes while all are under way gathers and travels together. */
const POSTS_MAX = 4

/** What these mean is the protocol's: 404 that a task is gone, 409 that another has it. */
const MEANINGFUL = new Set([200, 300, 404, 409, 422, 501])
const ASK_URL = 'as every answer of a Resonate server is: is the URL right, and is nothing in between?'

/** Somebody else answered. */
class NoEnvelope extends Error {
  constructor(status: number, url: string) {
    super(`${url} answered ${status} without an envelope, ${ASK_URL}`)
    this.name = 'NoEnvelope'
  }
}

export interface HttpTransportOptions {
  readonly url: string
  readonly group: string
  readonly pid: string
  /** A function is asked anew for each request: a token may end and be followed by another. */
  readonly token?: string | (() => string)
  /** How long one HTTP request may take, ms. */
  readonly timeoutMs: number
  readonly headers?: Readonly<Record<string, string>>
  readonly sdk: string
  readonly version: string
  readonly platform: Platform
  readonly logger: Logger
}

/** A group on its way. */
interface Parcel {
  readonly calls: readonly Call[]
  readonly replies: (Reply | undefined)[]
  readonly resolve: (replies: Reply[]) => void
  readonly reject: (cause: unknown) => void
  readonly untilAt: number
  /** How often it was sent. */
  sent: number
}

interface Envelope {
  readonly head: { readonly status: number }
  readonly data: unknown
}

export class HttpTransport implements Transport {
  readonly unicast: string
  readonly anycast: string
  readonly #options: HttpTransportOptions
  readonly #platform: Platform
  readonly #base: string
  readonly #queue: Parcel[] = []
  readonly #waits = new Set<() => void>()
  readonly #stopping = new AbortController()
  #onMessage: (message: Message) => void = () => {}
  #onReopened: () => void = () => {}
  #isFlushing = false
  #posts = 0
  #corrId = 0
  #isTroubled = false
  #stream: MessageStream | undefined
  /** Undefined until /health was read. */
  #batches: boolean | undefined
  #checks = false
  #probe: Promise<void> | undefined

  constructor(options: HttpTransportOptions) {
    const { url, group, pid } = options
    this.#options = options
    this.#platform = options.platform
    this.#base = url.replace(/\/+$/, '')
    this.unicast = `poll://uni@${group}/${pid}`
    this.anycast = `poll://any@${group}/${pid}`
  }

  get #token(): string | undefined {
    const { token } = this.#options
    return typeof token === 'function' ? token() : token
  }

  get #headers(): Record<string, string> {
    const token = this.#token
    const given = { 'content-type': 'application/json', ...this.#options.headers }
    return token ? { ...given, authorization: `Bearer ${token}` } : given
  }

  get #head(): Record<string, unknown> {
    const token = this.#token
    return token ? { version: PROTOCOL_VERSION, auth: token } : { version: PROTOCOL_VERSION }
  }

  get batches(): boolean {
    return this.#batches ?? false
  }

  get checks(): boolean {
    return this.#checks
  }

  get door(): Door {
    return { url: `${this.#base}/`, headers: this.#headers, head: this.#head }
  }

  match(target: string): string {
    return target.includes('://') ? target : `poll://any@${target}`
  }

  receive(onMessage: (message: Message) => void): void {
    this.#onMessage = onMessage
  }

  reopened(onReopened: () => void): void {
    this.#onReopened = onReopened
  }

  send(calls: readonly Call[], { patienceMs }: SendOptions = {}): Promise<Reply[]> {
    if (this.#stopping.signal.aborted) return Promise.reject(errors.stopped())
    return new Promise((resolve, reject) => {
      const untilAt = patienceMs === undefined ? Number.POSITIVE_INFINITY : this.#platform.now() + patienceMs
      this.#queue.push({ calls, replies: new Array(calls.length), resolve, reject, untilAt, sent: 0 })
      this.#flushSoon()
    })
  }

  start(facts: () => WorkerFacts): void {
    const { platform, logger } = this.#options
    let connections = 0
    this.#stream = new MessageStream({
      url: () => this.#pollUrl(facts()),
      headers: () => this.#headers,
      platform,
      logger,
      onMessage: (message) => this.#onMessage(message),
      onFault: (cause) => this.#troubled(cause),
      onOpen: () => {
        this.#recovered()
        if (connections++ > 0) this.#onReopened()
      },
    })
    this.#stream.start()
  }

  close(): void {
    this.#stream?.close()
  }

  async stop(): Promise<void> {
    this.close()
    this.#stopping.abort()
    for (const wake of this.#waits) wake()
    for (const parcel of this.#queue.splice(0)) parcel.reject(errors.stopped())
  }

  #flushSoon(): void {
    if (this.#isFlushing) return
    this.#isFlushing = true
    this.#platform.defer(() => {
      this.#isFlushing = false
      this.#flush()
    })
  }

  flush(): void {
    this.#flush()
  }

  #flush(): void {
    if (this.#queue.length === 0) return
    if (this.#batches === undefined) {
      this.#probe ??= this.#readHealth().finally(() => {
        this.#probe = undefined
        this.#flush()
      })
      return
    }
    if (!this.#batches) {
      for (const parcel of this.#queue.splice(0)) void this.#sendSingly(parcel)
      return
    }
    while (this.#queue.length > 0 && this.#posts < POSTS_MAX) void this.#sendTogether()
  }

  /** Which extensions the server has. Asked until it answers: nothing can be sent before anyhow. */
  async #readHealth(): Promise<void> {
    for (let attempt = 0; this.#batches === undefined; attempt++) {
      if (this.#stopping.signal.aborted) return
      try {
        const { timeoutMs } = this.#options
        const { status, body } = await this.#platform.http.request(`${this.#base}/health`, {
          method: 'GET',
          headers: this.#headers,
          timeoutMs,
        })
        if (isPassing(status)) throw new Error(`GET /health answered ${status}`)
        const extensions = extensionsOf(body)
        this.#checks = extensions.includes('check')
        this.#batches = extensions.includes('batch')
        this.#recovered()
      } catch (cause) {
        this.#troubled(cause)
        this.#giveUpLate(cause)
        if (this.#queue.length === 0) return
        await this.#wait(this.#backoffMs(attempt))
      }
    }
  }

  /** Parcels whose patience is over are told so. */
  #giveUpLate(cause: unknown): void {
    const now = this.#platform.now()
    const late = this.#queue.filter(({ untilAt }) => untilAt <= now)
    for (const parcel of late) {
      this.#queue.splice(this.#queue.indexOf(parcel), 1)
      parcel.reject(new ResonateTimeoutException(messageOf(cause)))
    }
  }

  /** As many parcels as one body holds. A parcel that is longer than a body goes alone, piece by piece. */
  async #sendTogether(): Promise<void> {
    const parcels: Parcel[] = []
    const texts: string[] = []
    let chars = 0
    while (this.#queue.length > 0) {
      const parcel = this.#queue[0] as Parcel
      const added = parcel.calls.map((call) => this.#envelope(call))
      const size = added.reduce((sum, text) => sum + text.length + 1, 0)
      if (texts.length > 0 && (texts.length + added.length > BATCH_MAX || chars + size > BODY_CHARS_MAX)) break
      this.#queue.shift()
      parcels.push(parcel)
      for (const text of added) texts.push(text)
      chars += size
    }
    this.#posts += 1
    try {
      const { envelopes, retryMs } = await this.#postPieces(texts, chars)
      this.#take(parcels, envelopes, retryMs)
    } catch (cause) {
      this.#troubled(cause)
      for (const parcel of parcels) this.#again(parcel, cause)
    } finally {
      this.#posts -= 1
      this.#flush()
    }
  }

  async #postPieces(texts: readonly string[], chars: number): Promise<{ envelopes: Envelope[]; retryMs?: number }> {
    if (texts.length === 1) {
      const single = await this.#post(texts[0] as string)
      return { envelopes: [single.body as Envelope], retryMs: single.retryMs }
    }
    if (texts.length <= BATCH_MAX && chars <= BODY_CHARS_MAX) return this.#postArray(texts)
    const envelopes: Envelope[] = []
    for (const piece of piecesOf(texts))
      for (const envelope of (await this.#postArray(piece)).envelopes) envelopes.push(envelope)
    return { envelopes }
  }

  async #postArray(texts: readonly string[]): Promise<{ envelopes: Envelope[]; retryMs?: number }> {
    const { body, retryMs } = await this.#post(`[${texts.join(',')}]`)
    if (Array.isArray(body) && body.length === texts.length) return { envelopes: body as Envelope[], retryMs }
    // One envelope for a whole batch: it was refused before it was read, 503 while starting, 401 by a proxy.
    return { envelopes: texts.map(() => body as Envelope), retryMs }
  }

  async #post(body: string): Promise<{ body: unknown; retryMs?: number }> {
    const { timeoutMs } = this.#options
    const headers = this.#headers
    const response = await this.#platform.http.request(`${this.#base}/`, { method: 'POST', headers, body, timeoutMs })
    const parsed = parseObject(response.body)
    const retryMs = retryAfterMs(response.retryAfter, this.#platform.now())
    if (parsed !== undefined) return { body: parsed, retryMs }
    // A proxy may well say that it lets nobody in; what has become of a task or a promise is not for it to say.
    const status = response.status || 500
    if (MEANINGFUL.has(status)) throw new NoEnvelope(status, this.#base)
    return { body: { head: { status }, data: response.body.slice(0, 200) }, retryMs }
  }

  /** Hands the answers over, and asks again for what was refused for now. */
  #take(parcels: readonly Parcel[], envelopes: readonly Envelope[], retryMs: number | undefined): void {
    let at = 0
    for (const parcel of parcels) {
      this.#takeOne(parcel, envelopes.slice(at, at + parcel.calls.length), retryMs)
      at += parcel.calls.length
    }
  }

  #takeOne(parcel: Parcel, envelopes: readonly Envelope[], retryMs: number | undefined): void {
    parcel.sent += 1
    const repeated = parcel.sent > 1
    let passing: Envelope | undefined
    for (const [at, envelope] of envelopes.entries()) {
      const status = envelope?.head?.status
      if (typeof status !== 'number') passing = { head: { status: 502 }, data: `the answer is no envelope, ${ASK_URL}` }
      else if (isPassing(status)) passing = envelope
      else parcel.replies[at] = { status, data: envelope.data, repeated }
    }
    if (!passing) {
      this.#recovered()
      return parcel.resolve(parcel.replies as Reply[])
    }
    this.#again(parcel, new Error(`the server answered ${passing.head.status}: ${passing.data}`), retryMs, true)
  }

  /** Queues a parcel again after a while. The whole of it: what was decided already is decided the same. */
  #again(parcel: Parcel, cause: unknown, retryMs?: number, counted = false): void {
    if (!counted) parcel.sent += 1
    if (this.#stopping.signal.aborted) return parcel.reject(errors.stopped())
    const waitMs = Math.max(this.#backoffMs(parcel.sent - 1), retryMs ?? 0)
    if (this.#platform.now() + waitMs > parcel.untilAt)
      return parcel.reject(new ResonateTimeoutException(messageOf(cause)))
    void this.#wait(waitMs).then(() => {
      if (this.#stopping.signal.aborted) return parcel.reject(errors.stopped())
      this.#queue.push(parcel)
      this.#flushSoon()
    })
  }

  /** One POST after the other, for servers without batches. */
  async #sendSingly(parcel: Parcel): Promise<void> {
    try {
      const envelopes: Envelope[] = []
      let retryMs: number | undefined
      for (const call of parcel.calls) {
        const { body, retryMs: after } = await this.#post(this.#envelope(call))
        envelopes.push(body as Envelope)
        retryMs = after ?? retryMs
      }
      this.#takeOne(parcel, envelopes, retryMs)
    } catch (cause) {
      this.#troubled(cause)
      this.#again(parcel, cause)
    }
  }

  #envelope({ kind, data, head: more }: Call): string {
    this.#corrId += 1
    const head = { corrId: `${this.#corrId}`, ...this.#head }
    const whole = this.#batches ? data : withInnerHeads(data, head)
    return JSON.stringify({ kind, head: more ? { ...head, ...more } : head, data: whole })
  }

  #pollUrl({ capacity, functions }: WorkerFacts): string {
    const { group, pid, sdk, version } = this.#options
    const query = new URLSearchParams({ revoke: '1', sdk, version, host: this.#platform.host })
    if (capacity !== undefined) query.set('capacity', String(capacity))
    // As much as fits a URL that every proxy takes.
    const names = functions.join(',')
    if (names && names.length <= 4_000) query.set('functions', names)
    return `${this.#base}/poll/${encodeURIComponent(group)}/${encodeURIComponent(pid)}?${query}`
  }

  #backoffMs(attempt: number): number {
    return backoffMs(attempt, this.#platform.random)
  }

  #wait(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel()
        this.#waits.delete(done)
        resolve()
      }
      const cancel = this.#platform.timer(waitMs, done)
      this.#waits.add(done)
    })
  }

  /** Said once per trouble: at 30 s of back-off a server that is down must not fill a log. */
  #troubled(cause: unknown): void {
    if (this.#isTroubled || this.#stopping.signal.aborted) return
    this.#isTroubled = true
    const what = cause instanceof StreamRefused ? 'the server refuses this worker' : 'the server cannot be reached'
    this.#options.logger.warn({ url: this.#base, cause: messageOf(cause) }, `${what}; trying again`)
  }

  #recovered(): void {
    if (!this.#isTroubled) return
    this.#isTroubled = false
    this.#options.logger.info({ url: this.#base }, 'the server is back')
  }
}

function* piecesOf(texts: readonly string[]): Generator<string[]> {
  let piece: string[] = []
  let chars = 0
  for (const text of texts) {
    if (piece.length > 0 && (piece.length >= BATCH_MAX || chars + text.length > BODY_CHARS_MAX)) {
      yield piece
      piece = []
      chars = 0
    }
    piece.push(text)
    chars += text.length + 1
  }
  if (piece.length > 0) yield piece
}

function extensionsOf(body: string): readonly unknown[] {
  const extensions = (parseObject(body) as { extensions?: unknown } | undefined)?.extensions
  return Array.isArray(extensions) ? extensions : []
}

/** Retry-After in its two forms. */
function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined
  const seconds = Number(header)
  const ms = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(header) - now
  return Number.isFinite(ms) && ms > 0 ? ms : undefined
}
