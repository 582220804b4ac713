// One call of a function that runs here: who it is, the order of its operations, and whether it runs or waits. What a call is
// waiting for decides when its task may be put down, so the counts here are exact:
// F1. A frame is busy from its start to its end, except while it waits for at least one of its operations.
// F2. It is joined when it has ended and every attached operation that it started is settled.

import type { Span } from '../tracing.ts'
import { PromiseTimedoutError, type ResonateError } from './errors.ts'
import { type Caller, type CallerFacts, childId, type Operation } from './operations.ts'

/** The execution that it is part of, as it knows it. */
export interface Executor {
  readonly id: string
  readonly originId: string
  readonly branchId: string
  readonly timeoutAt: number
  /** Aborted when the work is no longer wanted. */
  readonly abort: AbortController
  readonly host: { now(): number; timer(delayMs: number, fn: () => void): () => void }
  /** Frames that run: neither ended nor waiting for an operation of theirs. */
  busy: number
  /** Where the next operation stands in order. */
  nextOrder(): number
  startOperation(operation: Operation): void
  /** The function asked for the end of this pass. */
  die(error: ResonateError): void
}

export class Frame implements Caller {
  readonly execution: Executor
  readonly facts: CallerFacts
  /** Its operations start when they are waited for: it is a generator. */
  isLazy = false
  /** Of a step, where traces are kept. */
  span: Span | undefined
  lastStep: Caller['lastStep']
  /** How many ids it has given out. */
  sequence = 0
  #isDone = false
  #waits = 0
  #children = 0
  #joined: (() => void) | undefined
  /** How far it was when the lease was renewed and it ran, and since when; absent while it waits. */
  #stood: { readonly sequence: number; readonly sinceAt: number } | undefined
  #isStillSaid = false
  /** Where its deadline is earlier than the task's and it has asked for a signal; and what lets go of both. */
  #own: { readonly signal: AbortSignal; readonly release: () => void } | undefined

  constructor(execution: Executor, facts: CallerFacts) {
    this.execution = execution
    this.facts = facts
    execution.busy += 1
  }

  /** Nothing of it, nor of its callers, was tried before: what the records do not show did not happen. */
  get isFirstTry(): boolean {
    return this.facts.attempt === 1 && (this.facts.parent?.isFirstTry ?? true)
  }

  get isDone(): boolean {
    return this.#isDone
  }

  /** Aborted when its result is no longer wanted: with its task, and at its own deadline where that is earlier. */
  get signal(): AbortSignal {
    if (this.facts.timeoutAt >= this.execution.timeoutAt || this.#isDone) return this.execution.abort.signal
    this.#own ??= this.#watchDeadline()
    return this.#own.signal
  }

  #watchDeadline() {
    const { abort, host } = this.execution
    const { id, timeoutAt } = this.facts
    const own = new AbortController()
    let cancel = () => {}
    const release = () => {
      cancel()
      abort.signal.removeEventListener('abort', abandon)
    }
    const abandon = () => {
      release()
      own.abort(abort.signal.reason)
    }
    // Looked at again when the timer fires: no timer waits for as long as a deadline may be away.
    const look = () => {
      const leftMs = timeoutAt - host.now()
      if (leftMs > 0) cancel = host.timer(leftMs, look)
      else own.abort(new PromiseTimedoutError(id))
    }
    if (abort.signal.aborted) return { signal: abort.signal, release }
    abort.signal.addEventListener('abort', abandon)
    look()
    return { signal: own.signal, release }
  }

  /** How deep below the function of the task. */
  get depth(): number {
    return this.facts.parent ? this.facts.parent.depth + 1 : 0
  }

  nextId(): string {
    const id = childId(this.facts.id, this.sequence)
    this.sequence += 1
    return id
  }

  /** It waits for one more of its operations. */
  wait(): void {
    this.#waits += 1
    if (this.#waits === 1 && !this.#isDone) this.execution.busy -= 1
  }

  /** One of those is settled: it is about to run again. */
  wake(): void {
    this.#waits -= 1
    this.#stood = undefined
    if (this.#waits === 0 && !this.#isDone) this.execution.busy += 1
  }

  /**
   * For how long at least it has run without beginning anything durable, ms: it awaits something of its own, or computes.
   * Told once, and only where it stood there at the last renewal too.
   */
  stillMs(now: number): number | undefined {
    if (this.#isDone || this.#waits > 0 || this.#isStillSaid) return undefined
    const stood = this.#stood
    if (stood?.sequence !== this.sequence) {
      this.#stood = { sequence: this.sequence, sinceAt: now }
      return undefined
    }
    this.#isStillSaid = true
    return now - stood.sinceAt
  }

  childStarted(): void {
    this.#children += 1
  }

  childSettled(): void {
    this.#children -= 1
    if (this.#children === 0) this.#joined?.()
  }

  /** Its function has returned or thrown. Calls `joined` once its attached operations are settled. */
  end(joined: () => void): void {
    this.#isDone = true
    this.#own?.release()
    if (this.#waits === 0) this.execution.busy -= 1
    if (this.#children === 0) return joined()
    this.#joined = joined
  }
}
