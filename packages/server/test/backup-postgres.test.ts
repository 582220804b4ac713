// Backup and restore on PostgreSQL, by its own tools: pg_dump while a server writes, pg_restore into an empty database, and
// a server that goes on from there.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import {
  type PostgresServer,
  postgresBinaries,
  startPostgres,
  withoutPostgres,
} from '../../store/test/postgres-server.ts'
import { ask, startServer } from './world.ts'

const TIMEOUT_AT = 9e15
let postgres: PostgresServer
before(async () => {
  if (!withoutPostgres) postgres = await startPostgres()
})
after(() => postgres?.stop())

function tool(name: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(join(postgresBinaries() as string, name), args, { encoding: 'utf8' })
  assert.equal(status, 0, `${name}: ${stderr}`)
}

test('a dump of a database in use, restored, goes on from where it was taken', { skip: withoutPostgres }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'resonate-dump-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'resonate.dump')
  const [source, target] = [await postgres.create(), await postgres.create()]
  const { url } = await startServer(t, { 'storage.type': 'postgres', 'storage.postgres.url': source })
  const tags = { 'resonate:target': 'poll://any@g' }
  const create = { kind: 'promise.create', data: { id: 'task', timeoutAt: TIMEOUT_AT, tags } }
  await ask(url, 'promise.create', { id: 'awaited', timeoutAt: TIMEOUT_AT, param: { data: 'é\u0000😀' } })
  await ask(url, 'task.create', { pid: 'p', ttl: 60_000, action: create })
  const callback = { kind: 'promise.register_callback', data: { awaited: 'awaited', awaiter: 'task' } }
  await ask(url, 'task.suspend', { id: 'task', version: 1, actions: [callback] })
  tool('pg_dump', '--format=custom', `--file=${file}`, source)
  await ask(url, 'promise.create', { id: 'later', timeoutAt: TIMEOUT_AT })

  tool('pg_restore', '--exit-on-error', `--dbname=${target}`, file)
  const restored = await startServer(t, { 'storage.type': 'postgres', 'storage.postgres.url': target })
  assert.equal((await ask(restored.url, 'promise.get', { id: 'later' })).head.status, 404)
  const { promise } = (await ask(restored.url, 'promise.get', { id: 'awaited' })).data
  assert.deepEqual([promise.state, promise.param.data], ['pending', 'é\u0000😀'])
  await ask(restored.url, 'promise.settle', { id: 'awaited', state: 'resolved' })
  assert.equal((await ask(restored.url, 'task.get', { id: 'task' })).data.task.state, 'pending')
})
