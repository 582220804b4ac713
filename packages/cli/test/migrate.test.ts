// `resonate migrate`: what was under way before goes on after, whichever way; a kill in the middle costs nothing but time;
// and what cannot be moved is refused with a reason.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { type Effect, Needs, type PromiseRow, WorkingSet } from '@resonatehq/protocol'
import { createServer, loadConfig, nodePlatform, openEngine, silentLogger } from '@resonatehq/server'
import { sqliteStore } from '@resonatehq/store/sqlite'
import { command, type PostgresServer, startPostgres, withoutPostgres } from '../../store/test/postgres-server.ts'
import { run } from '../src/program.ts'
import { createWorld } from './world.ts'

const BIN = join(import.meta.dirname, '../bin/resonate.js')
const folder = mkdtempSync(join(tmpdir(), 'resonate-migrate-'))
let postgres: PostgresServer
before(async () => {
  if (!withoutPostgres) postgres = await startPostgres()
})
after(async () => {
  await postgres?.stop()
  rmSync(folder, { recursive: true })
})

async function migrate(from: string, to: string, options: { tty?: boolean } = {}) {
  const world = createWorld(options)
  const code = await run(['migrate', '--from', from, '--to', to], {
    ...world.io,
    now: Date.now,
    fullPath: (path) => path,
  })
  return { code, ...world.printed }
}

async function serve(t: TestContext, storage: Record<string, unknown>) {
  const ports = { 'server.port': 0, 'server.bind': '127.0.0.1', 'observability.metrics_port': 0 }
  const loaded = loadConfig({ flags: { ...ports, ...storage } })
  assert.ok('config' in loaded)
  const server = createServer(loaded.config, {
    platform: nodePlatform(),
    logger: silentLogger,
    openEngine,
    processMetrics: false,
  })
  t.after(() => server.stop())
  const { url } = await server.start()
  const ask = async (kind: string, data: object) => {
    const envelope = { kind, head: { corrId: 'c', version: '2026-04-01' }, data }
    const response = await fetch(url, { method: 'POST', body: JSON.stringify(envelope) })
    // biome-ignore lint/suspicious/noExplicitAny: answers of every kind are looked into.
    return ((await response.json()) as { data: any }).data
  }
  return { url, ask, stop: () => server.stop() }
}

/** A worker that tells of each task it is offered, and of each promise it listens to. */
function worker(t: TestContext, url: string, group: string) {
  const abort = new AbortController()
  t.after(() => abort.abort())
  const waiting = new Map<string, () => void>()
  const heard = new Set<string>()
  void (async () => {
    const { body } = await fetch(`${url}/poll/${group}/w`, { signal: abort.signal })
    let text = ''
    for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk
      for (const [, json] of text.matchAll(/^data: (.*)\n\n/gm)) hear(JSON.parse(json as string))
      text = text.slice(text.lastIndexOf('\n\n') + 2)
    }
  })().catch((error: Error) => assert.equal(error.name, 'AbortError'))
  function hear({ kind, data }: { kind: string; data: { task?: { id: string }; promise?: { id: string } } }) {
    const word = `${kind} ${data.task?.id ?? data.promise?.id}`
    heard.add(word)
    waiting.get(word)?.()
  }
  return (word: string) =>
    new Promise<void>((resolve) => {
      waiting.set(word, resolve)
      if (heard.has(word)) resolve()
    })
}

const places: Record<string, () => Promise<{ url: string; storage: Record<string, unknown> }>> = {
  async sqlite() {
    const path = join(mkdtempSync(join(folder, 'db-')), 'resonate.db')
    return { url: `sqlite://${path}`, storage: { 'storage.type': 'sqlite', 'storage.sqlite.path': path } }
  },
  async postgres() {
    const url = await postgres.create()
    return { url, storage: { 'storage.type': 'postgres', 'storage.postgres.url': url } }
  },
}

for (const [source, target] of [
  ['sqlite', 'postgres'],
  ['postgres', 'sqlite'],
] as const) {
  test(`from ${source} to ${target}, what was pending, suspended, scheduled and listened to goes on`, {
    skip: withoutPostgres,
  }, async (t) => {
    const [from, to] = [await places[source]?.(), await places[target]?.()]
    assert.ok(from && to)
    const old = await serve(t, from.storage)
    const timeoutAt = Date.now() + 3_600_000
    const tags = { 'resonate:target': 'poll://any@g' }
    const action = { kind: 'promise.create', data: { id: 'suspended', timeoutAt, tags } }
    await old.ask('promise.create', { id: 'awaited', timeoutAt })
    await old.ask('promise.create', { id: 'pending', timeoutAt, tags })
    await old.ask('promise.create', { id: 'acquired', timeoutAt, tags })
    await old.ask('task.acquire', { id: 'acquired', version: 0, pid: 'p', ttl: 1 })
    await old.ask('task.create', { pid: 'p', ttl: 60_000, action })
    const callback = { kind: 'promise.register_callback', data: { awaited: 'awaited', awaiter: 'suspended' } }
    await old.ask('task.suspend', { id: 'suspended', version: 1, actions: [callback] })
    await old.ask('promise.register_listener', { awaited: 'awaited', address: 'poll://uni@g/w' })
    const schedule = { cron: '* * * * * *', promiseId: 'tick', promiseTimeout: 3_600_000, promiseTags: tags }
    await old.ask('schedule.create', { id: 'every-second', ...schedule })
    await old.stop()

    const { code, stderr } = await migrate(from.url, to.url)
    assert.equal(code, 0, stderr)
    assert.match(stderr, /Moved and verified/)

    const next = await serve(t, to.storage)
    const hears = worker(t, next.url, 'g')
    await Promise.all([hears('execute pending'), hears('execute acquired'), hears('execute tick')])
    await next.ask('promise.settle', { id: 'awaited', state: 'resolved' })
    await Promise.all([hears('execute suspended'), hears('unblock awaited')])
    const { task } = await next.ask('task.get', { id: 'suspended' })
    assert.deepEqual(task, { id: 'suspended', state: 'pending', version: 1, resumes: 1 })
  })
}

test('killed in the middle, the same command goes on and comes to the end', { skip: withoutPostgres }, async () => {
  const path = join(folder, 'many.db')
  await fill(path, 6_000)
  const to = await postgres.create()
  const args = [BIN, 'migrate', '--from', `sqlite://${path}`, '--to', to]
  const killed = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = new Promise((resolve) => killed.on('close', (_code, signal) => resolve(signal)))
  for await (const text of killed.stderr) if (/Copying promises/.test(String(text))) killed.kill('SIGKILL')
  assert.equal(await ended, 'SIGKILL')
  const [{ n }] = (await command(to, 'select count(*)::int as n from callbacks')) as [{ n: number }]
  assert.ok(n < 6_000, `killed too late: ${n}`)

  const { code, stdout, stderr } = await migrate(`sqlite://${path}`, to)
  assert.equal(code, 0, stderr)
  assert.deepEqual([JSON.parse(stdout).promises.rows, JSON.parse(stdout).callbacks.rows], [6_000, 6_000])
})

async function fill(path: string, count: number): Promise<void> {
  const store = sqliteStore({ path, wall: Date.now })
  await store.open()
  const needs = new Needs()
  const ids = Array.from({ length: count }, (_, n) => `p${n}`)
  for (const id of ids) needs.ids.add(id)
  const transaction = await store.begin(needs)
  const set = new WorkingSet()
  set.absorb(transaction.loaded)
  const texts = { state: 'pending', param: {}, value: {}, tags: {}, branch: null, settledAt: null } as const
  for (const id of ids) {
    const row: PromiseRow = { id, origin: id, ...texts, timeoutAt: 9e15, createdAt: 1, wakeAt: 9e15 }
    set.apply([
      { kind: 'promise', row },
      { kind: 'callback.add', awaited: id, awaiter: 'p0' },
    ] satisfies Effect[])
  }
  await transaction.commit(set.changes())
  await store.close()
}

test('a source that a server uses is refused', async (t) => {
  const from = await places.sqlite?.()
  assert.ok(from)
  await serve(t, from.storage)
  // A lock keeps out other processes.
  const { status, stderr } = await spawned('migrate', '--from', from.url, '--to', `sqlite://${join(folder, 'x.db')}`)
  assert.equal(status, 1)
  assert.match(stderr, /--from: the database .* is in use by another process: stop that server/)
})

function spawned(...args: string[]): Promise<{ status: number | null; stderr: string }> {
  const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let stderr = ''
  child.stderr.on('data', (text) => {
    stderr += text
  })
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, stderr })))
}

test('a database that others are connected to is warned of', { skip: withoutPostgres }, async (t) => {
  const [from, to] = [await places.postgres?.(), await places.sqlite?.()]
  assert.ok(from && to)
  await serve(t, from.storage)
  const { stderr } = await migrate(from.url, to.url)
  assert.match(
    stderr,
    /Warning: the database of --from has \d+ other connections?\. If they are servers, stop all of them/,
  )
})

test('what cannot be moved is refused with a reason', async () => {
  const empty = `sqlite://${join(folder, 'empty.db')}`
  const refusals: [string, string, number, RegExp][] = [
    ['memory://', empty, 2, /--from: what a server keeps in memory is gone when it stops/],
    ['resonate.db', empty, 2, /--from is to be a URL such as sqlite:/],
    ['sqlite://', empty, 2, /--from is to name a file/],
    [`sqlite://${join(folder, 'nowhere.db')}`, empty, 1, /--from: there is no file .*nowhere\.db/],
  ]
  for (const [from, to, code, reason] of refusals) {
    const refused = await migrate(from, to)
    assert.equal(refused.code, code, from)
    assert.match(refused.stderr, reason)
  }
  writeFileSync(
    join(folder, 'letter.db'),
    'a letter to my aunt, much longer than the header of a database, '.repeat(20),
  )
  const letter = await migrate(`sqlite://${join(folder, 'letter.db')}`, empty)
  assert.match(letter.stderr, /--from: the file .* is no SQLite database/)
})

test('on a terminal one line grows, elsewhere each table is told once', async () => {
  const path = join(folder, 'lines.db')
  await fill(path, 500)
  const tty = await migrate(`sqlite://${path}`, `sqlite://${join(folder, 'lines-tty.db')}`, { tty: true })
  assert.ok(tty.stderr.includes('\r\u001b[KCopying promises: 200\r\u001b[KCopying promises: 400'), tty.stderr)
  assert.match(tty.stdout, /^TABLE +ROWS +CHECKSUM\npromises +500 +[0-9a-f]{16}\n/)
  const plain = await migrate(`sqlite://${path}`, `sqlite://${join(folder, 'lines-plain.db')}`)
  assert.match(plain.stderr, /^Copying promises: 500\nCopying tasks: 0\nCopying callbacks: 500\n/)
})
