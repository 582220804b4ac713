// What users see of contexts, calls and handles, for both entry points. Types flow from the function that is called to what its
// call gives: nothing here is `any` where a type is known.

import type { LatentOptions, SleepOptions } from './context.ts'
import type { Dependencies } from './dependencies.ts'
import type { CallOptions, Options } from './engine/options.ts'

// biome-ignore-start lint/suspicious/noExplicitAny: these types match functions of every signature, which only `any` does.

/** A durable function: the context first, then what it is called with. */
export type AnyFunc = (context: any, ...args: any[]) => any

/** A durable function of the root entry: where its context has no type of its own, it is a `Context`. */
export type Func = (context: Context, ...args: any[]) => any

/** The arguments of a function after its context. */
export type Params<F> = F extends (context: any, ...args: infer P) => any ? P : never

/** The arguments of a call; options of the call may come last, also where arguments that may be left out are left out. */
export type ParamsWithOptions<F> = [...Params<F>, Options?] | FewerWithOptions<Params<F>>

/** For each argument that may be left out: those before it, and options. Nothing where there is none, or a rest. */
type FewerWithOptions<P extends any[], Before extends any[] = []> = number extends P['length']
  ? never
  : P extends []
    ? never
    : P extends [infer First, ...infer Rest]
      ? FewerWithOptions<Rest, [...Before, First]>
      : P extends [(infer First)?, ...infer Rest]
        ? [...Before, Options] | FewerWithOptions<Rest, [...Before, First | undefined]>
        : never

/** The arguments of a call of what may be a function or only its name: a name takes any. */
export type ArgsOf<W> = W extends Func ? ParamsWithOptions<W> : any[]

/** What a function comes to, however it is written. */
export type Return<F> = F extends (...args: any[]) => Generator<any, infer R, any>
  ? R
  : F extends (...args: any[]) => infer R
    ? Awaited<R>
    : never

/** An operation whose result is had by `yield*` or by `await`. */
export interface DurableCall<T> extends Promise<T> {
  readonly id: string
  [Symbol.iterator](): Generator<any, T, any>
}

/** An operation that `yield*` begins, giving a future to yield later. Awaited, it gives its result. */
export interface DurableInvocation<T> extends Promise<T> {
  readonly id: string
  [Symbol.iterator](): Generator<any, DurableFuture<T>, any>
}

/** Detached work: `yield*` and `await` go on once it was created. */
export interface DetachedInvocation<T> extends Promise<DetachedHandle> {
  readonly id: string
  [Symbol.iterator](): Generator<any, DurableFuture<T>, any>
}

/** What was begun: `yield*` it, or await it, to have its result. */
export interface DurableFuture<T> extends PromiseLike<T> {
  readonly id: string
  readonly state: 'pending' | 'completed'
  /** What it came to; undefined while it is pending. */
  readonly value:
    | { readonly kind: 'value'; readonly value: T }
    | { readonly kind: 'error'; readonly error: any }
    | undefined
  /** Its result, or throws what it failed with. Throws too where it is pending: `yield*` it, or await it. */
  getValue(): T
  [Symbol.iterator](): Generator<any, T, any>
}

/** Detached work, by its id: `resonate.get(id)` gives its result. */
export interface DetachedHandle {
  readonly id: string
}

/** What every function may know of itself. A function that only computes types its first parameter as this. */
export interface Info {
  readonly id: string
  /** Who called it. */
  readonly parentId: string
  /** The root of the call tree. */
  readonly originId: string
  /** The nearest caller that is a task of its own. */
  readonly branchId: string
  /** Its deadline, ms since epoch. */
  readonly timeoutAt: number
  /** From 1, counted in this process. */
  readonly attempt: number
  readonly version: number
  /** The name of the function. */
  readonly func: string
  /** Aborted when the result is no longer wanted. */
  readonly signal: AbortSignal
  /** What `resonate.setDependency` put under this name; undefined where it put nothing. */
  getDependency<K extends keyof Dependencies>(name: K): Dependencies[K] | undefined
  getDependency<T = any>(name: string): T | undefined
}

/** The context of the root entry: made for generators (`yield*`), and good for async functions (`await`) too. */
export interface Context extends Info {
  readonly info: { readonly attempt: number; readonly timeout: number; readonly version: number }

  /** Calls a function in this process and records its result: it is not run again once that is there. */
  run<F extends Func>(func: F, ...args: ParamsWithOptions<F>): DurableCall<Return<F>>
  run<T>(func: string, ...args: any[]): DurableCall<T>
  /** Another name of `run`. */
  lfc<F extends Func>(func: F, ...args: ParamsWithOptions<F>): DurableCall<Return<F>>
  lfc<T>(func: string, ...args: any[]): DurableCall<T>

  /** Begins such a call without waiting for it. */
  beginRun<F extends Func>(func: F, ...args: ParamsWithOptions<F>): DurableInvocation<Return<F>>
  beginRun<T>(func: string, ...args: any[]): DurableInvocation<T>
  /** Another name of `beginRun`. */
  lfi<F extends Func>(func: F, ...args: ParamsWithOptions<F>): DurableInvocation<Return<F>>
  lfi<T>(func: string, ...args: any[]): DurableInvocation<T>

  /** Has a function called by whoever the `target` of its options names: another group, another process, another language. */
  rpc<F extends Func>(func: F, ...args: ParamsWithOptions<F>): DurableCall<Return<F>>
  rpc<T>(func: string, ...args: any[]): DurableCall<T>
  /** Another name of `rpc`. */
  rfc<F extends Func>(func: F, ...args: ParamsWithOptions<F>): DurableCall<Return<F>>
  rfc<T>(func: string, ...args: any[]): DurableCall<T>

  /** Begins such a call without waiting for it. */
  beginRpc<F extends Func>(func: F, ...args: ParamsWithOptions<F>): DurableInvocation<Return<F>>
  beginRpc<T>(func: string, ...args: any[]): DurableInvocation<T>
  /** Another name of `beginRpc`. */
  rfi<F extends Func>(func: F, ...args: ParamsWithOptions<F>): DurableInvocation<Return<F>>
  rfi<T>(func: string, ...args: any[]): DurableInvocation<T>

  /** Starts work that outlives this function, with a deadline of its own. */
  detached<F extends Func>(func: F, ...args: ParamsWithOptions<F>): DetachedInvocation<Return<F>>
  detached<T>(func: string, ...args: any[]): DetachedInvocation<T>

  /** A promise that someone else settles by its id: a person, a webhook, another system. */
  promise<T>(options?: LatentOptions): DurableInvocation<T>

  /** Waits, in no process, for milliseconds, `{for: ms}` or `{until: Date}`. */
  sleep(duration?: number | SleepOptions): DurableCall<void>

  /** Ends this pass if the condition holds: nothing is settled, and the task is tried again. */
  panic(condition: boolean, message?: string): Iterable<any, void, any>
  /** Ends this pass unless the condition holds. */
  assert(condition: boolean, message?: string): Iterable<any, void, any>

  /** The functions of a worker elsewhere, by its type alone: `ctx.client<typeof worker>({ target }).charge(42)`. */
  client<W>(options?: CallOptions): TypedContextClient<W>

  /** Options of a call, to be passed as its last argument. */
  options(options?: CallOptions): Options
  /** The clock, recorded. */
  readonly date: { now(): DurableCall<number> }
  /** Chance, recorded. */
  readonly math: { random(): DurableCall<number> }
}

/** What stands for a registered function: calls it by an id. */
export interface ResonateFunc<F extends Func> {
  /** Calls it in this process, and waits for its result. */
  run(id: string, ...args: ParamsWithOptions<F>): Promise<Return<F>>
  /** Has a worker call it, and waits for its result. */
  rpc(id: string, ...args: ParamsWithOptions<F>): Promise<Return<F>>
  /** As `run`, without waiting. */
  beginRun(id: string, ...args: ParamsWithOptions<F>): Promise<ResonateHandle<Return<F>>>
  /** As `rpc`, without waiting. */
  beginRpc(id: string, ...args: ParamsWithOptions<F>): Promise<ResonateHandle<Return<F>>>
  /** Options of a call of this version. */
  options(options?: CallOptions): Options
}
// biome-ignore-end lint/suspicious/noExplicitAny: end of the types above.

/** The functions of a worker by name: `export const worker = { charge, ship }`, each registered under its name. */
export type Functions<W> = { readonly [Name in keyof W as W[Name] extends AnyFunc ? Name : never]: W[Name] }

/** Calls to the functions of a worker elsewhere, by its type alone. */
export type TypedClient<W> = { readonly [Name in keyof Functions<W>]: TypedCall<Functions<W>[Name]> }

/** One function of a worker elsewhere. */
export interface TypedCall<F> {
  /** Calls it and waits for its result. */
  (id: string, ...args: ParamsWithOptions<F>): Promise<Return<F>>
  /** The same without waiting. */
  begin(id: string, ...args: ParamsWithOptions<F>): Promise<ResonateHandle<Return<F>>>
}

/** The same inside a durable function: each call is an operation of its own. */
export type TypedContextClient<W> = {
  readonly [Name in keyof Functions<W>]: (
    ...args: ParamsWithOptions<Functions<W>[Name]>
  ) => DurableCall<Return<Functions<W>[Name]>>
}

/** A call that is under way or over, by its id. */
export interface ResonateHandle<T> {
  id: string
  /** Waits for the result, however long it takes; throws what the function threw. */
  result(): Promise<T>
  /** Whether it is settled by now. */
  done(): Promise<boolean>
}

/** A schedule that was made. */
export interface ResonateSchedule {
  /** Ends it. Throws ResonateError 1199 where it is gone already. */
  delete(): Promise<void>
}
