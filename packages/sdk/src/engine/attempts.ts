// The functions of one task that run in this process: calls each, joins what it has begun, and tries it again where its policy
// says so. What becomes of an outcome is for who asked.

import type { Logger } from '../log.ts'
import { isThenable } from './codec.ts'
import { drive } from './drive.ts'
import { errors, messageOf } from './errors.ts'
import { type Executor, Frame } from './frame.ts'
import type { Caller, LocalCall, Operation, Outcome } from './operations.ts'
import { isFinal, type RetryPolicy } from './retry.ts'
import type { Trace } from './trace.ts'

/** Functions that call each other within one stack; past it the next begins on a stack of its own. */
const STACKED_MAX = 50

/** A function to run, and what becomes of it. */
export interface Running {
  readonly call: LocalCall
  readonly id: string
  readonly parentId: string
  /** What it is a step of; neither for the function of the task itself. */
  readonly operation?: Operation
  readonly parent?: Caller
  readonly done: (outcome: Outcome) => void
}

/** What they need of their execution. */
export interface Runner extends Executor {
  readonly host: Executor['host'] & {
    readonly logger: Logger
    /** How plain functions are retried where nothing else is said. */
    readonly retryPolicy: RetryPolicy
    /** 0 ≤ x < 1. */
    readonly random: () => number
    contextOf(frame: Frame): unknown
  }
  readonly trace: Trace
  readonly isOver: boolean
  touch(): void
  /** Runs `fn` unless the execution is over by then. */
  timer(delayMs: number, fn: () => void): () => void
  /** A step failed and is tried again later: meanwhile others may settle it. */
  failing(operation: Operation): void
}

export class Attempts {
  readonly #runner: Runner
  /** Of functions that have not ended. */
  readonly frames = new Set<Frame>()

  constructor(runner: Runner) {
    this.#runner = runner
  }

  /** At once, so that what it begins stands in order; functions that call each other without end must not fill the stack. */
  begin(running: Running): void {
    const depth = running.parent?.depth ?? 0
    if (depth === 0 || depth % STACKED_MAX !== 0) return this.#attempt(running, 1)
    this.#runner.busy += 1
    queueMicrotask(() => {
      this.#runner.busy -= 1
      this.#attempt(running, 1)
      this.#runner.touch()
    })
  }

  #attempt(running: Running, attempt: number): void {
    const runner = this.#runner
    if (runner.isOver) return
    const { call, id, parentId, operation, parent } = running
    const { name, version, timeoutAt } = call
    const frame = new Frame(runner, { id, parentId, name, version, timeoutAt, attempt, operation, parent })
    this.frames.add(frame)
    runner.trace.beginStep(frame)
    const ended = (outcome: Outcome) => {
      this.frames.delete(frame)
      frame.span?.end(outcome.ok ? undefined : outcome.error)
      if (runner.isOver) return
      frame.end(() => this.#concluded(running, frame, outcome))
      runner.touch()
    }
    try {
      const result = this.#call(frame, call)
      if (!isThenable(result)) return ended({ ok: true, value: result })
      result.then(
        (value) => ended({ ok: true, value }),
        (error) => ended({ ok: false, error }),
      )
    } catch (error) {
      ended({ ok: false, error })
    }
  }

  #call(frame: Frame, { fn, args }: LocalCall): unknown {
    const runner = this.#runner
    const hooks = {
      lazy: () => {
        frame.isLazy = true
      },
      die: (message: string | undefined) => runner.die(errors.panic(message)),
    }
    const body = () => drive(fn(runner.host.contextOf(frame), ...args), hooks)
    const span = runner.trace.spanOf(frame)
    return span ? span.run(body) : body()
  }

  /** It has ended, and so has what it had begun. */
  #concluded(running: Running, frame: Frame, outcome: Outcome): void {
    if (this.#runner.isOver) return
    if (outcome.ok || running.operation?.hasArrived) return running.done(outcome)
    const waitMs = this.#retryWaitMs(running.call, frame, outcome.error)
    if (waitMs === null) return running.done(outcome)
    const { attempt } = frame.facts
    const level = isWorthSaying(attempt) ? 'warn' : 'debug'
    const facts = { id: running.id, func: running.call.name, attempt, waitMs, cause: messageOf(outcome.error) }
    this.#runner.host.logger[level](facts, 'a function failed; trying again')
    this.#wait(running, waitMs, attempt + 1)
  }

  /** Until its time has come, or others have settled what it is a step of. */
  #wait(running: Running, waitMs: number, attempt: number): void {
    const runner = this.#runner
    const { operation } = running
    const over = () => {
      runner.busy -= 1
      if (operation) operation.onArrived = undefined
    }
    const cancel = runner.timer(waitMs, () => {
      over()
      this.#attempt(running, attempt)
    })
    runner.busy += 1
    if (!operation) return
    operation.onArrived = () => {
      cancel()
      over()
    }
    runner.failing(operation)
  }

  /** Null: the failure stands. A workflow is tried again only where it was asked for, since its steps already were. */
  #retryWaitMs(call: LocalCall, frame: Frame, error: unknown): number | null {
    const { host } = this.#runner
    const isWorkflow = frame.isLazy || frame.sequence > 0
    const policy: RetryPolicy | undefined = call.retryPolicy ?? (isWorkflow ? undefined : host.retryPolicy)
    if (!policy || isFinal(error, call.nonRetryable)) return null
    const waitMs = this.#nextOf(policy, frame)
    return waitMs === null || host.now() + waitMs >= call.timeoutAt ? null : waitMs
  }

  /** A policy of somebody's own may fail, or say what is no wait: it has given up then. */
  #nextOf(policy: RetryPolicy, { facts: { id, name, attempt } }: Frame): number | null {
    const { random, logger } = this.#runner.host
    try {
      const waitMs = policy.next(attempt, random)
      if (waitMs === null || waitMs >= 0) return waitMs
      throw new TypeError(`expected milliseconds or null, got ${String(waitMs)}`)
    } catch (cause) {
      logger.error({ id, func: name, attempt, cause: messageOf(cause) }, 'a retry policy failed; not tried again')
      return null
    }
  }
}

/** A failure or two pass by themselves; a function that fails on and on is told of, less and less often. */
function isWorthSaying(attempt: number): boolean {
  return attempt >= 5 && Number.isInteger(Math.log2(attempt / 5))
}
