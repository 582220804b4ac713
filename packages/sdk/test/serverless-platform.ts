// A platform for functions, played by a real HTTP server: it starts an instance when a request comes and none is there, hands
// requests on, and ends instances that have nothing to do. What tests want to go wrong, they make go wrong here.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

export interface Instance {
  fetch(request: Request): Promise<Response>
  end(): void | Promise<void>
}

export interface PlatformOptions {
  /** A cold start. */
  readonly start: () => Instance | Promise<Instance>
  /** Requests that are answered by the platform itself, before any instance is asked. */
  readonly refuse?: (requests: number) => Response | undefined
}

export interface FunctionPlatform {
  readonly url: string
  /** Instances started. */
  readonly starts: number
  /** Each answer: `200 {"status":"completed"}`. */
  readonly answers: string[]
  /** Every request as it came, to be sent again. */
  readonly requests: { readonly body: string; readonly headers: Record<string, string> }[]
  /** Resolves when the server no longer waits for an answer. */
  readonly abandoned: Promise<void>
  /** Resolves with the answer that fits, or once there is one. */
  answered(pattern: RegExp): Promise<string>
}

export async function platformOf(t: TestContext, options: PlatformOptions): Promise<FunctionPlatform> {
  const answers: string[] = []
  const requests: { body: string; headers: Record<string, string> }[] = []
  const waiting = new Set<() => void>()
  const abandoned = Promise.withResolvers<void>()
  let starts = 0

  const server = createServer(async (incoming, outgoing) => {
    outgoing.on('close', () => outgoing.writableFinished || abandoned.resolve())
    const body = await textOf(incoming)
    const headers = { 'content-type': 'application/json', ...signatureOf(incoming) }
    requests.push({ body, headers })
    const answer =
      options.refuse?.(requests.length) ?? (await invoke(new Request(url, { method: 'POST', body, headers })))
    const text = await answer.text()
    answers.push(`${answer.status} ${text}`)
    reply(outgoing, answer, text)
    for (const look of waiting) look()
  })

  /** A new instance for each: nothing is kept between requests. */
  async function invoke(request: Request): Promise<Response> {
    starts += 1
    const instance = await options.start()
    try {
      return await instance.fetch(request)
    } catch {
      // The instance died while it worked.
      return new Response('upstream connect error', { status: 502 })
    } finally {
      await instance.end()
    }
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/tasks`

  return {
    url,
    answers,
    requests,
    abandoned: abandoned.promise,
    get starts() {
      return starts
    },
    answered: (pattern) =>
      new Promise((resolve) => {
        const look = () => {
          const found = answers.find((answer) => pattern.test(answer))
          if (found === undefined) return
          waiting.delete(look)
          resolve(found)
        }
        waiting.add(look)
        look()
      }),
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += chunk
  return text
}

function signatureOf({ headers }: IncomingMessage): Record<string, string> {
  const signature = headers['resonate-signature']
  const authorization = headers.authorization
  return {
    ...(typeof signature === 'string' && { 'resonate-signature': signature }),
    ...(authorization !== undefined && { authorization }),
  }
}

function reply(response: ServerResponse, answer: Response, text: string): void {
  response.writeHead(answer.status, Object.fromEntries(answer.headers))
  response.end(text)
}
