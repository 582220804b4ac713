// Requests by node:http and node:https over kept-alive connections. Loaded only where there is Node; it must do nothing
// that the fetch port of platform.ts does not do as well.

import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import type { HttpPort, HttpRequestOptions, HttpStreamOptions } from './platform.ts'

/** Sockets that wait for the next request; one more is opened when all are busy. */
const SOCKETS_FREE_MAX = 16
/** Below the server's own keep-alive, so that it is this side that closes. */
const SOCKET_IDLE_MS = 4_000

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

interface Door {
  readonly module: typeof http | typeof https
  readonly agent: http.Agent | https.Agent
}

function request({ module, agent }: Door, url: string, options: HttpRequestOptions) {
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

function stream({ module }: Door, url: string, { headers, signal, onText }: HttpStreamOptions) {
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
