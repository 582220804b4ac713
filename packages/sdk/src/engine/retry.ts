// When a function that threw is tried again. A policy answers for the attempt that just failed, counted from 1; null ends it.
// The waits are those of the published SDK: the first exponential one is delay × factor.

export interface RetryPolicy {
  /** How long to wait after the given attempt failed, ms; null to give up. */
  next(attempt: number): number | null
  /** As it travels with a remote call. */
  encode(): { type: string; data: Record<string, number> }
}

const MANY = Number.MAX_SAFE_INTEGER

export class Constant implements RetryPolicy {
  static readonly type = 'constant'
  readonly #delay: number
  readonly #maxRetries: number

  constructor({ delay = 1_000, maxRetries = MANY }: { delay?: number; maxRetries?: number } = {}) {
    this.#delay = delay
    this.#maxRetries = maxRetries
  }

  next(attempt: number): number | null {
    return within(attempt, this.#maxRetries, () => this.#delay)
  }

  encode() {
    return { type: Constant.type, data: { delay: this.#delay, maxRetries: this.#maxRetries } }
  }
}

export class Linear implements RetryPolicy {
  static readonly type = 'linear'
  readonly #delay: number
  readonly #maxRetries: number

  constructor({ delay = 1_000, maxRetries = MANY }: { delay?: number; maxRetries?: number } = {}) {
    this.#delay = delay
    this.#maxRetries = maxRetries
  }

  next(attempt: number): number | null {
    return within(attempt, this.#maxRetries, () => this.#delay * attempt)
  }

  encode() {
    return { type: Linear.type, data: { delay: this.#delay, maxRetries: this.#maxRetries } }
  }
}

export class Exponential implements RetryPolicy {
  static readonly type = 'exponential'
  readonly #delay: number
  readonly #factor: number
  readonly #maxRetries: number
  readonly #maxDelay: number

  constructor({
    delay = 1_000,
    factor = 2,
    maxRetries = MANY,
    maxDelay = 30_000,
  }: { delay?: number; factor?: number; maxRetries?: number; maxDelay?: number } = {}) {
    this.#delay = delay
    this.#factor = factor
    this.#maxRetries = maxRetries
    this.#maxDelay = maxDelay
  }

  next(attempt: number): number | null {
    return within(attempt, this.#maxRetries, () => Math.min(this.#delay * this.#factor ** attempt, this.#maxDelay))
  }

  encode() {
    return {
      type: Exponential.type,
      data: { delay: this.#delay, factor: this.#factor, maxRetries: this.#maxRetries, maxDelay: this.#maxDelay },
    }
  }
}

export class Never implements RetryPolicy {
  static readonly type = 'never'

  next(attempt: number): number | null {
    return attempt === 0 ? 0 : null
  }

  encode() {
    return { type: Never.type, data: {} }
  }
}

function within(attempt: number, maxRetries: number, wait: () => number): number | null {
  if (attempt < 0) throw new RangeError(`An attempt is counted from 0, got ${attempt}`)
  if (attempt === 0) return 0
  return attempt > maxRetries ? null : wait()
}

/** The policy that a remote call carried; undefined where it carried none that is known here. */
export function decodeRetry(retry: unknown): RetryPolicy | undefined {
  const { type, data } = (retry ?? {}) as { type?: string; data?: Record<string, number> }
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
