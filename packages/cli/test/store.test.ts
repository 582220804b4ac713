// `resonate retention` and `resonate backup`: what they ask, and what they show of the answers.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createWorld, START } from './world.ts'

const DAY_MS = 86_400_000

/** A server with so many old promises, of which every third is still needed; 1,000 a page. */
function server(count: number) {
  return (envelope: { data: { readonly cursor?: unknown } }) => {
    const from = Number(envelope.data.cursor ?? 0)
    const all = Array.from({ length: Math.min(1_000, count - from) }, (_, at) => from + at)
    const promises = all.filter((n) => n % 3 !== 0).map((n) => ({ id: `p${n}`, settledAt: START - 40 * DAY_MS + n }))
    const cursor = from + 1_000 < count ? { cursor: String(from + 1_000) } : {}
    return { status: 200, data: { promises, examined: all.length, ...cursor } }
  }
}

test('retention: all pages are looked through, and the oldest are shown', async () => {
  const world = createWorld({ tty: true, answer: server(2_500) })
  assert.equal(await world.run('retention', '--dry-run', '--age', '30d'), 0)
  assert.deepEqual(
    world.sent.map(({ envelope }) => envelope.data),
    [{ ageMs: 30 * DAY_MS }, { ageMs: 30 * DAY_MS, cursor: '1000' }, { ageMs: 30 * DAY_MS, cursor: '2000' }],
  )
  const [verdict, heading, first, ...rest] = world.printed.stdout.trimEnd().split('\n')
  assert.equal(verdict, '1666 of 2500 promises of that age would be deleted; 834 are still needed.')
  assert.match(heading ?? '', /^THE OLDEST 20 +SETTLED$/)
  assert.match(first ?? '', /^p1 +/)
  assert.equal(rest.length, 19)
})

test('retention: as JSON, and without an age that of the server', async () => {
  const world = createWorld({ answer: server(4) })
  assert.equal(await world.run('retention'), 0)
  assert.deepEqual(world.last().data, {})
  const { count, examined, oldest } = JSON.parse(world.printed.stdout)
  assert.deepEqual([count, examined, oldest.map(({ id }: { id: string }) => id)], [2, 4, ['p1', 'p2']])
})

test('retention: a server that keeps everything says so', async () => {
  const data = 'data.ageMs must be given: this server keeps settled promises for ever'
  const world = createWorld({ answer: () => ({ status: 400, data }) })
  assert.equal(await world.run('retention'), 1)
  assert.match(world.printed.stderr, /keeps settled promises for ever/)
})

test('retention: no time is no age', async () => {
  const world = createWorld()
  assert.equal(await world.run('retention', '--age', '0'), 2)
  assert.match(world.printed.stderr, /--age .* Expected more than no time/)
})

test('backup: the server is asked for a copy, by a name or without', async () => {
  const answer = () => ({ status: 200, data: { path: '/var/lib/backups/a.db', bytes: 4096 } })
  const world = createWorld({ tty: true, answer })
  assert.equal(await world.run('backup'), 0)
  assert.deepEqual([world.last().kind, world.last().data], ['backup.create', {}])
  assert.equal(world.printed.stdout, '/var/lib/backups/a.db  4096 bytes\n')
  assert.equal(await world.run('backup', 'a.db'), 0)
  assert.deepEqual(world.last().data, { name: 'a.db' })
})
