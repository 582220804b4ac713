// Several servers on one database: whichever is asked, what is stored is told alike, and a total is never behind what it is
// compared with.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Request } from '@resonatehq/protocol'
import { postgresStore } from '@resonatehq/store/postgres'
import { type PostgresServer, startPostgres, withoutPostgres } from '../../store/test/postgres-server.ts'
import { trackedStore } from '../../store/test/tracked.ts'
import { createEngine } from '../src/index.ts'
import { ManualPlatform, strictLog } from './manual-platform.ts'

const START = 1_000_000
let postgres: PostgresServer

before(async () => {
  if (!withoutPostgres) postgres = await startPostgres()
})
after(() => postgres?.stop())

test('two servers tell the same of promises, tasks, groups and workers', { skip: withoutPostgres }, async (t) => {
  const url = await postgres.create()
  const platform = new ManualPlatform({ now: START })
  const tracked = ['one', 'two'].map((server) =>
    trackedStore(postgresStore({ url, server, clock: () => platform.now(), connectionsMax: 3 })),
  )
  const engines = tracked.map(({ store }) =>
    createEngine({ store, platform, log: strictLog(), serverUrl: 'http://test' }),
  )
  for (const engine of engines) await engine.start()
  t.after(() => Promise.all(engines.map((engine) => engine.stop())))
  const [one, two] = engines as [(typeof engines)[0], (typeof engines)[0]]
  const idle = async () => {
    for (const { idle } of tracked) await idle()
  }
  const ask = async (at: number, request: Request) => {
    const answer = await (engines[at % 2] as typeof one).submit(request)
    assert.equal(answer.status, 200, String(answer.data))
    await idle()
  }

  // Connected to one server, and its heartbeats reach the other.
  one.connect({ group: 'g', pid: 'w', capacity: 3, send: () => true })
  await idle()
  for (let n = 0; n < 9; n++) {
    const tags = { 'resonate:target': n < 6 ? 'poll://any@g' : 'poll://any@nobody' }
    await ask(n, { kind: 'promise.create', data: { id: `t${n}`, timeoutAt: START + 3_600_000, param: {}, tags } })
  }
  for (let n = 0; n < 4; n++)
    await ask(n, { kind: 'task.acquire', data: { id: `t${n}`, version: 0, pid: 'w', ttl: 9_000 } })
  for (let n = 0; n < 2; n++) {
    // By another server than the one that it was acquired from.
    const action = { kind: 'promise.settle', data: { id: `t${n}`, state: 'resolved', value: {} } } as const
    await ask(n + 1, { kind: 'task.fulfill', data: { id: `t${n}`, version: 1, action } })
  }
  two.report('w', { lagMs: 7 })
  await platform.advance(6_000, idle)

  const [told, toldToo] = [await one.picture(), await two.picture()]
  assert.deepEqual(told.counters, toldToo.counters)
  assert.deepEqual(told.workers, toldToo.workers)
  assert.deepEqual(told.groups.map(withoutEstimate), toldToo.groups.map(withoutEstimate))
  assert.ok((told.store?.schemaVersion ?? 0) > 1 && told.store?.schemaVersion === toldToo.store?.schemaVersion)
  assert.ok((told.store?.connections?.open ?? 0) > 0)
  assert.equal(told.counters.get('total.claimed'), 4)
  assert.equal(told.counters.get('total.completed'), 2)
  assert.deepEqual(
    told.workers.map(({ pid, beat }) => [pid, beat?.lagMs]),
    [['w', 7]],
  )
  assert.deepEqual(
    told.groups.map(({ group, workers, ready, tasks }) => [group, workers, ready, tasks.acquired]),
    [
      ['g', 1, 1, 2],
      ['nobody', 0, 3, 0],
    ],
  )
  const why = async (engine: typeof one) => (await engine.submit({ kind: 'promise.explain', data: { id: 't2' } })).data
  assert.deepEqual(await why(one), await why(two))
})

/** How long a task is in hand is what each server saw itself. */
function withoutEstimate<T extends { workersDesired: number }>({ workersDesired: _, ...rest }: T) {
  return rest
}
