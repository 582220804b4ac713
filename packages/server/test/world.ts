// A server as tests want it: in this process, over the memory store, on free ports.

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Connected, Engine, EngineStats, Picture, WorkerPort } from '@resonatehq/engine'
import type { Answer, Request } from '@resonatehq/protocol'
import { type Config, createServer, loadConfig, nodePlatform, type Server, silentLogger } from '../src/index.ts'

export function configOf(flags: Record<string, unknown> = {}): Config {
  const base = {
    'storage.type': 'memory',
    'server.port': 0,
    'server.bind': '127.0.0.1',
    'observability.metrics_port': 0,
  }
  const loaded = loadConfig({ flags: { ...base, ...flags } })
  if ('problems' in loaded) throw new Error(loaded.problems.join('\n'))
  return loaded.config
}

export interface Running {
  readonly server: Server
  readonly url: string
  readonly metricsUrl: string | undefined
}

export async function startServer(
  t: TestContext,
  flags: Record<string, unknown> = {},
  engine?: Engine,
): Promise<Running> {
  const parts = { platform: nodePlatform(), logger: silentLogger, processMetrics: false }
  const server = createServer(configOf(flags), engine ? { ...parts, openEngine: () => engine } : parts)
  t.after(() => server.stop())
  return { server, ...(await server.start()) }
}

export interface Envelope {
  readonly kind: string
  readonly head: { readonly corrId: string; readonly status: number; readonly version: string }
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every kind.
  readonly data: any
}

export function envelope(kind: string, data: unknown, head: object = {}): object {
  return { kind, head: { corrId: 'c', version: '2026-04-01', ...head }, data }
}

export async function post(url: string, body: unknown): Promise<{ status: number; headers: Headers; body: Envelope }> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const response = await fetch(url, { method: 'POST', body: text, redirect: 'manual' })
  return { status: response.status, headers: response.headers, body: (await response.json()) as Envelope }
}

export async function ask(url: string, kind: string, data: unknown, head: object = {}): Promise<Envelope> {
  const { status, body } = await post(url, envelope(kind, data, head))
  assert.equal(body.head.status, status)
  return body
}

export function create(id: string, tags: Record<string, string> = {}): object {
  return { id, timeoutAt: 9_000_000_000_000, param: {}, tags }
}

/** An engine that answers what it is told to, and remembers who connected. */
export class FakeEngine implements Engine {
  readonly ports: WorkerPort[] = []
  readonly requests: Request[] = []
  disconnects = 0
  drains = 0
  isDown = false
  answer: (request: Request) => Promise<Answer> = async () => ({ status: 200, data: {} })
  readonly stats: EngineStats = { queueLength: 0, workers: [] }

  submit(request: Request): Promise<Answer> {
    this.requests.push(request)
    return this.answer(request)
  }

  submitAll(requests: readonly Request[]): Promise<Answer[]> {
    return Promise.all(requests.map((request) => this.submit(request)))
  }

  connect(port: WorkerPort): Connected {
    this.ports.push(port)
    const ended = () => {
      this.disconnects++
    }
    const drained = () => {
      this.drains++
    }
    return { drained, ended }
  }

  report(): void {}

  ping(): Promise<void> {
    return this.isDown ? Promise.reject(new Error('down')) : Promise.resolve()
  }

  async counters(): Promise<Map<string, number>> {
    return new Map()
  }

  async picture(): Promise<Picture> {
    return { now: 0, counters: new Map(), groups: [], workers: [] }
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {}
}
