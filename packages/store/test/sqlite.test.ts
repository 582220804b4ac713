// What only the SQLite store has: a file, a lock on it, a schema with a version, and plans.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { Needs, WorkingSet } from '@resonatehq/protocol'
import { sqliteStore } from '@resonatehq/store/sqlite'
import { SQL } from '../src/sqlite/statements.ts'

function file(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'resonate-sqlite-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'test.db')
}

/** A commit of nothing but the clock. */
async function touch(store: ReturnType<typeof sqliteStore>): Promise<void> {
  const transaction = await store.begin(new Needs())
  await transaction.commit(new WorkingSet().changes())
}

test('a file that another process serves is refused with what to do', async (t) => {
  const path = file(t)
  const store = sqliteStore({ path, wall: () => 1 })
  await store.open()
  t.after(() => store.close())
  const script = `
    import { sqliteStore } from '@resonatehq/store/sqlite'
    await sqliteStore({ path: ${JSON.stringify(path)}, wall: () => 1 }).open().catch((error) => console.log(error.message))`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  })
  assert.match(stdout, /is in use by another process: stop that server, or choose another file \(--storage-sqlite-path/)
})

test('of a group that has no task left nothing is kept, and of what else is counted its name', async (t) => {
  const path = file(t)
  const store = sqliteStore({ path, wall: () => 1 })
  await store.open()
  for (const delta of [1, -1]) {
    const transaction = await store.begin(new Needs())
    const counters = new Map([
      ['tasks.pending@g', delta],
      ['tasks.pending', delta],
    ])
    await transaction.commit({ ...new WorkingSet().changes(), counters })
  }
  assert.deepEqual(await store.counters(), new Map())
  await store.close()
  const database = new DatabaseSync(path)
  t.after(() => database.close())
  const names = database.prepare('select name from counters').all()
  assert.deepEqual(
    names.map(({ name }) => name),
    ['tasks.pending'],
  )
})

test('a newer schema is refused and left alone', async (t) => {
  const path = file(t)
  const store = sqliteStore({ path, wall: () => 1 })
  await store.open()
  await store.close()
  const database = new DatabaseSync(path)
  database.exec('insert into schema_migrations values (99, 99)')
  database.close()
  await assert.rejects(
    sqliteStore({ path, wall: () => 1 }).open(),
    /has schema version 99, .* this program knows versions up to/,
  )
})

test('a file that is no database is refused and left alone', async (t) => {
  const path = file(t)
  writeFileSync(path, 'a letter to my aunt, much longer than the header of a database would be, '.repeat(20))
  await assert.rejects(sqliteStore({ path, wall: () => 1 }).open(), /is no SQLite database, or is damaged/)
})

test('a database of another program is refused and left alone', async (t) => {
  const path = file(t)
  const database = new DatabaseSync(path)
  t.after(() => database.close())
  for (const table of ['users (name text)', 'schema_migrations (version text)']) {
    database.exec(`create table ${table}`)
    const before = database.prepare('select sql from sqlite_schema').all()
    await assert.rejects(sqliteStore({ path, wall: () => 1 }).open(), /holds tables of another program: choose a file/)
    assert.deepEqual(database.prepare('select sql from sqlite_schema').all(), before)
  }
})

test('a file that cannot be written is said to be read-only', async (t) => {
  const path = file(t)
  const store = sqliteStore({ path, wall: () => 1 })
  await store.open()
  await store.close()
  // As permissions have it for anybody but root.
  await assert.rejects(sqliteStore({ path: `file:${path}?mode=ro`, wall: () => 1 }).open(), /is read-only: the server/)
})

test('a store on a disk that has become full closes, and has everything when it is opened again', async (t) => {
  const path = file(t)
  const program = (ids: string) => `
    import { sqliteStore } from '@resonatehq/store/sqlite'
    import { Needs, WorkingSet } from '@resonatehq/protocol'
    const store = sqliteStore({ path: ${JSON.stringify(path)}, wall: () => 1 })
    await store.open()
    const transaction = await store.begin(new Needs())
    const set = new WorkingSet()
    for (let n = 0; n < 80; n++) set.apply([{ kind: 'schedule', row: { id: '${ids}' + n, cron: 'x'.repeat(1_000),
      promiseId: 'x', promiseTimeout: 1, promiseParam: {}, promiseTags: {}, createdAt: 1, nextRunAt: 2, lastRunAt: null } }])
    await transaction.commit(set.changes())
    await store.close()
    console.log('closed')`
  // The log of the second fits below the limit, and the file that is to take it in does not.
  for (const [ids, blocks] of [
    ['a', 'unlimited'],
    ['b', '340'],
  ] as const) {
    const script = `trap "" XFSZ; ulimit -f ${blocks}; exec "$0" --input-type=module -e "$1"`
    const options = { cwd: import.meta.dirname, encoding: 'utf8' } as const
    const { stdout, stderr } = spawnSync('sh', ['-c', script, process.execPath, program(ids)], options)
    assert.match(stdout, /closed/, stderr)
  }
  assert.ok(existsSync(`${path}-wal`), 'the log was left')
  const store = sqliteStore({ path, wall: () => 1 })
  await store.open()
  t.after(() => store.close())
  assert.equal((await store.due({ now: 5, limit: 999 })).schedules.length, 160)
})

test('a folder that is not there is named', async (t) => {
  const path = join(file(t), 'missing', 'test.db')
  await assert.rejects(sqliteStore({ path, wall: () => 1 }).open(), /cannot be opened: check that its folder exists/)
})

test('the clock never goes back, not even over a restart', async (t) => {
  const path = file(t)
  let wall = 10_000
  const first = sqliteStore({ path, wall: () => wall })
  await first.open()
  await touch(first)
  wall = 9_000
  assert.equal(await first.now(), 10_000)
  await first.close()
  const second = sqliteStore({ path, wall: () => wall })
  await second.open()
  t.after(() => second.close())
  assert.equal(await second.now(), 10_000)
})

test('a clock that is set back does not stop time, which goes on at half its pace until both agree', async (t) => {
  let wall = 10_000
  const path = file(t)
  const open = async () => {
    const store = sqliteStore({ path, wall: () => wall })
    await store.open()
    t.after(() => store.close())
    return store
  }
  const first = await open()
  await touch(first)
  wall = 4_000
  assert.equal(await first.now(), 10_000)
  for (let ms = 0; ms < 1_001; ms++) {
    wall++
    await first.now()
  }
  assert.equal(await first.now(), 10_500)
  await touch(first)
  await first.close()
  const second = await open()
  const from = await second.now()
  wall += 2_000
  assert.equal(await second.now(), from + 1_000)
  wall = 20_000
  assert.equal(await second.now(), 20_000)
})

test('no statement scans what grows', async (t) => {
  const path = file(t)
  const store = sqliteStore({ path, wall: () => 1 })
  await store.open()
  await store.close()
  const database = new DatabaseSync(path)
  t.after(() => database.close())
  // Debug snapshots show everything; counters are few; workers are as many as connect.
  const mayScan = new Set([
    'allCallbacks',
    'allListeners',
    'allUnblocks',
    'counters',
    'absent',
    'forgettable',
    // All of them are wanted, up to the limit.
    'allWorkers',
    // What it scans is the inner query, which ends at its limit.
    'countReady',
    'floor',
    'setFloor',
  ])
  for (const [name, sql] of Object.entries(SQL)) {
    if (mayScan.has(name)) continue
    const values = Array(sql.split('?').length - 1).fill(0)
    const plan = database.prepare(`explain query plan ${sql}`).all(...values) as { detail: string }[]
    const lines = plan.map(({ detail }) => detail)
    assert.ok(
      lines.every((line) => !/^SCAN (?!.*CONSTANT ROW)/.test(line) && !line.includes('TEMP B-TREE')),
      `${name}: ${lines.join('; ')}`,
    )
  }
})

test('what was committed is there after the process was killed', async (t) => {
  const path = file(t)
  const script = `
    import { sqliteStore } from '@resonatehq/store/sqlite'
    import { Needs, WorkingSet } from '@resonatehq/protocol'
    const store = sqliteStore({ path: ${JSON.stringify(path)}, wall: () => 77_000 })
    await store.open()
    const transaction = await store.begin(new Needs())
    const set = new WorkingSet()
    set.apply([{ kind: 'schedule', row: { id: 's', cron: '@hourly', promiseId: 'x', promiseTimeout: 1, promiseParam: {},
      promiseTags: {}, createdAt: 1, nextRunAt: 2, lastRunAt: null } }])
    await transaction.commit(set.changes())
    process.kill(process.pid, 'SIGKILL')`
  const { signal } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: import.meta.dirname })
  assert.equal(signal, 'SIGKILL')
  const store = sqliteStore({ path, wall: () => 1 })
  await store.open()
  t.after(() => store.close())
  assert.deepEqual((await store.due({ now: 5, limit: 9 })).schedules, ['s'])
  assert.equal(await store.now(), 77_000)
})

test('a backup ends although a commit follows the other without a pause', async (t) => {
  const path = file(t)
  const store = sqliteStore({ path, wall: () => 1 })
  await store.open()
  t.after(() => store.close())
  const transaction = await store.begin(new Needs())
  const counters = new Map(Array.from({ length: 20_000 }, (_, at) => [`tasks.${'x'.repeat(500)}${at}`, 1] as const))
  await transaction.commit({ ...new WorkingSet().changes(), counters })
  let isOver = false
  const backup = store.backup?.(`${path}.copy`).finally(() => {
    isOver = true
  })
  let commits = 0
  for (; !isOver; commits++) {
    const { commit } = await store.begin(new Needs())
    await commit({ ...new WorkingSet().changes(), counters: new Map([['promises.pending', 1]]) })
  }
  await backup
  // A step copies 512 KiB.
  const steps = Math.ceil(statSync(`${path}.copy`).size / (512 * 1024))
  assert.ok(steps >= 20 && commits <= steps + 3, `${commits} commits, ${steps} steps`)
  const copy = new DatabaseSync(`${path}.copy`)
  t.after(() => copy.close())
  const { value } = copy.prepare("select value from counters where name = 'promises.pending'").get() as {
    value: number
  }
  assert.ok(value > 0 && value <= commits, `${value} of ${commits} commits`)
  assert.deepEqual({ ...copy.prepare('pragma integrity_check').get() }, { integrity_check: 'ok' })
})
