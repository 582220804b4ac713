// Examples as real processes, killed in the middle and started again: one at every request that it makes, seen by a proxy between
// it and its server; the web services while they hold an order or wait for a person.

import assert from 'node:assert/strict'
import { request as ask, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isLong, Process, ServerProcess } from './processes.ts'

/** What a dead process held is given to the next one soon. */
const SOON = ['--tasks-disconnect-grace', '50', '--tasks-disconnect-uptime', '0']

const mainOf = (name: string) => fileURLToPath(new URL(`../../../examples/${name}/main.ts`, import.meta.url))

/** Passes requests on one by one; `onPost` is told of each, before it is passed on and before its answer is. */
async function proxy(
  t: TestContext,
  url: string,
  onPost: (post: number, when: 'before' | 'after') => void,
): Promise<string> {
  let posts = 0
  // What is only known by its connection is known to be dead by it: no request before that.
  const connected = Promise.withResolvers<void>()
  const pass = async (request: IncomingMessage, response: ServerResponse) => {
    const isPost = request.method === 'POST'
    if (isPost) await connected.promise
    const post = isPost ? ++posts : 0
    if (isPost) onPost(post, 'before')
    const { method = 'GET', headers } = request
    const onward = ask(new URL(request.url ?? '/', url), { method, headers }, (answer) => {
      if (!isPost) {
        response.writeHead(answer.statusCode ?? 502, answer.headers).flushHeaders()
        answer.pipe(response)
        if (request.url?.startsWith('/poll/')) connected.resolve()
        return
      }
      const pieces: Buffer[] = []
      answer.on('data', (piece: Buffer) => pieces.push(piece))
      answer.on('end', () => {
        onPost(post, 'after')
        response.writeHead(answer.statusCode ?? 502, answer.headers).end(Buffer.concat(pieces))
      })
    })
    onward.on('error', () => response.destroy())
    response.on('close', () => onward.destroy())
    request.pipe(onward)
  }
  const server = createServer((request, response) => void pass(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`
}

interface Strike {
  readonly when: 'before' | 'after'
  readonly post: number
}

/** Runs an example against a server of its own; struck, it is started again. What it said last, and how often it asked. */
async function run(t: TestContext, name: string, strike?: Strike): Promise<{ said: string[]; posts: number }> {
  const server = await ServerProcess.start(t, ...SOON)
  let first: Process | undefined
  let posts = 0
  const url = await proxy(t, server.url, (post, when) => {
    posts = post
    if (post === strike?.post && when === strike.when) void first?.kill('SIGKILL')
  })
  first = new Process(t, [mainOf(name)], { RESONATE_URL: url })
  await first.exited
  if (first.child.exitCode === 0) return { said: first.lines, posts }
  assert.equal(first.child.signalCode, 'SIGKILL', first.lines.join('\n'))
  const second = new Process(t, [mainOf(name)], { RESONATE_URL: server.url })
  assert.equal(await second.exited, 0, second.lines.join('\n'))
  await server.kill()
  return { said: second.lines, posts }
}

/** Right before and right after every request; in a short run, those of one in the middle. */
function strikes(posts: number): Strike[] {
  const all = Array.from({ length: posts }, (_, at) => at + 1)
  const struck = isLong ? all : [Math.ceil(posts / 2)]
  return struck.flatMap((post) => [
    { post, when: 'before' },
    { post, when: 'after' },
  ])
}

test('the example encryption comes to the same, at whatever request its process is killed', async (t) => {
  const calm = await run(t, 'encryption')
  assert.ok(calm.posts > 0)
  for (const strike of strikes(calm.posts)) {
    const { said } = await run(t, 'encryption', strike)
    assert.deepEqual(said, calm.said, `${strike.when} request ${strike.post} of ${calm.posts}`)
  }
})

/** A web service of an example, and the URL that it says it listens at. */
async function service(t: TestContext, name: string, url: string): Promise<{ process: Process; origin: string }> {
  const process = new Process(t, [mainOf(name)], { RESONATE_URL: url, PORT: '0' })
  const line = await process.says('http://')
  return { process, origin: /http:\/\/[\w.]+:\d+/.exec(line)?.[0] as string }
}

test('an order that the Express service took is shipped, though the service is killed and started again', async (t) => {
  const server = await ServerProcess.start(t, ...SOON)
  const first = await service(t, 'express', server.url)
  const put = (origin: string) =>
    fetch(`${origin}/orders/7`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ amount: 20 }),
    })
  assert.equal((await put(first.origin)).status, 202)
  await first.process.kill('SIGKILL')
  const { origin } = await service(t, 'express', server.url)
  assert.equal((await put(origin)).status, 202)
  const result = await (await fetch(`${origin}/orders/7/result`)).json()
  assert.deepEqual(result, { receipt: 'charged 20', shipped: true })
})

test('a person answers a form whose service was killed and started again while it waited', async (t) => {
  const server = await ServerProcess.start(t, ...SOON)
  const post = async (origin: string, path: string, form: Record<string, string>) =>
    (await fetch(origin + path, { method: 'POST', body: new URLSearchParams(form) })).text()
  const first = await service(t, 'human-in-the-loop', server.url)
  assert.match(await post(first.origin, '/refunds/r-1', { amount: '20' }), /Refund r-1 waits for you/)
  await first.process.kill('SIGKILL')
  const { origin } = await service(t, 'human-in-the-loop', server.url)
  assert.match(await (await fetch(`${origin}/refunds/r-1`)).text(), /Refund r-1 waits for you/)
  assert.match(await post(origin, '/refunds/r-1/answer', { answer: 'yes' }), /20 € are on their way/)
})
