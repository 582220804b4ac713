// The platform of this runtime: Node, Deno, Bun or a browser. The one file of the SDK that reaches for clock, timers, chance,
// environment and network; everything else is given them.

import type { HttpPort, Platform } from './platform.ts'

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
