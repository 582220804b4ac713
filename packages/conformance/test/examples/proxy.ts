// Stands between a process and its server, and passes requests on one by one, so that the process can be killed at any of them.

import { once } from 'node:events'
import { request as ask, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer, text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'

export interface Passing {
  /** The server behind it. */
  readonly url: string
  /** Asked for each POST, by its number, before it is passed on and before its answer is. True: it goes no further. */
  readonly stops: (post: number, when: 'before' | 'after') => boolean
  /**
   * How long tasks are leased, ms, whatever is asked for: that somebody died who keeps no connection shows when the lease ends.
   * Absent: whoever is passed on keeps a connection, and shows by it.
   */
  readonly leaseMs?: number
}

/** The URL of a proxy that is there until its test is over. */
export async function proxy(t: TestContext, passing: Passing): Promise<string> {
  // What is only known by its connection is known to be dead by it: no request before that.
  const connected = Promise.withResolvers<void>()
  if (passing.leaseMs !== undefined) connected.resolve()
  let posts = 0

  async function pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST') return stream(passing, request, response, connected.resolve)
    await connected.promise
    posts += 1
    await post(passing, request, response, posts)
  }

  const server = createServer((request, response) => void pass(request, response).catch(() => response.destroy()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Whatever has no end, or none that matters here. */
async function stream(
  { url }: Passing,
  request: IncomingMessage,
  response: ServerResponse,
  connected: () => void,
): Promise<void> {
  const onward = ask(new URL(request.url ?? '/', url), { headers: request.headers }).end()
  response.on('close', () => onward.destroy())
  const [answer] = (await once(onward, 'response')) as [IncomingMessage]
  response.writeHead(answer.statusCode ?? 502, answer.headers).flushHeaders()
  answer.on('error', () => response.destroy()).pipe(response)
  if (request.url?.startsWith('/poll/')) connected()
}

async function post(
  { url, stops, leaseMs }: Passing,
  request: IncomingMessage,
  response: ServerResponse,
  number: number,
): Promise<void> {
  const asked = await text(request)
  const body = leaseMs === undefined ? asked : asked.replaceAll(/"ttl":\d+/g, `"ttl":${leaseMs}`)
  if (stops(number, 'before')) return void response.destroy()
  const headers = { ...request.headers, 'content-length': `${Buffer.byteLength(body)}` }
  const onward = ask(new URL(request.url ?? '/', url), { method: 'POST', headers }).end(body)
  const [answer] = (await once(onward, 'response')) as [IncomingMessage]
  const answered = await buffer(answer)
  if (stops(number, 'after')) return void response.destroy()
  response.writeHead(answer.statusCode ?? 502, answer.headers).end(answered)
}
