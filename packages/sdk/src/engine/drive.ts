// Runs the body of a durable function, whichever way it is written: a generator that yields operations, an async function that
// awaits them, or a plain function. One set of operations serves all three; this is all that tells them apart.
// Futures can be awaited, so nothing here may resolve a promise with one: it would be waited for instead of handed over.

import { DetachedOperation, Die, Future, Operation } from './operations.ts'

type Body = Generator<unknown, unknown, unknown>
type Resume = () => IteratorResult<unknown, unknown>

export interface DriveHooks {
  /** The body is a generator: its operations are to start when they are yielded. */
  lazy(): void
  /** The body asked for the end of this pass and is never resumed. */
  die(message: string | undefined): void
}

/** What a function's call gave is its result, at once or later, unless it is a generator: that is run to its end. */
export function drive(result: unknown, hooks: DriveHooks): unknown {
  if (isGenerator(result)) {
    hooks.lazy()
    return new Promise((resolve, reject) => advance(result, () => result.next(), { resolve, reject, die: hooks.die }))
  }
  if (typeof result === 'object' && result !== null && Symbol.asyncIterator in result)
    throw new TypeError('An async generator cannot be durable: write a generator (function*) or an async function')
  return result
}

function isGenerator(result: unknown): result is Body {
  if (typeof result !== 'object' || result === null) return false
  const { next, throw: raise } = result as Partial<Body>
  return typeof next === 'function' && typeof raise === 'function' && Symbol.iterator in result
}

interface Ends {
  resolve(value: unknown): void
  reject(error: unknown): void
  die(message: string | undefined): void
}

/** Goes on for as long as nothing has to be waited for: a loop, since a fan-out of thousands must not grow the stack. */
function advance(body: Body, first: Resume, ends: Ends): void {
  let resume: Resume | undefined = first
  while (resume) {
    try {
      const step: IteratorResult<unknown, unknown> = resume()
      if (step.done) return ends.resolve(step.value)
      resume = react(body, step.value, ends)
    } catch (error) {
      return ends.reject(error)
    }
  }
}

/** How to go on from what was yielded; undefined where it goes on later, or never. */
function react(body: Body, yielded: unknown, ends: Ends): Resume | undefined {
  const next =
    (input: unknown): Resume =>
    () =>
      body.next(input)
  const raise =
    (error: unknown): Resume =>
    () =>
      body.throw(error)
  const later = (wait: Promise<unknown>, input: (value: unknown) => unknown = (value) => value) => {
    wait.then(
      (value) => advance(body, next(input(value)), ends),
      (error) => advance(body, raise(error), ends),
    )
    return undefined
  }
  if (yielded instanceof DetachedOperation) return later(yielded.then(), () => new Future(yielded))
  if (yielded instanceof Operation) {
    if (yielded.yielding === 'result') return later(yielded.result())
    yielded.frame.execution.startOperation(yielded)
    return next(new Future(yielded))
  }
  if (yielded instanceof Future) return later(yielded.then())
  if (yielded instanceof Die) {
    if (!yielded.condition) return next(undefined)
    ends.die(yielded.message)
    return undefined
  }
  return raise(new TypeError(misuse(yielded)))
}

function misuse(yielded: unknown): string {
  const what = yielded instanceof Promise ? 'a promise' : typeof yielded === 'object' ? 'an object' : String(yielded)
  return (
    `A durable function yielded ${what}; it may yield only what its context makes. ` +
    'Wrap other work: yield* ctx.run(() => work())'
  )
}
