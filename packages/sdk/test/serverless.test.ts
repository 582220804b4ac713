// Functions called by HTTP, against a real server that pushes and a real HTTP server that plays the platform: nothing runs
// between two requests, and every request is a cold start.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { signatureOf } from '@resonatehq/protocol'
import type { Context as GeneratorContext } from '@resonatehq/sdk'
import { Resonate as Caller, type Context } from '@resonatehq/sdk/async'
import { Resonate, type ResonateOptions } from '@resonatehq/sdk/http'
import { type FunctionPlatform, type PlatformOptions, platformOf } from './serverless-platform.ts'
import { serve, startWorker } from './servers.ts'

const SECRET = 'between us'
type Register = (resonate: Resonate) => void

interface World {
  readonly url: string
  readonly platform: FunctionPlatform
  readonly caller: Caller
  /** Has a function of the platform called. */
  call<T>(id: string, name: string, ...args: unknown[]): Promise<T>
}

async function world(
  t: TestContext,
  register: Register,
  options: { settings?: Record<string, unknown>; resonate?: ResonateOptions; platform?: Partial<PlatformOptions> } = {},
): Promise<World> {
  const settings = {
    'transports.http_push.private_networks': ['127.0.0.0/8'],
    'transports.http_push.secret': SECRET,
    // A message that nobody takes comes again after this: longer than a process needs to start, and than a busy machine to answer.
    'tasks.retry_timeout': 30_000,
    ...options.settings,
  }
  const { url } = await serve(t, { settings })
  const platform = await platformOf(t, {
    start: () => {
      const resonate = new Resonate({ secret: SECRET, logLevel: 'error', ...options.resonate })
      register(resonate)
      return { fetch: (request) => resonate.handler(request), end: () => resonate.stop({ timeout: 0 }) }
    },
    ...options.platform,
  })
  const caller = new Caller({ url, group: 'callers', logLevel: 'error' })
  t.after(() => caller.stop({ timeout: 0 }))
  const call = async (id: string, name: string, ...args: unknown[]) =>
    (await caller.rpc(id, name, ...args, caller.options({ target: platform.url }))).result()
  return { url, platform, caller, call: call as World['call'] }
}

test('a function is called at its URL, and its result is the caller’s', async (t) => {
  const { call, platform } = await world(t, (resonate) => {
    resonate.register('greet', async (_ctx: Context, name: string) => `hello ${name}`)
  })
  assert.equal(await call('greet-1', 'greet', 'world'), 'hello world')
  assert.deepEqual(platform.answers, ['200 {"status":"completed"}'])
})

test('a generator is called as well, and finds its dependencies', async (t) => {
  const { call } = await world(t, (resonate) => {
    resonate.setDependency('greeting', 'good day')
    resonate.register('greet', function* greet(ctx: GeneratorContext): Generator {
      return yield* ctx.run(() => ctx.getDependency('greeting'))
    })
  })
  assert.equal(await call('greet-1', 'greet'), 'good day')
})

test('while a function sleeps nothing runs; a new instance goes on behind the steps that are done', async (t) => {
  const steps: string[] = []
  const { call, platform } = await world(t, (resonate) => {
    resonate.register('nap', async (ctx: Context) => {
      await ctx.run(() => steps.push('before'))
      await ctx.sleep(50)
      await ctx.run(() => steps.push('after'))
      return 'rested'
    })
  })
  assert.equal(await call('nap-1', 'nap'), 'rested')
  assert.deepEqual(steps, ['before', 'after'])
  await platform.answered(/completed/)
  assert.deepEqual(platform.answers, ['200 {"status":"suspended"}', '200 {"status":"completed"}'])
  assert.equal(platform.starts, 2)
})

test('what a function calls without naming a target is called at the same URL', async (t) => {
  const { call, platform } = await world(t, (resonate) => {
    const double = async (_ctx: Context, n: number) => 2 * n
    resonate.register('double', double)
    resonate.register('sum', async (ctx: Context) => {
      const parts = [1, 2, 3].map((n) => ctx.rpc(double, n))
      return (await Promise.all(parts)).reduce((a, b) => a + b, 0)
    })
  })
  assert.equal(await call('sum-1', 'sum'), 12)
  assert.ok(platform.starts >= 4, `${platform.starts}`)
})

test('a message that comes again, at once or later, runs nothing again', async (t) => {
  let runs = 0
  const { call, platform } = await world(t, (resonate) => {
    resonate.register('count', async (ctx: Context) => ctx.run(() => ++runs))
  })
  assert.equal(await call('count-1', 'count'), 1)
  const [first] = platform.requests
  const again = () => fetch(platform.url, { method: 'POST', ...first }).then((response) => response.json())
  assert.deepEqual(await Promise.all([again(), again()]), [{ status: 'taken' }, { status: 'taken' }])
  assert.equal(runs, 1)
})

test('two messages at once: one has the task, the other leaves it', async (t) => {
  const gate = Promise.withResolvers<void>()
  let runs = 0
  const { call, platform } = await world(t, (resonate) => {
    resonate.register('slow', async (ctx: Context) => {
      runs += 1
      await ctx.run(() => gate.promise)
      return 'once'
    })
  })
  const result = call('slow-1', 'slow')
  while (platform.requests.length === 0 || runs === 0) await new Promise(setImmediate)
  const second = await fetch(platform.url, { method: 'POST', ...platform.requests[0] })
  assert.deepEqual(await second.json(), { status: 'taken' })
  gate.resolve()
  assert.equal(await result, 'once')
  assert.equal(runs, 1)
})

test('a platform that is not ready yet is tried again', async (t) => {
  const { call, platform } = await world(t, (resonate) => resonate.register('greet', async () => 'after all'), {
    settings: { 'tasks.retry_timeout': 200 },
    platform: { refuse: (requests) => (requests < 3 ? new Response('starting', { status: 503 }) : undefined) },
  })
  assert.equal(await call('greet-1', 'greet'), 'after all')
  assert.deepEqual(
    platform.answers.map((answer) => answer.slice(0, 3)),
    ['503', '503', '200'],
  )
})

test('a server that no longer waits for the answer leaves the function at work, and nobody else gets the task', async (t) => {
  const gate = Promise.withResolvers<void>()
  let runs = 0
  const { call, platform } = await world(
    t,
    (resonate) => {
      resonate.register('slow', async (ctx: Context) => {
        runs += 1
        await ctx.run(() => gate.promise)
        return 'in the end'
      })
    },
    { settings: { 'transports.http_push.request_timeout': 100 } },
  )
  const result = call('slow-1', 'slow')
  while (runs === 0) await new Promise(setImmediate)
  await platform.abandoned
  assert.equal(platform.requests.length, 1)
  gate.resolve()
  assert.equal(await result, 'in the end')
  assert.equal(runs, 1)
})

test('a function that takes longer than the platform allows gives its task back, and goes on in the next request', async (t) => {
  const steps: string[] = []
  let isFirst = true
  const { call, platform } = await world(
    t,
    (resonate) => {
      resonate.register('long', async (ctx: Context) => {
        await ctx.run(() => steps.push('first'))
        await ctx.run(() => {
          steps.push('second')
          if (!isFirst) return
          isFirst = false
          return new Promise(() => {})
        })
        return 'done'
      })
    },
    { resonate: { timeLimit: 150 } },
  )
  assert.equal(await call('long-1', 'long'), 'done')
  assert.deepEqual(steps, ['first', 'second', 'second'])
  assert.deepEqual(platform.answers, ['200 {"status":"released"}', '200 {"status":"completed"}'])
})

test('an instance that is killed while it works loses its lease, and another goes on with the step it was in', async (t) => {
  let isFirst = true
  const lines: string[] = []
  const { call, platform } = await world(t, () => {}, {
    platform: {
      start: async () => {
        const env = { SECRET, TTL: '2000', ...(isFirst && { HANG: 'second' }) }
        isFirst = false
        const instance = startWorker(t, env, 'serverless-process.ts')
        const port = await new Promise<string>((resolve) => {
          instance.child.stdout?.on('data', (text) => {
            const [, found] = /port (\d+)/.exec(String(text)) ?? []
            if (found !== undefined) resolve(found)
            if (env.HANG && String(text).includes('second')) instance.child.kill('SIGKILL')
          })
        })
        return {
          async fetch(request) {
            return fetch(`http://127.0.0.1:${port}/tasks`, {
              method: 'POST',
              headers: request.headers,
              body: await request.text(),
            })
          },
          end() {
            lines.push(...instance.lines.filter((line) => !line.startsWith('port')))
            instance.child.kill('SIGTERM')
          },
        }
      },
    },
  })
  assert.equal(await call('steps-1', 'steps'), 'done')
  assert.equal(platform.answers[0], '502 upstream connect error')
  await platform.answered(/completed/)
  assert.deepEqual(lines, ['first', 'second', 'second', 'third'])
})

test('an instance that is stopped gives its task back at once', async (t) => {
  let isFirst = true
  const stopped = Promise.withResolvers<void>()
  const { call, platform } = await world(t, () => {}, {
    platform: {
      start: () => {
        const resonate = new Resonate({ secret: SECRET, logLevel: 'error' })
        resonate.register('wait', async (ctx: Context) => {
          const hangs = isFirst
          isFirst = false
          if (!hangs) return 'by the next'
          void resonate.stop({ timeout: 0 }).then(stopped.resolve)
          await ctx.run(() => new Promise(() => {}))
        })
        return { fetch: (request) => resonate.handler(request), end: () => resonate.stop({ timeout: 0 }) }
      },
    },
  })
  assert.equal(await call('wait-1', 'wait'), 'by the next')
  await stopped.promise
  assert.equal(platform.answers[0], '200 {"status":"released"}')
})

test('a function that is not there is told to the server, and found when it is deployed', async (t) => {
  let isDeployed = false
  const { call, platform } = await world(t, (resonate) => {
    if (isDeployed) resonate.register('greet', async () => 'here')
  })
  const result = call('greet-1', 'greet')
  assert.match(await platform.answered(/^500/), /greet/)
  isDeployed = true
  assert.equal(await result, 'here')
})

// Who may call.

const MESSAGE = JSON.stringify({
  kind: 'execute',
  head: { serverUrl: 'http://127.0.0.1:9' },
  data: { task: { id: 'a', version: 0 } },
})

async function post(resonate: Resonate, body = MESSAGE, headers: Record<string, string> = {}, method = 'POST') {
  const request = new Request('http://f.example/tasks', { method, headers, ...(method === 'POST' && { body }) })
  const response = await resonate.handler(request)
  const { error } = (await response.json()) as { error?: string }
  return `${response.status} ${error ?? ''}`
}

/** A platform whose network must not be touched: nothing may be asked before the sender is known. */
function unreachable(options: ResonateOptions): { resonate: Resonate; asked: string[] } {
  const asked: string[] = []
  const platform = {
    now: () => 1_000_000,
    timer: (delayMs: number, fn: () => void) => {
      const timer = setTimeout(fn, delayMs)
      return () => clearTimeout(timer)
    },
    defer: (fn: () => void) => void setImmediate(fn),
    random: () => 0,
    uuid: () => 'pid',
    env: () => undefined,
    host: 'h',
    http: {
      request: async (url: string, { body }: { body?: string }) => {
        asked.push(url)
        const { kind, head } = body === undefined ? { kind: '', head: {} } : JSON.parse(body)
        const text = JSON.stringify({ kind, head: { ...head, status: 404 }, data: 'no such task' })
        return { status: 404, contentType: 'application/json', retryAfter: undefined, body: text }
      },
      stream: () => Promise.reject(new Error('no streams')),
    },
  }
  return { resonate: new Resonate({ platform, logLevel: 'error', timeout: 10, ...options }), asked }
}

test('a message that is not signed, or not by the server, or long ago, is refused before anything is asked', async () => {
  const { resonate, asked } = unreachable({ secret: ['next', SECRET] })
  const signature = async (at: number, secret = SECRET) => ({
    'resonate-signature': await signatureOf(MESSAGE, { secret, at }),
  })
  assert.match(await post(resonate), /^401 the message is not signed/)
  assert.match(await post(resonate, MESSAGE, await signature(1_000_000, 'a guess')), /^401 the signature does not fit/)
  assert.match(await post(resonate, `${MESSAGE} `, await signature(1_000_000)), /^401 the signature does not fit/)
  assert.match(await post(resonate, MESSAGE, await signature(699_999)), /^401 the signature is too old/)
  assert.deepEqual(asked, [])
  await post(resonate, MESSAGE, await signature(1_000_000, 'next'))
  assert.equal(asked[0], 'http://127.0.0.1:9/health')
})

test('a token can be asked for instead', async () => {
  const { resonate, asked } = unreachable({ bearer: 'abc', url: 'http://s' })
  assert.match(await post(resonate), /^401 the token is missing or wrong/)
  assert.match(await post(resonate, MESSAGE, { authorization: 'Bearer abd' }), /^401/)
  assert.deepEqual(asked, [])
  await post(resonate, MESSAGE, { authorization: 'bearer abc' })
  assert.equal(asked[0], 'http://s/health')
})

test('what a message says of its server is believed only of a sender that is known', async () => {
  const stranger = unreachable({ token: 'ours' })
  assert.match(await post(stranger.resonate), /^500 no server is known: set url \(RESONATE_URL\), or secret/)
  assert.deepEqual(stranger.asked, [])
  const ours = unreachable({ url: 'http://ours' })
  await post(ours.resonate)
  assert.equal(ours.asked[0], 'http://ours/health')
  const trusted = unreachable({ trusted: true })
  await post(trusted.resonate)
  assert.equal(trusted.asked[0], 'http://127.0.0.1:9/health')
})

test('what is no message is refused, and news of a promise is taken note of', async () => {
  const { resonate } = unreachable({ url: 'http://s' })
  assert.equal(await post(resonate, MESSAGE, {}, 'GET'), '405 POST a message, got GET')
  for (const body of ['', '{', 'null', '[]', '{"kind":"execute"}', '{"kind":"other"}', MESSAGE.replace('"a"', '1')])
    assert.match(await post(resonate, body), /^400 expected/, body)
  assert.match(await post(resonate, MESSAGE.replace('"version":0', '"version":0.5')), /^400 expected data\.task/)
  assert.equal(await post(resonate, '{"kind":"unblock","head":{},"data":{"promise":{"id":"a"}}}'), '200 ')
})
