// What only the PostgreSQL store has: several servers on one database, connections that break, a schema that others may
// be changing, and plans.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { lockName, Needs, type PromiseRow, WorkingSet } from '@resonatehq/protocol'
import { memoryStore, type Store, Unacceptable } from '@resonatehq/store'
import { postgresStore } from '@resonatehq/store/postgres'
import pg from 'pg'
import { LOCKING, type LockingKind } from '../src/postgres/locks.ts'
import { readMigrations } from '../src/postgres/migration.ts'
import { SQL } from '../src/postgres/statements.ts'
import { command, type PostgresServer, startPostgres, withoutPostgres } from './postgres-server.ts'

let server: PostgresServer
const skip = withoutPostgres

before(async () => {
  if (!skip) server = await startPostgres()
})
after(() => server?.stop())

function promise(id: string, changes: Partial<PromiseRow> = {}): PromiseRow {
  const texts = { param: {}, value: {}, tags: {} }
  const instants = { timeoutAt: 9e15, createdAt: 1, settledAt: null, wakeAt: 9e15 }
  return { id, state: 'pending', ...texts, origin: id, branch: null, ...instants, ...changes }
}

function needing(...ids: string[]): Needs {
  const needs = new Needs()
  for (const id of ids) needs.ids.add(id)
  return needs
}

async function write(store: Store, row: PromiseRow): Promise<void> {
  const transaction = await store.begin(needing(row.id))
  const set = new WorkingSet()
  set.absorb(transaction.loaded)
  set.apply([{ kind: 'promise', row }])
  await transaction.commit(set.changes())
}

/** Ends all connections to a database, as its restart does. */
async function cut(url: string): Promise<void> {
  await command(
    url,
    'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()',
  )
}

/** Adds one to the number kept in each promise's value, as a server would that read it before. */
async function increment(store: Store, ids: readonly string[]): Promise<void> {
  const transaction = await store.begin(needing(...ids))
  const set = new WorkingSet()
  set.absorb(transaction.loaded)
  for (const id of ids) {
    const row = transaction.loaded.promises.get(id) ?? promise(id)
    set.apply([{ kind: 'promise', row: { ...row, value: { data: String(Number(row.value.data ?? 0) + 1) } } }])
  }
  await transaction.commit(set.changes())
}

for (const locking of ['advisory', 'table'] as const satisfies LockingKind[]) {
  test(`servers that change the same rows take turns under ${locking} locks`, { skip }, async () => {
    const url = await server.create()
    const stores = [1, 2, 3].map((n) => postgresStore({ url, locking, server: `s${n}` }))
    for (const store of stores) await store.open()
    let state = 7
    const draw = (n: number) => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0
      return (state >>> 8) % n
    }
    const expected = new Map<string, number>()
    const work = Array.from({ length: 300 }, (_, at) => {
      const ids = [...new Set(Array.from({ length: 5 }, () => `p${draw(20)}:x`))]
      for (const id of ids) expected.set(id, (expected.get(id) ?? 0) + 1)
      return increment(stores[at % 3] as Store, ids)
    })
    await Promise.all(work)
    const { promises } = await (stores[0] as Store).snapshot()
    assert.deepEqual(new Map(promises.map(({ id, value }) => [id, Number(value.data)])), new Map([...expected].sort()))
    for (const store of stores) await store.close()
  })
}

test('a key covers the ids of its workflow and no others', { skip }, async () => {
  const store = postgresStore({ url: await server.create() })
  await store.open()
  const transaction = await store.begin(needing('job.1'))
  assert.equal(lockName('job.1.2'), lockName('job.1'))
  assert.equal(transaction.covers('job.1.2'), true)
  assert.equal(transaction.covers('other'), false)
  await transaction.rollback()
  await store.close()
})

for (const locking of ['advisory', 'table'] as const satisfies LockingKind[]) {
  test(`ten servers that start at once migrate once under ${locking} locks`, { skip }, async () => {
    const url = await server.create()
    const stores = Array.from({ length: 10 }, () => postgresStore({ url, locking, connectionsMax: 2 }))
    await Promise.all(stores.map((store) => store.open()))
    const versions = readMigrations().map(({ version, oldest }) => ({ version, oldest }))
    const applied = await command(url, 'select version::int, oldest::int from schema_migrations order by version')
    assert.deepEqual(applied, versions)
    await Promise.all(stores.map((store) => store.close()))
  })
}

test('a database of another program is refused and left alone', { skip }, async () => {
  for (const table of ['promises (name text)', 'schema_migrations (version text primary key)']) {
    const url = await server.create()
    await command(url, `create table ${table}`)
    const store = postgresStore({ url })
    await assert.rejects(store.open(), /holds tables of another program \(.*\): create a database of its own/)
    await store.close()
    assert.equal((await command(url, "select 1 from pg_tables where schemaname = 'public'")).length, 1, table)
  }
})

test('what names more promises than the database has locks for is not accepted, and says what to raise', {
  skip,
}, async (t) => {
  const store = postgresStore({ url: await server.create() })
  await store.open()
  t.after(() => store.close())
  const ids = Array.from({ length: 20_000 }, (_, n) => `many-${n}`)
  await assert.rejects(store.begin(needing(...ids)), (error: Error) => {
    assert.ok(error instanceof Unacceptable)
    assert.match(error.message, /more promises than the database has locks for, raise max_locks_per_transaction/)
    return true
  })
  await write(store, promise('a'))
})

test('a newer schema is refused and left alone, unless it works with this program', { skip }, async () => {
  const url = await server.create()
  const store = postgresStore({ url })
  await store.open()
  await store.close()
  await command(url, 'alter table promises add column later text; insert into schema_migrations values (99, 1)')
  await store.open()
  await write(store, promise('a'))
  await store.close()
  await command(url, 'insert into schema_migrations values (100, 100)')
  await assert.rejects(store.open(), /has schema version 100, .* this program knows versions up to/)
})

test('a server whose tables are there needs no right to create any', { skip }, async () => {
  const url = await server.create()
  const owner = postgresStore({ url })
  await owner.open()
  await owner.close()
  await command(
    url,
    `create role writer login; revoke create on schema public from public;
     grant select, insert, update, delete on all tables in schema public to writer`,
  )
  const store = postgresStore({ url: url.replace('test@', 'writer@') })
  await store.open()
  await write(store, promise('a'))
  await store.close()
})

test('a database that does not exist is named with what to do', { skip }, async () => {
  await assert.rejects(postgresStore({ url: server.urlOf('nowhere') }).open(), /nowhere .*does not exist: create it/)
})

test('what is between begin and commit when connections are cut is refused, and the next batch runs', {
  skip,
}, async () => {
  const url = await server.create()
  const store = postgresStore({ url })
  await store.open()
  const transaction = await store.begin(needing('a'))
  await cut(url)
  await assert.rejects(transaction.commit(new WorkingSet().changes()))
  await write(store, promise('b'))
  assert.deepEqual(
    (await store.snapshot()).promises.map(({ id }) => id),
    ['b'],
  )
  await store.close()
})

test('a lock that is held too long is refused, and leaves nothing behind', { skip }, async () => {
  const url = await server.create()
  const [holder, other] = [postgresStore({ url }), postgresStore({ url, lockTimeoutMs: 20 })]
  await holder.open()
  await other.open()
  const transaction = await holder.begin(needing('a'))
  await assert.rejects(other.begin(needing('a')), /lock timeout/)
  await transaction.rollback()
  await write(other, promise('a'))
  await holder.close()
  await other.close()
})

test('promises are read in the order asked for, as many as fit, and the first of them in any case', {
  skip,
}, async () => {
  const url = await server.create()
  for (const store of [postgresStore({ url }), memoryStore({ wall: () => 1 })]) {
    await store.open()
    const value = { data: 'x'.repeat(1_000_000) }
    for (const id of ['a', 'b', 'c', 'd']) await write(store, promise(id, { value }))
    const read = async (ids: string[], bytesMax: number) => {
      const { rows, more } = await store.promises({ ids, bytesMax })
      return [rows.map(({ id }) => id).join(''), more]
    }
    assert.deepEqual(await read(['d', 'b', 'a'], 1), ['d', true])
    assert.deepEqual(await read(['d', 'b', 'a', 'c'], 1_500_000), ['db', true])
    assert.deepEqual(await read(['d', 'none', 'a'], 9_000_000), ['da', false])
    assert.deepEqual(await read([], 1), ['', false])
    await store.close()
  }
})

test('text that jsonb refuses, ids of any script and the longest addresses survive', { skip }, async () => {
  const url = await server.create()
  const store = postgresStore({ url, isPooled: true })
  await store.open()
  const value = { headers: { a: '\u0000' }, data: 'x\u0000\\u0000"é😀' }
  const id = `é😀${'i'.repeat(1_000)}`
  const address = `https://example.com/${'a'.repeat(2_080)}`
  const transaction = await store.begin(needing(id))
  const set = new WorkingSet()
  set.absorb(transaction.loaded)
  set.apply([
    { kind: 'promise', row: promise(id, { value }) },
    { kind: 'listener.add', awaited: id, address },
    { kind: 'unblock.add', row: { id, address, queue: address, createdAt: 1 } },
  ])
  await transaction.commit(set.changes())
  const owed = await store.unblocksPushed({ after: { id: '', address: '' }, limit: 5 })
  assert.deepEqual(owed, [{ id, address, queue: address, createdAt: 1 }])
  assert.deepEqual(await store.unblocksPushed({ after: { id, address }, limit: 5 }), [])
  assert.deepEqual(await store.unblocks({ queues: [address], limit: 5 }), owed)
  assert.deepEqual(await store.promises({ ids: ['nobody', id], bytesMax: 1 }), {
    rows: [promise(id, { value })],
    more: false,
  })
  assert.deepEqual((await store.snapshot()).listeners, [{ id, address }])
  await store.close()
})

test('the clock never goes back, not even on another server', { skip }, async () => {
  const url = await server.create()
  const ahead = postgresStore({ url, clock: () => 5e12 })
  await ahead.open()
  await write(ahead, promise('a'))
  const other = postgresStore({ url })
  await other.open()
  assert.equal(await other.now(), 5e12)
  await ahead.close()
  await other.close()
})

test('a server that starts decides nothing before the clock has passed all that others may have shown', {
  skip,
}, async () => {
  const url = await server.create()
  let at = 5e12
  const first = postgresStore({ url, clock: () => at })
  await first.open()
  await write(first, promise('a'))
  at += 600
  const shown = await first.begin(needing('a'))
  await shown.rollback()
  assert.equal(shown.now, 5e12 + 600)
  at -= 10_000
  const pauses: number[] = []
  const pause = async (ms: number) => {
    pauses.push(ms)
    at += 4_000
  }
  const second = postgresStore({ url, clock: () => at, pause })
  await second.open()
  const begun = await second.begin(needing('a'))
  await begun.rollback()
  assert.deepEqual(pauses, [1_000, 1_000, 1_000])
  assert.ok(begun.now > shown.now, `${begun.now}`)
  await first.close()
  await second.close()
})

test('a server that starts beside one that is busy waits for what was shown, and not for what is', {
  skip,
}, async () => {
  const url = await server.create()
  let at = 5e12
  const busy = async (ms: number) => {
    at += ms
    await command(url, `update clock set floor_at = ${at}`)
  }
  const store = postgresStore({ url, clock: () => at, pause: busy })
  await store.open()
  await busy(0)
  const transaction = await store.begin(needing('a'))
  await transaction.rollback()
  assert.equal(transaction.now, 5e12 + 1_000)
  await store.close()
})

test('reads alone store the floor too, before they are answered', { skip }, async () => {
  const url = await server.create()
  let at = 5e12
  const store = postgresStore({ url, clock: () => at })
  await store.open()
  for (let reads = 0; reads < 3; reads++) {
    const transaction = await store.begin(needing('a'))
    await transaction.rollback()
    const [row] = await command(url, 'select floor_at from clock')
    assert.ok(at - Number(row?.floor_at) < 1_000, `${row?.floor_at} at ${at}`)
    at += 700
  }
  await store.close()
})

test('a lost connection makes a clock that is behind an outage, until it has caught up', { skip }, async () => {
  const url = await server.create()
  let at = 5e12
  const store = postgresStore({ url, clock: () => at, pause: async () => {} })
  await store.open()
  await write(store, promise('a'))
  await cut(url)
  at -= 60_000
  await assert.rejects(store.begin(needing('a')))
  await assert.rejects(
    store.begin(needing('a')),
    /the clock of the database .* is 61000 ms behind what was shown before/,
  )
  at += 61_000
  await write(store, promise('b'))
  await store.close()
})

test('what is counted moves from rows to rows, and the sums stay what they are', { skip }, async () => {
  const url = await server.create()
  let at = 5e12
  const stores = ['a', 'b'].map((name) => postgresStore({ url, server: name, clock: () => at }))
  for (const store of stores) await store.open()
  for (let round = 0; round < 12; round++) {
    for (const [which, store] of stores.entries()) {
      const transaction = await store.begin(needing(`p${round}.${which}`))
      const changes = new WorkingSet().changes()
      await transaction.commit({
        ...changes,
        counters: new Map([
          ['total.created', 1],
          ['tasks.pending@g', round < 6 ? 1 : -1],
        ]),
      })
    }
    at += 10_000
  }
  for (const store of stores) assert.deepEqual(await store.counters(), new Map([['total.created', 24]]))
  for (const store of stores) await store.close()
  const [row] = await command(url, `select count(*)::int as rows from counters where name = 'total.created'`)
  assert.ok((row?.rows as number) <= 6, `${row?.rows} rows for one counter of two servers and the sum`)
})

test('no statement scans what grows', { skip }, async () => {
  const url = await server.create()
  const store = postgresStore({ url })
  await store.open()
  await store.close()
  await command(
    url,
    `insert into promises select 'p' || n, 'pending', '{}', '{}', '{}', 'p' || n / 10, 'p' || n / 10, n, n, null, n
       from generate_series(1, 100000) n;
     insert into tasks select 'p' || n, case n % 3 when 0 then 'pending' when 1 then 'acquired' else 'fulfilled' end, 1, 1,
       case n % 3 when 1 then 'w' || n % 1000 end, n, n, case n % 2 when 0 then n end, 0, 'a', 'q' || n % 100, 'q' || n % 100,
       'w' || n % 1000, 0, 0 from generate_series(1, 100000) n;
     insert into callbacks select 'p' || n, 'p' || n + 1 from generate_series(1, 100000) n;
     insert into listeners select 'p' || n, 'a', 'a' from generate_series(1, 100000) n;
     insert into unblocks select 'p' || n, 'a', 'a', 'q' || n % 100, 'q' || n % 100, n from generate_series(1, 100000) n;
     insert into schedules select 's' || n, '', '', 1, '{}', '{}', 1, n, null from generate_series(1, 100000) n;
     analyze`,
  )
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('set plan_cache_mode = force_generic_plan')
  // Debug snapshots show everything; workers, counters and the clock are few.
  const mayScan = new Set(['allCallbacks', 'allListeners', 'allUnblocks'])
  const few = /on (workers|counters|clock|locks|pg_database)/
  for (const [name, sql] of [...Object.entries(SQL), ['locks', LOCKING.table.sql] as const]) {
    if (mayScan.has(name)) continue
    const count = Math.max(0, ...[...sql.matchAll(/\$(\d)/g)].map(([, n]) => Number(n)))
    await client.query(`prepare s as ${sql}`)
    const { rows } = await client.query(`explain execute s${count ? `(${Array(count).fill('null').join(', ')})` : ''}`)
    await client.query('deallocate s')
    const lines = rows.map((row) => row['QUERY PLAN'] as string)
    const bad = lines.filter((line) => /Seq Scan/.test(line) && !few.test(line))
    assert.deepEqual(bad, [], `${name}:\n${lines.join('\n')}`)
  }
  await client.end()
})
