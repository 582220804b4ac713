// One durable operation of a function: something with an id that is settled once and for all. It can be awaited and it can be
// yielded; both ask its execution to start it and to say when it is settled.
// O1. It starts once: when it is made in an async function, when it is first waited for in a generator.
// O2. It is settled by its execution alone, and with what a replay would be given, never with what only this process knows.
// O3. Nobody waits: no native promise exists, so a failure that is not looked at is not an unhandled rejection.

import { idProblem, type Tags } from '@resonatehq/protocol'
import type { Span } from '../tracing.ts'
import { mistake } from './errors.ts'
import type { AnyFunction } from './registry.ts'
import type { ErrorClass, RetryPolicy } from './retry.ts'

export type Outcome = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown }

/** Which call of which function it is that runs here. */
export interface CallerFacts {
  readonly id: string
  readonly parentId: string
  readonly name: string
  readonly version: number
  readonly timeoutAt: number
  readonly attempt: number
  /** The operation that this call is; absent for the function of the task itself. */
  readonly operation?: Operation
  readonly parent?: Caller
}

/** The function that an operation belongs to, as the operation knows it. */
export interface Caller {
  readonly facts: CallerFacts
  readonly execution: { startOperation(operation: Operation): void }
  readonly isDone: boolean
  /** Nothing of it, nor of its callers, was tried before. */
  readonly isFirstTry: boolean
  /** How deep below the function of the task. */
  readonly depth: number
  readonly span: Span | undefined
  /** When a step of it was handed over last, by this clock, and the last in order of those about then. */
  lastStep: { readonly handedAt: number; readonly order: number } | undefined
  /** It waits for one more of its operations, or for one less. */
  wait(): void
  wake(): void
  childStarted(): void
  childSettled(): void
}

/** What every call says of itself. */
interface AnyCall {
  /** Its function or purpose, for messages. */
  readonly name: string
  readonly timeoutAt: number
  readonly tags: Tags
  /** The caller chose its id, which others may use too: for the same, or for anything else. */
  readonly hasOwnId: boolean
}

/** A function of this process, run as a step or as a whole workflow. */
export interface LocalCall extends AnyCall {
  readonly kind: 'local'
  readonly version: number
  readonly fn: AnyFunction
  readonly args: readonly unknown[]
  readonly retryPolicy: RetryPolicy | undefined
  readonly nonRetryable: readonly ErrorClass[]
}

/** What someone else settles: a function elsewhere, a timer, a person. */
export interface RemoteCall extends AnyCall {
  readonly kind: 'remote'
  /** Before it is encoded. */
  readonly param: unknown
  /** Its caller is not done before it is. */
  readonly isAttached: boolean
}

export type OperationCall = LocalCall | RemoteCall

/** How far its promise is known to exist: not asked for, about to be, asked for without an answer yet, or for sure. */
export type Creation = 'none' | 'queued' | 'sent' | 'done'

/** What a generator gets for yielding: the result, or at once a future to yield later. */
export type Yielding = 'result' | 'future'

export class Operation<T = unknown> implements Promise<T> {
  readonly id: string
  readonly frame: Caller
  readonly call: OperationCall
  readonly yielding: Yielding
  /** Its place among the operations of its execution. */
  readonly order: number
  isStarted = false
  isAwaited = false
  /** Its settled record is here and is about to be handed over. */
  hasArrived = false
  /** A suspend has named it: the server wakes the task when it is settled. */
  isNamed = false
  creation: Creation = 'none'
  outcome: Outcome | undefined
  /** What waits for it to arrive, other than its function. */
  onArrived: (() => void) | undefined
  /** What waits for the answer to its creation. */
  onCreated: (() => void)[] = []
  #native: PromiseWithResolvers<unknown> | undefined

  readonly [Symbol.toStringTag] = 'DurablePromise'

  constructor(id: string, frame: Caller, call: OperationCall, yielding: Yielding, order: number) {
    this.id = id
    this.frame = frame
    this.call = call
    this.yielding = yielding
    this.order = order
  }

  // biome-ignore lint/suspicious/noThenProperty: an operation is awaited like any promise; that is its purpose.
  then<A = T, B = never>(
    onResolved?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.awaited().then(onResolved, onRejected)
  }

  catch<B = never>(onRejected?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.then(null, onRejected)
  }

  finally(onFinally?: (() => void) | null): Promise<T> {
    return this.then().finally(onFinally)
  }

  *[Symbol.iterator](): Generator<Operation<T>, T, T> {
    return yield this
  }

  /** It is no value: whoever returns one, or hands one to a call, meant its result. */
  toJSON(): never {
    throw mistake(`the operation '${this.id}' is in it: await or yield it first`)
  }

  /** What `await` waits for: the result. */
  protected awaited(): Promise<T> {
    return this.result()
  }

  /** The result; from now on its function is known to wait for it. */
  result(): Promise<T> {
    this.frame.execution.startOperation(this)
    if (!this.outcome && !this.isAwaited) {
      this.isAwaited = true
      this.frame.wait()
    }
    return this.#promise() as Promise<T>
  }

  /** Its settled record is here, or never will be. */
  arrived(): void {
    this.hasArrived = true
    this.onArrived?.()
  }

  /** By its execution alone. */
  settle(outcome: Outcome): void {
    this.outcome = outcome
    if (this.isAwaited) this.frame.wake()
    if (this.#native) resolve(this.#native, outcome)
    if (this.call.kind === 'local' || this.call.isAttached) this.frame.childSettled()
  }

  #promise(): Promise<unknown> {
    if (!this.#native) {
      this.#native = Promise.withResolvers()
      if (this.outcome) resolve(this.#native, this.outcome)
    }
    return this.#native.promise
  }
}

function resolve(native: PromiseWithResolvers<unknown>, outcome: Outcome): void {
  if (outcome.ok) native.resolve(outcome.value)
  else native.reject(outcome.error)
}

/** Work that outlives its caller: awaiting it means that it was created. Its result is had by yielding its future. */
export class DetachedOperation extends Operation<{ readonly id: string }> {
  protected override async awaited(): Promise<{ readonly id: string }> {
    this.frame.execution.startOperation(this)
    if (this.creation !== 'done') await new Promise<void>((resolve) => this.onCreated.push(resolve))
    // Refused: what is settled then is the refusal.
    if (this.creation !== 'done') await this.result()
    return { id: this.id }
  }
}

/** An operation that is under way; yield or await it to have its result. */
export class Future<T = unknown> implements PromiseLike<T> {
  readonly id: string
  readonly #operation: Operation<T>

  constructor(operation: Operation<T>) {
    this.id = operation.id
    this.#operation = operation
  }

  get state(): 'pending' | 'completed' {
    return this.#operation.outcome ? 'completed' : 'pending'
  }

  /** What it came to; undefined while it is pending. */
  get value(): { kind: 'value'; value: T } | { kind: 'error'; error: unknown } | undefined {
    const { outcome } = this.#operation
    if (!outcome) return undefined
    return outcome.ok ? { kind: 'value', value: outcome.value as T } : { kind: 'error', error: outcome.error }
  }

  /** Its result, or throws what it failed with; where it is pending, what to do. */
  getValue(): T {
    const { value } = this
    if (!value) throw mistake(`'${this.id}' is still pending: await or yield it to have its result`)
    if (value.kind === 'error') throw value.error
    return value.value
  }

  // biome-ignore lint/suspicious/noThenProperty: a future is awaited like any promise; that is its purpose.
  then<A = T, B = never>(
    onResolved?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#operation.result().then(onResolved, onRejected)
  }

  *[Symbol.iterator](): Generator<Future<T>, T, T> {
    return yield this
  }

  /** The same. */
  toJSON(): never {
    return this.#operation.toJSON()
  }
}

/** The end of this pass, if its condition holds when it is yielded. */
export class Die {
  readonly condition: boolean
  readonly message: string | undefined

  constructor(condition: boolean, message: string | undefined) {
    this.condition = condition
    this.message = message
  }

  *[Symbol.iterator](): Generator<Die, void, unknown> {
    yield this
  }
}

/** `root` + `0` → `root:0`; `root:0` + `1` → `root:0.1`: everything before the first colon is the root of the tree. */
export function joinId(ancestor: string, segment: string): string {
  return `${ancestor}${ancestor.includes(':') ? '.' : ':'}${segment}`
}

/**
 * The id of the operation that stands at `sequence` in the function `callerId`. Where calls are nested deeper than an id may be
 * long, it is flat below the root of the tree, and still the same in every replay.
 */
export function childId(callerId: string, sequence: number): string {
  const id = joinId(callerId, String(sequence))
  if (!callerId.includes(':') || idProblem(id, 'id') === null) return id
  const hash = [id, `${id}.`].map((text) => cyrb53(text).toString(16).padStart(14, '0')).join('')
  return joinId(callerId.slice(0, callerId.indexOf(':')), `n${hash}`)
}

/** The id of detached work, flat below the root of the tree however deep it was started. */
export function detachedId(originId: string, sequenceId: string): string {
  return joinId(originId, `d${cyrb53(sequenceId).toString(16).padStart(14, '0')}`)
}

/** The public-domain 53-bit string hash of that name: what every worker must compute alike. */
function cyrb53(text: string): number {
  let high = 0xdeadbeef
  let low = 0x41c6ce57
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    high = Math.imul(high ^ unit, 2654435761)
    low = Math.imul(low ^ unit, 1597334677)
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909)
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909)
  return 4294967296 * (2097151 & low) + (high >>> 0)
}
