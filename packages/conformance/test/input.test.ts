// Bad input, over real sockets: each class gets its 4xx with a message that names the field, and neither size nor number nor
// slowness of what is sent takes the server's memory or its attention.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { ServerProcess, until } from './processes.ts'
import { Wire } from './wire.ts'

const MIB = 1024 * 1024

/** Resident memory of a process, bytes. */
function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024
}

const skip = process.platform === 'linux' ? false : 'memory is read from /proc'

function head(extra: object = {}): object {
  return { corrId: 'c1', version: '2026-04-01', ...extra }
}

const create = { id: 'x', timeoutAt: 9_999_999_999_999, param: {}, tags: {} }

function request(kind: string, data: object): object {
  return { kind, head: head(), data }
}

function suspend(...awaited: string[]): object {
  const actions = awaited.map((id) => ({
    kind: 'promise.register_callback',
    head: {},
    data: { awaited: id, awaiter: 'x' },
  }))
  return request('task.suspend', { id: 'x', version: 1, actions })
}

function fulfil(id: string, settled: string): object {
  const action = { kind: 'promise.settle', head: {}, data: { id: settled, state: 'resolved' } }
  return request('task.fulfill', { id, version: 1, action })
}

function fence(kind: string, data: object): object {
  return request('task.fence', { id: 'x', version: 1, action: { kind, head: {}, data } })
}

const CLASSES: [string, unknown, number, RegExp][] = [
  ['no JSON', 'not json', 400, /JSON/],
  ['no object', '7', 400, /envelope|object/i],
  ['an empty batch', [], 400, /1|empty/],
  ['no kind', { head: head(), data: {} }, 400, /kind/],
  ['an empty kind', { kind: '', head: head(), data: {} }, 400, /kind/],
  ['no data', { kind: 'promise.get', head: head() }, 400, /data/],
  ['data that is a list', { kind: 'promise.get', head: head(), data: [] }, 400, /data/],
  ['no corrId', { kind: 'promise.get', head: { version: '2026-04-01' }, data: {} }, 400, /corrId/],
  ['another version', { kind: 'promise.get', head: head({ version: '1' }), data: {} }, 400, /version/],
  [
    'debug time that is none',
    { kind: 'promise.get', head: head({ 'resonate:debug_time': 'x' }), data: {} },
    400,
    /debug_time/,
  ],
  ['an unknown kind', { kind: 'promise.frobnicate', head: head(), data: {} }, 400, /promise\.frobnicate/],
  ['debugging switched off', { kind: 'debug.reset', head: head(), data: {} }, 403, /debug/i],
  ['no id', { kind: 'promise.get', head: head(), data: {} }, 400, /data\.id/],
  ['an id with NUL', { kind: 'promise.get', head: head(), data: { id: 'a\0' } }, 400, /data\.id/],
  [
    'an id that is too long',
    { kind: 'promise.get', head: head(), data: { id: 'a'.repeat(1_025) } },
    400,
    /data\.id.*1,?024/,
  ],
  [
    'a lone surrogate',
    '{"kind":"promise.get","head":{"corrId":"c1","version":"2026-04-01"},"data":{"id":"\\ud800"}}',
    400,
    /data\.id/,
  ],
  [
    'a timeout in words',
    { kind: 'promise.create', head: head(), data: { ...create, timeoutAt: 'soon' } },
    400,
    /data\.timeoutAt/,
  ],
  [
    'a tag that is no text',
    { kind: 'promise.create', head: head(), data: { ...create, tags: { a: 1 } } },
    400,
    /data\.tags/,
  ],
  [
    'a target without a scheme',
    { kind: 'promise.create', head: head(), data: { ...create, tags: { 'resonate:target': 'x' } } },
    400,
    /resonate:target/,
  ],
  [
    'a lease of nothing',
    { kind: 'task.acquire', head: head(), data: { id: 'x', version: 0, pid: 'w', ttl: 0 } },
    400,
    /data\.ttl/,
  ],
  [
    'a bad cron',
    { kind: 'schedule.create', head: head(), data: { id: 's', cron: 'x', promiseId: 'p', promiseTimeout: 1 } },
    400,
    /cron/,
  ],
  ['no head', { kind: 'promise.get', data: { id: 'x' } }, 400, /head/],
  ['an envelope without end', '{"kind":"promise.get"', 400, /JSON/],
  ['a batch that is too long', Array(1_001).fill({}), 400, /1,?000/],
  ['a state that cannot be asked for', request('promise.settle', { id: 'x', state: 'pending' }), 400, /data\.state/],
  ['a value that is text', request('promise.settle', { id: 'x', state: 'resolved', value: 'v' }), 400, /data\.value/],
  ['awaiting itself', request('promise.register_callback', { awaited: 'x', awaiter: 'x' }), 400, /awaiter/],
  ['an address of nobody', request('promise.register_listener', { awaited: 'x', address: 'x' }), 400, /address/],
  ['a lease without a holder', request('task.acquire', { id: 'x', version: 0, pid: '', ttl: 1 }), 400, /data\.pid/],
  ['a version below zero', request('task.release', { id: 'x', version: -1 }), 400, /data\.version/],
  ['a suspension on nothing', request('task.suspend', { id: 'x', version: 1, actions: [] }), 400, /actions/],
  ['a suspension on one thing twice', suspend('y', 'y'), 400, /awaited|actions/],
  ['a result for another', fulfil('x', 'y'), 400, /action\.data\.id/],
  ['a fence around a search', fence('promise.search', {}), 400, /action\.kind/],
  ['a fence around itself', fence('promise.create', create), 400, /action\.data\.id/],
  ['a heartbeat without a list', request('task.heartbeat', { pid: 'w', tasks: 'all' }), 400, /data\.tasks/],
  [
    'a heartbeat with a bad entry',
    request('task.heartbeat', { pid: 'w', tasks: [{ id: 'x' }] }),
    400,
    /tasks.*version/,
  ],
  ['a state that is none', request('task.search', { state: 'asleep' }), 400, /data\.state/],
  ['a cursor of somebody else', request('promise.search', { cursor: 'x' }), 400, /cursor/],
  ['a limit of nothing', { kind: 'promise.search', head: head(), data: { limit: 0 } }, 400, /data\.limit/],
]

test('every class of malformed request gets its 4xx with a message that names the field', async (t) => {
  const server = await ServerProcess.start(t)
  for (const [name, body, status, message] of CLASSES) {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const response = await fetch(server.url, { method: 'POST', body: text })
    const envelope = (await response.json()) as {
      kind: string
      head: { status: number; corrId: string }
      data: unknown
    }
    assert.equal(response.status, status, name)
    assert.equal(envelope.head.status, status, name)
    assert.match(response.headers.get('content-type') ?? '', /^application\/json/, name)
    assert.match(String(envelope.data), message, name)
    const isRead = text.includes('"corrId":"c1"')
    assert.equal(envelope.head.corrId, isRead ? 'c1' : '0', name)
  }
  assert.equal((await new Wire(server.url).ask('promise.search', {})).data.promises.length, 0)
})

test('a body of 100 MB is refused while it is sent, and memory stays bounded', { skip }, async (t) => {
  const server = await ServerProcess.start(t)
  const before = residentBytes(server.pid)
  const { hostname, port } = new URL(server.url)
  const answers = await Promise.all(Array.from({ length: 4 }, () => flood(connect(Number(port), hostname))))
  for (const answer of answers) {
    assert.match(answer, /^HTTP\/1\.1 413 /)
    assert.match(answer, /"corrId":"0"/)
    assert.match(answer, /4 ?MiB|4,?194,?304/)
  }
  assert.ok(residentBytes(server.pid) - before < 100 * MIB)
  assert.equal((await new Wire(server.url).create('after')).status, 200)
})

/** Sends a body of 100 MB as fast as it is taken, and reads what comes back. */
function flood(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let answer = ''
    let left = 100
    const chunk = 'x'.repeat(MIB)
    const send = () => {
      while (left-- > 0 && socket.writable) if (!socket.write(chunk)) return
    }
    socket.on('connect', () => {
      socket.write(
        `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${100 * MIB}\r\n\r\n`,
      )
      send()
    })
    socket.on('drain', send)
    socket.on('data', (data) => {
      answer += data
    })
    // It is closed while we still send: that is the point.
    socket.on('error', () => {})
    socket.on('close', () => resolve(answer))
  })
}

test('a million tags are refused', async (t) => {
  const server = await ServerProcess.start(t, '--limits-body-size', '64MiB')
  const tags = Object.fromEntries(Array.from({ length: 1_000_000 }, (_, at) => [`t${at}`, 'x']))
  const { status, data } = await new Wire(server.url).ask('promise.create', { ...create, tags })
  assert.equal(status, 400)
  assert.match(data, /data\.tags.*128/)
})

const SLOW: [string, string, string][] = [
  ['headers', 'POST / HTTP/1.1\r\nHost: x\r\n', 'X-A: b\r\n'],
  ['a body', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n', ' '],
]

for (const [what, start, drop] of SLOW) {
  test(`a client that sends ${what} a drop at a time is cut off, and holds nobody up`, async (t) => {
    const server = await ServerProcess.start(t, '--server-header-timeout', '500', '--server-request-timeout', '1000')
    const { hostname, port } = new URL(server.url)
    const slow = connect(Number(port), hostname)
    t.after(() => slow.destroy())
    const closed = new Promise<void>((resolve) => slow.once('close', () => resolve()))
    slow.on('error', () => {})
    slow.resume()
    slow.write(start)
    const dripping = setInterval(() => slow.writable && slow.write(drop), 100)
    t.after(() => clearInterval(dripping))
    assert.equal((await new Wire(server.url).create('meanwhile')).status, 200)
    await closed
  })
}

test('two thousand idle workers leave the server answering, and memory bounded', { skip }, async (t) => {
  const server = await ServerProcess.start(t)
  const { hostname, port } = new URL(server.url)
  const before = residentBytes(server.pid)
  const offered: number[] = []
  const sockets = Array.from({ length: 2_000 }, (_, at) => {
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {})
    socket.on('data', (data) => {
      if (String(data).includes('"execute"')) offered.push(at)
    })
    socket.write(`GET /poll/idle/w${at} HTTP/1.1\r\nHost: x\r\n\r\n`)
    return socket
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
  })
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('data', resolve))))
  const wire = new Wire(server.url)
  assert.equal((await wire.create('a', { target: 'poll://any@idle' })).status, 200)
  await until('one of them was offered the task', async () => (offered.length > 0 ? true : undefined))
  assert.equal(offered.length, 1)
  assert.ok(residentBytes(server.pid) - before < 200 * MIB)
})
