// One POST over node:http: keep-alive, a timeout to connect and one for the whole, no redirects, only to networks that may be
// reached, and of the answer only its status. It must never hold more than a few KiB of what the other side sends back.

import http from 'node:http'
import https from 'node:https'
import type { Platform } from '@resonatehq/engine'
import type { Headers, HeadersFor } from './credentials.ts'
import type { Networks } from './networks.ts'
import type { Post, Posted } from './push.ts'

export interface PostOptions {
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
  /** How long a connection is kept for a next message. Default: a minute. */
  readonly idleTimeoutMs?: number
  readonly timer: Platform['timer']
  readonly networks: Networks
  /** What proves to the target who we are. */
  readonly headersFor: HeadersFor
}

/** An answer longer than this is cut off, which costs the connection. */
const ANSWER_BYTES_MAX = 64 * 1024

/** Idle connections kept to each host, and for how long: targets may be many, and not all of them hang up. */
const IDLE_SOCKETS = 16
const IDLE_TIMEOUT_MS = 60_000

export function createPost(options: PostOptions): { readonly post: Post; close(): void } {
  const kept = {
    keepAlive: true,
    maxFreeSockets: IDLE_SOCKETS,
    timeout: options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
    lookup: options.networks.lookup,
  }
  const agents = { 'http:': new http.Agent(kept), 'https:': new https.Agent(kept) }
  return {
    post(address, body) {
      const url = URL.canParse(address) ? new URL(address) : undefined
      if (url?.protocol !== 'http:' && url?.protocol !== 'https:') return failed('not an http:// or https:// URL')
      const problem = options.networks.hostProblem(url.hostname)
      if (problem !== null) return failed(problem)
      const agent = agents[url.protocol]
      const request = url.protocol === 'http:' ? http.request : https.request
      const own = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
      return exchange(options, { address, body }, (proof) =>
        request(url, { method: 'POST', agent, headers: { ...proof, ...own } }),
      )
    },
    close() {
      for (const agent of Object.values(agents)) agent.destroy()
    },
  }
}

function failed(failure: string): ReturnType<Post> {
  return { done: Promise.resolve({ failure }), abort() {} }
}

interface Message {
  readonly address: string
  readonly body: string
}

/** Sends, and once more where a kept connection turned out to be closed: a message may arrive twice. */
function exchange(
  options: PostOptions,
  { address, body }: Message,
  open: (proof: Headers) => http.ClientRequest,
): ReturnType<Post> {
  let abort = (): void => {}
  let aborted = false
  const attempt = async (): Promise<Posted> => {
    let request: http.ClientRequest
    try {
      const proof = await options.headersFor(address, body)
      if (aborted) return { failure: 'aborted' }
      request = open(proof)
    } catch (error) {
      // No proof can be had, or it is one that no header may carry.
      return { failure: (error as Error).message }
    }
    abort = () => request.destroy(new Error('aborted'))
    const posted = await send(options, request, body)
    const stale = 'failure' in posted && request.reusedSocket && posted.failure === 'ECONNRESET'
    return stale && !aborted ? attempt() : posted
  }
  return {
    done: attempt(),
    abort() {
      aborted = true
      abort()
    },
  }
}

function send(options: PostOptions, request: http.ClientRequest, body: string): Promise<Posted> {
  const { connectTimeoutMs, requestTimeoutMs, timer } = options
  return new Promise((resolve) => {
    const giveUp = (reason: string) => () => request.destroy(new Error(reason))
    const cancelConnect = timer(connectTimeoutMs, giveUp(`no connection within ${connectTimeoutMs} ms`))
    const cancelRequest = timer(requestTimeoutMs, giveUp(`no answer within ${requestTimeoutMs} ms`))
    let outcome: Posted = { failure: 'the connection closed without an answer' }
    request.on('socket', (socket) => {
      if (!socket.connecting) return cancelConnect()
      socket.once('encrypted' in socket ? 'secureConnect' : 'connect', cancelConnect)
    })
    request.on('response', (response) => {
      const { 'retry-after': retryAfter } = response.headers
      outcome = { status: response.statusCode ?? 0, ...(retryAfter !== undefined && retryOf(retryAfter)) }
      discard(response)
    })
    request.on('error', (error: NodeJS.ErrnoException) => {
      // Once there was a status, what happens to the rest of the answer no longer matters.
      if ('failure' in outcome) outcome = { failure: error.code ?? error.message }
    })
    request.on('close', () => {
      cancelConnect()
      cancelRequest()
      resolve(outcome)
    })
    request.end(body)
  })
}

/** `Retry-After` in seconds. A date is left alone: nobody who is overloaded reckons one. */
function retryOf(text: string): { retryAfterMs?: number } {
  return /^\d{1,6}$/.test(text) ? { retryAfterMs: Number(text) * 1000 } : {}
}

function discard(response: http.IncomingMessage): void {
  let bytes = 0
  response.on('error', () => {})
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > ANSWER_BYTES_MAX) response.destroy()
  })
}
