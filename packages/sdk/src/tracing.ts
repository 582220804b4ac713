// What the SDK tells a tracing library, as little as a trace needs: a span for each pass of a task through this process, one for
// each step, and the headers by which the next process goes on with the trace. They travel with the promise of a call, in the
// headers of its parameter, as W3C Trace Context says (`traceparent`, `tracestate`). Nothing here knows any library.

import type { Value } from '@resonatehq/protocol'

/** Headers that name a span to other processes. */
export type TraceHeaders = Readonly<Record<string, string>>

/** What a span is of. */
export type SpanKind =
  /** Somebody asks for a call. */
  | 'call'
  /** A task runs here, from its claim until it is put down. */
  | 'task'
  /** A function of this process runs as a step, one attempt. */
  | 'step'

/** A span that begins. */
export interface SpanStart {
  /** The function's name. */
  readonly name: string
  readonly kind: SpanKind
  /** Absent: whatever is current. */
  readonly parent: Span | TraceHeaders | undefined
  readonly attributes: Readonly<Record<string, string | number>>
}

/** A span under way. */
export interface Span {
  /** What tells other processes of this span. */
  readonly headers: TraceHeaders
  /** Runs code of which this is the current span, what it awaits included. */
  run<T>(work: () => T): T
  /** With what it failed, if it did. */
  end(failure?: unknown): void
}

/** See `openTelemetry` in `@resonatehq/sdk/opentelemetry`; or your own. Must not throw. */
export interface Tracing {
  /** Begins a span. */
  start(span: SpanStart): Span
}

/** Whether headers carry a trace. */
export function isTraced(headers: TraceHeaders | undefined): headers is TraceHeaders {
  return headers?.traceparent !== undefined
}

/** The parameter of a call whose spans are to be below this one. */
export function withTrace(param: Value, span: Span): Value {
  return { ...param, headers: { ...param.headers, ...span.headers } }
}
