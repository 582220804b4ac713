// Moving a store: from SQLite to PostgreSQL, back, and from file to file; interrupted at every commit, and refused where the
// target or the source is not what it should be.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { type Effect, Needs, type PromiseRow, type TaskRow, WorkingSet } from '@resonatehq/protocol'
import { type MovableStore, moveStore } from '@resonatehq/store/move'
import { postgresStore } from '@resonatehq/store/postgres'
import { sqliteStore } from '@resonatehq/store/sqlite'
import { type PostgresServer, startPostgres, withoutPostgres } from './postgres-server.ts'

let server: PostgresServer
before(async () => {
  if (!withoutPostgres) server = await startPostgres()
})
after(() => server?.stop())

function sqlite(t: TestContext): MovableStore {
  const folder = mkdtempSync(join(tmpdir(), 'resonate-move-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return sqliteStore({ path: join(folder, 'a.db'), wall: () => 1_000_000 })
}

async function postgres(): Promise<MovableStore> {
  return postgresStore({ url: await server.create(), clock: () => 1_000_000, connectionsMax: 3 })
}

async function opened(t: TestContext, store: MovableStore): Promise<MovableStore> {
  await store.open()
  t.after(() => store.close())
  return store
}

const LONG = `https://example.com/${'a'.repeat(300)}`

/** Of every table something: odd ids and texts, several pages, waiters in number, addresses longer than their keys. */
async function fill(store: MovableStore, count = 450): Promise<void> {
  const effects: Effect[] = []
  for (let n = 0; n < count; n++) {
    const id = n % 7 === 0 ? `é😀.${n}` : `p${n}`
    effects.push({ kind: 'promise', row: promise(id, n) })
    if (n % 2 === 0) effects.push({ kind: 'task', row: task(id, n) })
    effects.push({ kind: 'callback.add', awaited: 'p1', awaiter: id })
    effects.push({ kind: 'listener.add', awaited: id, address: `${LONG}${n % 3}` })
    effects.push({ kind: 'listener.add', awaited: id, address: 'poll://any@g' })
    const address = `${LONG}${n % 5}`
    if (n % 3 === 0) effects.push({ kind: 'unblock.add', row: { id, address, queue: address, createdAt: n } })
  }
  const schedule = { id: 's', cron: '@daily', promiseId: 'x', promiseTimeout: 1, promiseParam: {}, promiseTags: {} }
  effects.push({ kind: 'schedule', row: { ...schedule, createdAt: 1, nextRunAt: 2, lastRunAt: null } })
  const needs = new Needs()
  for (const effect of effects) {
    if (effect.kind === 'promise') needs.ids.add(effect.row.id)
    if (effect.kind === 'schedule') needs.schedules.add(effect.row.id)
  }
  const transaction = await store.begin(needs)
  const set = new WorkingSet()
  set.absorb(transaction.loaded)
  set.apply(effects)
  await transaction.commit(set.changes())
}

function promise(id: string, n: number): PromiseRow {
  const param = { headers: { k: '\u0000"' }, data: `x${n}` }
  const texts = { param, value: {}, tags: { 'resonate:target': 'poll://any@g' }, origin: 'o', branch: 'b' }
  return { id, state: 'pending', ...texts, timeoutAt: 9e15, createdAt: n, settledAt: null, wakeAt: 9e15 }
}

function task(id: string, n: number): TaskRow {
  const held = n % 4 === 0
  const lease = held
    ? { state: 'acquired', ttl: 5, pid: 'w', version: 1 }
    : { state: 'pending', ttl: null, pid: null, version: 0 }
  const halt = n % 4 === 1 ? { at: n, by: 'ann', reason: 'é"' } : null
  const counts = { awaits: null, halt, resumes: 0, lost: 0, released: 0, offeredAt: null }
  const places = { address: 'poll://any@g', queue: 'poll://any@g', worker: held ? 'w' : null }
  return {
    id,
    ...(lease as Pick<TaskRow, 'state' | 'ttl' | 'pid' | 'version'>),
    dueAt: n,
    sinceAt: n,
    ...counts,
    ...places,
  }
}

async function contents(store: MovableStore): Promise<unknown> {
  const counters = [...(await store.counters())].sort()
  return { ...(await store.snapshot()), counters, due: await store.due({ now: 9e15, limit: 10_000 }) }
}

const silent = { report: () => {} }

const ways: Record<string, (t: TestContext) => Promise<[MovableStore, MovableStore]>> = {
  'SQLite to PostgreSQL': async (t) => [sqlite(t), await postgres()],
  'PostgreSQL to SQLite': async (t) => [await postgres(), sqlite(t)],
  'one SQLite file to another': async (t) => [sqlite(t), sqlite(t)],
}

for (const [name, open] of Object.entries(ways)) {
  const skip = name.includes('PostgreSQL') && withoutPostgres

  test(`from ${name} every row and counter arrives`, { skip }, async (t) => {
    const [from, to] = await open(t)
    await fill(await opened(t, from))
    await opened(t, to)
    const digests = await moveStore({ from, to, ...silent })
    assert.deepEqual(await contents(to), await contents(from))
    assert.deepEqual(
      Object.values(digests).map(({ rows }) => rows),
      [450, 225, 450, 900, 150, 1],
    )
  })

  test(`from ${name}, cut off every four commits, the next attempt goes on behind them`, { skip }, async (t) => {
    const [from, to] = await open(t)
    await fill(await opened(t, from))
    await opened(t, to)
    let attempts = 0
    for (let isDone = false; !isDone; attempts++) {
      await moveStore({ from, to: dying(to, 4), ...silent }).then(
        () => {
          isDone = true
        },
        (error: Error) => assert.equal(error.message, 'killed'),
      )
    }
    assert.ok(attempts > 3, `${attempts}`)
    assert.deepEqual(await contents(to), await contents(from))
  })
}

/** As if the process were killed: so many commits, and then none. */
function dying(store: MovableStore, commits: number): MovableStore {
  let left = commits
  return new Proxy(store, {
    get(target, name) {
      if (name === 'begin' && left-- === 0) return () => Promise.reject(new Error('killed'))
      const member = target[name as keyof MovableStore]
      return typeof member === 'function' ? (member as (...values: unknown[]) => unknown).bind(target) : member
    },
  })
}

test('a target that holds something else is refused and left alone', async (t) => {
  const [from, to] = [await opened(t, sqlite(t)), await opened(t, sqlite(t))]
  await fill(from)
  await fill(to, 3)
  const before = await contents(to)
  await assert.rejects(
    moveStore({ from, to, ...silent }),
    /the target is not empty, and its promises are not the beginning/,
  )
  assert.deepEqual(await contents(to), before)
})

test('a source that changes while it is moved is noticed at the end', async (t) => {
  const [from, to] = [await opened(t, sqlite(t)), await opened(t, sqlite(t))]
  await fill(from)
  let isChanged = false
  const move = moveStore({
    from: new Proxy(from, {
      get(target, name) {
        const member = target[name as keyof MovableStore]
        if (name !== 'counters' || isChanged)
          return typeof member === 'function' ? (member as () => unknown).bind(target) : member
        return async () => {
          isChanged = true
          const counters = await target.counters()
          await write(target, promise('late', 1))
          return counters
        }
      },
    }),
    to,
    ...silent,
  })
  await assert.rejects(move, /the source has 451 rows .* of promises, the target 450 rows .*stop all servers/)
})

async function write(store: MovableStore, row: PromiseRow): Promise<void> {
  const needs = new Needs()
  needs.ids.add(row.id)
  const transaction = await store.begin(needs)
  const set = new WorkingSet()
  set.absorb(transaction.loaded)
  set.apply([{ kind: 'promise', row }])
  await transaction.commit(set.changes())
}

test('moving again what is moved changes nothing', async (t) => {
  const [from, to] = [await opened(t, sqlite(t)), await opened(t, sqlite(t))]
  await fill(from)
  const first = await moveStore({ from, to, ...silent })
  assert.deepEqual(await moveStore({ from, to, ...silent }), first)
})
