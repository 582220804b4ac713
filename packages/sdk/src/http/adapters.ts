// The same handler on platforms that do not speak fetch: Node's own server and Express (and with them Cloud Run), AWS Lambda,
// and Cloudflare Workers, whose settings come with each request. Each only translates; what happens is the handler's.

import type { RequestLimits } from './resonate.ts'

/** Who answers requests: a `Resonate` of this entry. */
export interface Handling {
  readonly handler: (request: Request, limits?: RequestLimits) => Promise<Response>
}

// Node.

interface NodeRequest extends AsyncIterable<Uint8Array | string> {
  readonly method?: string
  readonly url?: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** What a body parser in front of us has left. */
  readonly body?: unknown
}

interface NodeResponse {
  writeHead(status: number, headers: Record<string, string>): NodeResponse
  end(body: string): unknown
}

/** For `http.createServer(node(resonate))`, and `app.post('/tasks', node(resonate))`. Put it before `express.json()`. */
export function node(resonate: Handling): (request: NodeRequest, response: NodeResponse) => Promise<void> {
  return async (request, response) => {
    const asked = await nodeRequest(request).catch(() => null)
    // Half a message, of somebody who is gone and sends it again; or nothing that fetch knows.
    if (asked === null) return void response.writeHead(400, {}).end('')
    await send(await resonate.handler(asked), response)
  }
}

async function nodeRequest(request: NodeRequest): Promise<Request> {
  const { method = 'GET', headers, url = '/' } = request
  const isRead = method === 'GET' || method === 'HEAD'
  const body = isRead ? undefined : await nodeBody(request)
  return new Request(`http://${firstOf(headers.host) ?? 'localhost'}${url}`, {
    method,
    headers: headersOf(headers),
    body,
  })
}

async function nodeBody(request: NodeRequest): Promise<string> {
  const { body } = request
  if (typeof body === 'string') return body
  if (body instanceof Uint8Array) return new TextDecoder().decode(body)
  // Parsed already: the same text again as far as JSON goes, which a signature may not forgive.
  if (body !== undefined) return JSON.stringify(body)
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of request) text += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })
  return text + decoder.decode()
}

async function send(answer: Response, response: NodeResponse): Promise<void> {
  const body = await answer.text()
  response.writeHead(answer.status, Object.fromEntries(answer.headers))
  response.end(body)
}

function headersOf(headers: NodeRequest['headers']): Headers {
  const out = new Headers()
  for (const [name, value] of Object.entries(headers)) for (const one of [value ?? []].flat()) out.append(name, one)
  return out
}

function firstOf(value: string | string[] | undefined): string | undefined {
  return [value].flat()[0]
}

// AWS Lambda.

interface LambdaEvent {
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly body?: string
  readonly isBase64Encoded?: boolean
  readonly rawPath?: string
  readonly rawQueryString?: string
  readonly requestContext?: { readonly domainName?: string; readonly http?: { readonly method?: string } }
}

interface LambdaContext {
  getRemainingTimeInMillis?(): number
}

interface LambdaAnswer {
  readonly statusCode: number
  readonly headers: Record<string, string>
  readonly body: string
}

/** What is left when a task is given back, ms: enough to tell the server. */
const LAMBDA_MARGIN_MS = 5_000

/** For `export const handler = lambda(resonate)` behind a function URL. Gives a task back before the function is ended. */
export function lambda(resonate: Handling): (event: LambdaEvent, context?: LambdaContext) => Promise<LambdaAnswer> {
  return async (event, context) => {
    const { headers = {}, rawPath = '/', rawQueryString = '', requestContext } = event
    const method = requestContext?.http?.method ?? 'POST'
    const url = `https://${requestContext?.domainName ?? 'localhost'}${rawPath}${rawQueryString && `?${rawQueryString}`}`
    const body = method === 'GET' || method === 'HEAD' ? undefined : lambdaBody(event)
    const leftMs = context?.getRemainingTimeInMillis?.()
    const limits = leftMs === undefined ? {} : { timeLimit: Math.max(1, leftMs - LAMBDA_MARGIN_MS) }
    const answer = await resonate.handler(new Request(url, { method, headers: headersOf(headers), body }), limits)
    return { statusCode: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text() }
  }
}

function lambdaBody({ body = '', isBase64Encoded = false }: LambdaEvent): string {
  if (!isBase64Encoded) return body
  return new TextDecoder().decode(Uint8Array.from(atob(body), (unit) => unit.charCodeAt(0)))
}

// Cloudflare Workers.

/** For `export default cloudflare((env) => …)`: what is made of the settings is made once for each instance. */
export function cloudflare<Env extends object>(
  make: (env: Env) => Handling | Promise<Handling>,
): { fetch(request: Request, env: Env): Promise<Response> } {
  const made = new WeakMap<Env, Promise<Handling>>()
  const begin = (env: Env) => {
    const making = Promise.resolve().then(() => make(env))
    made.set(env, making)
    // What failed is tried again by the next request.
    making.catch(() => made.delete(env))
    return making
  }
  return {
    async fetch(request, env) {
      const handling = made.get(env) ?? begin(env)
      return (await handling).handler(request)
    },
  }
}
