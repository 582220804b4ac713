// Traces by OpenTelemetry, over its API alone: which spans are kept and where they go is for the program's own set-up to say.
// Without one, every call here does nothing.

import {
  type Span as ApiSpan,
  type Context,
  context,
  propagation,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import type { Span, SpanStart, TraceHeaders, Tracing } from './tracing.ts'
import { VERSION } from './version.ts'

const KINDS = { call: SpanKind.PRODUCER, task: SpanKind.CONSUMER, step: SpanKind.INTERNAL } as const

/**
 * Follows executions across processes: `new Resonate({ tracing: openTelemetry() })`. A call is a producer span, each pass of its
 * task through a worker a consumer span below it, each step a span below that. Spans that your code starts in a step are below
 * the step. Names are the functions'; `resonate.id`, `resonate.version` and `resonate.attempt` say which call it was.
 */
export function openTelemetry(): Tracing {
  const tracer = trace.getTracer('@resonatehq/sdk', VERSION)
  return {
    start({ name, kind, parent, attributes }: SpanStart): Span {
      const around = parentOf(parent)
      return new OpenSpan(tracer.startSpan(name, { kind: KINDS[kind], attributes }, around), around)
    },
  }
}

function parentOf(parent: SpanStart['parent']): Context {
  if (parent === undefined) return context.active()
  return parent instanceof OpenSpan ? parent.context : propagation.extract(context.active(), parent)
}

class OpenSpan implements Span {
  readonly context: Context
  readonly headers: TraceHeaders
  readonly #span: ApiSpan

  constructor(span: ApiSpan, around: Context) {
    this.#span = span
    this.context = trace.setSpan(around, span)
    const headers: Record<string, string> = {}
    propagation.inject(this.context, headers)
    this.headers = headers
  }

  run<T>(work: () => T): T {
    return context.with(this.context, work)
  }

  end(failure?: unknown): void {
    if (failure !== undefined) {
      const message = failure instanceof Error ? failure.message : String(failure)
      this.#span.setStatus({ code: SpanStatusCode.ERROR, message })
      this.#span.recordException(failure instanceof Error ? failure : message)
    }
    this.#span.end()
  }
}
