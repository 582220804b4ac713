// The client commands against a real server in this process: that what they send is what a server takes, and that what
// it answers is what they can show.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createServer, loadConfig, nodePlatform, openEngine, type Server, silentLogger } from '@resonatehq/server'
import { run } from '../src/program.ts'
import { createWorld } from './world.ts'

let server: Server
let url = ''

before(async () => {
  const flags = {
    'server.port': 0,
    'server.bind': '127.0.0.1',
    'observability.metrics_port': 0,
    'storage.type': 'memory',
  }
  const loaded = loadConfig({ flags })
  assert.ok('config' in loaded)
  server = createServer(loaded.config, { platform: nodePlatform(), logger: silentLogger, openEngine })
  url = (await server.start()).url
})

after(() => server.stop())

/** A command with the real clock and the real network; what it printed, or the JSON of it. */
async function command(line: readonly string[], options: { tty?: boolean } = {}) {
  const world = createWorld({ ...options, env: { RESONATE_URL: url } })
  const io = { ...world.io, fetch: globalThis.fetch, now: Date.now }
  const code = await run(line, io)
  return { code, ...world.printed }
}

async function ok(...line: readonly string[]) {
  const { code, stdout, stderr } = await command(line)
  assert.deepEqual([code, stderr], [0, ''], line.join(' '))
  return JSON.parse(stdout)
}

async function refused(status: number, ...line: readonly string[]) {
  const { code, stderr } = await command(line)
  assert.equal(code, 1, line.join(' '))
  assert.match(stderr, new RegExp(`^Error: .+ \\(${status}\\)`))
}

async function shown(...line: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await command(line, { tty: true })
  assert.equal(code, 0, stderr)
  return stdout
}

test('promises: created, found, settled once', async () => {
  const created = await ok(
    'promises',
    'create',
    'p1',
    '--timeout',
    '1h',
    '--param',
    '{"a":1}',
    '--tags',
    '{"kind":"p"}',
  )
  assert.equal(created.promise.state, 'pending')
  assert.deepEqual(await ok('promises', 'get', 'p1'), created)
  await ok('promises', 'create', 'p2', '--timeout', '1h', '--tags', '{"kind":"p"}')
  const page = await ok('promises', 'search', '--tags', '{"kind":"p"}', '--limit', '1')
  const rest = await ok('promises', 'search', '--tags', '{"kind":"p"}', '--cursor', page.cursor)
  assert.deepEqual([page.promises[0].id, rest.promises[0].id], ['p1', 'p2'])
  await ok('promises', 'register-listener', 'p1', 'someone')
  await ok('promises', 'resolve', 'p1', '--value', '"yes"')
  assert.match(await shown('promises', 'get', 'p1'), /🟢 resolved\n {2}param {4}\{"a":1\}\n {2}value {4}"yes"\n/)
  await refused(404, 'promises', 'get', 'p3')
})

test('tasks: claimed, kept, suspended, resumed and completed by hand', async () => {
  const target = '{"resonate:target":"poll://any@nobody"}'
  const claim = await ok('tasks', 'create', 't1', '--pid', 'me', '--ttl', '1m', '--timeout', '1h', '--tags', target)
  assert.deepEqual([claim.task.state, claim.task.version], ['acquired', 1])
  assert.deepEqual(await ok('tasks', 'heartbeat', '--pid', 'me', '--tasks', '[{"id":"t1","version":1}]'), { lost: [] })
  const child = JSON.stringify({ kind: 'promise.create', data: { id: 't1:0', timeoutAt: Date.now() + 60_000 } })
  const fenced = await ok('tasks', 'fence', 't1', '--version', '1', '--action', child)
  assert.equal(fenced.action.data.promise.id, 't1:0')
  const callbacks = '[{"kind":"promise.register_callback","data":{"awaited":"t1:0","awaiter":"t1"}}]'
  await ok('tasks', 'suspend', 't1', '--version', '1', '--actions', callbacks)
  await ok('promises', 'resolve', 't1:0')
  assert.equal((await ok('tasks', 'get', 't1')).task.state, 'pending')
  await refused(409, 'tasks', 'release', 't1', '--version', '1')
  await ok('tasks', 'claim', 't1', '--version', '1', '--pid', 'me', '--ttl', '1m')
  const again = await command(['tasks', 'suspend', 't1', '--version', '2', '--actions', callbacks])
  assert.equal(again.code, 1)
  assert.match(again.stderr, /Not suspended: an awaited promise has settled already/)
  await ok('tasks', 'release', 't1', '--version', '2')
  await ok('tasks', 'claim', 't1', '--version', '2', '--pid', 'me', '--ttl', '1m')
  const settle = '{"kind":"promise.settle","data":{"id":"t1","state":"resolved"}}'
  const completed = await ok('tasks', 'complete', 't1', '--version', '3', '--action', settle)
  assert.equal(completed.promise.state, 'resolved')
  assert.match(await shown('tasks', 'get', 't1'), /^t1 {2}fulfilled\n/)
})

test('tasks: halted and continued', async () => {
  await ok('invoke', 't2', '--func', 'f', '--target', 'nobody')
  await ok('tasks', 'halt', 't2')
  const { tasks } = await ok('tasks', 'search', '--state', 'halted')
  assert.deepEqual(
    tasks.map(({ id }: { id: string }) => id),
    ['t2'],
  )
  await ok('tasks', 'continue', 't2')
  await refused(409, 'tasks', 'continue', 't2')
})

test('promises: a callback needs an awaiter with a task', async () => {
  await ok('promises', 'create', 'c1', '--timeout', '1h')
  await ok('invoke', 'c2', '--func', 'f', '--target', 'nobody')
  await ok('promises', 'register-callback', 'c1', 'c2')
  await refused(422, 'promises', 'register-callback', 'c2', 'c1')
})

test('schedules: created, listed, deleted', async () => {
  const args = ['--cron', '0 3 * * *', '--promise-id', '{{.id}}-{{.timestamp}}', '--promise-timeout', '1h']
  const tags = ['--promise-tags', '{"resonate:target":"poll://any@nobody"}']
  const created = await ok('schedules', 'create', 's1', ...args, ...tags)
  assert.deepEqual(await ok('schedules', 'get', 's1'), created)
  assert.match(await shown('schedules', 'search'), /^ID .*\ns1 {2}0 3 \* \* \* /)
  await ok('schedules', 'delete', 's1')
  await refused(404, 'schedules', 'get', 's1')
  await refused(400, 'schedules', 'create', 's2', ...args.with(1, 'now and then'), ...tags)
})

test('an invoked call hangs together with what it calls', async () => {
  await ok('invoke', 'i1', '--func', 'order', '--arg', '1', '--target', 'nobody')
  const child = { 'resonate:origin': 'i1', 'resonate:branch': 'i1', 'resonate:parent': 'i1', 'resonate:scope': 'local' }
  await ok('promises', 'create', 'i1:0', '--timeout', '1h', '--tags', JSON.stringify(child))
  const { stdout } = await command(['tree', 'i1'])
  assert.match(stdout, /^i1 🟡 pending \(rpc order\) \d+ms so far\n└── i1:0 🟡 pending \(run\) \d+ms so far\n$/)
})

test('why something waits is followed from where it was asked, and who waits for what is listed', async () => {
  await ok('invoke', 'e1', '--func', 'ship', '--target', 'nobody')
  const child = { 'resonate:origin': 'e1', 'resonate:branch': 'e1', 'resonate:parent': 'e1', 'resonate:scope': 'local' }
  await ok('promises', 'create', 'e1:0', '--timeout', '1h', '--tags', JSON.stringify(child))
  assert.match(
    await shown('explain', 'e1:0'),
    /^🟡 e1:0 is a step of "e1", .*\n└── 🟡 e1 \(ship\) has been ready for \d+ms: no worker is connected in group "nobody" \(no worker is connected at all\)\ne1:0 times out in .*\.\n$/,
  )
  await refused(404, 'explain', 'none')
  const { groups } = await ok('groups')
  const nobody = groups.find(({ group }: { group: string }) => group === 'nobody')
  assert.ok(nobody.ready > 0 && nobody.workersDesired > 0 && nobody.workers === 0)
  assert.match(await shown('top', '--once'), /^http.*\n\nGROUP .*\nnobody .*\n\nNo workers\.\n$/)
})
