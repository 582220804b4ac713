// Functions that are called by HTTP: a worker without a process of its own. The server pushes a message to its URL; the handler
// checks who sent it, takes the task, runs it until it is blocked, and answers. Any platform that speaks fetch can run it.
// R1. A message that is not known to be the server's is answered before anything is asked or run. R2. What a request says about
// where the server is counts only where the request is known to be the server's; no token ever goes to such a place otherwise.

import { SIGNATURE_HEADER, signatureProblem } from '@resonatehq/protocol'
import { environmentUrl, type RegisterOptions } from '../client.ts'
import type { AsyncEncryptor, Encryptor } from '../codec.ts'
import { Codec } from '../engine/codec.ts'
import { messageOf } from '../engine/errors.ts'
import { type AnyFunction, Registry } from '../engine/registry.ts'
import { Exponential, type RetryPolicy } from '../engine/retry.ts'
import { ConsoleLogger, type Logger, type LogLevel } from '../log.ts'
import type { Platform } from '../platform.ts'
import { systemPlatform } from '../runtime.ts'
import type { Tracing } from '../tracing.ts'
import type { Func } from '../types.ts'
import { type PushedMessage, readMessage } from './message.ts'
import { Serving } from './serving.ts'

/** How functions called by HTTP are made. What is left out is taken from the environment, or has its default. */
export interface ResonateOptions {
  /** The server. @default RESONATE_URL, or RESONATE_SCHEME, _HOST and _PORT; without any, what a verified message says */
  url?: string
  /** The secret that the server signs with, `transports.http_push.secret` there. Several while one replaces another. */
  secret?: string | readonly string[]
  /** The token that the server sends, where it is told to send one. */
  bearer?: string | readonly string[]
  /** The platform lets nobody call this function but the server: by IAM, a private network, or the like. @default false */
  trusted?: boolean
  /** How far the clock of a signature may be from ours, ms. @default 300000 */
  replayWindow?: number
  /** Sent with every request to the server. @default RESONATE_TOKEN */
  token?: string
  /** Where this function is called, for calls that name no target. @default where the server sent the task */
  functionUrl?: string
  /** Gives the task back after this long, ms: a little less than what the platform allows a request. @default never */
  timeLimit?: number
  /** The name of this worker. @default random, anew for each request */
  pid?: string
  /** How long a task stays ours without a sign of life, ms; it is renewed while the request runs. @default 60000 */
  ttl?: number
  /** How long one HTTP request to the server may take, ms. @default RESONATE_TIMEOUT, or 10000 */
  timeout?: number
  /** The same as logLevel "debug". @default false */
  verbose?: boolean
  /** From which level on the default logger writes. @default "warn" */
  logLevel?: LogLevel
  /** Who is told what happens. @default a ConsoleLogger */
  logger?: Logger
  /** Makes values unreadable to the server. */
  encryptor?: Encryptor | AsyncEncryptor
  /** How plain functions are retried where nothing else is said. @default exponential; `new Never()` as in the async entry */
  retryPolicy?: RetryPolicy
  /** Keeps traces of executions. @default none */
  tracing?: Tracing
  /** Clock, timers, chance and the network of the runtime: for tests. */
  platform?: Platform
}

/** What the platform of one request allows. */
export interface RequestLimits {
  /** Gives the task back after this long, ms. */
  readonly timeLimit?: number
}

const TTL_MS = 60_000
const TIMEOUT_MS = 10_000

/** Functions that are called by HTTP, each request a worker of its own: `handler` takes a Request and gives a Response. */
export class Resonate {
  readonly #options: ResonateOptions
  readonly #platform: Platform
  readonly #logger: Logger
  readonly #codec: Codec
  readonly #registry = new Registry()
  readonly #dependencies = new Map<string, unknown>()
  readonly #serving = new Set<Serving>()
  #isStopping = false

  constructor(options: ResonateOptions = {}) {
    this.#options = options
    this.#platform = options.platform ?? systemPlatform()
    this.#logger = options.logger ?? new ConsoleLogger(options.logLevel ?? (options.verbose ? 'debug' : 'warn'))
    this.#codec = new Codec(options.encryptor)
  }

  /** Makes a function known by a name and a version, so that it can be called. */
  register<F extends Func>(name: string, func: F, options?: RegisterOptions): void
  register<F extends Func>(func: F, options?: RegisterOptions): void
  register(
    nameOrFunc: string | AnyFunction,
    funcOrOptions?: AnyFunction | RegisterOptions,
    more?: RegisterOptions,
  ): void {
    const isNamed = typeof nameOrFunc === 'string'
    const fn = isNamed ? funcOrOptions : nameOrFunc
    const options = (isNamed ? more : (funcOrOptions as RegisterOptions)) ?? {}
    if (typeof fn !== 'function') throw new TypeError(`register takes a function, got ${typeof fn}`)
    const name = isNamed ? nameOrFunc : fn.name
    this.#registry.add({ name, fn, version: options.version ?? 1, retryPolicy: options.retryPolicy })
  }

  /** Makes an object known to every function, as `ctx.getDependency(name)`. */
  setDependency(name: string, dependency: unknown): void {
    this.#dependencies.set(name, dependency)
  }

  /** Answers one request of the server. Never rejects. Bound: it can be handed on as it is. */
  readonly handler = async (request: Request, limits: RequestLimits = {}): Promise<Response> => {
    try {
      return await this.#handle(request, limits)
    } catch (cause) {
      this.#logger.error({ cause }, 'a pushed message could not be worked on; the server sends it again')
      return answer(503, { error: messageOf(cause) })
    }
  }

  /** Takes no more tasks, lets what runs end within the grace, gives the rest back: for SIGTERM. */
  async stop({ timeout = 5_000 }: { timeout?: number } = {}): Promise<void> {
    this.#isStopping = true
    await Promise.all([...this.#serving].map((serving) => serving.stop(timeout)))
  }

  async #handle(request: Request, limits: RequestLimits): Promise<Response> {
    if (request.method !== 'POST')
      return answer(405, { error: `POST a message, got ${request.method}` }, { allow: 'POST' })
    if (this.#isStopping) return answer(503, { error: 'this instance is stopping' }, { 'retry-after': '1' })
    const body = await request.text()
    const problem = await this.#senderProblem(request, body)
    if (problem !== null) return this.#refuse(401, problem)
    const message = readMessage(body)
    if ('problem' in message) return this.#refuse(400, message.problem)
    // Whoever runs here looks at what it waits for by itself; that somebody is told at this URL is answered, or it would come again.
    if (message.kind === 'unblock') return answer(200, { status: 'noted' })
    const url = this.#serverUrl(message)
    if (url === undefined) return this.#refuse(500, NO_SERVER)
    return this.#run(url, message, limits)
  }

  /** Why the sender is not known to be the server; null where it is, or where nothing was said about how to know. R1. */
  async #senderProblem(request: Request, body: string): Promise<string | null> {
    const { secret, bearer, replayWindow: windowMs } = this.#options
    if (bearer !== undefined && !(await isOneOf(tokenOf(request), listOf(bearer))))
      return 'the token is missing or wrong'
    if (secret === undefined) return null
    const header = request.headers.get(SIGNATURE_HEADER)
    return signatureProblem(body, { header, secrets: listOf(secret), now: this.#platform.now(), windowMs })
  }

  /** R2. */
  #serverUrl({ serverUrl }: PushedMessage): string | undefined {
    const own = this.#options.url ?? environmentUrl(this.#platform)
    if (own !== undefined) return own
    const { secret, bearer, trusted } = this.#options
    return secret !== undefined || bearer !== undefined || trusted ? serverUrl : undefined
  }

  async #run(url: string, { task }: PushedMessage, limits: RequestLimits): Promise<Response> {
    const serving = new Serving(this.#partsOf(url))
    this.#serving.add(serving)
    try {
      const timeLimitMs = limits.timeLimit ?? this.#options.timeLimit
      const { outcome, problem } = await serving.run(task, { timeLimitMs })
      return problem === undefined ? answer(200, { status: outcome }) : answer(500, { error: problem })
    } finally {
      this.#serving.delete(serving)
    }
  }

  #partsOf(url: string) {
    const options = this.#options
    const platform = this.#platform
    return {
      url,
      token: options.token ?? platform.env('RESONATE_TOKEN'),
      pid: options.pid ?? platform.uuid(),
      ttl: options.ttl ?? TTL_MS,
      timeoutMs: options.timeout ?? Number(platform.env('RESONATE_TIMEOUT') ?? TIMEOUT_MS),
      functionUrl: options.functionUrl,
      codec: this.#codec,
      registry: this.#registry,
      dependencies: this.#dependencies,
      logger: this.#logger,
      platform,
      retryPolicy: options.retryPolicy ?? new Exponential(),
      tracing: options.tracing,
    }
  }

  #refuse(status: number, error: string): Response {
    this.#logger.warn({ status, error }, 'a pushed message was refused')
    return answer(status, { error })
  }
}

const NO_SERVER =
  'no server is known: set url (RESONATE_URL), or secret, bearer or trusted, so that what a message says of its server can be believed'

function answer(status: number, data: object, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(data), { status, headers: { 'content-type': 'application/json', ...headers } })
}

function listOf(values: string | readonly string[]): readonly string[] {
  return typeof values === 'string' ? [values] : values
}

function tokenOf(request: Request): string {
  return /^Bearer (.+)$/i.exec(request.headers.get('authorization') ?? '')?.[1] ?? ''
}

/** Compares digests, so that the time it takes says nothing about how much of a guess is right. */
async function isOneOf(given: string, tokens: readonly string[]): Promise<boolean> {
  const digests = await Promise.all([given, ...tokens].map(digestOf))
  const [mine, ...others] = digests
  return others.some((other) => other === mine)
}

async function digestOf(text: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))).join()
}
