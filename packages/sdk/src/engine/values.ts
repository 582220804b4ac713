// The values of one execution on their way in and out: at once where the codec answers at once, later where an encryptor takes its
// time, which is counted, so that no pass ends meanwhile. A value that has no JSON form is a failure of the function; an encryptor
// that fails is not, so then the task is given back: later, or to others, it may be there.

import type { PromiseRecord, Value } from '@resonatehq/protocol'
import { type Codec, chain, isThenable } from './codec.ts'
import { errors, PromiseCanceledError, PromiseTimedoutError, ResonateError } from './errors.ts'
import type { Outcome } from './operations.ts'

/** What they need of their execution. */
export interface Owner {
  readonly isOver: boolean
  touch(): void
  /** Gives the task back. */
  release(cause: unknown): void
}

export class Values {
  readonly #codec: Codec
  readonly #owner: Owner
  #waiting = 0

  constructor(codec: Codec, owner: Owner) {
    this.#codec = codec
    this.#owner = owner
  }

  /** One is being encoded or decoded. */
  get isWaiting(): boolean {
    return this.#waiting > 0
  }

  /** `failed` is told of a value that has no JSON form. */
  encode(value: unknown, what: string, then: (encoded: Value) => void, failed: (error: unknown) => void): void {
    this.#code(() => this.#codec.encode(value, what), then, failed)
  }

  /** A result that has no JSON form is a failure of the function that returned it, and `settled` says so. */
  encodeOutcome(outcome: Outcome, name: string, then: (settled: Outcome, value: Value) => void): void {
    const encoded = (value: Value) => then(outcome, value)
    this.encode(outcome.ok ? outcome.value : outcome.error, `The result of ${name}`, encoded, (cause) => {
      const error = errors.resultNotEncodable(name, cause)
      const failure: Outcome = { ok: false, error }
      const told = (value: Value) => then(failure, value)
      this.encode(error, name, told, () => told({}))
    })
  }

  /** `failed` is told where there is no JSON in it. */
  decode(value: Value, what: string, then: (decoded: unknown) => void, failed: (error: unknown) => void): void {
    this.#code(() => this.#codec.decode(value, what), then, failed)
  }

  /** What a settled promise comes to. */
  decodeOutcome(record: PromiseRecord, then: (outcome: Outcome) => void): void {
    const decode = (value: Value) => this.#codec.decode(value, `The result of '${record.id}'`)
    this.#code<Outcome>(
      () => outcomeOf(record, decode),
      then,
      (error) => then({ ok: false, error }),
    )
  }

  #code<T>(work: () => T | PromiseLike<T>, then: (coded: T) => void, failed: (error: unknown) => void): void {
    const uncoded = (error: unknown) => {
      if (error instanceof ResonateError && error.type === 'Encoding' && !error.retriable) failed(error)
      else this.#owner.release(error)
    }
    let coded: T | PromiseLike<T>
    try {
      coded = work()
    } catch (error) {
      return uncoded(error)
    }
    if (isThenable(coded)) this.#later(coded as PromiseLike<T>, then, uncoded)
    else then(coded as T)
  }

  #later<T>(wait: PromiseLike<T>, then: (coded: T) => void, failed: (error: unknown) => void): void {
    this.#waiting += 1
    const over = (go: () => void) => {
      this.#waiting -= 1
      if (this.#owner.isOver) return
      go()
      this.#owner.touch()
    }
    wait.then(
      (coded) => over(() => then(coded)),
      (error) => over(() => failed(error)),
    )
  }
}

/** What a settled promise means to who awaits it. */
export function outcomeOf(record: PromiseRecord, decode: (value: Value) => unknown): Outcome | Promise<Outcome> {
  if (record.state === 'rejected_timedout') return { ok: false, error: new PromiseTimedoutError(record.id) }
  if (record.state === 'rejected_canceled') return { ok: false, error: new PromiseCanceledError(record.id) }
  if (record.state === 'rejected' && record.value.data === undefined)
    return { ok: false, error: new Error(`Promise '${record.id}' was rejected without a value`) }
  return chain(
    decode(record.value),
    (content): Outcome => (record.state === 'resolved' ? { ok: true, value: content } : { ok: false, error: content }),
  )
}
