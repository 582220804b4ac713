// Worker connections: GET /poll/{group}/{pid}, a stream of server-sent events that stays open. What arrives here is a
// stream to write to; sockets are the listener's business, and which worker gets what is the engine's.
//
// P1. A message counts as taken (true) or it was never written (false). Taken ones leave in order.
// P2. What one connection, and all of them together, hold unwritten is bounded in messages and bytes.
// P3. A peer that has not taken a write for a keep-alive window is cut off, so nothing taken lies here for longer: what
//     the engine sends again after a connection ended covers everything that may be lost with it.
// P4. The engine hears of the end of every connection exactly once, and when one that refused a message takes some again.

import type { Engine, Platform, WorkerPort } from '@resonatehq/engine'
import { idProblem, type Message, quote } from '@resonatehq/protocol'
import { connectionDenial } from '../auth/access.ts'
import { type Caller, type Denial, isDenial, type Verdict } from '../auth/caller.ts'
import { bearerOf, type Guard } from '../auth/guard.ts'
import type { Config } from '../config/settings.ts'
import { type HttpResponse, refusalOf } from '../http/messages.ts'
import type { Logger } from '../log.ts'
import type { Metrics } from '../metrics/scrape.ts'

/** One open response body. */
export interface Stream {
  /** `flushed` runs once the operating system has taken the text, or never. */
  write(text: string, flushed: () => void): void
  /** Ends it in good order. */
  end(): void
  /** Cuts it off: the peer does not read. */
  destroy(): void
}

export interface PollRequest {
  readonly path: string
  readonly query: string
  readonly authorization: string | undefined
}

/** Takes the stream over. Call what it returns when the stream has ended, for whatever reason. */
export type Attach = (stream: Stream) => () => void

export interface Poll {
  /** Who asks. */
  identify(request: PollRequest): Verdict | Promise<Verdict>
  /** What this request asks for: a stream, or the refusal to answer it with. */
  open(request: PollRequest, verdict: Verdict): Attach | HttpResponse
  readonly connections: number
  /** Refuses new connections and ends all open ones. */
  stop(): void
}

export interface PollParts {
  readonly config: Config
  /** Undefined while the server is starting. */
  readonly engine: () => Engine | undefined
  readonly guard: Guard
  readonly platform: Platform
  readonly logger: Logger
  readonly metrics: Metrics
}

export const POLL_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache',
  // Tells nginx not to hold events back.
  'x-accel-buffering': 'no',
}

/** What a worker says of itself in the query, for operators. */
const PRESENCE = ['sdk', 'version', 'host', 'functions'] as const

const COMMENT = ':\n\n'

/** A timer of Node cannot wait longer. */
const TIMER_MAX_MS = 2 ** 31 - 1

/** The keep-alive is due this many times a window, so that no comment is later than the window. */
const SWEEPS_PER_WINDOW = 5

interface Write {
  /** In ticks: a clock that is set back must not hold a comment back. */
  readonly at: number
  readonly messages: number
  readonly bytes: number
}

interface Connection {
  readonly port: WorkerPort
  readonly stream: Stream
  /** Messages taken and not yet written, as they will be. */
  pending: string
  pendingMessages: number
  pendingBytes: number
  /** Written and not yet flushed, oldest first. */
  readonly writes: Write[]
  /** Taken and not yet flushed: pending and writes together. */
  messages: number
  bytes: number
  /** In ticks. */
  wroteAt: number
  ended: boolean
  /** Bytes of a message that it has refused, until the engine was told that there is room for it. 0: none. */
  refusedBytes: number
  drained: () => void
}

export function createPoll(parts: PollParts): Poll {
  const { config, platform, logger, metrics } = parts
  const windowMs = config['transports.http_poll.keep_alive']
  const sweepMs = Math.ceil(windowMs / SWEEPS_PER_WINDOW)
  const connections = new Set<Connection>()
  const dirty: Connection[] = []
  /** Those that have refused a message, the one that waits longest first. */
  const refusing = new Set<Connection>()
  /** What was sent last: many may be told the same. */
  let last: { readonly message: Message; readonly text: string; readonly bytes: number } | undefined
  let bytesTotal = 0
  let stopped = false
  let cancelSweep: (() => void) | undefined

  function hasRoom(connection: Connection, bytes: number): boolean {
    if (connection.messages === 0 && bytesTotal === 0) return true
    if (bytesTotal + bytes > config['transports.http_poll.buffer_bytes_total']) return false
    if (connection.messages === 0) return true
    if (connection.messages >= config['transports.http_poll.buffer_size']) return false
    return connection.bytes + bytes <= config['transports.http_poll.buffer_bytes']
  }

  function written(message: Message): { readonly text: string; readonly bytes: number } {
    if (last?.message === message) return last
    const text = `data: ${JSON.stringify(message)}\n\n`
    last = { message, text, bytes: Buffer.byteLength(text) }
    return last
  }

  function send(connection: Connection, message: Message): boolean {
    const { text, bytes } = written(message)
    if (stopped || connection.ended || !hasRoom(connection, bytes)) {
      connection.refusedBytes = bytes
      if (!connection.ended) refusing.add(connection)
      metrics.delivered('poll', 'dropped')
      return false
    }
    connection.pending += text
    connection.pendingMessages += 1
    connection.pendingBytes += bytes
    connection.messages += 1
    connection.bytes += bytes
    bytesTotal += bytes
    // One write a connection and tick, however many messages a batch of the engine sends to it.
    if (connection.pendingMessages === 1 && dirty.push(connection) === 1) platform.defer(flush)
    metrics.delivered('poll', 'success')
    return true
  }

  function flush(): void {
    for (const connection of dirty.splice(0)) writePending(connection)
  }

  function writePending(connection: Connection): void {
    if (connection.pendingMessages === 0 || connection.ended) return
    const { pending: text, pendingMessages: messages, pendingBytes: bytes } = connection
    connection.pending = ''
    connection.pendingMessages = 0
    connection.pendingBytes = 0
    write(connection, text, { at: platform.ticks(), messages, bytes })
  }

  function write(connection: Connection, text: string, record: Write): void {
    connection.writes.push(record)
    connection.wroteAt = record.at
    // Writes of one stream are flushed in their order, so it is always the first that was.
    connection.stream.write(text, () => {
      if (connection.ended) return
      connection.writes.shift()
      connection.messages -= record.messages
      connection.bytes -= record.bytes
      bytesTotal -= record.bytes
      if (record.bytes > 0) tellDrained()
    })
  }

  /** As many as there is room for by now: what all connections together hold may have been the reason. */
  function tellDrained(): void {
    const left = config['transports.http_poll.buffer_bytes_total'] - bytesTotal
    let toldBytes = 0
    for (const connection of refusing) {
      const { refusedBytes } = connection
      if (!hasRoom(connection, refusedBytes) || (toldBytes > 0 && toldBytes + refusedBytes > left)) continue
      toldBytes += refusedBytes
      connection.refusedBytes = 0
      refusing.delete(connection)
      connection.drained()
    }
  }

  function end(connection: Connection, disconnect: () => void): void {
    if (connection.ended) return
    connection.ended = true
    bytesTotal -= connection.bytes
    connections.delete(connection)
    refusing.delete(connection)
    if (connections.size === 0) stopSweeping()
    logger.debug({ group: connection.port.group, pid: connection.port.pid }, 'Worker disconnected')
    disconnect()
  }

  function sweep(): void {
    const now = platform.ticks()
    for (const connection of connections) {
      const oldest = connection.writes[0]
      if (oldest && now - oldest.at > windowMs - sweepMs) cutOff(connection)
      else if (now - connection.wroteAt > windowMs - 2 * sweepMs) write(connection, COMMENT, nothing(now))
    }
    tellDrained()
    cancelSweep = platform.timer(sweepMs, sweep)
  }

  function cutOff(connection: Connection): void {
    const { group, pid } = connection.port
    logger.warn({ group, pid, messages: connection.messages }, 'Worker does not read its connection, closing it')
    connection.stream.destroy()
  }

  function stopSweeping(): void {
    cancelSweep?.()
    cancelSweep = undefined
  }

  function attach(engine: Engine, { asked, caller }: { asked: Asked; caller: Caller }, stream: Stream): () => void {
    const connection: Connection = {
      port: { ...asked, send: (message) => send(connection, message) },
      stream,
      pending: '',
      pendingMessages: 0,
      pendingBytes: 0,
      writes: [],
      messages: 0,
      bytes: 0,
      wroteAt: platform.ticks(),
      ended: false,
      refusedBytes: 0,
      drained: () => {},
    }
    connections.add(connection)
    cancelSweep ??= platform.timer(sweepMs, sweep)
    write(connection, COMMENT, nothing(connection.wroteAt))
    logger.debug({ group: asked.group, pid: asked.pid, capacity: asked.capacity }, 'Worker connected')
    const { drained, ended } = engine.connect(connection.port)
    connection.drained = drained
    const cancelExpiry = endAt(caller.expiresAt, () => expire(connection, ended))
    return () => {
      cancelExpiry()
      end(connection, ended)
    }
  }

  /** A worker whose token has run out comes back with a new one, or not at all. What it holds stays its own meanwhile. */
  function endAt(expiresAt: number | null, expired: () => () => void): () => void {
    if (expiresAt === null) return () => {}
    const leftMs = expiresAt - platform.now()
    let cancel = platform.timer(Math.min(leftMs, TIMER_MAX_MS), () => {
      cancel = leftMs > TIMER_MAX_MS ? endAt(expiresAt, expired) : expired()
    })
    return () => cancel()
  }

  /** Returns what is to be done once the stream has ended. */
  function expire(connection: Connection, disconnect: () => void): () => void {
    const { group, pid } = connection.port
    logger.info({ group, pid }, 'The token of a worker has expired, closing its connection')
    writePending(connection)
    connection.stream.end()
    end(connection, disconnect)
    // No sweep comes by any more (P3).
    return platform.timer(windowMs, () => connection.stream.destroy())
  }

  return {
    identify: (request) => parts.guard.identify(bearerOf(request.authorization)),
    open(request, verdict) {
      const engine = parts.engine()
      if (!config['transports.http_poll.enabled'])
        return refusalOf('poll', 404, 'Worker connections are switched off (transports.http_poll.enabled)')
      if (!engine || stopped) return refusalOf('poll', 503, 'The server is starting or stopping. Try again.')
      const asked = askedBy(request)
      if (typeof asked === 'string') return refusalOf('poll', 400, asked)
      if (isDenial(verdict)) return denied(verdict)
      const denial = connectionDenial(verdict, asked.group)
      if (denial) return denied(denial)
      const most = config['transports.http_poll.max_connections']
      if (connections.size >= most)
        return refusalOf(
          'poll',
          503,
          `${most} workers are connected, the most this server takes (transports.http_poll.max_connections)`,
        )
      return (stream) => attach(engine, { asked, caller: verdict }, stream)
    },
    get connections() {
      return connections.size
    },
    stop() {
      stopped = true
      for (const connection of connections) {
        writePending(connection)
        connection.stream.end()
      }
    },
  }
}

function denied({ status, message, retryAfterS }: Denial): HttpResponse {
  return refusalOf('poll', status, message, retryAfterS)
}

/** A comment holds no message: it is only there to be flushed or not. */
function nothing(at: number): Write {
  return { at, messages: 0, bytes: 0 }
}

interface Asked {
  readonly group: string
  readonly pid: string
  readonly capacity?: number
  readonly info: Readonly<Record<string, string>>
  /** Wants to be told when a task that it holds is no longer its own. */
  readonly revoke: boolean
}

/** What the URL asks for, or why it cannot be had. */
function askedBy(request: PollRequest): Asked | string {
  const [, , ...segments] = request.path.split('/')
  if (segments.length !== 2)
    return `The path must be /poll/{group}/{pid}, each percent-encoded, but is ${quote(request.path)}`
  const [group, pid] = segments.map(decoded)
  if (group === undefined || pid === undefined) return `The path is not percent-encoded UTF-8: ${quote(request.path)}`
  const query = new URLSearchParams(request.query)
  const capacity = query.get('capacity')
  const revoke = query.get('revoke')
  return (
    idProblem(group, 'group') ??
    idProblem(pid, 'pid') ??
    groupProblem(group) ??
    capacityProblem(capacity) ??
    revokeProblem(revoke) ?? {
      group,
      pid,
      ...(capacity !== null && { capacity: Number(capacity) }),
      info: presenceOf(query),
      revoke: revoke === '1',
    }
  )
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}

/** In an address the group ends at the first slash: nobody could ever address this one. */
function groupProblem(group: string): string | null {
  return group.includes('/') ? `group must not contain a slash, got ${quote(group)}` : null
}

function capacityProblem(capacity: string | null): string | null {
  if (capacity === null || /^\d{1,9}$/.test(capacity)) return null
  return `capacity must be a whole number of tasks, got ${quote(capacity)}`
}

function revokeProblem(revoke: string | null): string | null {
  if (revoke === null || revoke === '0' || revoke === '1') return null
  return `revoke must be 0 or 1, got ${quote(revoke)}`
}

function presenceOf(query: URLSearchParams): Record<string, string> {
  const info: Record<string, string> = {}
  for (const name of PRESENCE) {
    const value = query.get(name)
    if (value !== null) info[name] = value
  }
  return info
}
