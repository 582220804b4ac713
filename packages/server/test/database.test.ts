// The way to a PostgreSQL as a configuration describes it: how the database is trusted, a password that changes while the
// server runs, and a pooler in between. Each against the real thing.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { freePort } from '../../conformance/test/ports.ts'
import { Process } from '../../conformance/test/processes.ts'
import { command, type PostgresServer, startPostgres, withoutPostgres } from '../../store/test/postgres-server.ts'
import { withoutDriver } from '../src/database.ts'
import { createServer, nodePlatform, type Server, silentLogger } from '../src/index.ts'
import { type Certificate, makeCertificate, withoutOpenssl } from './certificates.ts'
import { ask, configOf, create } from './world.ts'

const skip = withoutPostgres || withoutOpenssl
const PGBOUNCER = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer'].find((path) => existsSync(path))
const HBA = `local all test trust
hostssl all app 127.0.0.1/32 scram-sha-256
hostnossl secretless all 127.0.0.1/32 trust
`

const folder = mkdtempSync(join(tmpdir(), 'resonate-database-'))
let database: PostgresServer
let port: number
let trusted: Certificate
let strange: Certificate

before(async () => {
  if (skip) return
  trusted = makeCertificate(folder, 'database')
  strange = makeCertificate(folder, 'strange')
  port = await freePort()
  const [cert, key] = [trusted.cert, trusted.key].map((path) => readFileSync(path, 'utf8')) as [string, string]
  const files = { 'server.crt': cert, 'server.key': key, 'pg_hba.conf': HBA }
  database = await startPostgres({ port, settings: ['ssl=on'], files })
  for (const sql of [
    `create role app login password 'first'`,
    'create database d owner app',
    'create database secretless',
  ])
    await command(database.urlOf('postgres'), sql)
})
after(async () => {
  await database?.stop()
  rmSync(folder, { recursive: true })
})

async function open(t: TestContext, flags: Record<string, unknown>): Promise<{ server: Server; url: string }> {
  const config = configOf({ 'storage.type': 'postgres', ...flags })
  const server = createServer(config, { platform: nodePlatform(), logger: silentLogger, processMetrics: false })
  t.after(() => server.stop())
  return { server, ...(await server.start()) }
}

const app = (rest: string, host = 'localhost') => ({
  'storage.postgres.url': `postgres://app@${host}:${port}/d?${rest}`,
  'storage.postgres.password': 'first',
})

test('sslmode says how far the database is trusted, as it does for psql', { skip }, async (t) => {
  for (const mode of ['require', `verify-ca&sslrootcert=${trusted.ca}`, `verify-full&sslrootcert=${trusted.ca}`]) {
    const { server } = await open(t, app(`sslmode=${mode}`))
    const inUse = await command(
      database.urlOf('d'),
      `select bool_and(ssl) as ssl from pg_stat_ssl natural join pg_stat_activity where usename = 'app'`,
    )
    assert.deepEqual(inUse, [{ ssl: true }], mode)
    await server.stop()
  }
  await open(t, { 'storage.postgres.url': `postgres://test@127.0.0.1:${port}/secretless?sslmode=disable` })
})

test('a database that another authority vouches for, or for another name, is not talked to', { skip }, async (t) => {
  for (const mode of ['verify-ca', 'verify-full'])
    await assert.rejects(
      open(t, app(`sslmode=${mode}&sslrootcert=${strange.ca}`)),
      /cannot be trusted .*sslrootcert/,
      mode,
    )
  // The same machine by a name that is not in its certificate.
  await open(t, app(`sslmode=verify-ca&sslrootcert=${trusted.ca}`, '127.1'))
  await assert.rejects(
    open(t, app(`sslmode=verify-full&sslrootcert=${trusted.ca}`, '127.1')),
    /cannot be trusted .*127\.1/,
  )
  await assert.rejects(open(t, app(`sslmode=verify-full&sslrootcert=${join(folder, 'none.pem')}`)), /none\.pem/)
})

test('a wrong password is told without the password', { skip }, async (t) => {
  const flags = { ...app('sslmode=require'), 'storage.postgres.password': 'guessed' }
  const fault = await open(t, flags).then(
    () => assert.fail('expected a refusal'),
    (error: Error) => error,
  )
  assert.match(fault.message, /refuses the user: check name, password and pg_hba\.conf/)
  assert.doesNotMatch(`${fault.stack} ${JSON.stringify(fault)}`, /guessed/)
})

test('a server without the password that it needs says so and ends', { skip }, async (t) => {
  // This one ends when nothing is left open; the server's own main ends whatever is.
  const main = join(import.meta.dirname, '../../cli/src/main.ts')
  const serve = [main, 'serve', '--server-port', '0', '--observability-metrics-port', '0']
  const url = ['--storage-postgres-url', `postgres://app@localhost:${port}/d?sslmode=require`]
  const file = ['--storage-postgres-password-file', join(folder, 'none')]
  for (const [flags, said] of [
    [url, 'asks for a password, and none was given'],
    [[...url, ...file], 'the password of the database cannot be read from'],
  ] as const) {
    const started = new Process(t, [...serve, ...flags])
    await started.says(said)
    assert.equal(await started.exited, 1)
  }
})

test('a database without TLS, and what is no database, are told with what to do', async (t) => {
  /** What it answers first; nothing: it hangs up. */
  const answering = async (answer?: string) => {
    const tcp = createTcpServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => (answer === undefined ? socket.destroy() : socket.write(answer)))
    })
    await once(tcp.listen(0, '127.0.0.1'), 'listening')
    t.after(() => tcp.close())
    const { port } = tcp.address() as AddressInfo
    return open(t, { 'storage.postgres.url': `postgres://app:x@127.0.0.1:${port}/d?sslmode=require` })
  }
  await assert.rejects(answering('N'), /does not speak TLS: .*sslmode=prefer/)
  await assert.rejects(answering(), /database d at 127\.0\.0\.1:\d+ ended the connection: check/)
})

test('a password is changed while the server runs: new connections bring the new one', { skip }, async (t) => {
  const file = join(folder, 'password')
  writeFileSync(file, 'first\n')
  const flags = {
    'storage.postgres.url': `postgres://app@localhost:${port}/d?sslmode=require`,
    'storage.postgres.password_file': file,
  }
  const { url } = await open(t, flags)
  assert.equal((await ask(url, 'promise.create', create('before'))).head.status, 200)
  await command(
    database.urlOf('d'),
    `alter role app password 'second'; select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'`,
  )
  writeFileSync(file, 'second')
  t.after(() => command(database.urlOf('d'), `alter role app password 'first'`))
  const status = async () => (await ask(url, 'promise.create', create('after'))).head.status
  while ((await status()) !== 200) {}
  rmSync(file)
  await assert.rejects(open(t, flags), /the password of the database cannot be read from .*password/)
})

test('what PostgreSQL cannot hold is refused to who asks for it, and fails nobody else', { skip }, async (t) => {
  const { url } = await open(t, app('sslmode=require'))
  const nul = 'a\u0000'
  const bad = [
    ask(url, 'promise.get', { id: nul }),
    ask(url, 'promise.create', create(nul)),
    ask(url, 'promise.settle', { id: nul, state: 'resolved', value: {} }),
    ask(url, 'promise.register_callback', { awaited: nul, awaiter: 'b' }),
    ask(url, 'promise.search', { limit: 3, tags: { 'resonate:origin': nul } }),
    ask(url, 'promise.search', { limit: 3, cursor: nul }),
    ask(url, 'task.acquire', { id: nul, version: 0, pid: 'w', ttl: 1_000 }),
    ask(url, 'task.heartbeat', { pid: nul, tasks: [{ id: nul, version: 1 }] }),
    ask(url, 'schedule.get', { id: nul }),
    ask(url, 'worker.search', { limit: 3, group: nul }),
  ]
  const good = Array.from({ length: 20 }, (_, at) => ask(url, 'promise.create', create(`beside-${at}`)))
  const statuses = (answers: readonly { head: { status: number } }[]) => new Set(answers.map(({ head }) => head.status))
  assert.deepEqual(statuses(await Promise.all(bad)), new Set([400]))
  assert.deepEqual(statuses(await Promise.all(good)), new Set([200]))
})

test('a pooler in transaction mode may stand in between', {
  skip: skip || (PGBOUNCER ? false : 'no PgBouncer is installed'),
}, async (t) => {
  const poolerPort = await startPooler(t)
  const { url } = await open(t, {
    'storage.postgres.url': `postgres://test@127.0.0.1:${poolerPort}/secretless`,
    'storage.postgres.pooler': true,
    'storage.postgres.notify_url': `postgres://test@127.0.0.1:${port}/secretless?sslmode=disable`,
  })
  const ids = Array.from({ length: 200 }, (_, at) => `pooled-${at}`)
  const created = await Promise.all(ids.map((id) => ask(url, 'promise.create', create(id))))
  assert.deepEqual(new Set(created.map(({ head }) => head.status)), new Set([200]))
  const settle = (id: string) => ask(url, 'promise.settle', { id, state: 'resolved', value: {} })
  const settled = await Promise.all(ids.map(settle))
  assert.deepEqual(new Set(settled.map(({ data }) => data.promise.state)), new Set(['resolved']))
})

/** Two sessions for all transactions, so that neighbours of one client meet other sessions. */
async function startPooler(t: TestContext): Promise<number> {
  const poolerPort = await freePort()
  const own = mkdtempSync(join(tmpdir(), 'resonate-pooler-'))
  chmodSync(own, 0o777)
  const ini = join(own, 'pgbouncer.ini')
  writeFileSync(
    ini,
    `[databases]
secretless = host=127.0.0.1 port=${port} user=test
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${poolerPort}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
`,
  )
  const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
  const pooler = spawn(PGBOUNCER as string, [ini], { ...user, stdio: ['ignore', 'ignore', 'pipe'] })
  t.after(async () => {
    const ended = once(pooler, 'exit')
    pooler.kill('SIGKILL')
    await ended
    rmSync(own, { recursive: true })
  })
  for await (const chunk of pooler.stderr.iterator({ destroyOnReturn: false }))
    if (`${chunk}`.includes('process up')) break
  pooler.stderr.resume()
  return poolerPort
}

test('a driver that is missing is named with what to install', () => {
  const missing = (name: string) =>
    Object.assign(new Error(`Cannot find package '${name}' imported from /a/b.js`), { code: 'ERR_MODULE_NOT_FOUND' })
  for (const name of ['pg', 'pg-connection-string'])
    assert.throws(() => withoutDriver(missing(name)), /npm install pg pg-connection-string/)
  assert.throws(() => withoutDriver(missing('else')), /Cannot find package 'else'/)
})
