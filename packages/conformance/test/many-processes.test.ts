// `resonate serve --processes N`: one command, one port, several processes on one PostgreSQL.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, before, type TestContext, test } from 'node:test'
import { type PostgresServer, startPostgres, withoutPostgres } from '../../store/test/postgres-server.ts'
import { freePort } from './ports.ts'
import { CLI, Process } from './processes.ts'

const skip = withoutPostgres
let database: PostgresServer

before(async () => {
  if (!skip) database = await startPostgres({ isDurable: true })
})
after(() => database?.stop())

interface Running {
  readonly command: Process
  readonly url: string
  readonly metricsUrl: string
}

async function serve(t: TestContext, ...flags: string[]): Promise<Running> {
  const [port, metricsPort] = [await freePort(), await freePort()]
  const ports = ['--server-port', `${port}`, '--observability-metrics-port', `${metricsPort}`]
  const args = [
    CLI,
    'serve',
    '--server-bind',
    '127.0.0.1',
    '--observability-metrics-bind',
    '127.0.0.1',
    ...ports,
    ...flags,
  ]
  const command = new Process(t, args, { RESONATE_STORAGE__POSTGRES__URL: await database.create() })
  await command.says('Resonate is running')
  return { command, url: `http://127.0.0.1:${port}`, metricsUrl: `http://127.0.0.1:${metricsPort}/metrics` }
}

let asked = 0

/** Over a connection of its own, so that any process may be the one that answers. */
async function create(url: string): Promise<number> {
  const data = { id: `p${asked++}`, timeoutAt: 9e12, param: {}, tags: {} }
  const body = JSON.stringify({ kind: 'promise.create', head: { corrId: 'c', version: '2026-04-01' }, data })
  const response = await fetch(url, { method: 'POST', body, headers: { connection: 'close' } })
  await response.text()
  return response.status
}

/** Of the processes that serve, by the lines of their logs. */
function listening({ lines }: Process): number[] {
  return lines.filter((line) => line.includes('Server listening')).map((line) => JSON.parse(line).process)
}

function childrenOf({ child }: Process): number[] {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
  const pairs = stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
  return pairs.filter(([, parent]) => parent === child.pid).map(([pid]) => pid as number)
}

async function sample(metricsUrl: string, name: string): Promise<number> {
  const text = await (await fetch(metricsUrl)).text()
  const values = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
  return values.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

test('one port is served by all processes, and one scrape tells of all of them', { skip }, async (t) => {
  const { command, url, metricsUrl } = await serve(t, '--processes', '3', '--level', 'debug')
  assert.deepEqual(listening(command).sort(), [1, 2, 3])
  for (let round = 0; round < 10; round++)
    assert.deepEqual(new Set(await Promise.all(Array.from({ length: 6 }, () => create(url)))), new Set([200]))
  const answered = command.lines.filter((line) => line.includes('Request answered'))
  assert.deepEqual(new Set(answered.map((line) => JSON.parse(line).process)), new Set([1, 2, 3]))
  assert.equal(await sample(metricsUrl, 'resonate_request_total'), 60)
  assert.equal(await sample(metricsUrl, 'promises_total'), 60)
  assert.equal(await sample(metricsUrl, 'resonate_store_up'), 1)
  assert.equal(await sample(metricsUrl, 'resonate_build_info'), 1)
})

test('another process takes the place of one that dies, and the port answers all the time', { skip }, async (t) => {
  const { command, url } = await serve(t, '--processes', '2')
  process.kill(childrenOf(command)[1] as number, 'SIGKILL')
  await command.says('A process ended; another takes its place')
  while (listening(command).length < 3) assert.equal(await create(url), 200)
  assert.deepEqual(listening(command).sort(), [1, 2, 3])
})

test('one SIGTERM drains all processes, answers what is in flight, and ends the command with 0', {
  skip,
}, async (t) => {
  const { command, url } = await serve(t, '--processes', '3')
  const inFlight = Promise.all(Array.from({ length: 100 }, () => create(url)))
  command.child.kill('SIGTERM')
  const answers = await inFlight.catch(() => [])
  assert.equal(await command.exited, 0)
  assert.equal(command.lines.filter((line) => line.includes('Server stopped')).length, 3)
  for (const status of answers) assert.ok(status === 200 || status === 503, `${status}`)
  await assert.rejects(create(url))
})

test('what keeps the first process from starting is said once, and ends the command', { skip }, async (t) => {
  const env = { RESONATE_STORAGE__POSTGRES__URL: database.urlOf('nowhere') }
  const command = new Process(t, [CLI, 'serve', '--processes', '4', '--server-port', `${await freePort()}`], env)
  assert.equal(await command.exited, 1)
  assert.equal(command.lines.filter((line) => line.includes('does not exist: create it with createdb')).length, 1)
})

test('several processes over a file, or in memory, are refused with what to do', async (t) => {
  for (const type of ['sqlite', 'memory']) {
    const command = new Process(t, [CLI, 'serve', '--processes', '2', '--storage-type', type])
    assert.equal(await command.exited, 1)
    assert.match(command.lines.join(), /several processes can share only a PostgreSQL.*Set storage\.postgres\.url/)
  }
})
