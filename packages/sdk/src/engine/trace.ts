// The spans of one execution, where traces are kept: one for each pass through this process, and below it one for each attempt of
// a step. Whoever runs a call elsewhere goes on with the trace.

import type { Value } from '@resonatehq/protocol'
import { isTraced, type Span, type TraceHeaders, type Tracing, withTrace } from '../tracing.ts'
import type { Frame } from './frame.ts'
import type { Caller, Operation } from './operations.ts'

export class Trace {
  readonly #tracing: Tracing | undefined
  readonly #id: string
  /** Of the task's function; empty until it is known. */
  #name = ''
  #pass: Span | undefined
  /** What passes are below: the span of the call, or else of the first pass. */
  #above: TraceHeaders | undefined

  constructor(tracing: Tracing | undefined, id: string) {
    this.#tracing = tracing
    this.#id = id
  }

  /** What is called, and the headers that its call came with. */
  called(name: string, headers: TraceHeaders | undefined): void {
    this.#name = name
    if (isTraced(headers)) this.#above = headers
  }

  beginPass(version: number): void {
    const attributes = { 'resonate.id': this.#id, 'resonate.version': version }
    this.#pass = this.#tracing?.start({ name: this.#name, kind: 'task', parent: this.#above, attributes })
    this.#above ??= this.#pass?.headers
  }

  endPass(failure?: unknown): void {
    this.#pass?.end(failure)
    this.#pass = undefined
  }

  /** The function of the task itself is the pass. */
  beginStep(frame: Frame): void {
    const { parent, id, name, attempt } = frame.facts
    if (!parent) return
    const attributes = { 'resonate.id': id, 'resonate.attempt': attempt }
    frame.span = this.#tracing?.start({ name, kind: 'step', parent: this.spanOf(parent), attributes })
  }

  /** What is above the operations of a function: its own span, or that of the pass. */
  spanOf(frame: Caller): Span | undefined {
    return frame.facts.parent ? frame.span : this.#pass
  }

  /** What an operation's promise is created with. */
  paramOf({ call, frame }: Operation, param: Value): Value {
    const span = call.kind === 'remote' ? this.spanOf(frame) : undefined
    return span ? withTrace(param, span) : param
  }
}
