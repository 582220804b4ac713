// Everything ambient that the SDK uses: clock, timers, chance, environment, the network of the runtime. The one file that
// may reach for them, so that a test or a simulation replaces all of it at once. Runs in Node, Deno, Bun and browsers.

/**
 * Everything ambient that the SDK uses, to be replaced as a whole in a test or a runtime of its own kind. `systemPlatform()` is that
 * of this runtime.
 */
export interface Platform {
  /** Wall clock, ms since epoch. */
  now(): number
  /** Runs `fn` once after `delayMs`; returns its cancel. A background timer does not keep the process alive. */
  timer(delayMs: number, fn: () => void, options?: { background?: boolean }): () => void
  /** Runs `fn` at the next macrotask: after everything that is ready now has run. */
  defer(fn: () => void): void
  /** 0 ≤ x < 1. */
  random(): number
  /** Unique among all processes, without dashes. */
  uuid(): string
  /** A variable of the environment; absent where there is none. */
  env(name: string): string | undefined
  /** What operators are told about this process. */
  readonly host: string
  readonly http: HttpPort
  /** Memory of this process, where it can be known. */
  rssBytes?(): number | undefined
  /** Starts a thread that renews leases while the event loop is blocked; undefined where there are none. */
  pacemaker?(options: PacemakerOptions): Pacemaker | undefined
  /** Calls `fn` on SIGTERM and SIGINT; returns its removal. Absent where there are no signals. */
  onSignal?(fn: () => void): () => void
  /** Ends the process. Called only where a user's option says so. */
  exit?(code: number): void
}

/** Whatever a request by itself needs: where to, and as whom. */
export interface Door {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly head: Readonly<Record<string, unknown>>
}

/** What renews leases from a thread needs to know: where to, as whom, and for how long. */
export interface PacemakerOptions extends Door {
  readonly pid: string
  readonly ttlMs: number
  /** A loop that has not turned for this long is stuck: its leases are left to end. */
  readonly lagLimitMs: number
}

/** The thread that renews leases while the event loop is blocked. */
export interface Pacemaker {
  /** The loop turns. */
  turned(): void
  /** How many tasks there are to renew. */
  held(tasks: number): void
  /** As whom from now on: a token may have been followed by another. */
  renew(door: Door): void
  /** Ends it. */
  stop(): void
}

export interface HttpResponse {
  readonly status: number
  readonly contentType: string
  /** As sent, seconds or a date. */
  readonly retryAfter: string | undefined
  readonly body: string
}

/** How requests are made over HTTP. */
export interface HttpPort {
  /** Resolves with whatever status; rejects when there is no whole response within `timeoutMs`. */
  request(url: string, options: HttpRequestOptions): Promise<HttpResponse>
  /** Resolves when the headers are in; `onText` then gets the body piece by piece, and `ended` settles when it is over. */
  stream(url: string, options: HttpStreamOptions): Promise<{ status: number; ended: Promise<void> }>
}

export interface HttpRequestOptions {
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly timeoutMs: number
}

export interface HttpStreamOptions {
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  readonly onText: (text: string) => void
}

type Immediate = (fn: () => void) => unknown

interface NodeProcess {
  on(signal: string, fn: () => void): void
  off(signal: string, fn: () => void): void
  exit(code: number): void
  memoryUsage?: { rss?(): number }
  readonly env: Record<string, string | undefined>
  readonly versions?: { readonly node?: string }
  getBuiltinModule?(name: string): { hostname?(): string } | undefined
}

const nodeProcess = (globalThis as { process?: NodeProcess }).process
const SIGNALS = ['SIGTERM', 'SIGINT']
const immediate = (globalThis as { setImmediate?: Immediate }).setImmediate

/** The platform of this runtime. */
export function systemPlatform(): Platform {
  demandPresent()
  return {
    now: () => Date.now(),
    timer(delayMs, fn, options) {
      // Timers beyond 2^31 - 1 ms fire at once in every runtime; nothing of ours waits that long without looking again.
      const timer = setTimeout(fn, Math.min(delayMs, 2 ** 31 - 1)) as unknown as { unref?: () => void }
      if (options?.background) timer.unref?.()
      return () => clearTimeout(timer as unknown as number)
    },
    defer: immediate ? (fn) => void immediate(fn) : deferByChannel(),
    random: () => Math.random(),
    uuid: () => crypto.randomUUID().replaceAll('-', ''),
    env: (name) => nodeProcess?.env[name],
    host: nodeProcess?.env.HOSTNAME || hostname() || 'unknown',
    http: nodeProcess?.versions?.node ? nodeHttp() : fetchHttp(),
    ...(nodeProcess?.versions?.node ? nodeExtras(nodeProcess) : {}),
  }
}

/** What this package is written with came to all runtimes in 2024; without it a call would fail somewhere inside. */
function demandPresent(): void {
  if ('withResolvers' in Promise) return
  const node = nodeProcess?.versions?.node
  const here = node === undefined ? 'this runtime has no Promise.withResolvers' : `this is Node ${node}`
  throw new Error(`@resonatehq/sdk needs Node 22.18 or newer, or a browser of 2024 or later, and ${here}`)
}

/** Of this machine, where it can be asked without an import, which would not be done in time. */
function hostname(): string | undefined {
  return nodeProcess?.getBuiltinModule?.('os')?.hostname?.()
}

function nodeExtras(node: NodeProcess): Partial<Platform> {
  return {
    rssBytes: () => node.memoryUsage?.rss?.(),
    pacemaker: (options) => nodePlatform?.startPacemaker(options),
    onSignal(fn) {
      for (const signal of SIGNALS) node.on(signal, fn)
      return () => {
        for (const signal of SIGNALS) node.off(signal, fn)
      }
    },
    exit: (code) => node.exit(code),
  }
}

/** Where there is no setImmediate: a message channel is the nearest thing that no browser slows down to 4 ms. */
function deferByChannel(): (fn: () => void) => void {
  const queue: (() => void)[] = []
  const { port1, port2 } = new MessageChannel()
  port1.onmessage = () => queue.shift()?.()
  return (fn) => {
    queue.push(fn)
    port2.postMessage(null)
  }
}

/** By `fetch`: everywhere. */
export function fetchHttp(): HttpPort {
  return {
    async request(url, { method, headers, body, timeoutMs }) {
      const response = await fetch(url, { method, headers, body, signal: AbortSignal.timeout(timeoutMs) })
      return {
        status: response.status,
        contentType: response.headers.get('content-type') ?? '',
        retryAfter: response.headers.get('retry-after') ?? undefined,
        body: await response.text(),
      }
    },
    async stream(url, { headers, signal, onText }) {
      const response = await fetch(url, { headers, signal, cache: 'no-store' })
      return { status: response.status, ended: readAll(response, onText) }
    },
  }
}

async function readAll(response: Response, onText: (text: string) => void): Promise<void> {
  const reader = response.body?.getReader()
  const decoder = new TextDecoder()
  while (reader) {
    const { done, value } = await reader.read()
    if (done) return
    onText(decoder.decode(value, { stream: true }))
  }
}

/** Loaded before anything can be held, since what is held came over its connections. */
let nodePlatform: typeof import('./platform-node.ts') | undefined

/** By `node:http` with kept-alive connections: a fraction of the work of Node's own `fetch` for a small request. */
function nodeHttp(): HttpPort {
  const port = import('#platform-node').then(
    (loaded) => {
      nodePlatform = loaded
      return loaded.agentHttp()
    },
    () => fetchHttp(),
  )
  return {
    request: async (url, options) => (await port).request(url, options),
    stream: async (url, options) => (await port).stream(url, options),
  }
}
