// When a function that threw is tried again. A policy answers for the attempt that just failed, counted from 1; null ends it.
// The waits are those of the published SDK: the first exponential one is delay × factor.

import { mistake } from './errors.ts'

/** When a function that threw is tried again. Write your own, or take one of `Constant`, `Linear`, `Exponential`, `Never`. */
export interface RetryPolicy {
  /** How long to wait after the given attempt failed, ms; null to give up. `random` is what a jitter is drawn from. */
  next(attempt: number, random?: () => number): number | null
  /** As it travels with a remote call. */
  // biome-ignore lint/suspicious/noExplicitAny: a policy of somebody's own travels with whatever it needs.
  encode(): { type: string; data: any }
}

const MANY = Number.MAX_SAFE_INTEGER

/** What all policies take. */
export interface RetryOptions {
  /** Ms. @default 1000 */
  readonly delay?: number
  /** @default no limit but the deadline */
  readonly maxRetries?: number
  /** From 0 to 1: up to which part of a wait is left out at random, so that many that failed together do not return together. */
  readonly jitter?: number
}

/** The same wait before each try. */
export class Constant implements RetryPolicy {
  static readonly type = 'constant'
  readonly #delay: number
  readonly #maxRetries: number
  readonly #jitter: number

  constructor({ delay = 1_000, maxRetries = MANY, jitter = 0 }: RetryOptions = {}) {
    this.#delay = checkedAmount('delay', delay)
    this.#maxRetries = checkedAmount('maxRetries', maxRetries)
    this.#jitter = checkedJitter(jitter)
  }

  next(attempt: number, random?: () => number): number | null {
    return within(attempt, this.#maxRetries, () => spread(this.#delay, this.#jitter, random))
  }

  encode() {
    return { type: Constant.type, data: { delay: this.#delay, maxRetries: this.#maxRetries, ...told(this.#jitter) } }
  }
}

/** Waits that grow by `delay`: delay, 2 × delay, 3 × delay … */
export class Linear implements RetryPolicy {
  static readonly type = 'linear'
  readonly #delay: number
  readonly #maxRetries: number
  readonly #jitter: number

  constructor({ delay = 1_000, maxRetries = MANY, jitter = 0 }: RetryOptions = {}) {
    this.#delay = checkedAmount('delay', delay)
    this.#maxRetries = checkedAmount('maxRetries', maxRetries)
    this.#jitter = checkedJitter(jitter)
  }

  next(attempt: number, random?: () => number): number | null {
    return within(attempt, this.#maxRetries, () => spread(this.#delay * attempt, this.#jitter, random))
  }

  encode() {
    return { type: Linear.type, data: { delay: this.#delay, maxRetries: this.#maxRetries, ...told(this.#jitter) } }
  }
}

/** Waits that grow by `factor` (2), up to `maxDelay` (30000 ms): delay × factor, delay × factor², … */
export class Exponential implements RetryPolicy {
  static readonly type = 'exponential'
  readonly #delay: number
  readonly #factor: number
  readonly #maxRetries: number
  readonly #maxDelay: number
  readonly #jitter: number

  constructor({
    delay = 1_000,
    factor = 2,
    maxRetries = MANY,
    maxDelay = 30_000,
    jitter = 0,
  }: RetryOptions & { factor?: number; maxDelay?: number } = {}) {
    this.#delay = checkedAmount('delay', delay)
    this.#factor = checkedAmount('factor', factor)
    this.#maxRetries = checkedAmount('maxRetries', maxRetries)
    this.#maxDelay = checkedAmount('maxDelay', maxDelay)
    this.#jitter = checkedJitter(jitter)
  }

  next(attempt: number, random?: () => number): number | null {
    const waitMs = Math.min(this.#delay * this.#factor ** attempt, this.#maxDelay)
    return within(attempt, this.#maxRetries, () => spread(waitMs, this.#jitter, random))
  }

  encode() {
    return {
      type: Exponential.type,
      data: {
        delay: this.#delay,
        factor: this.#factor,
        maxRetries: this.#maxRetries,
        maxDelay: this.#maxDelay,
        ...told(this.#jitter),
      },
    }
  }
}

/** No second try. */
export class Never implements RetryPolicy {
  static readonly type = 'never'

  next(attempt: number): number | null {
    return attempt === 0 ? 0 : null
  }

  encode() {
    return { type: Never.type, data: {} }
  }
}

function spread(waitMs: number, jitter: number, random?: () => number): number {
  return jitter > 0 && random ? Math.round(waitMs * (1 - jitter * random())) : waitMs
}

/** Left out where there is none: so it travels as published SDKs write it. */
function told(jitter: number): Record<string, number> {
  return jitter > 0 ? { jitter } : {}
}

function checkedAmount(name: string, value: number): number {
  if (typeof value === 'number' && value >= 0) return value
  throw mistake(`The '${name}' of a retry policy is a number of at least 0, got ${String(value)}`)
}

function checkedJitter(jitter: number): number {
  if (jitter >= 0 && jitter <= 1) return jitter
  throw mistake(`A jitter is a part from 0 to 1, got ${jitter}`)
}

function within(attempt: number, maxRetries: number, wait: () => number): number | null {
  if (attempt < 0) throw new RangeError(`An attempt is counted from 0, got ${attempt}`)
  if (attempt === 0) return 0
  return attempt > maxRetries ? null : wait()
}

/** A policy that was given as an option. Throws a TypeError where it is none, before anything has failed. */
export function checkedPolicy(policy: RetryPolicy | undefined): RetryPolicy | undefined {
  if (policy === undefined || policy === null) return undefined
  if (typeof policy.next === 'function' && typeof policy.encode === 'function') return policy
  throw mistake(
    `The option 'retryPolicy' is a policy, as in new Exponential({ delay: 1000 }), or an object with next and encode, ` +
      `got ${JSON.stringify(policy)}`,
  )
}

/** The policy that a remote call carried; undefined where it carried none that makes sense here. */
export function decodeRetry(retry: unknown): RetryPolicy | undefined {
  const { type, data } = (retry ?? {}) as { type?: string; data?: Record<string, number> }
  const isSound = Object.values(data ?? {}).every((value) => value === undefined || value >= 0)
  if (!isSound || (data?.jitter ?? 0) > 1) return undefined
  if (type === Constant.type) return new Constant(data)
  if (type === Linear.type) return new Linear(data)
  if (type === Exponential.type) return new Exponential(data)
  if (type === Never.type) return new Never()
  return undefined
}

/** A class of error that a retry cannot help. */
export type ErrorClass = new (...args: never[]) => Error

/** Whether trying again is pointless: the class is listed, or the error says so itself with `nonRetryable: true`. */
export function isFinal(error: unknown, nonRetryable: readonly ErrorClass[]): boolean {
  if (typeof error === 'object' && error !== null && (error as { nonRetryable?: unknown }).nonRetryable === true)
    return true
  return nonRetryable.some((type) => error instanceof type)
}
