// Sockets: node:http around the handlers. Bodies are read within bounds, answers written, worker streams held open, and
// a stop drains. It decides nothing about what is asked; it must never hold a byte that a limit does not cover.
//
// L1. Answers of one connection leave in the order of its requests (node:http keeps it), and nothing is written past them.
// L2. The bytes of bodies being read or decided are at most `limits.queue_bytes` together, those of answers that are not
//     taken at most `limits.unread_bytes`.
// L3. After a stop no request is read; each one read before is answered, unless the time for that runs out.

import http, {
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import https from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { SecureContextOptions } from 'node:tls'
import type { Platform } from '@resonatehq/engine'
import { bearerOf } from './auth/guard.ts'
import type { Origins } from './auth/origins.ts'
import { schemeOf } from './config/derived.ts'
import type { Config } from './config/settings.ts'
import { POLL_HEADERS, type Poll, type Stream } from './dispatch/poll.ts'
import { Pieces } from './http/body.ts'
import { errorOf, type HttpResponse, INTERNAL_ERROR, onlyBy, READ } from './http/messages.ts'
import { type Http, isPollPath } from './http/routes.ts'
import type { Logger } from './log.ts'

export interface Listener {
  /** From now on new connections are shown this certificate. Only where the configuration asks for TLS. */
  secure(tls: SecureContextOptions): void
  /** Opens the port and resolves with its number. Rejects with a message for people. */
  start(): Promise<number>
  /** Drains, then closes. False: it took longer than `timeoutMs`, and what was left was cut off. */
  stop(timeoutMs: number): Promise<boolean>
}

export interface ListenParts {
  readonly config: Config
  readonly http: Http
  readonly poll: Poll
  readonly origins: Origins
  readonly platform: Platform
  readonly logger: Logger
}

/** How long a client that was refused may go on sending, so that it reads why instead of a broken connection. */
const LINGER_MS = 2_000

const INTERNAL = errorOf(500, INTERNAL_ERROR)

/** Turned-away connections are logged this often at most. */
const DROP_LOG_MS = 10_000

export function createListener(parts: ListenParts): Listener {
  const { config, platform, logger } = parts
  const bodyMax = config['limits.body_size']
  /** Requests of each open socket that were read up to their headers and not yet answered. */
  const sockets = new Map<Socket, number>()
  /** The request that each socket is still receiving. */
  const receiving = new Map<Socket, IncomingMessage>()
  /** Sockets that hold a worker's stream. What is asked behind it would never be answered. */
  const streaming = new WeakSet<Socket>()
  let bodyBytes = 0
  let stopping = false
  let droppedLoggedAt = Number.NEGATIVE_INFINITY

  /** Connections that have not agreed on TLS yet, by their other end. */
  const handshakes = new Map<string, Socket>()
  const isSecure = schemeOf(config) === 'https'
  const server = createServerOf(config, {
    keepAlive: true,
    keepAliveInitialDelay: config['transports.http_poll.keep_alive'],
    keepAliveTimeout: config['server.idle_timeout'],
    // Node adds a second to what it announces; clients are better told less than more.
    keepAliveTimeoutBuffer: 1_000,
    maxHeaderSize: config['server.header_size'],
    headersTimeout: Math.min(config['server.header_timeout'], config['server.request_timeout']),
    requestTimeout: config['server.request_timeout'],
    connectionsCheckingInterval: Math.max(100, Math.min(1_000, config['server.header_timeout'] / 4)),
  })
  server.maxConnections = config['server.max_connections']
  if (isSecure) server.on('connection', onHandshake)
  server.on(isSecure ? 'secureConnection' : 'connection', (socket: Socket) => {
    handshakes.delete(endOf(socket))
    sockets.set(socket, 0)
    socket.once('close', () => {
      sockets.delete(socket)
      receiving.delete(socket)
    })
  })
  server.on('request', onRequest)
  server.on('checkContinue', onExpect)
  server.on('clientError', onClientError)
  server.on('drop', onDrop)

  function onHandshake(socket: Socket): void {
    const end = endOf(socket)
    handshakes.set(end, socket)
    socket.once('close', () => handshakes.delete(end))
    if (stopping) socket.destroy()
  }

  function onRequest(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request
    if (streaming.has(socket)) return void socket.destroy()
    sockets.set(socket, (sockets.get(socket) ?? 0) + 1)
    response.once('close', () => onAnswered(socket))
    const [path, query] = splitUrl(request.url ?? '/')
    if (request.method === 'GET' && isPollPath(path)) openStream(request, response, path, query).catch(failed(response))
    else if (request.method === 'POST' && path === '/') readBody(request, response, path, query)
    else void answer(request, response, { path, query, body: '' })
  }

  function onAnswered(socket: Socket): void {
    const left = (sockets.get(socket) ?? 1) - 1
    if (sockets.has(socket)) sockets.set(socket, left)
    if (stopping && left === 0) socket.destroySoon()
  }

  /** A client that asks before it sends is told at once when it need not. */
  function onExpect(request: IncomingMessage, response: ServerResponse): void {
    if (declaredLength(request) > bodyMax) {
      respond(response, parts.http.refuseBody({ ...tooLarge(bodyMax), start: '' }), true)
      return
    }
    response.writeContinue()
    onRequest(request, response)
  }

  function readBody(request: IncomingMessage, response: ServerResponse, path: string, query: string): void {
    const { socket } = request
    const declared = declaredLength(request)
    const pieces = new Pieces()
    let refused: (() => void) | undefined
    receiving.set(socket, request)
    request.on('data', (piece: Buffer) => {
      if (refused) return
      const { length } = piece
      const problem = Math.max(declared, pieces.size + length) > bodyMax ? tooLarge(bodyMax) : noRoomFor(length)
      if (problem) {
        const start = pieces.size === 0 ? piece : pieces.bytes
        refused = refuseAndLinger(response, parts.http.refuseBody({ ...problem, start }))
        release()
        return
      }
      pieces.add(piece)
      bodyBytes += length
    })
    request.once('end', () => {
      receiving.delete(socket)
      if (refused) return refused()
      void answer(request, response, { path, query, body: pieces.bytes }).finally(release)
    })
    // Gone in the middle of its body: there is nobody to answer.
    request.once('close', () => {
      receiving.delete(socket)
      if (!request.complete) release()
    })
    function release(): void {
      bodyBytes -= pieces.size
      pieces.clear()
    }
  }

  function noRoomFor(bytes: number): { status: 503; message: string } | undefined {
    if (bodyBytes + bytes <= config['limits.queue_bytes']) return undefined
    const message = `The requests being read or decided hold ${bodyBytes} bytes, of ${config['limits.queue_bytes']} at most`
    return { status: 503, message: `${message} (limits.queue_bytes). Try again.` }
  }

  async function answer(
    request: IncomingMessage,
    response: ServerResponse,
    { path, query, body }: { path: string; query: string; body: Uint8Array | string },
  ): Promise<void> {
    const { method = 'GET', headers, socket } = request
    const peer = socket.remoteAddress
    const asked = { method, path, query, headers, body, ...(peer !== undefined && { peer }) }
    respond(response, await parts.http.handle(asked), stopping)
  }

  function respond(response: ServerResponse, { status, headers, body, taken }: HttpResponse, close: boolean): void {
    if (response.destroyed) return taken?.()
    if (taken) {
      response.once('close', taken)
      // The time runs anew whenever some of it was taken.
      response.setTimeout(config['server.request_timeout'], () => response.destroy())
    }
    const length = status === 204 ? {} : { 'content-length': Buffer.byteLength(body) }
    response.writeHead(status, { ...headers, ...forPages(response), ...length, ...(close && { connection: 'close' }) })
    response.end(body)
  }

  function forPages({ req }: ServerResponse): Readonly<Record<string, string>> {
    return parts.origins.headersFor(req.headers)
  }

  /**
   * Writes the whole answer but keeps reading, and throwing away, what the client still sends: closing at once would
   * reset the connection under it, and the answer with it. Returns what ends that.
   */
  function refuseAndLinger(response: ServerResponse, { status, headers, body }: HttpResponse): () => void {
    const length = { 'content-length': Buffer.byteLength(body) }
    response.writeHead(status, { ...headers, ...forPages(response), ...length, connection: 'close' })
    response.write(body)
    const finish = (): void => {
      cancel()
      response.end()
    }
    const cancel = platform.timer(LINGER_MS, finish)
    response.once('close', cancel)
    return finish
  }

  /** A bug while it was told whose token it is: this worker comes back, the others go on. */
  function failed(response: ServerResponse): (error: unknown) => void {
    return (error) => {
      logger.error({ err: error }, 'Worker connection failed')
      if (response.headersSent) response.destroy()
      else respond(response, INTERNAL, true)
    }
  }

  async function openStream(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    query: string,
  ): Promise<void> {
    const { headers, socket } = request
    const asked = { path, query, authorization: headers.authorization }
    const verdict = parts.origins.denialOf(headers) ?? (await parts.poll.identify(asked))
    // Gone while its token was checked: nobody would ever hear of the end of this connection.
    if (response.destroyed) return
    if (streaming.has(socket)) return void socket.destroy()
    const opened = parts.poll.open(asked, verdict)
    if (typeof opened !== 'function') {
      respond(response, opened, stopping)
      return
    }
    // The socket ends with the stream: nothing else is ever asked on it.
    streaming.add(socket)
    response.writeHead(200, { ...POLL_HEADERS, ...forPages(response), connection: 'close' })
    response.flushHeaders()
    response.on('error', () => {})
    response.once('close', opened(streamOf(response)))
  }

  /** What is not HTTP, too large a head, or not sent in time. */
  function onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    // Not HTTP where TLS was expected, for example: whatever is written, its other end would not understand.
    if (!sockets.has(socket)) return void socket.destroy()
    const unanswered = sockets.get(socket) ?? 0
    // An answer here would be taken for that of an earlier request of the same connection (L1).
    const isCutShort = receiving.get(socket)?.complete === false
    const mayAnswer = unanswered === 0 || (unanswered === 1 && isCutShort)
    if (!socket.writable || !mayAnswer) return void socket.destroy()
    const { status, message } = clientErrorOf(error, config)
    const { body } = errorOf(status, message)
    const head = `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\ncontent-type: application/json\r\nconnection: close`
    socket.write(`${head}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
    socket.destroySoon()
  }

  function onDrop(): void {
    const now = platform.ticks()
    if (now - droppedLoggedAt < DROP_LOG_MS) return
    droppedLoggedAt = now
    logger.warn({ connections: sockets.size }, 'Connections are turned away: server.max_connections are open')
  }

  return {
    secure: (tls) => (server as https.Server).setSecureContext(tls),
    start: () => open(server, { host: config['server.bind'], port: config['server.port'], flag: '--server-port' }),
    stop(timeoutMs) {
      stopping = true
      parts.poll.stop()
      return new Promise((resolve) => {
        let drained = true
        const cancel = platform.timer(timeoutMs, () => {
          drained = false
          for (const socket of sockets.keys()) socket.destroy()
        })
        server.close(() => {
          cancel()
          resolve(drained)
        })
        for (const socket of handshakes.values()) socket.destroy()
        // Kept for a next request, or opened ahead of a first one.
        for (const [socket, unanswered] of sockets) if (unanswered === 0) socket.destroySoon()
      })
    },
  }
}

export interface MetricsSource {
  text(): Promise<string>
  /** What a group is scaled by. Null: the store does not answer. */
  demand(group: string): Promise<object | null>
  readonly contentType: string
}

/** Whether whoever brings this token may scrape. */
export interface MetricsSecret {
  isBrought(token: string | undefined): boolean
}

/** The metrics on a port of their own, so that they can be kept from where the API is open to. */
export interface MetricsListenParts {
  readonly metrics: MetricsSource
  readonly secret: MetricsSecret
  readonly logger: Logger
}

export function createMetricsListener(config: Config, { metrics, secret, logger }: MetricsListenParts): Listener {
  const answerTo = async ({ url, method = 'GET', headers }: IncomingMessage): Promise<HttpResponse> => {
    const [path] = splitUrl(url ?? '/')
    const group = groupOf(path)
    if (path !== '/metrics' && group === null)
      return errorOf(404, 'Only GET /metrics and GET /scaling/{group} are here')
    if (!READ.includes(method)) return onlyBy({ path, method }, READ)
    if (!secret.isBrought(bearerOf(headers.authorization)))
      return errorOf(401, 'Scrapes need the token of observability.metrics_token_file: Authorization: Bearer')
    if (group !== null) return demandAnswer(await metrics.demand(group))
    return { status: 200, headers: { 'content-type': metrics.contentType }, body: await metrics.text() }
  }
  const failed = (error: unknown): HttpResponse => {
    logger.error({ err: error }, 'Scrape failed')
    return INTERNAL
  }
  const server = createServerOf(
    config,
    { requestTimeout: 10_000, headersTimeout: 5_000 },
    async (request, response) => {
      const answer = await answerTo(request).catch(failed)
      response.writeHead(answer.status, { ...answer.headers, 'content-length': Buffer.byteLength(answer.body) })
      response.end(answer.body)
    },
  )
  server.maxConnections = 100
  const port = config['observability.metrics_port']
  return {
    secure: (tls) => (server as https.Server).setSecureContext(tls),
    start: () =>
      open(server, { host: config['observability.metrics_bind'], port, flag: '--observability-metrics-port' }),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve(true))
        server.closeAllConnections()
      }),
  }
}

const SCALING_PATH = '/scaling/'

/** The group that a path asks for. Null: none. */
function groupOf(path: string): string | null {
  if (!path.startsWith(SCALING_PATH) || path.length === SCALING_PATH.length) return null
  try {
    return decodeURIComponent(path.slice(SCALING_PATH.length))
  } catch {
    return null
  }
}

/** Never zeros for what is not known: a group would lose its workers while the store is away. */
function demandAnswer(demand: object | null): HttpResponse {
  if (demand === null) return errorOf(503, 'The store does not answer. The log of the server says why.')
  return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(demand) }
}

/** Speaks TLS where the configuration says so, and nothing else then. */
function createServerOf(config: Config, options: ServerOptions, listener?: RequestListener): Server {
  if (schemeOf(config) === 'http') return http.createServer(options, listener)
  return https.createServer({ ...options, handshakeTimeout: config['server.header_timeout'] }, listener)
}

/** Tells one open connection of a port from all others. */
function endOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}

function open(server: Server, { host, port, flag }: { host: string; port: number; flag: string }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(new Error(bindProblem(error, { host, port, flag }))))
    server.listen({ host, port, backlog: 1024 }, () => resolve((server.address() as AddressInfo).port))
  })
}

function bindProblem(error: NodeJS.ErrnoException, { host, port, flag }: { host: string; port: number; flag: string }) {
  switch (error.code) {
    case 'EADDRINUSE':
      return `Port ${port} is in use by another program. Stop that program, or choose another port with ${flag}.`
    case 'EACCES':
      return `Port ${port} may not be opened by this user. Choose one above 1023 with ${flag}.`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${host} is not an address of this machine. Choose another to listen on; 0.0.0.0 is all of them.`
    default:
      return `Cannot listen on ${host} port ${port}: ${error.message}`
  }
}

function clientErrorOf(error: NodeJS.ErrnoException, config: Config): { status: number; message: string } {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return { status: 431, message: `The headers must fit ${config['server.header_size']} bytes (server.header_size)` }
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return {
        status: 408,
        message: 'The request was not sent in time (server.header_timeout, server.request_timeout)',
      }
    default:
      return { status: 400, message: `The request is not valid HTTP: ${error.message}` }
  }
}

function tooLarge(most: number): { status: 413; message: string } {
  return { status: 413, message: `The body must fit ${most} bytes (limits.body_size)` }
}

/** Zero where it is not declared. */
function declaredLength(request: IncomingMessage): number {
  return Number(request.headers['content-length'] ?? 0)
}

/** `/a?b` to `/a` and `b`. A proxy may send the whole URL. */
function splitUrl(url: string): [path: string, query: string] {
  const local = url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/?]*/i, '')
  const at = local.indexOf('?')
  return at < 0 ? [local || '/', ''] : [local.slice(0, at) || '/', local.slice(at + 1)]
}

function streamOf(response: ServerResponse): Stream {
  return {
    write(text, flushed) {
      response.write(text, (error) => {
        if (!error) flushed()
      })
    },
    end: () => void response.end(),
    destroy: () => void response.destroy(),
  }
}
