// `resonate invoke`: what it creates, and how --wait learns of the outcome.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PromiseRecord, Reason, RequestEnvelope } from '@resonatehq/protocol'
import { promise } from './records.ts'
import { base64, createWorld, type Reply, START, type WorldOptions } from './world.ts'

const HOUR = 3_600_000

/** Answers a create with the promise as it was sent. */
const created = ({ data }: RequestEnvelope) => ({
  status: 200,
  data: { promise: { ...promise('a'), ...data } },
})

test('invoke creates what an SDK’s top-level rpc creates', async () => {
  const world = createWorld({ answer: created })
  await world.run('invoke', 'a', '--func', 'greet', '--arg', 'world', '--arg', '{"times":2}')
  assert.equal(world.last().kind, 'promise.create')
  assert.deepEqual(world.last().data, {
    id: 'a',
    timeoutAt: START + HOUR,
    param: { data: base64({ func: 'greet', args: ['world', { times: 2 }], version: 1 }) },
    tags: {
      'resonate:origin': 'a',
      'resonate:branch': 'a',
      'resonate:parent': 'a',
      'resonate:scope': 'global',
      'resonate:target': 'poll://any@default',
    },
  })
})

test('version, timeout, target and the arguments as one array can be given', async () => {
  const world = createWorld({ answer: created })
  await world.run(
    ...['invoke', 'a', '-f', 'greet', '--arg', 'ignored', '--json-args', '[1,[2]]', '--version', '3'],
    ...['-t', '10m', '--target', 'workers'],
  )
  const { timeoutAt, param, tags } = world.last().data as { timeoutAt: number; param: object; tags: object }
  assert.equal(timeoutAt, START + 600_000)
  assert.deepEqual(param, { data: base64({ func: 'greet', args: [1, [2]], version: 3 }) })
  assert.equal((tags as Record<string, string>)['resonate:target'], 'poll://any@workers')
})

test('a delay holds the call back and moves its deadline', async () => {
  const world = createWorld({ answer: created })
  await world.run('invoke', 'a', '-f', 'greet', '--delay', '5m')
  const { timeoutAt, tags } = world.last().data as { timeoutAt: number; tags: Record<string, string> }
  assert.equal(timeoutAt, START + HOUR + 300_000)
  assert.equal(tags['resonate:delay'], String(START + 300_000))
})

test('the line to follow it by can be copied, whatever the id', async () => {
  for (const [id, line] of [
    ["it's mine", "tree 'it'\\''s mine'"],
    ['-42', 'tree -- -42'],
    ['a\u001b[31m\nb', "tree $'a\\x1b[31m\\x0ab'"],
  ] as const) {
    const world = createWorld({ tty: true, answer: created })
    await world.run('invoke', '-f', 'greet', '--', id)
    assert.equal(world.printed.stderr, `\nFollow it with: resonate ${line}\n`)
  }
})

test('people read the promise, and how to follow it where they are', async () => {
  const world = createWorld({ tty: true, answer: created })
  await world.run('invoke', 'a', '-f', 'greet')
  assert.match(world.printed.stdout, /^a {2}🟡 pending\n {2}function {3}greet \(version 1\)/)
  assert.equal(world.printed.stderr, '\nFollow it with: resonate tree a\n')
  for (const [script, name] of [
    ['resonate', 'npm run resonate --'],
    ['npx', 'npx resonate'],
  ] as const) {
    const inCheckout = createWorld({ tty: true, answer: created, env: { npm_lifecycle_event: script } })
    await inCheckout.run('invoke', 'a', '-f', 'greet')
    assert.ok(inCheckout.printed.stderr.includes(`${name} tree a`))
  }
})

test('an id that exists with other arguments is pointed out', async () => {
  const world = createWorld({ answer: () => ({ status: 200, data: { promise: promise('a') } }) })
  assert.equal(await world.run('invoke', 'a', '-f', 'greet'), 0)
  assert.match(world.printed.stderr, /^Note: a exists already, with another function or arguments/)
})

test('a version of 0 is wrong usage', async () => {
  const world = createWorld()
  assert.equal(await world.run('invoke', 'a', '-f', 'greet', '--version', '0'), 2)
  assert.match(world.printed.stderr, /whole number of 1 or more/)
})

// The rest waits. A server of one promise, whose answers the test decides.

const INVOKE = ['invoke', 'a', '-f', 'greet', '--wait'] as const

interface Server extends WorldOptions {
  readonly settle: (parts: Partial<PromiseRecord>) => void
  /** Called at every question about the promise. */
  onAsk: () => void
  refuse: { status: number; data: string } | null
}

function server(): Server {
  let current = promise('a', { param: { data: base64({ func: 'greet', args: [], version: 1 }) } })
  const self: Server = {
    settle: (parts) => {
      current = { ...current, settledAt: START, ...parts }
    },
    onAsk: () => {},
    refuse: null,
    answer: ({ kind }) => {
      if (kind === 'promise.create') return { status: 200, data: { promise: current } }
      self.onAsk()
      return self.refuse ?? { status: 200, data: { promise: current } }
    },
  }
  return self
}

/** A poll connection that the test writes to. */
function stream() {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  const body = new ReadableStream<Uint8Array>({
    start: (created) => {
      controller = created
    },
  })
  return {
    open: (_url: string, signal: AbortSignal) => {
      signal.addEventListener('abort', () => controller?.error(signal.reason))
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
    },
    write: (text: string) => controller?.enqueue(new TextEncoder().encode(text)),
    end: () => controller?.close(),
  }
}

const settledAs = async (parts: Partial<PromiseRecord>) => {
  const peer = server()
  peer.settle(parts)
  const world = createWorld(peer)
  const code = await world.run(...INVOKE)
  return { code, ...world.printed, sent: world.sent.length }
}

test('--wait on what is resolved already prints its value and exits 0, without listening', async () => {
  const value = { data: base64({ greeting: 'hello' }) }
  assert.deepEqual(await settledAs({ state: 'resolved', value }), {
    code: 0,
    stdout: '{\n  "greeting": "hello"\n}\n',
    stderr: '',
    sent: 1,
  })
})

test('a function that returned nothing prints nothing', async () => {
  const { code, stdout } = await settledAs({ state: 'resolved' })
  assert.deepEqual([code, stdout], [0, ''])
})

test('rejected exits 3, with the error as data on stdout and as a sentence on stderr', async () => {
  const error = { __type: 'error', name: 'TypeError', message: 'no stock' }
  const { code, stdout, stderr } = await settledAs({ state: 'rejected', value: { data: base64(error) } })
  assert.deepEqual([code, JSON.parse(stdout), stderr], [3, error, 'Error: a was rejected: TypeError: no stock\n'])
})

test('canceled exits 3', async () => {
  const { code, stderr } = await settledAs({ state: 'rejected_canceled' })
  assert.deepEqual([code, stderr], [3, 'Error: a was canceled\n'])
})

test('timed out exits 4', async () => {
  const { code, stdout, stderr } = await settledAs({ state: 'rejected_timedout' })
  assert.deepEqual([code, stdout, stderr], [4, '', 'Error: a timed out\n'])
})

test('--wait listens on a connection of its own, and a message about the promise ends the wait', async () => {
  const peer = server()
  const connection = stream()
  const urls: string[] = []
  const world = createWorld({
    ...peer,
    poll: (url, signal) => {
      urls.push(url)
      return connection.open(url, signal)
    },
  })
  const listening = Promise.withResolvers<void>()
  peer.onAsk = listening.resolve
  const code = world.run(...INVOKE)
  await listening.promise
  peer.settle({ state: 'resolved', value: { data: base64(7) } })
  connection.write(': a comment\n\ndata: {"kind":"unblock","head":{},"da')
  connection.write('ta":{"promise":{"id":"a"}}}\n\n')
  assert.equal(await code, 0)
  assert.equal(world.printed.stdout, '7\n')
  assert.deepEqual(urls, ['http://localhost:8001/poll/resonate-cli/one-of-a-kind?capacity=0'])
  const listeners = world.sent.filter(({ envelope }) => envelope.kind === 'promise.register_listener')
  assert.deepEqual(listeners[0]?.envelope.data, { awaited: 'a', address: 'poll://uni@resonate-cli/one-of-a-kind' })
  assert.equal(world.timers.size, 0)
})

test('a message that comes before the answer to a question that was asked earlier ends the wait all the same', async () => {
  const peer = server()
  const connection = stream()
  let asked = 0
  const world = createWorld({
    ...peer,
    poll: connection.open,
    answer: async (envelope) => {
      const reply = await peer.answer?.(envelope)
      // The first question is asked while the connection opens, the second once it stands.
      if (envelope.kind === 'promise.register_listener' && ++asked === 2) {
        peer.settle({ state: 'resolved', value: { data: base64(7) } })
        connection.write('data: {"kind":"unblock","head":{},"data":{"promise":{"id":"a"}}}\n\n')
        await new Promise(setImmediate)
      }
      return reply ?? { status: 500, data: '' }
    },
  })
  assert.equal(await world.run(...INVOKE), 0)
  assert.deepEqual([asked, world.printed.stdout], [3, '7\n'])
})

test('--wait asks by itself where the server takes no connection', async () => {
  const peer = server()
  const world = createWorld({ ...peer, skipMs: 1_000 })
  let asked = 0
  peer.onAsk = () => {
    if (++asked === 3) peer.settle({ state: 'resolved', value: { data: base64('late') } })
  }
  assert.equal(await world.run(...INVOKE), 0)
  assert.deepEqual([asked, world.printed.stdout], [3, '"late"\n'])
})

test('--wait reads the promise where the server takes no listener', async () => {
  const peer = server()
  peer.refuse = { status: 400, data: 'Invalid listener address' }
  const world = createWorld({
    ...peer,
    answer: (envelope) => {
      if (envelope.kind === 'promise.get') peer.refuse = null
      return peer.answer?.(envelope) ?? { status: 500, data: '' }
    },
  })
  peer.settle({ state: 'pending' })
  peer.onAsk = () => peer.settle({ state: 'resolved', value: { data: base64(1) } })
  assert.equal(await world.run(...INVOKE), 0)
})

test('--wait asks for the promise alone where the token is not for a group of the command line', async () => {
  const peer = server()
  let [asked, connected] = [0, 0]
  const world = createWorld({
    ...peer,
    skipMs: 1_000,
    poll: () => {
      connected++
      return new Response('{"error":"not for resonate-cli"}', { status: 403 })
    },
    answer: (envelope) => {
      if (envelope.kind === 'promise.register_listener') return { status: 403, data: 'not for resonate-cli' }
      if (envelope.kind === 'promise.get' && ++asked === 3)
        peer.settle({ state: 'resolved', value: { data: base64(7) } })
      return peer.answer?.(envelope) ?? { status: 500, data: '' }
    },
  })
  assert.equal(await world.run(...INVOKE), 0)
  assert.deepEqual([asked, connected, world.printed.stdout], [3, 1, '7\n'])
})

test('--wait survives a server that goes away, and says so once', async () => {
  const peer = server()
  let asked = 0
  const world = createWorld({
    ...peer,
    skipMs: 1_000,
    answer: (envelope) => {
      if (envelope.kind !== 'promise.create' && ++asked <= 3) {
        throw new TypeError('fetch failed', { cause: Object.assign(new Error(), { code: 'ECONNREFUSED' }) })
      }
      if (asked > 3) peer.settle({ state: 'resolved', value: { data: base64('back') } })
      return peer.answer?.(envelope) ?? { status: 500, data: '' }
    },
  })
  assert.equal(await world.run(...INVOKE), 0)
  assert.equal(world.printed.stdout, '"back"\n')
  assert.equal(world.printed.stderr.match(/Waiting for it to come back/g)?.length, 1)
})

test('--wait gives up on a server that stays away past the deadline', async () => {
  const peer = server()
  peer.settle({ state: 'pending', timeoutAt: START + 5_000 })
  peer.refuse = { status: 503, data: 'Shutting down' }
  const world = createWorld({ ...peer, skipMs: 1_000 })
  assert.equal(await world.run(...INVOKE), 1)
  assert.match(world.printed.stderr, /answered: Shutting down \(503\)/)
})

test('--wait ends at once when the server refuses the question', async () => {
  const peer = server()
  peer.refuse = { status: 403, data: 'Forbidden' }
  const world = createWorld(peer)
  assert.equal(await world.run(...INVOKE), 1)
  assert.equal(world.printed.stderr, 'Error: Cannot wait for a: Forbidden (403)\n')
})

/** What `--wait` said of a call that is settled once it has been explained. */
async function saidOf(explained: Reply): Promise<string> {
  const peer = server()
  const world = createWorld({
    poll: stream().open,
    skipMs: 5_000,
    answer: (envelope) => {
      if (envelope.kind !== 'promise.explain') return peer.answer?.(envelope) ?? { status: 500, data: '' }
      assert.deepEqual(envelope.data, { id: 'a' })
      setImmediate(() => {
        peer.settle({ state: 'resolved' })
        world.advance(30_000)
      })
      return explained
    },
  })
  assert.equal(await world.run(...INVOKE), 0)
  return world.printed.stderr
}

function explanation(reason: Reason, text: string): Reply {
  const step = { id: 'a.0', state: 'pending', timeoutAt: START + 86_400_000, reason, text }
  return {
    status: 200,
    data: { id: 'a', at: START, steps: [{ ...step, id: 'a' }, step], isCircular: false, isCut: false },
  }
}

test('--wait says once, after a while, what keeps a call from going on', async () => {
  const reason = { kind: 'no_worker', group: 'default', since: START, connected: [] } as const
  const said = await saidOf(explanation(reason, 'has been ready for 5s: no worker is connected'))
  assert.match(said, /Still waiting: a\.0 has been ready for 5s: no worker is connected\. 'resonate explain' tells/)
  assert.equal(said.match(/Still waiting/g)?.length, 1)
})

test('--wait says nothing of a call that somebody works on, nor where the server cannot say', async () => {
  const held = { kind: 'held', pid: 'w1', since: START, renewedAt: START, until: START + 60_000 } as const
  assert.doesNotMatch(await saidOf(explanation(held, 'is in the hands of worker w1')), /Still waiting/)
  assert.doesNotMatch(await saidOf({ status: 400, data: 'Unknown kind' }), /Still waiting/)
})
