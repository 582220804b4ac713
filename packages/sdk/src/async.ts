// The async entry: durable functions as async functions, every operation under way as soon as it is made; run and rpc give
// handles. Nothing is tried again unless it is asked for, since a workflow cannot be told from a step by its looks.

import {
  Client,
  environmentUrl,
  type LocalOptions,
  localOptions,
  type RegisterOptions,
  type ResonateOptions,
} from './client.ts'
import type { LatentOptions, SleepOptions } from './context.ts'
import { Operation } from './engine/operations.ts'
import { type CallOptions, type Options, withVersion } from './engine/options.ts'
import { Never } from './engine/retry.ts'
import { systemPlatform } from './runtime.ts'
import type {
  AnyFunc,
  DetachedHandle,
  Info,
  ParamsWithOptions,
  ResonateHandle,
  ResonateSchedule,
  Return,
  TypedContextClient,
} from './types.ts'

export type { LocalOptions, RegisterOptions, ResonateOptions, SignalOptions, StopOptions } from './client.ts'
export type { AsyncEncryptor, Encryptor } from './codec.ts'
export type { LatentOptions, SleepOptions } from './context.ts'
export * from './dependencies.ts'
export { NoopEncryptor } from './engine/codec.ts'
export {
  PromiseCanceledError,
  PromiseTimedoutError,
  ResonateError,
  ResonateTimeoutException,
} from './engine/errors.ts'
export type { CallOptions, Options } from './engine/options.ts'
export { Constant, Exponential, Linear, Never, type RetryOptions, type RetryPolicy } from './engine/retry.ts'
export { ConsoleLogger, type Logger, type LogLevel } from './log.ts'
export type {
  AnyFunc,
  DetachedHandle,
  Info,
  ResonateHandle,
  ResonateSchedule,
  TypedCall,
  TypedClient,
  TypedContextClient,
} from './types.ts'

// biome-ignore-start lint/suspicious/noExplicitAny: a function called by name takes and gives what only its worker knows.

/** An operation that is under way; await it to have its result. */
export interface DurablePromise<T> extends Promise<T> {
  readonly id: string
}

/** What a test gives a workflow in place of an operation. */
class MadePromise<T> implements DurablePromise<T> {
  readonly [Symbol.toStringTag] = 'DurablePromise'
  readonly id: string
  readonly #promise: Promise<T>

  constructor(id: string, promise: Promise<T>) {
    this.id = id
    this.#promise = promise
  }

  static [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Operation || (typeof value === 'object' && value !== null && #promise in value)
  }

  // biome-ignore lint/suspicious/noThenProperty: it is awaited like any promise; that is its purpose.
  then<A = T, B = never>(
    onResolved?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((error: any) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#promise.then(onResolved, onRejected)
  }

  catch<B = never>(onRejected?: ((error: any) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.#promise.catch(onRejected)
  }

  finally(onFinally?: (() => void) | null): Promise<T> {
    return this.#promise.finally(onFinally)
  }
}

/**
 * `value instanceof DurablePromise`: whether it is an operation of a context, which a workflow may await. One that is made by
 * hand, of any promise, is for tests that call a workflow with a context of their own.
 */
export const DurablePromise: { new <T>(id: string, promise: Promise<T>): DurablePromise<T> } = MadePromise

/** What a workflow is given. */
export interface Context extends Info {
  /** Calls a function in this process and records its result: it is not run again once that is there. */
  run<F extends AnyFunc>(func: F, ...args: ParamsWithOptions<F>): DurablePromise<Return<F>>
  run<T>(func: string, ...args: any[]): DurablePromise<T>
  /** Has a function called by whoever the `target` of its options names. */
  rpc<F extends AnyFunc>(func: F, ...args: ParamsWithOptions<F>): DurablePromise<Return<F>>
  rpc<T>(func: string, ...args: any[]): DurablePromise<T>
  /** Starts work that outlives this function; resolves once it was created. */
  detached<F extends AnyFunc>(func: F, ...args: ParamsWithOptions<F>): DurablePromise<DetachedHandle>
  detached(func: string, ...args: any[]): DurablePromise<DetachedHandle>
  /** A promise that someone else settles by its id. */
  promise<T>(options?: LatentOptions): DurablePromise<T>
  /** Waits, in no process, for milliseconds, `{for: ms}` or `{until: Date}`. */
  sleep(duration?: number | SleepOptions): DurablePromise<void>
  /** The functions of a worker elsewhere, by its type alone: `ctx.client<typeof worker>({ target }).charge(42)`. */
  client<W>(options?: CallOptions): TypedContextClient<W>
  /** Options of a call, to be passed as its last argument. */
  options(options?: CallOptions): Options
  /** Ends this pass if the condition holds: nothing is settled, and the task is tried again. */
  panic(condition: boolean, message?: string): void
  /** Ends this pass unless the condition holds. */
  assert(condition: boolean, message?: string): void
  /** The clock, recorded. */
  readonly date: { now(): DurablePromise<number> }
  /** Chance, recorded. */
  readonly math: { random(): DurablePromise<number> }
}

/** What stands for a registered function: calls it by an id. */
export interface ResonateFunc<F extends AnyFunc> {
  /** Starts it in this process. */
  run(id: string, ...args: ParamsWithOptions<F>): Promise<ResonateHandle<Return<F>>>
  /** Has a worker call it. */
  rpc(id: string, ...args: ParamsWithOptions<F>): Promise<ResonateHandle<Return<F>>>
  /** Options of a call of this version. */
  options(options?: CallOptions): Options
}

/**
 * A client of the async entry, and a worker of its group from the moment it is made until `stop`. `run` and `rpc` give handles.
 * Without a `url`, given or in the environment, the server is inside this process.
 */
export class Resonate extends Client {
  constructor(options: ResonateOptions = {}) {
    super(options, new Never())
  }

  /** A client of a server. `url` is by default RESONATE_URL, else http://localhost:8001. */
  static remote(options: ResonateOptions = {}): Resonate {
    const platform = options.platform ?? systemPlatform()
    return new Resonate({ ...options, url: options.url ?? environmentUrl(platform) ?? 'http://localhost:8001' })
  }

  /** A client with a server of its own in this process: in memory, or durable with `path`. */
  static local(options: LocalOptions = {}): Resonate {
    return new Resonate(localOptions(options))
  }

  /** Makes a function known by a name and a version, so that it can be called, here and from elsewhere. */
  register<F extends AnyFunc>(name: string, func: F, options?: RegisterOptions): ResonateFunc<F>
  register<F extends AnyFunc>(func: F, options?: RegisterOptions): ResonateFunc<F>
  register<F extends AnyFunc>(nameOrFunc: string | F, funcOrOptions?: F | RegisterOptions, options?: RegisterOptions) {
    const { name, version } = this.add(nameOrFunc, funcOrOptions, options)
    return {
      run: (id: string, ...args: unknown[]) => this.run(id, name, ...withVersion(args, version)),
      rpc: (id: string, ...args: unknown[]) => this.rpc(id, name, ...withVersion(args, version)),
      options: (given = {}) => this.options({ version, ...given }),
    } as ResonateFunc<F>
  }

  /** Starts a call of a function that is registered here, in this process. Its id makes it one call. */
  run<F extends AnyFunc>(id: string, func: F, ...args: ParamsWithOptions<F>): Promise<ResonateHandle<Return<F>>>
  run<T>(id: string, func: AnyFunc | string, ...args: any[]): Promise<ResonateHandle<T>>
  run(id: string, what: AnyFunc | string, ...args: unknown[]): Promise<ResonateHandle<unknown>> {
    return this.begin(id, what, args)
  }

  /** Has a function called by a worker of the `target` of its options. */
  rpc<F extends AnyFunc>(id: string, func: F, ...args: ParamsWithOptions<F>): Promise<ResonateHandle<Return<F>>>
  rpc<T>(id: string, func: AnyFunc | string, ...args: any[]): Promise<ResonateHandle<T>>
  rpc(id: string, what: AnyFunc | string, ...args: unknown[]): Promise<ResonateHandle<unknown>> {
    return this.beginRemote(id, what, args, false)
  }

  /** Calls a function on a cron schedule, in UTC. Exists: it stays as it is. */
  schedule<F extends AnyFunc>(
    id: string,
    cron: string,
    func: F,
    ...args: ParamsWithOptions<F>
  ): Promise<ResonateSchedule>
  schedule(id: string, cron: string, name: string, ...args: any[]): Promise<ResonateSchedule>
  schedule(id: string, cron: string, what: AnyFunc | string, ...args: unknown[]): Promise<ResonateSchedule> {
    return this.scheduled(id, cron, what, args)
  }
}
// biome-ignore-end lint/suspicious/noExplicitAny: end of the types above.
