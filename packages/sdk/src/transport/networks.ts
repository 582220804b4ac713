// The networks of the published SDK, for programs that make one by themselves: to add headers, to receive messages in a way of
// their own, or to share a server inside the process. Clients made with a `url` do without them, and faster: theirs sends many
// requests in one body.

import { PROTOCOL_VERSION } from '@resonatehq/protocol'
import { messageOf, ResonateTimeoutException } from '../engine/errors.ts'
import { ConsoleLogger, type Logger } from '../log.ts'
import type { Platform } from '../platform.ts'
import { systemPlatform } from '../runtime.ts'
import type { Message } from '../wire.ts'
import type { Request, Response } from '../wire-requests.ts'
import { LocalTransport } from './local.ts'
import type { Network } from './network.ts'
import { MessageStream, parseObject } from './stream.ts'

const TIMEOUT_MS = 10_000

/** How an HttpNetwork receives messages, and under which addresses. */
export interface HttpAdapter {
  /** The address of this worker alone. */
  readonly unicast: string
  /** The address of this worker, or of another of its group. */
  readonly anycast: string
  /** The address that the name of a group means. */
  match(target: string): string
  /** Starts to receive. */
  init(): Promise<void>
  /** Ends it. */
  stop(): Promise<void>
  /** Has every message handed to the callback. */
  onReceive(callback: (message: Message) => void): void
}

/** How an HttpNetwork is made. */
export interface HttpNetworkConfig {
  /** The server. @default RESONATE_URL, or http://localhost:8001 */
  url?: string
  /** How long one request may take, ms. @default RESONATE_TIMEOUT, or 10000 */
  timeout?: number
  /** Sent with every request. */
  headers?: Record<string, string>
  /** @default RESONATE_TOKEN */
  token?: string
  logger?: Logger
  /** Receives messages; without one this network only sends. */
  adapter?: HttpAdapter
  /** Clock, timers, chance and HTTP of the runtime: for tests. */
  platform?: Platform
}

/** A server over HTTP, one request a body. `send` throws ResonateTimeoutException where there was no answer of the protocol. */
export class HttpNetwork implements Network {
  readonly #url: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #timeoutMs: number
  readonly #adapter: HttpAdapter | undefined
  readonly #platform: Platform
  readonly #logger: Logger | undefined

  constructor(config: HttpNetworkConfig = {}) {
    const platform = config.platform ?? systemPlatform()
    const token = config.token ?? platform.env('RESONATE_TOKEN')
    this.#platform = platform
    this.#url = (config.url ?? platform.env('RESONATE_URL') ?? 'http://localhost:8001').replace(/\/+$/, '')
    this.#timeoutMs = config.timeout ?? Number(platform.env('RESONATE_TIMEOUT') ?? TIMEOUT_MS)
    this.#adapter = config.adapter
    this.#logger = config.logger
    this.#headers = {
      'content-type': 'application/json',
      ...config.headers,
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    }
  }

  get unicast(): string {
    return this.#receiver('unicast').unicast
  }

  get anycast(): string {
    return this.#receiver('anycast').anycast
  }

  match(target: string): string {
    return this.#receiver('match').match(target)
  }

  async init(): Promise<void> {
    await this.#adapter?.init()
  }

  async stop(): Promise<void> {
    await this.#adapter?.stop()
  }

  recv(callback: (message: Message) => void): void {
    this.#adapter?.onReceive(callback)
  }

  /** Sends one request. Refusals are answers; what is no answer to this request throws. */
  send = async <K extends Request['kind']>(
    request: Extract<Request, { kind: K }>,
  ): Promise<Extract<Response, { kind: K }>> => {
    const { kind, head } = request as Request
    const response = (await this.#post(JSON.stringify(request))) as Partial<Response> | undefined
    if (response?.kind === kind && response.head?.corrId === head.corrId)
      return response as Extract<Response, { kind: K }>
    throw new ResonateTimeoutException(`what came is no answer to ${kind} ${head.corrId}`)
  }

  async #post(body: string): Promise<unknown> {
    const options = { method: 'POST', headers: this.#headers, body, timeoutMs: this.#timeoutMs } as const
    try {
      return parseObject((await this.#platform.http.request(`${this.#url}/`, options)).body)
    } catch (cause) {
      this.#logger?.debug({ url: this.#url, cause: messageOf(cause) }, 'a request had no answer')
      throw new ResonateTimeoutException(messageOf(cause))
    }
  }

  #receiver(what: string): HttpAdapter {
    if (this.#adapter) return this.#adapter
    throw new TypeError(
      `An HttpNetwork without an adapter has no '${what}': give it one, new PollMessageSource({ url: '<server>/poll/<group>/<pid>' })`,
    )
  }
}

/** Receives the messages of one worker over the stream `GET /poll/{group}/{pid}`, for an HttpNetwork. */
export class PollMessageSource implements HttpAdapter {
  readonly unicast: string
  readonly anycast: string
  readonly #stream: MessageStream
  readonly #callbacks: ((message: Message) => void)[] = []

  /** `url`: of the stream, `http://server/poll/group/pid`; group and pid are taken from it. Throws TypeError where they are not there. */
  constructor(options: { url: string; token?: string; logger?: Logger; platform?: Platform }) {
    const { url, token, logger = new ConsoleLogger(), platform = systemPlatform() } = options
    const { group, pid } = partsOf(url)
    this.unicast = `poll://uni@${group}/${pid}`
    this.anycast = `poll://any@${group}/${pid}`
    this.#stream = new MessageStream({
      url: () => url,
      headers: (): Record<string, string> => (token ? { authorization: `Bearer ${token}` } : {}),
      platform,
      logger,
      onMessage: (message) => {
        // What a stream of `?revoke=1` brings is beyond the type: who opened it so knows.
        for (const callback of this.#callbacks) callback(message as Message)
      },
      onFault: (cause) => logger.warn({ url, cause: messageOf(cause) }, 'the message stream broke; trying again'),
      onOpen: () => {},
    })
  }

  match(target: string): string {
    return `poll://any@${target}`
  }

  async init(): Promise<void> {
    this.#stream.start()
  }

  async stop(): Promise<void> {
    this.#stream.close()
  }

  onReceive(callback: (message: Message) => void): void {
    this.#callbacks.push(callback)
  }
}

function partsOf(url: string): { group: string; pid: string } {
  const [, group, pid] = /\/poll\/([^/]+)\/(.+)$/.exec(URL.canParse(url) ? new URL(url).pathname : '') ?? []
  if (group && pid) return { group: decodeURIComponent(group), pid: decodeURIComponent(pid) }
  throw new TypeError(
    `A PollMessageSource takes the URL of a stream, http://localhost:8001/poll/<group>/<pid>, got '${url}'`,
  )
}

/** A server inside the process, in memory. */
export class LocalNetwork implements Network {
  readonly unicast: string
  readonly anycast: string
  readonly #transport: LocalTransport

  constructor({
    pid,
    group = 'default',
    platform = systemPlatform(),
    logger = new ConsoleLogger(),
  }: LocalNetworkConfig = {}) {
    this.#transport = new LocalTransport({ group, pid: pid ?? platform.uuid(), platform, logger })
    this.unicast = this.#transport.unicast
    this.anycast = this.#transport.anycast
  }

  match(target: string): string {
    return this.#transport.match(target)
  }

  async init(): Promise<void> {
    this.#transport.start(() => ({ capacity: undefined, functions: [] }))
  }

  stop(): Promise<void> {
    return this.#transport.stop()
  }

  recv(callback: (message: Message) => void): void {
    this.#transport.receive((message) => callback(message as Message))
  }

  /** Sends one request. Refusals are answers; throws ResonateError 1112 once it is stopped. */
  send = async <K extends Request['kind']>(
    request: Extract<Request, { kind: K }>,
  ): Promise<Extract<Response, { kind: K }>> => {
    const { kind, head, data } = request as Request
    const [reply] = await this.#transport.send([{ kind, data }])
    const answered = { corrId: head.corrId, status: reply?.status, version: PROTOCOL_VERSION }
    return { kind, head: answered, data: reply?.data } as unknown as Extract<Response, { kind: K }>
  }
}

/** How a LocalNetwork is made. */
export interface LocalNetworkConfig {
  /** The name of this worker. @default random */
  pid?: string
  /** Its group. @default "default" */
  group?: string
  /** Clock, timers and chance: for tests. */
  platform?: Platform
  /** @default a ConsoleLogger from `warn` up */
  logger?: Logger
}
