// Backups: a copy of a SQLite file while the server writes to it, and what comes back when a server starts on one.

import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { createEngine } from '@resonatehq/engine'
import { sqliteStore } from '@resonatehq/store/sqlite'
import { nodePlatform, silentLogger } from '../src/index.ts'
import { ask, startServer } from './world.ts'

const TIMEOUT_AT = 9e15

function place(t: TestContext): Record<string, unknown> {
  const folder = mkdtempSync(join(tmpdir(), 'resonate-backup-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return { 'storage.type': 'sqlite', 'storage.sqlite.path': join(folder, 'resonate.db') }
}

/** A name in a folder that goes when the test does. */
async function backup(url: string, name?: string): Promise<{ path: string; bytes: number }> {
  const { head, data } = await ask(url, 'backup.create', name === undefined ? {} : { name })
  assert.equal(head.status, 200, JSON.stringify(data))
  return data
}

test('a backup taken under load is whole: everything answered before it is there, and the server went on', async (t) => {
  const { url } = await startServer(t, place(t))
  let created = 0
  let isDone = false
  const load = (async () => {
    while (!isDone) {
      const batch = Array.from({ length: 200 }, () => {
        const data = { id: `p${created++}`, timeoutAt: TIMEOUT_AT, param: { data: 'x'.repeat(2_000) } }
        return { kind: 'promise.create', head: { corrId: 'c', version: '2026-04-01' }, data }
      })
      await fetch(url, { method: 'POST', body: JSON.stringify(batch) }).then((response) => response.text())
    }
  })()
  await ask(url, 'promise.create', { id: 'before', timeoutAt: TIMEOUT_AT })
  const backups = [await backup(url, 'one.db'), await backup(url, 'two.db'), await backup(url, 'three.db')]
  isDone = true
  await load
  const folder = dirname(backups[0]?.path ?? '')
  assert.deepEqual(readdirSync(folder).sort(), ['one.db', 'three.db', 'two.db'])
  const counts = backups.map(({ path, bytes }) => {
    assert.equal(statSync(path).size, bytes)
    assert.equal(statSync(path).mode & 0o077, 0, 'others may not read it')
    const copy = new DatabaseSync(path, { readOnly: true })
    assert.deepEqual({ ...copy.prepare('pragma integrity_check').get() }, { integrity_check: 'ok' })
    assert.ok(copy.prepare(`select 1 from promises where id = 'before'`).get())
    const { n } = copy.prepare('select count(*) as n from promises').get() as { n: number }
    const counted = copy.prepare(`select value from counters where name = 'promises.pending'`).get() as {
      value: number
    }
    copy.close()
    assert.equal(n, counted.value, 'rows and counters are of one commit')
    return n
  })
  assert.deepEqual(
    counts,
    [...counts].sort((a, b) => a - b),
  )
})

test('a backup that begins while a batch is being written waits for that', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'resonate-backup-'))
  const store = sqliteStore({ path: join(folder, 'resonate.db'), wall: Date.now })
  const copies: Promise<void>[] = []
  const engine = createEngine({
    store,
    platform: nodePlatform(),
    log: silentLogger,
    serverUrl: 'http://s',
    trace: () => copies.push(store.backup?.(join(folder, `${copies.length}.db`)) as Promise<void>),
  })
  await engine.start()
  t.after(async () => {
    await engine.stop()
    rmSync(folder, { recursive: true })
  })
  const requests = Array.from({ length: 500 }, (_, at) => {
    const data = { id: `p${at}`, timeoutAt: TIMEOUT_AT, param: { data: 'x'.repeat(2_000) }, tags: {} }
    return { kind: 'promise.create', data } as const
  })
  await engine.submitAll(requests)
  assert.ok(copies.length > 0)
  await Promise.all(copies)
})

test('a server that starts on a backup has what was then, and goes on from there', async (t) => {
  const { url, server } = await startServer(t, place(t))
  const tags = { 'resonate:target': 'poll://any@g' }
  const create = { kind: 'promise.create', data: { id: 'task', timeoutAt: TIMEOUT_AT, tags } }
  await ask(url, 'promise.create', { id: 'awaited', timeoutAt: TIMEOUT_AT })
  await ask(url, 'task.create', { pid: 'p', ttl: 60_000, action: create })
  const callback = { kind: 'promise.register_callback', data: { awaited: 'awaited', awaiter: 'task' } }
  await ask(url, 'task.suspend', { id: 'task', version: 1, actions: [callback] })
  const { path } = await backup(url)
  // What the backup does not know: lost when it is restored.
  await ask(url, 'promise.settle', { id: 'awaited', state: 'resolved', value: { data: 'first' } })
  await ask(url, 'promise.create', { id: 'later', timeoutAt: TIMEOUT_AT })
  await server.stop()

  const restored = await startServer(t, { 'storage.type': 'sqlite', 'storage.sqlite.path': path })
  assert.equal((await ask(restored.url, 'promise.get', { id: 'later' })).head.status, 404)
  assert.equal((await ask(restored.url, 'promise.get', { id: 'awaited' })).data.promise.state, 'pending')
  assert.equal((await ask(restored.url, 'task.get', { id: 'task' })).data.task.state, 'suspended')
  // It happens again, and may end otherwise.
  await ask(restored.url, 'promise.settle', { id: 'awaited', state: 'rejected', value: { data: 'second' } })
  assert.equal((await ask(restored.url, 'task.get', { id: 'task' })).data.task.state, 'pending')
})

test('without a name a backup is called after the database and the instant', async (t) => {
  const { url } = await startServer(t, place(t))
  const { path } = await backup(url)
  assert.match(basename(path), /^resonate-\d{8}T\d{9}Z\.db$/)
  assert.equal(basename(dirname(path)), 'backups')
})

test('a backup never takes the place of another file, and a name cannot leave its folder', async (t) => {
  const { url } = await startServer(t, place(t))
  const { path } = await backup(url, 'a.db')
  const again = await ask(url, 'backup.create', { name: 'a.db' })
  assert.deepEqual([again.head.status, again.data], [409, `${path} is there already: choose another name`])
  assert.equal((await ask(url, 'backup.create', { name: '../a.db' })).head.status, 400)
})

test('a folder that cannot be written is told, and nothing is left of the attempt', async (t) => {
  const where = place(t)
  const inTheWay = `${where['storage.sqlite.path']}.file`
  writeFileSync(inTheWay, '')
  const { url } = await startServer(t, { ...where, 'storage.sqlite.backups': inTheWay })
  const { head, data } = await ask(url, 'backup.create', {})
  assert.equal(head.status, 500)
  assert.match(data, /^the backup could not be written to .*: E/)
})

test('a server without a file says what to use instead', async (t) => {
  const { url } = await startServer(t)
  const { head, data } = await ask(url, 'backup.create', {})
  assert.equal(head.status, 400)
  assert.match(data, /a PostgreSQL database is backed up by pg_dump/)
})
