// What only Node gives: requests by node:http and node:https over kept-alive connections, and a thread that renews leases.
// Loaded only where there is Node; without it everything still works, by fetch and by timers.

import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { Worker } from 'node:worker_threads'
import type { HttpPort, HttpRequestOptions, HttpStreamOptions, Pacemaker, PacemakerOptions } from './platform.ts'

/** Sockets that wait for the next request; one more is opened when all are busy. */
const SOCKETS_FREE_MAX = 16
/** Below the server's own keep-alive, so that it is this side that closes. */
const SOCKET_IDLE_MS = 4_000

/** What the loop and the thread share: when the loop last turned, monotonic ms, and how many tasks are held. */
export const SHARED = { turnedAt: 0, tasks: 1 } as const

export interface PacemakerData extends PacemakerOptions {
  readonly shared: SharedArrayBuffer
}

/** A clock that all threads of a process read alike. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n)
}

/** Starts the thread. It begins at once, also when this loop is blocked from now on. */
export function startPacemaker(options: PacemakerOptions): Pacemaker {
  const shared = new SharedArrayBuffer(2 * BigInt64Array.BYTES_PER_ELEMENT)
  const cells = new BigInt64Array(shared)
  const turned = () => void Atomics.store(cells, SHARED.turnedAt, BigInt(monotonicMs()))
  turned()
  const isSource = import.meta.url.endsWith('.ts')
  const file = isSource
    ? new URL('./heartbeat-thread.ts', import.meta.url)
    : new URL('./heartbeat-thread.js', import.meta.url)
  const thread = new Worker(file, { workerData: { ...options, shared } satisfies PacemakerData, execArgv: [] })
  thread.unref()
  // Without the thread, in a bundle that left its file out for instance, the loop's own beats go on.
  thread.on('error', () => {})
  return {
    turned,
    renew: (door) => thread.postMessage(door),
    held: (tasks) => void Atomics.store(cells, SHARED.tasks, BigInt(tasks)),
    stop: () => void thread.terminate(),
  }
}

export function agentHttp(): HttpPort {
  const options = {
    keepAlive: true,
    maxFreeSockets: SOCKETS_FREE_MAX,
    timeout: SOCKET_IDLE_MS,
    scheduling: 'lifo' as const,
  }
  const plain = { module: http, agent: new http.Agent(options) }
  const secure = { module: https, agent: new https.Agent(options) }
  const of = (url: string) => (url.startsWith('https:') ? secure : plain)
  return {
    request: (url, options) => request(of(url), url, options),
    stream: (url, options) => stream(of(url), url, options),
  }
}

interface Exit {
  readonly module: typeof http | typeof https
  readonly agent: http.Agent | https.Agent
}

function request({ module, agent }: Exit, url: string, options: HttpRequestOptions) {
  const { method, body, timeoutMs } = options
  const headers = { ...options.headers, ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }) }
  return new Promise<Awaited<ReturnType<HttpPort['request']>>>((resolve, reject) => {
    const sent = module.request(url, { method, headers, agent }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (piece: string) => {
        text += piece
      })
      response.on('end', () => {
        clearTimeout(limit)
        const retryAfter = response.headers['retry-after']
        resolve({
          status: response.statusCode ?? 0,
          contentType: response.headers['content-type'] ?? '',
          retryAfter,
          body: text,
        })
      })
      response.on('error', fail)
    })
    const limit = setTimeout(() => sent.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
    function fail(cause: Error) {
      clearTimeout(limit)
      reject(cause)
    }
    sent.on('error', fail)
    sent.end(body)
  })
}

function stream({ module }: Exit, url: string, { headers, signal, onText }: HttpStreamOptions) {
  return new Promise<{ status: number; ended: Promise<void> }>((resolve, reject) => {
    // Not over the agent: this connection stays, and must not take one of the kept-alive sockets.
    const sent = module.request(url, { headers, signal, agent: false }, (response) =>
      resolve({ status: response.statusCode ?? 0, ended: readAll(response, onText) }),
    )
    sent.on('error', reject)
    sent.end()
  })
}

function readAll(response: IncomingMessage, onText: (text: string) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    response.setEncoding('utf8')
    response.on('data', onText)
    response.on('end', resolve)
    response.on('error', reject)
    response.on('close', resolve)
  })
}
