// A client: the parts of the SDK put together, and what both entry points do alike. Starts when it is made, as a worker of its
// group, and serves until it is stopped.

import { idProblem, type Message, type PromiseRecord, type Tags, type Value } from '@resonatehq/protocol'
import type { AsyncEncryptor, Encryptor } from './codec.ts'
import { callParam, DurableContext, oversleeper, withAddress } from './context.ts'
import type { Dependencies } from './dependencies.ts'
import { Codec } from './engine/codec.ts'
import { errors } from './engine/errors.ts'
import { type CallOptions, checkedAmount, deadlineAt, Options, splitOptions } from './engine/options.ts'
import { type AnyFunction, type Registered, Registry } from './engine/registry.ts'
import { checkedPolicy, type RetryPolicy } from './engine/retry.ts'
import { outcomeOf } from './engine/values.ts'
import { Worker } from './engine/worker.ts'
import { checkedRootId } from './ids.ts'
import { Listeners } from './listeners.ts'
import { ConsoleLogger, checkedLogger, type Logger, type LogLevel } from './log.ts'
import type { Platform } from './platform.ts'
import { Promises } from './promises.ts'
import { type Asker, asker, PATIENCE_MS } from './requests.ts'
import { systemPlatform } from './runtime.ts'
import { Schedules, Tasks } from './schedules.ts'
import { type Tracing, withTrace } from './tracing.ts'
import { HttpTransport } from './transport/http.ts'
import { LocalTransport } from './transport/local.ts'
import { type AnyNetwork, NetworkTransport } from './transport/network.ts'
import type { Call, Reply, Transport } from './transport/transport.ts'
import { byName, withDefaults } from './typed-client.ts'
import type { ResonateHandle, ResonateSchedule, TypedClient } from './types.ts'
import { VERSION } from './version.ts'

/**
 * How a client is made. Whatever is left out is taken from the environment, where there is a variable for it, or has its default.
 * A value that makes no sense throws a TypeError that says what was expected.
 */
export interface ResonateOptions {
  /** The server. @default RESONATE_URL, or RESONATE_SCHEME, _HOST and _PORT; without any, a server in this process. */
  url?: string
  /** The group of workers that this process belongs to. @default "default" */
  group?: string
  /** The name of this process, unique among all. @default random */
  pid?: string
  /** How long a task stays ours without a sign of life, ms. @default 60000 */
  ttl?: number
  /**
   * Sent with every request. A function is asked anew for each of them and for each connection: for tokens that end and are
   * followed by others. It must answer at once, so fetch the next one in time. @default RESONATE_TOKEN
   */
  token?: string | (() => string)
  /** How long one HTTP request may take, ms. @default RESONATE_TIMEOUT, or 10000 */
  timeout?: number
  /** The same as logLevel "debug". @default false */
  verbose?: boolean
  /** From which level on the default logger writes; wins over `verbose`. @default "warn" */
  logLevel?: LogLevel
  /** Who is told what happens. @default a ConsoleLogger: one JSON line each, from `logLevel` up */
  logger?: Logger
  /** Makes values unreadable to the server. */
  encryptor?: Encryptor | AsyncEncryptor
  /** A network of the published SDK's interface, instead of HTTP. */
  network?: AnyNetwork
  /**
   * How long the event loop may be blocked before the tasks of this process are left to others, ms. Until then a thread renews
   * them, where there are threads. @default the ttl
   */
  lagLimit?: number
  /**
   * Stops this client on SIGTERM and SIGINT; a second signal ends the process as if nobody listened. With an `exitCode` the
   * process is ended with it once everything is put down, else it ends when nothing is left to do. @default false
   */
  signals?: boolean | SignalOptions
  /** Tasks in hand at once, at most; suspended ones do not count. @default 1000 */
  concurrency?: number
  /** Suspended functions kept in memory. @default 10000 functions of 256 MB of values in all */
  frames?: { count?: number; bytes?: number }
  /** How plain functions are retried where nothing else is said. */
  retryPolicy?: RetryPolicy
  /** Keeps traces of executions: `openTelemetry()`, see `@resonatehq/sdk/opentelemetry`. @default none */
  tracing?: Tracing
  /** Clock, timers, chance and the network of the runtime: for tests and simulations. */
  platform?: Platform
}

/** How a client with a server of its own inside the process is made. */
export interface LocalOptions extends Omit<ResonateOptions, 'url' | 'token' | 'timeout' | 'network'> {
  /** A SQLite file that keeps everything. Absent: in memory, gone with the process. */
  path?: string
}

/** How a function is registered. */
export interface RegisterOptions {
  /** A whole number above 0. @default 1 */
  version?: number
  /** How this function is retried where a call says nothing else. */
  retryPolicy?: RetryPolicy
}

/** How a client stops at a signal. */
export interface SignalOptions extends StopOptions {
  /** Absent: the process is not ended by us. */
  readonly exitCode?: number
}

/** How a client stops. */
export interface StopOptions {
  /** How long what runs here may go on, ms. @default 5000 */
  timeout?: number
}

const TTL_MS = 60_000
const TIMEOUT_MS = 10_000
const GRACE_MS = 5_000
const CONCURRENCY = 1_000
const FRAMES_MAX = 10_000
const FRAME_BYTES_MAX = 256 * 1024 * 1024

const LOCAL_PATH = Symbol('a server in this process, over this file')

/** How the testing kit gives a client a transport of its own. */
export const TRANSPORT: unique symbol = Symbol('makes the transport')

export type InternalOptions = ResonateOptions & {
  [LOCAL_PATH]?: { path?: string }
  [TRANSPORT]?: (parts: TransportParts) => Transport
}

/** Options that ask for a server in this process. */
export function localOptions({ path, ...options }: LocalOptions): ResonateOptions {
  // SQLite would take it for a file that is gone with the process.
  if (path === '')
    throw new TypeError("The option 'path' is a file, as in 'app.db'; leave it out for a server in memory, got ''")
  return { ...options, [LOCAL_PATH]: { path } } as InternalOptions
}

/** What the clients of both entry points have in common. */
export class Client {
  /** Promises by id. */
  readonly promises: Promises
  /** Schedules by id. */
  readonly schedules: Schedules
  /** Tasks by id. */
  readonly tasks: Tasks
  /** The name of this process. */
  readonly pid: string
  /** The group that it is a worker of. */
  readonly group: string
  readonly #transport: Transport
  readonly #codec: Codec
  readonly #registry = new Registry()
  readonly #dependencies = new Map<string, unknown>()
  readonly #platform: Platform
  readonly #worker: Worker
  readonly #listeners: Listeners
  readonly #ask: Asker
  readonly #tracing: Tracing | undefined
  #stopping: Promise<void> | undefined
  /** Removes the signal handlers. */
  #deafen: (() => void) | undefined

  protected constructor(options: ResonateOptions, retryPolicy: RetryPolicy) {
    const platform = options.platform ?? systemPlatform()
    const capacity = checkedCount('concurrency', options.concurrency ?? CONCURRENCY)
    const logger = checkedLogger(
      options.logger ?? new ConsoleLogger(options.logLevel ?? (options.verbose ? 'debug' : 'warn')),
    )
    this.#platform = platform
    this.group = checkedGroup(options.group ?? 'default')
    this.pid = checkedName('pid', options.pid ?? platform.uuid())
    const ttl = checkedMs('ttl', options.ttl ?? TTL_MS)
    this.#transport = transportOf(options, { platform, logger, group: this.group, pid: this.pid })
    this.#codec = new Codec(options.encryptor)
    this.#ask = asker(this.#transport)
    this.#tracing = options.tracing
    this.promises = new Promises(this.#transport, this.#codec)
    this.schedules = new Schedules(this.#ask)
    this.tasks = new Tasks(this.#ask)
    const source = {
      registry: this.#registry,
      dependencies: this.#dependencies,
      now: platform.now,
      random: platform.random,
      targetOf: (target: string | undefined, registered: Registered | undefined) => this.#targetOf(target, registered),
      oversleeps: oversleeper(logger),
    }
    this.#worker = new Worker({
      pid: this.pid,
      ttl,
      lagLimitMs: checkedMs('lagLimit', options.lagLimit ?? ttl),
      concurrency: capacity,
      framesMax: checkedAmount('frames.count', options.frames?.count ?? FRAMES_MAX),
      frameCharsMax: checkedAmount('frames.bytes', options.frames?.bytes ?? FRAME_BYTES_MAX),
      transport: this.#transport,
      codec: this.#codec,
      registry: this.#registry,
      logger,
      platform,
      retryPolicy: checkedPolicy(options.retryPolicy) ?? retryPolicy,
      tracing: options.tracing,
      contextOf: (frame) => new DurableContext(frame, source),
      left: (id, promise) => (promise ? this.#listeners.notify(promise) : this.#listeners.left(id)),
    })
    this.#listeners = new Listeners({
      transport: this.#transport,
      platform,
      isRunning: (id) => this.#worker.isRunning(id),
    })
    this.#transport.receive((message) => this.#take(message))
    this.#transport.reopened?.(() => this.#listeners.askAgain())
    if (options.signals) this.#heed(options.signals === true ? {} : options.signals)
    // At the next macrotask, when what a program registers at its start is there to be told of.
    platform.defer(() => {
      if (this.#stopping) return
      this.#transport.start(() => ({
        capacity: Number.isFinite(capacity) ? capacity : undefined,
        functions: this.#registry.names(),
      }))
    })
  }

  /** Makes an object known to every function, as `ctx.getDependency(name)`. */
  setDependency<K extends keyof Dependencies>(name: K, dependency: Dependencies[K]): void
  setDependency<N extends string>(name: N extends keyof Dependencies ? never : N, dependency: unknown): void
  setDependency(name: string, dependency: unknown): void {
    this.#dependencies.set(name, dependency)
  }

  /** Options of one call, to be passed as its last argument. */
  options(options: CallOptions = {}): Options {
    return withAddress(new Options(options), (target) => this.#transport.match(target))
  }

  /**
   * The functions of a worker elsewhere, by its type alone. With `export const worker = { charge }` over there:
   * `resonate.client<typeof worker>({ target: 'orders' }).charge('id', 42)`. `options` hold for every call.
   */
  client<W>(options: CallOptions = {}): TypedClient<W> {
    const defaults = new Options(options)
    return byName((name) => {
      const begin = (id: string, all: unknown[], isAwaited: boolean) =>
        this.beginRemote(id, name, withDefaults(all, defaults), isAwaited)
      const call = async (id: string, ...all: unknown[]) => (await begin(id, all, true)).result()
      return Object.assign(call, { begin: (id: string, ...all: unknown[]) => begin(id, all, false) })
    })
  }

  /** A handle to a call, or to any promise, by its id. Throws ResonateError 1199 where there is none. */
  // biome-ignore lint/suspicious/noExplicitAny: what an id stands for is not known here unless the caller says so.
  async get<T = any>(id: string): Promise<ResonateHandle<T>> {
    return this.#handle<T>(await this.promises.get(id))
  }

  /**
   * Stops being a worker: takes nothing new, lets what runs here end within the grace, gives the rest back to the group, and
   * closes every connection. The client cannot be used afterwards.
   */
  stop({ timeout = GRACE_MS }: StopOptions = {}): Promise<void> {
    this.#stopping ??= this.#stop(timeout)
    return this.#stopping
  }

  /** Stops at the first signal. The handler goes with it, so that a second one has the effect it always has. */
  #heed({ exitCode, ...stop }: SignalOptions): void {
    const { onSignal, exit } = this.#platform
    this.#deafen = onSignal?.(() => {
      void this.stop(stop).then(() => {
        if (exitCode !== undefined) exit?.(exitCode)
      })
    })
  }

  async #stop(graceMs: number): Promise<void> {
    this.#deafen?.()
    this.#transport.close()
    await this.#worker.stop(graceMs)
    this.#listeners.stop()
    await this.#transport.stop()
  }

  protected add<F extends AnyFunction>(
    nameOrFn: string | F,
    fnOrOptions?: F | RegisterOptions,
    maybeOptions?: RegisterOptions,
  ): { name: string; fn: F; version: number } {
    const isNamed = typeof nameOrFn === 'string'
    const fn = (isNamed ? fnOrOptions : nameOrFn) as F
    const options = ((isNamed ? maybeOptions : fnOrOptions) ?? {}) as RegisterOptions
    if (typeof fn !== 'function') throw new TypeError(`register takes a function, got ${typeof fn}`)
    const entry = {
      name: isNamed ? nameOrFn : fn.name,
      fn,
      version: options.version ?? 1,
      retryPolicy: checkedPolicy(options.retryPolicy),
    }
    this.#registry.add(entry)
    return entry
  }

  /** Starts a call in this process. */
  protected async begin<T>(
    id: string,
    what: AnyFunction | string,
    all: readonly unknown[],
  ): Promise<ResonateHandle<T>> {
    const { args, options } = splitOptions(all)
    const registered = this.#registry.find(what, options.version)
    if (!registered) throw errors.notRegistered(nameOf(what), options.version)
    const target = options.target === undefined ? this.#transport.anycast : this.#transport.match(options.target)
    const root = await this.#rootCreate(id, { name: registered.name, args, registered, options, target })
    const { pid, ttl } = this.#worker
    return this.#within(registered.name, root, async (data) => {
      const action = { kind: 'promise.create', data }
      const [reply] = await this.#transport.send([{ kind: 'task.create', data: { pid, ttl, action } }], {
        patienceMs: PATIENCE_MS,
      })
      return this.#begun(id, reply as Reply)
    })
  }

  async #begun<T>(id: string, reply: Reply): Promise<ResonateHandle<T>> {
    const claim = await this.#worker.claimOf(reply, id, undefined)
    if (claim) {
      this.#worker.adopt(claim)
      return this.#handle<T>(claim.promise)
    }
    // Someone has it in hand, or it waits for something: whoever it is, the result is the same.
    if (reply.status === 409) return this.#handle<T>({ id })
    throw errors.server('task.create', reply.status, String(reply.data))
  }

  /** Starts a call at whoever its target names. `isAwaited`: the result will be asked for, so register at once. */
  protected async beginRemote<T>(
    id: string,
    what: AnyFunction | string,
    all: readonly unknown[],
    isAwaited: boolean,
  ): Promise<ResonateHandle<T>> {
    const { args, options } = splitOptions(all)
    const registered = this.#registry.find(what, options.version)
    if (!registered && typeof what === 'function') throw errors.notRegistered(what.name, options.version)
    const name = registered?.name ?? (what as string)
    const target = this.#targetOf(options.target, registered)
    const root = await this.#rootCreate(id, { name, args, registered, options, target })
    return this.#within(name, root, (data) => this.#createRemote(data, isAwaited))
  }

  async #createRemote<T>(data: RootCreate, isAwaited: boolean): Promise<ResonateHandle<T>> {
    const { id } = data
    const calls: Call[] = [{ kind: 'promise.create', data }]
    if (isAwaited) {
      this.#listeners.expect(id)
      calls.push({ kind: 'promise.register_listener', data: { awaited: id, address: this.#transport.unicast } })
    }
    try {
      const [created, listened] = await this.#transport.send(calls, { patienceMs: PATIENCE_MS })
      if (created?.status !== 200) throw errors.server('promise.create', created?.status ?? 500, String(created?.data))
      if (listened) this.#listeners.heard(id, listened)
      return this.#handle<T>((created.data as { promise: PromiseRecord }).promise)
    } catch (cause) {
      if (isAwaited) this.#listeners.fail(id, cause)
      throw cause
    }
  }

  /** Asks for a call, in a span of its own where traces are kept; those of the call are below it. */
  async #within<T>(name: string, root: RootCreate, ask: (data: RootCreate) => Promise<T>): Promise<T> {
    const attributes = { 'resonate.id': root.id }
    const span = this.#tracing?.start({ name, kind: 'call', parent: undefined, attributes })
    if (!span) return ask(root)
    try {
      const answer = await ask({ ...root, param: withTrace(root.param, span) })
      span.end()
      return answer
    } catch (cause) {
      span.end(cause)
      throw cause
    }
  }

  protected async scheduled(
    id: string,
    cron: string,
    what: AnyFunction | string,
    all: readonly unknown[],
  ): Promise<ResonateSchedule> {
    const { args, options } = splitOptions(all)
    checkedRootId(id)
    const registered = this.#registry.find(what, options.version)
    if (!registered && typeof what === 'function') throw errors.notRegistered(what.name, options.version)
    const name = registered?.name ?? (what as string)
    const param = await this.#codec.encode(callParam(name, args, registered, options), `The call of '${name}'`)
    await this.#ask('schedule.create', {
      id,
      cron,
      promiseId: '{{.id}}-{{.timestamp}}',
      promiseTimeout: Math.min(options.timeout, Number.MAX_SAFE_INTEGER),
      promiseParam: param,
      promiseTags: { ...options.tags, 'resonate:target': this.#targetOf(options.target, registered) },
    })
    return { delete: () => this.schedules.delete(id) }
  }

  /** The promise of a top-level call. */
  async #rootCreate(
    id: string,
    call: { name: string; args: unknown[]; registered: Registered | undefined; options: Options; target: string },
  ): Promise<RootCreate> {
    checkedRootId(id)
    const { name, args, registered, options, target } = call
    const param = await this.#codec.encode(callParam(name, args, registered, options), `The call of '${name}'`)
    const tags = {
      ...options.tags,
      'resonate:origin': id,
      'resonate:branch': id,
      'resonate:parent': id,
      'resonate:scope': 'global',
      'resonate:target': target,
    }
    return { id, timeoutAt: deadlineAt(this.#platform.now(), options.timeout), param, tags }
  }

  /**
   * Who runs what names no target: the own group where this process has the function, since then the group does; else the
   * group that everyone is in who names none.
   */
  #targetOf(target: string | undefined, registered: Registered | undefined): string {
    return this.#transport.match(target ?? (registered ? this.group : 'default'))
  }

  #handle<T>(known: PromiseRecord | { readonly id: string }): ResonateHandle<T> {
    const { id } = known
    let settled = 'state' in known && known.state !== 'pending' ? known : undefined
    if (settled) this.#listeners.notify(settled)
    return {
      id,
      result: async () => {
        settled ??= await this.#listeners.wait(id)
        return this.#valueOf<T>(settled)
      },
      done: async () => {
        const record = settled ?? (await this.promises.get(id))
        if (record.state !== 'pending') settled = record
        return settled !== undefined
      },
    }
  }

  async #valueOf<T>(record: PromiseRecord): Promise<T> {
    const outcome = await outcomeOf(record, (value) => this.#codec.decode(value, `The result of '${record.id}'`))
    if (outcome.ok) return outcome.value as T
    throw outcome.error
  }

  #take(message: Message): void {
    switch (message.kind) {
      case 'execute':
        return this.#worker.offer(message.data.task)
      case 'unblock':
        this.#worker.told(message.data.promise.id)
        return this.#listeners.notify(message.data.promise)
      case 'revoke':
        return this.#worker.revoke(message.data.task)
    }
  }
}

/** What creates the promise of a top-level call. */
interface RootCreate {
  readonly id: string
  readonly timeoutAt: number
  readonly param: Value
  readonly tags: Tags
}

function nameOf(what: AnyFunction | string): string {
  return typeof what === 'string' ? what : what.name
}

function checkedMs(name: string, value: number): number {
  if (Number.isFinite(value) && value >= 1) return value
  throw new TypeError(`The option '${name}' is in milliseconds, at least 1, got ${String(value)}`)
}

function checkedCount(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 1) return value
  throw new TypeError(`The option '${name}' is a whole number of at least 1, got ${String(value)}`)
}

/** A group or a pid, which both stand in addresses. */
function checkedName(name: string, value: string): string {
  const what = `The option '${name}'`
  const problem = typeof value === 'string' ? idProblem(value, what) : `${what} must be a text, got ${String(value)}`
  if (problem === null) return value
  throw new TypeError(problem)
}

function checkedGroup(group: string): string {
  if (!checkedName('group', group).includes('/')) return group
  throw new TypeError(`The option 'group' is a name without '/', as in 'orders', got '${group}'`)
}

export interface TransportParts {
  readonly platform: Platform
  readonly logger: Logger
  readonly group: string
  readonly pid: string
}

function transportOf(options: InternalOptions, parts: TransportParts): Transport {
  const { platform, logger } = parts
  if (options[TRANSPORT]) return options[TRANSPORT](parts)
  if (options.network) return new NetworkTransport({ network: options.network, platform, logger })
  const url = options[LOCAL_PATH] ? undefined : (options.url ?? environmentUrl(platform))
  if (url === undefined) return new LocalTransport({ ...parts, path: options[LOCAL_PATH]?.path })
  const timeout = options.timeout ?? Number(platform.env('RESONATE_TIMEOUT') ?? TIMEOUT_MS)
  return new HttpTransport({
    ...parts,
    url: checkedUrl(url),
    token: options.token ?? platform.env('RESONATE_TOKEN'),
    timeoutMs: checkedMs('timeout', timeout),
    sdk: 'typescript',
    version: VERSION,
  })
}

/** RESONATE_URL, or what scheme, host and port make; undefined where none of them is set. */
export function environmentUrl({ env }: Platform): string | undefined {
  const url = env('RESONATE_URL')
  if (url) return url
  const host = env('RESONATE_HOST')
  const port = env('RESONATE_PORT')
  if (!host && !port) return undefined
  return `${env('RESONATE_SCHEME') ?? 'http'}://${host ?? 'localhost'}:${port ?? '8001'}`
}

function checkedUrl(url: string): string {
  if (/^https?:\/\/[^?#]+$/.test(url) && URL.canParse(url)) return url
  throw new TypeError(`The option 'url' must be the http(s) URL of a server, as in http://localhost:8001, got '${url}'`)
}
