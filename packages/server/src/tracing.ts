// What the server adds to the traces of executions: a span for each request that changed a traced promise, and one for the time
// that its task stood in the queue of its group. The trace is the caller's, found in the promise (`traceparent`, W3C Trace
// Context); what carries none leaves nothing here, and whether a trace is kept is its caller's choice. Where spans go is said by
// the variables that OpenTelemetry specifies for OTLP exporters. Its libraries are loaded only where one of them is set.

import type { DiagLogger, Span, TimeInput, Tracer } from '@opentelemetry/api'
import { type Answer, type PromiseRecord, parseAddress, quote, type TaskRecord } from '@resonatehq/protocol'
import type { Logger } from './log.ts'
import { VERSION } from './version.ts'

export interface Tracing {
  /** A request was answered, `tookMs` after it came, at `endedAt` ms since epoch. */
  answered(kind: string, answer: Answer, times: { readonly tookMs: number; readonly endedAt: number }): void
  /** Sends what has not been sent. */
  stop(): Promise<void>
}

export type Environment = Readonly<Record<string, string | undefined>>

/** Undefined: the environment asks for no traces. Rejects with a message for people. */
export async function openTracing(env: Environment, logger: Logger): Promise<Tracing | undefined> {
  if (!isWanted(env)) return undefined
  requireUrl(placeOf(env))
  const { OTLPTraceExporter } = await exporterOf(env)
  const { BatchSpanProcessor, TracerProvider } = await import('@opentelemetry/sdk-trace')
  const { defaultResource, detectResources, envDetector, resourceFromAttributes } = await import(
    '@opentelemetry/resources'
  )
  const service = resourceFromAttributes({ 'service.name': 'resonate', 'service.version': VERSION })
  const resource = defaultResource()
    .merge(service)
    .merge(detectResources({ detectors: [envDetector] }))
  const processor = new BatchSpanProcessor({ exporter: new OTLPTraceExporter() })
  const provider = new TracerProvider({ resource, spanProcessors: [processor] })
  const api = await import('@opentelemetry/api')
  const complain = complaintsTo(logger)
  const options = { logLevel: api.DiagLogLevel.WARN, suppressOverrideMessage: true }
  api.diag.setLogger({ ...SILENT, error: complain, warn: complain }, options)
  logger.info({ endpoint: placeOf(env) }, 'Traces enabled')
  const { W3CTraceContextPropagator } = await import('@opentelemetry/core')
  return traceAnswers({
    tracer: provider.getTracer('resonate', VERSION),
    propagator: new W3CTraceContextPropagator(),
    api,
    // What is lost with a collector that takes nothing must not keep a server from stopping in order.
    stop: () => provider.shutdown().catch((fault) => complain(fault.message)),
  })
}

function isWanted(env: Environment): boolean {
  if (env.OTEL_SDK_DISABLED?.toLowerCase() === 'true' || env.OTEL_TRACES_EXPORTER === 'none') return false
  return env.OTEL_TRACES_EXPORTER === 'otlp' || placeOf(env) !== undefined
}

function placeOf(env: Environment): string | undefined {
  return env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT || undefined
}

/** A host and a port alone would be taken, and nothing ever sent. */
function requireUrl(place: string | undefined): void {
  if (place === undefined || /^https?:$/.test(URL.parse(place)?.protocol ?? '')) return
  throw new Error(
    `OTEL_EXPORTER_OTLP_ENDPOINT is ${quote(place)}, but must be a URL with http:// or https://, such as http://localhost:4318`,
  )
}

/** What the libraries have to say, in the log. A collector that is away says the same with every batch: once is enough. */
function complaintsTo(logger: Logger): (message: string, ...more: readonly unknown[]) => void {
  let last = ''
  return (message, ...more) => {
    const reason = [reasonOf(message), ...more.map(String)].join(' ')
    if (reason === last) logger.debug({ reason }, 'Traces cannot be sent')
    else logger.warn({ reason }, 'Traces cannot be sent')
    last = reason
  }
}

const nothing = () => {}
const SILENT: DiagLogger = { error: nothing, warn: nothing, info: nothing, debug: nothing, verbose: nothing }

function exporterOf(env: Environment) {
  const protocol = env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL || env.OTEL_EXPORTER_OTLP_PROTOCOL || 'http/protobuf'
  switch (protocol) {
    case 'http/protobuf':
      return import('@opentelemetry/exporter-trace-otlp-proto')
    case 'http/json':
      return import('@opentelemetry/exporter-trace-otlp-http')
    default:
      throw new Error(
        `OTEL_EXPORTER_OTLP_PROTOCOL is "${protocol}", but traces are sent by http/protobuf or http/json: ` +
          'choose one of them, with the port that your collector has for it (usually 4318)',
      )
  }
}

/** Errors come as JSON, stack and all. */
function reasonOf(message: string): string {
  try {
    return String(JSON.parse(message).message)
  } catch {
    return message
  }
}

interface TracingParts {
  readonly tracer: Tracer
  readonly propagator: import('@opentelemetry/api').TextMapPropagator
  readonly api: typeof import('@opentelemetry/api')
  readonly stop: () => Promise<void>
}

/** Requests that change a promise or its task; the others would drown them. */
const TRACED: ReadonlySet<string> = new Set([
  'promise.create',
  'promise.settle',
  'task.create',
  'task.acquire',
  'task.fence',
  'task.fulfill',
])

function traceAnswers({ tracer, propagator, api, stop }: TracingParts): Tracing {
  function span(name: string, promise: PromiseRecord, startTime: TimeInput, endTime: TimeInput, more: object): void {
    const { ROOT_CONTEXT, defaultTextMapGetter, SpanKind } = api
    const parent = propagator.extract(ROOT_CONTEXT, promise.param.headers, defaultTextMapGetter)
    const attributes = { 'resonate.id': promise.id, ...more }
    const started: Span = tracer.startSpan(name, { kind: SpanKind.SERVER, startTime, attributes }, parent)
    started.end(endTime)
  }

  return {
    answered(kind, { status, data }, { tookMs, endedAt }) {
      if (status !== 200 || !TRACED.has(kind)) return
      const { promise, task } = changedBy(data)
      if (promise?.param.headers?.traceparent === undefined) return
      const startedAt = endedAt - tookMs
      // Its first: when it was ready again later is not told by its record.
      if (kind === 'task.acquire' && task?.version === 1)
        span(`queued ${queueOf(promise)}`, promise, readyAt(promise), startedAt, {})
      span(kind, promise, startedAt, endedAt, { 'resonate.state': promise.state })
    },
    stop,
  }
}

function changedBy(data: unknown): { promise?: PromiseRecord; task?: TaskRecord } {
  const { action } = data as { action?: { data: unknown } }
  const inner = action ? action.data : data
  return typeof inner === 'object' && inner !== null ? inner : {}
}

function queueOf({ tags }: PromiseRecord): string {
  const address = parseAddress(tags['resonate:target'] ?? '')
  return address === null || address.kind === 'push' ? 'pushed' : address.group
}

function readyAt({ createdAt, tags }: PromiseRecord): number {
  return Math.max(createdAt, Number(tags['resonate:delay'] ?? 0))
}
