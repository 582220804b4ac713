// The server as a whole: engine, listener, transports and metrics wired together, with a start and a stop. Used by the
// command, the container and tests alike. It must never exit the process or read its environment; what keeps it from
// starting is thrown, as an error whose message is for people.

import type { Engine, Platform } from '@resonatehq/engine'
import { originsOf } from './auth/origins.ts'
import { schemeOf, serverUrlOf } from './config/derived.ts'
import type { Config } from './config/settings.ts'
import { storageText } from './database.ts'
import { createCredentials } from './dispatch/credentials.ts'
import { networksOf } from './dispatch/networks.ts'
import { createPoll } from './dispatch/poll.ts'
import { createPost } from './dispatch/post.ts'
import { watchProofs } from './dispatch/proofs.ts'
import { createPush } from './dispatch/push.ts'
import { type OpenEngine, openEngine } from './engine.ts'
import { createHttp } from './http/routes.ts'
import { createListener, createMetricsListener } from './listen.ts'
import { componentOf, type Logger } from './log.ts'
import { createMetrics, type MetricsJson } from './metrics/scrape.ts'
import { Security } from './security.ts'
import type { Tracing } from './tracing.ts'
import { VERSION } from './version.ts'

export interface ServerParts {
  readonly platform: Platform
  readonly logger: Logger
  /** Default: what the configuration describes. */
  readonly openEngine?: OpenEngine
  /** Asks for the keys of tokens. Default: the global one. */
  readonly fetch?: typeof fetch
  /** Metrics of the process itself. Default: yes. */
  readonly processMetrics?: boolean
  /** The version of Node, for metrics. */
  readonly node?: string
  /** Absent: no traces are kept. See `openTracing`. */
  readonly tracing?: Tracing | undefined
  /** Given the metrics of this server: what a scrape is answered, where it is one of several. */
  readonly gather?: (own: () => Promise<MetricsJson>) => () => Promise<string>
}

/** Where a started server can be reached from this machine. */
export interface Addresses {
  readonly url: string
  /** Undefined where metrics are off or their port could not be had. */
  readonly metricsUrl: string | undefined
}

export interface Server {
  /** Resolves when requests are answered. Rejects, with nothing left open, when that cannot be. */
  start(): Promise<Addresses>
  /** Finishes what is in flight within `server.shutdown_timeout`, then closes; first the start. Harmless when called again. */
  stop(): Promise<void>
  /** Reads certificates, keys and tokens again, and opens the audit file anew. What cannot be used is logged. */
  reload(): void
}

export function createServer(config: Config, parts: ServerParts): Server {
  const { platform, logger } = parts
  const auth = componentOf(logger, 'auth')
  const security = new Security({ config, platform, logger: auth, fetch: parts.fetch ?? globalThis.fetch })
  const { guard, audit } = security
  const timeoutMs = config['server.shutdown_timeout']
  const metrics = createMetrics({
    build: { version: VERSION, node: parts.node ?? '' },
    process: parts.processMetrics ?? true,
    timer: platform.timer,
  })
  let engine: Engine | undefined
  let opening: Promise<Addresses> | undefined
  let stopped: Promise<void> | undefined

  const common = { config, engine: () => engine, guard, audit, platform, logger, metrics, tracing: parts.tracing }
  const origins = originsOf(config['server.cors.allow_origins'])
  const http = createHttp({ ...common, origins, logger: componentOf(logger, 'http') })
  const poll = createPoll({ ...common, logger: componentOf(logger, 'poll') })
  const listener = createListener({ config, http, poll, origins, platform, logger: componentOf(logger, 'http') })
  const text = parts.gather?.(metrics.json) ?? metrics.text
  const scrapes = { contentType: metrics.contentType, text, demand: metrics.demand }
  const metricsListener = createMetricsListener(config, {
    metrics: scrapes,
    secret: security.metricsSecret,
    logger: componentOf(logger, 'http'),
  })
  const proofs = watchProofs(config, { platform, logger: componentOf(logger, 'push') })
  const poster = createPost({
    networks: networksOf(config['transports.http_push.private_networks']),
    headersFor: createCredentials({
      proofs: () => proofs.current(),
      fetch: globalThis.fetch,
      metadataUrl: config['transports.http_push.auth.metadata_url'],
      now: platform.now,
      timer: platform.timer,
    }),
    connectTimeoutMs: config['transports.http_push.connect_timeout'],
    requestTimeoutMs: config['transports.http_push.request_timeout'],
    timer: platform.timer,
  })
  const push = createPush({
    config,
    post: poster.post,
    logger: componentOf(logger, 'push'),
    metrics,
    platform,
  })
  metrics.watch({
    engine: () => engine?.stats,
    picture: async () => engine?.picture(),
    transports: {
      pollConnections: () => poll.connections,
      pushInFlight: () => push.inFlight,
      pushWaiting: () => push.waiting,
    },
  })

  async function open(): Promise<Addresses> {
    logger.info({ version: VERSION, storage: storageText(config), debug: config.debug }, 'Server starting')
    try {
      // One of several must not be asked before it can answer: the others can. It has the port from them.
      if (parts.gather) await startEngine(config['server.port'])
      await security.start([listener, metricsListener])
      proofs.start()
      // The port before the store: a second server must find it taken before it touches that.
      const port = await listener.start()
      if (!parts.gather) await startEngine(port)
      const url = `${schemeOf(config)}://${reachable(config['server.bind'])}:${port}`
      logger.info({ url, serverUrl: serverUrlOf(config, port) }, 'Server listening')
      return { url, metricsUrl: await startMetrics() }
    } catch (error) {
      await close()
      throw error
    }
  }

  async function startEngine(port: number): Promise<void> {
    const opened = await (parts.openEngine ?? openEngine)({
      config,
      platform,
      logger: componentOf(logger, 'engine'),
      serverUrl: serverUrlOf(config, port),
      observer: metrics.observer,
      ...(config['transports.http_push.enabled'] && { push }),
    })
    await opened.start()
    engine = opened
  }

  async function startMetrics(): Promise<string | undefined> {
    if (config['observability.metrics_port'] === 0) return undefined
    try {
      const port = await metricsListener.start()
      const url = `${schemeOf(config)}://${reachable(config['observability.metrics_bind'])}:${port}/metrics`
      logger.info({ url }, 'Metrics listening')
      return url
    } catch (error) {
      logger.error({ reason: error instanceof Error ? error.message : String(error) }, 'Metrics are not served')
      return undefined
    }
  }

  async function stop(): Promise<void> {
    const isOpen = await opening?.then(
      () => true,
      () => false,
    )
    if (!isOpen) return
    logger.info({}, 'Server stopping')
    if (!(await close()))
      logger.warn({ timeoutMs }, 'Background tasks did not finish within shutdown timeout, forcing exit')
    logger.info({}, 'Server stopped')
  }

  /** False: it took longer than it may, and what was left was cut off. */
  async function close(): Promise<boolean> {
    const drained = await listener.stop(timeoutMs)
    push.stop()
    proofs.stop()
    poster.close()
    const closed = !engine || (await inTime(platform, engine.stop(), timeoutMs))
    await metricsListener.stop(0)
    await security.stop()
    await parts.tracing?.stop()
    return drained && closed
  }

  return {
    start() {
      opening ??= open()
      return opening
    },
    reload() {
      security.reload()
      proofs.reload()
    },
    stop() {
      stopped ??= stop()
      return stopped
    },
  }
}

/** False: not settled within this time. */
function inTime(platform: Platform, work: Promise<void>, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const cancel = platform.timer(timeoutMs, () => resolve(false))
    work.then(() => resolve(true), reject).finally(cancel)
  })
}

/** Every interface is not an address that one can connect to. */
function reachable(bind: string): string {
  if (bind === '0.0.0.0' || bind === '::') return 'localhost'
  return bind.includes(':') ? `[${bind}]` : bind
}
