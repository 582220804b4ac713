// One POST over node:http: keep-alive, a timeout to connect and one for the whole, no redirects, and of the answer only
// its status. It must never hold more than a few KiB of what the other side sends back.

import http from 'node:http'
import https from 'node:https'
import type { Platform } from '@resonatehq/engine'
import type { Post, Posted } from './push.ts'

export interface PostOptions {
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly timer: Platform['timer']
}

/** An answer longer than this is cut off, which costs the connection. */
const ANSWER_BYTES_MAX = 64 * 1024

/** Idle connections kept to each host. */
const IDLE_SOCKETS = 16

export function createPost(options: PostOptions): { readonly post: Post; close(): void } {
  const agents = {
    'http:': new http.Agent({ keepAlive: true, maxFreeSockets: IDLE_SOCKETS }),
    'https:': new https.Agent({ keepAlive: true, maxFreeSockets: IDLE_SOCKETS }),
  }
  return {
    post(address, body) {
      const url = URL.canParse(address) ? new URL(address) : undefined
      if (url?.protocol !== 'http:' && url?.protocol !== 'https:') return failed('not an http:// or https:// URL')
      const agent = agents[url.protocol]
      const request = url.protocol === 'http:' ? http.request : https.request
      return exchange(options, body, () =>
        request(url, {
          method: 'POST',
          agent,
          headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
        }),
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

/** Sends, and once more where a kept connection turned out to be closed: a message may arrive twice. */
function exchange(options: PostOptions, body: string, open: () => http.ClientRequest): ReturnType<Post> {
  let abort = (): void => {}
  let aborted = false
  const attempt = async (): Promise<Posted> => {
    const request = open()
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
      outcome = { status: response.statusCode ?? 0 }
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

function discard(response: http.IncomingMessage): void {
  let bytes = 0
  response.on('error', () => {})
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > ANSWER_BYTES_MAX) response.destroy()
  })
}
