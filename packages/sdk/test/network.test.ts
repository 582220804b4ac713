// A real server over real sockets, and what stands between: restarts, cut connections, refusals that pass, names that do not
// resolve yet.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer as createTcpServer, type Socket } from 'node:net'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Context, Resonate, type ResonateOptions, systemPlatform } from '@resonatehq/sdk'
import { serve } from './servers.ts'

function client(t: TestContext, options: ResonateOptions): Resonate {
  const resonate = new Resonate({ logger: SILENT, ...options })
  t.after(() => resonate.stop({ timeout: 0 }))
  return resonate
}

const SILENT = { debug() {}, info() {}, warn() {}, error() {} } as unknown as ResonateOptions['logger']

/** A workflow of two steps with a wait between that the test ends; `effects` tells what ran. */
function program(resonate: Resonate) {
  const effects: string[] = []
  const created = Promise.withResolvers<void>()
  resonate.register('flow', function* (ctx: Context) {
    yield* ctx.run(function one() {
      effects.push('one')
    })
    const answer = yield* ctx.promise<string>()
    // Whoever is past a sleep has had all before it created.
    yield* ctx.sleep(1)
    created.resolve()
    const said = yield* answer
    yield* ctx.run(function two() {
      effects.push('two')
    })
    return said
  })
  return { effects, waiting: created.promise }
}

/** Passes bytes to and from a server; `onAnswer` sees what comes back on a connection and may cut it. */
async function proxy(t: TestContext, url: string, onAnswer: (piece: Buffer, inward: Socket) => Buffer | undefined) {
  const { hostname, port } = new URL(url)
  const sockets = new Set<Socket>()
  const server = createTcpServer((inward) => {
    const outward = connect(Number(port), hostname)
    for (const socket of [inward, outward]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => sockets.delete(socket))
    }
    inward.pipe(outward)
    outward.on('data', (piece) => {
      const passed = onAnswer(piece, inward)
      if (passed) inward.write(passed)
      else {
        inward.destroy()
        outward.destroy()
      }
    })
    outward.on('close', () => inward.destroy())
    inward.on('close', () => outward.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`
}

test('a workflow goes on where it stood when its server was restarted under it', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sdk-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'resonate.db')
  const before = await serve(t, { path })
  const resonate = client(t, { url: before.url })
  const { effects, waiting } = program(resonate)
  const call = resonate.run<string>('id', 'flow')
  await waiting
  await before.stop()
  await serve(t, { path, port: Number(new URL(before.url).port) })
  await resonate.promises.resolve('id:1', { value: 'hello' })
  assert.equal(await call, 'hello')
  assert.deepEqual(effects, ['one', 'two'])
})

test('an answer that is cut in its middle is asked for again, and nothing runs twice', async (t) => {
  const { url } = await serve(t)
  let answers = 0
  const cutting = await proxy(t, url, (piece, inward) => {
    const isStream = piece.includes('event-stream') || !piece.includes('HTTP/1.1')
    if (isStream) return piece
    answers += 1
    if (answers % 3 !== 0) return piece
    inward.write(piece.subarray(0, piece.length - 5))
    return undefined
  })
  const resonate = client(t, { url: cutting })
  const { effects, waiting } = program(resonate)
  const call = resonate.run<string>('id', 'flow')
  await waiting
  await resonate.promises.resolve('id:1', { value: 'hello' })
  assert.equal(await call, 'hello')
  assert.deepEqual(effects, ['one', 'two'])
  assert.ok(answers >= 3, `${answers} answers`)
})

for (const status of [429, 503]) {
  test(`${status} is waited out as its Retry-After says`, async (t) => {
    const { url } = await serve(t)
    const system = systemPlatform()
    const waits: number[] = []
    let posts = 0
    const platform = {
      ...system,
      timer(delayMs: number, fn: () => void, options?: { background?: boolean }) {
        if (delayMs === 7_000) waits.push(delayMs)
        return system.timer(delayMs === 7_000 ? 0 : delayMs, fn, options)
      },
      http: {
        ...system.http,
        request: async (...[to, options]: Parameters<typeof system.http.request>) => {
          if (options.method === 'POST') posts += 1
          if (options.method === 'POST' && posts === 2)
            return { status, contentType: 'text/plain', retryAfter: '7', body: 'busy' }
          return system.http.request(to, options)
        },
      },
    }
    const resonate = client(t, { url, platform })
    const { effects, waiting } = program(resonate)
    const call = resonate.run<string>('id', 'flow')
    await waiting
    await resonate.promises.resolve('id:1', { value: 'hello' })
    assert.equal(await call, 'hello')
    assert.deepEqual(effects, ['one', 'two'])
    assert.equal(waits.length, 1)
  })
}

test('a worker that starts before its server can be found works once it is', async (t) => {
  const { url } = await serve(t)
  const system = systemPlatform()
  let failures = 0
  const unknown = () => {
    failures += 1
    return Promise.reject(Object.assign(new Error('getaddrinfo ENOTFOUND server'), { code: 'ENOTFOUND' }))
  }
  const isUnknown = () => failures < 4
  const http: typeof system.http = {
    request: (to, options) => (isUnknown() ? unknown() : system.http.request(to, options)),
    stream: (to, options) => (isUnknown() ? unknown() : system.http.stream(to, options)),
  }
  const resonate = client(t, { url, platform: { ...system, http } })
  const { effects, waiting } = program(resonate)
  const call = resonate.rpc<string>('id', 'flow')
  await waiting
  await resonate.promises.resolve('id:1', { value: 'hello' })
  assert.equal(await call, 'hello')
  assert.deepEqual(effects, ['one', 'two'])
  assert.equal(failures, 4)
})

test('a worker that still has the frame asks for no preload', async (t) => {
  const { url } = await serve(t)
  const system = systemPlatform()
  const acquired: unknown[] = []
  const suspended = Promise.withResolvers<void>()
  const http: typeof system.http = {
    ...system.http,
    async request(to, options) {
      const answered = await system.http.request(to, options)
      const requests = [JSON.parse(options.body ?? '[]')].flat()
      const answers = [JSON.parse(answered.body)].flat()
      for (const [at, { kind, data }] of requests.entries()) {
        if (kind === 'task.acquire') acquired.push(data.preload)
        if (kind === 'task.suspend' && answers[at].head.status === 200) suspended.resolve()
      }
      return answered
    },
  }
  const resonate = client(t, { url, platform: { ...system, http } })
  resonate.register('flow', async (ctx: Context) => await ctx.promise<string>())
  const call = resonate.rpc<string>('id', 'flow')
  await suspended.promise
  await resonate.promises.resolve('id:0', { value: 'hello' })
  assert.equal(await call, 'hello')
  assert.deepEqual(acquired, [undefined, false])
})

test('a worker tells the name of its machine, also where no variable does', (t) => {
  const before = process.env.HOSTNAME
  t.after(() => {
    if (before === undefined) delete process.env.HOSTNAME
    else process.env.HOSTNAME = before
  })
  delete process.env.HOSTNAME
  assert.equal(systemPlatform().host, hostname())
  process.env.HOSTNAME = 'pod-7'
  assert.equal(systemPlatform().host, 'pod-7')
})

test('a runtime that is too old is told which one is needed', (t) => {
  const descriptor = Object.getOwnPropertyDescriptor(Promise, 'withResolvers') as PropertyDescriptor
  t.after(() => Object.defineProperty(Promise, 'withResolvers', descriptor))
  Reflect.deleteProperty(Promise, 'withResolvers')
  assert.throws(() => systemPlatform(), /needs Node 22\.18 or newer, .* and this is Node \d+/)
})

test('what a server refuses for its size is told to whoever waits, and the call ends', async (t) => {
  const { url } = await serve(t, { settings: { 'limits.body_size': 65_536 } })
  const resonate = client(t, { url })
  const tries: string[] = []
  resonate.register('throws', () => {
    tries.push('throws')
    throw Object.assign(new TypeError('x'.repeat(100_000)), { nonRetryable: true })
  })
  resonate.register('step', function* (ctx: Context) {
    return (yield* ctx.run(() => 'x'.repeat(100_000))).length
  })
  const [id, timeout] = [`large-${process.pid}`, 20_000]
  const message = async (name: string) =>
    resonate.run(`${id}-${name}`, name, resonate.options({ timeout })).then(
      () => assert.fail('it was taken'),
      (error: Error) => error.message,
    )
  assert.match(await message('step'), /The operation 'large-.*:0' was refused with 413: .*limits\.body_size/)
  const told = await message('throws')
  assert.match(told, /^The error of 'large-.*', "TypeError: x{100,990}…", was refused with 413: .*limits\.body_size/)
  assert.deepEqual(tries, ['throws'])
})
