// What a durable function is given: who it is, and the operations it may do. Both entry points document their own face of it
// (index.ts for generators, async.ts for async functions); this is the one thing behind both.
// Ids are given out in the order of the calls in the program, whatever finishes first: that is what a replay goes by.

import { errors, mistake } from './engine/errors.ts'
import type { Frame } from './engine/frame.ts'
import {
  DetachedOperation,
  Die,
  detachedId,
  type LocalCall,
  Operation,
  type RemoteCall,
  type Yielding,
} from './engine/operations.ts'
import {
  type CallOptions,
  checkedAmount,
  DEFAULT_TIMEOUT_MS,
  deadlineAt,
  Options,
  splitOptions,
} from './engine/options.ts'
import type { AnyFunction, Registered, Registry } from './engine/registry.ts'
import { checkedRootId } from './ids.ts'
import type { Logger } from './log.ts'
import { byName, withDefaults } from './typed-client.ts'

/** What contexts take from the client they belong to. */
export interface ContextSource {
  readonly registry: Registry
  readonly dependencies: ReadonlyMap<string, unknown>
  now(): number
  random(): number
  /** The address of who runs a function where the call names nobody. */
  targetOf(target: string | undefined, registered: Registered | undefined): string
  /** A function sleeps until after its own deadline, by which it will have timed out. */
  oversleeps(id: string, func: string): void
}

/** How long `ctx.sleep` waits: one of both. Neither, or an instant that is past: it is over at once. */
export interface SleepOptions {
  /** Ms from now. */
  readonly for?: number
  readonly until?: Date
}

/** How a promise that someone else settles is made. */
export interface LatentOptions {
  /** Ms from now, Infinity: for ever; a day where it is not said. Never beyond the deadline of the function. */
  readonly timeout?: number
  /** What whoever settles it may want to know. */
  readonly data?: unknown
  readonly tags?: Record<string, string>
}

/**
 * Its operations are its own fields, bound to it, and so is what it knows: a program may take them off it, or wrap it in an object
 * of its own, as contexts of the published SDK let it.
 */
export class DurableContext {
  readonly #frame: Frame
  readonly #source: ContextSource
  readonly id: string
  readonly originId: string
  readonly parentId: string
  readonly branchId: string
  readonly func: string
  readonly version: number
  readonly attempt: number
  readonly timeoutAt: number
  readonly info: { readonly attempt: number; readonly timeout: number; readonly version: number }

  constructor(frame: Frame, source: ContextSource) {
    const { facts, execution } = frame
    this.#frame = frame
    this.#source = source
    this.id = facts.id
    this.originId = execution.originId
    this.parentId = facts.parentId
    this.branchId = execution.branchId
    this.func = facts.name
    this.version = facts.version
    this.attempt = facts.attempt
    this.timeoutAt = facts.timeoutAt
    this.info = { attempt: facts.attempt, timeout: facts.timeoutAt, version: facts.version }
  }

  /** Aborted when the result is no longer wanted: canceled, timed out, or the task is somebody else's. */
  get signal(): AbortSignal {
    return this.#frame.signal
  }

  readonly run = (what: AnyFunction | string, ...all: unknown[]): Operation => this.#local(what, all, 'result')

  readonly beginRun = (what: AnyFunction | string, ...all: unknown[]): Operation => this.#local(what, all, 'future')

  readonly rpc = (what: AnyFunction | string, ...all: unknown[]): Operation => this.#remote(what, all, 'result')

  readonly beginRpc = (what: AnyFunction | string, ...all: unknown[]): Operation => this.#remote(what, all, 'future')

  readonly lfc = this.run

  readonly lfi = this.beginRun

  readonly rfc = this.rpc

  readonly rfi = this.beginRpc

  readonly detached = (what: AnyFunction | string, ...all: unknown[]): DetachedOperation => {
    this.#checkOpen('detached')
    const { args, options } = splitOptions(all)
    const sequenceId = this.#frame.nextId()
    const id = options.id === undefined ? detachedId(this.originId, sequenceId) : checkedRootId(options.id)
    const timeoutAt = deadlineAt(this.#source.now(), options.timeout)
    const call = this.#remoteCall(what, args, { id, options, timeoutAt, isAttached: false })
    const operation = new DetachedOperation(id, this.#frame, call, 'future', this.#frame.execution.nextOrder())
    return this.#begun(operation)
  }

  readonly promise = ({ timeout = DEFAULT_TIMEOUT_MS, data, tags = {} }: LatentOptions = {}): Operation => {
    this.#checkOpen('promise')
    const id = this.#frame.nextId()
    const timeoutAt = this.#deadline(checkedAmount('timeout', timeout))
    const own = { ...tags, ...this.#tags('global', id, this.originId) }
    return this.#operation(
      id,
      { kind: 'remote', name: 'promise', param: data, timeoutAt, tags: own, hasOwnId: false, isAttached: true },
      'future',
    )
  }

  readonly sleep = (duration: number | SleepOptions = {}): Operation => {
    this.#checkOpen('sleep')
    const id = this.#frame.nextId()
    const timeoutAt = wakeAt(duration, this.#source.now())
    if (timeoutAt >= this.timeoutAt) this.#source.oversleeps(this.id, this.func)
    const target = this.#source.targetOf('default', undefined)
    const tags = { ...this.#tags('global', id, this.originId), 'resonate:target': target, 'resonate:timer': 'true' }
    return this.#operation(
      id,
      { kind: 'remote', name: 'sleep', param: '', timeoutAt, tags, hasOwnId: false, isAttached: true },
      'result',
    )
  }

  readonly date = {
    now: (): Operation => {
      const date = this.getDependency<{ now(): number }>('resonate:date')
      return this.run(named('now', () => (date ? date.now() : this.#source.now())))
    },
  }

  readonly math = {
    random: (): Operation => {
      const math = this.getDependency<{ random(): number }>('resonate:math')
      return this.run(named('random', () => (math ? math.random() : this.#source.random())))
    },
  }

  /** Ends this pass if `condition` holds: nothing is settled, and the task is tried again from its records. */
  readonly panic = (condition: boolean, message?: string): Die => {
    if (condition && !this.#frame.isLazy) {
      const error = errors.panic(message)
      // Recorded before it is thrown, so that a catch around the call cannot undo it.
      this.#frame.execution.die(error)
      throw error
    }
    return new Die(condition, message)
  }

  /** Ends this pass unless `condition` holds. */
  readonly assert = (condition: boolean, message?: string): Die =>
    this.panic(!condition, message ?? 'An assertion failed')

  readonly getDependency = <T = unknown>(name: string): T | undefined =>
    this.#source.dependencies.get(name) as T | undefined

  readonly client = (options: CallOptions = {}): object => {
    const defaults = new Options(options)
    return byName(
      (name) =>
        (...all: unknown[]) =>
          this.rpc(name, ...withDefaults(all, defaults)),
    )
  }

  readonly options = (options: CallOptions = {}): Options =>
    withAddress(new Options(options), (target) => this.#source.targetOf(target, undefined))

  #local(what: AnyFunction | string, all: readonly unknown[], yielding: Yielding): Operation {
    this.#checkOpen('run')
    const { args, options } = splitOptions(all)
    const registered = this.#source.registry.find(what, options.version)
    if (!registered && typeof what !== 'function') throw errors.notRegistered(what, options.version)
    const fn = registered?.fn ?? (what as AnyFunction)
    const id = this.#idOf(options)
    const call: LocalCall = {
      kind: 'local',
      name: fn.name,
      version: registered?.version ?? (options.version || 1),
      fn,
      args,
      timeoutAt: this.#deadline(options.timeout),
      tags: { ...options.tags, ...this.#tags('local', this.branchId, options.id ?? this.originId) },
      hasOwnId: options.id !== undefined,
      retryPolicy: options.retryPolicy ?? registered?.retryPolicy,
      nonRetryable: options.nonRetryableErrors,
    }
    return this.#operation(id, call, yielding)
  }

  #remote(what: AnyFunction | string, all: readonly unknown[], yielding: Yielding): Operation {
    this.#checkOpen('rpc')
    const { args, options } = splitOptions(all)
    const id = this.#idOf(options)
    const timeoutAt = this.#deadline(options.timeout)
    return this.#operation(id, this.#remoteCall(what, args, { id, options, timeoutAt, isAttached: true }), yielding)
  }

  #remoteCall(
    what: AnyFunction | string,
    args: readonly unknown[],
    { id, options, timeoutAt, isAttached }: { id: string; options: Options; timeoutAt: number; isAttached: boolean },
  ): RemoteCall {
    const registered = this.#source.registry.find(what, options.version)
    if (!registered && typeof what === 'function') throw errors.notRegistered(what.name, options.version)
    const name = registered?.name ?? (what as string)
    const hasOwnId = options.id !== undefined
    const origin = hasOwnId ? id : this.originId
    const target = this.#source.targetOf(options.target, registered)
    const tags = { ...options.tags, ...this.#tags('global', id, origin), 'resonate:target': target }
    const param = callParam(name, args, registered, options)
    return { kind: 'remote', name, param, timeoutAt, tags, hasOwnId, isAttached }
  }

  #idOf({ id }: Options): string {
    // One of its own takes a place in order all the same, as with published SDKs: those of the calls after it stay what they are.
    const next = this.#frame.nextId()
    if (id === undefined) return next
    if (id === this.branchId || id === this.originId)
      throw errors.idInvalid(`The id of a call must not be that of its caller, got '${id}'`)
    return checkedRootId(id)
  }

  #operation(id: string, call: LocalCall | RemoteCall, yielding: Yielding): Operation {
    return this.#begun(new Operation(id, this.#frame, call, yielding, this.#frame.execution.nextOrder()))
  }

  /** An async function's operations start when they are made, a generator's when they are yielded. */
  #begun<O extends Operation | DetachedOperation>(operation: O): O {
    if (!this.#frame.isLazy) this.#frame.execution.startOperation(operation as Operation)
    return operation
  }

  #deadline(timeout: number): number {
    return Math.min(deadlineAt(this.#source.now(), timeout), this.timeoutAt)
  }

  #tags(scope: 'local' | 'global', branch: string, origin: string): Record<string, string> {
    return {
      'resonate:scope': scope,
      'resonate:branch': branch,
      'resonate:parent': this.id,
      'resonate:origin': origin,
    }
  }

  #checkOpen(what: string): void {
    if (!this.#frame.isDone) return
    throw errors.panic(
      `ctx.${what} was called by '${this.id}' after its function had returned: await everything that the function starts`,
    )
  }
}

/** The same options, with the address that their target means, where they have one. */
export function withAddress(options: Options, match: (target: string) => string): Options {
  return options.target === undefined ? options : new Options({ ...options, target: match(options.target) })
}

/** What a remote call carries, in the order of keys that published SDKs write. */
export function callParam(
  name: string,
  args: readonly unknown[],
  registered: Registered | undefined,
  { version, retryPolicy }: Options,
): object {
  const retry = retryPolicy?.encode()
  return { func: name, args, version: registered?.version ?? (version || 1), ...(retry ? { retry } : {}) }
}

/** Who says that a function oversleeps: once for each function, whose code says so every time. */
export function oversleeper(logger: Logger): (id: string, func: string) => void {
  const said = new Set<string>()
  return (id, func) => {
    if (said.has(func)) return
    said.add(func)
    const what = `'${id}' (function '${func}') sleeps until its deadline or longer, and will have timed out by then`
    logger.warn({ id, func }, `${what}: call it with a longer timeout. Said once for each function`)
  }
}

function wakeAt(duration: number | SleepOptions, now: number): number {
  const at = instantOf(duration, now)
  if (Number.isFinite(at)) return Math.max(at, 0)
  const got = typeof duration === 'object' ? JSON.stringify(duration) : String(duration)
  throw mistake(
    `ctx.sleep takes milliseconds, {for: ms} or {until: Date}, got ${typeof duration === 'string' ? `'${got}'` : got}`,
  )
}

/** NaN where it is none. Known by what it does, since a Date of a test runner may be of another realm. */
function instantOf(duration: number | SleepOptions | null, now: number): number {
  if (typeof duration === 'number') return now + duration
  if (typeof duration !== 'object' || duration === null) return Number.NaN
  const { until, for: wait } = duration
  if (until !== undefined) return typeof until.getTime === 'function' ? until.getTime() : Number.NaN
  if (wait !== undefined) return typeof wait === 'number' ? now + wait : Number.NaN
  const isSilent = !('getTime' in duration) && Object.keys(duration).every((key) => key === 'for' || key === 'until')
  return isSilent ? now : Number.NaN
}

function named(name: string, fn: () => unknown): AnyFunction {
  return Object.defineProperty(fn, 'name', { value: name })
}
