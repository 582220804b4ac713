// `resonate serve` and `resonate dev` up to the point where a server starts; what a running one does is in
// process.test.ts.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Config, loadConfig, SETTINGS, storageText } from '@resonatehq/server'
import { stopSignals, welcome } from '../src/commands/serve.ts'
import { createWorld } from './world.ts'

function configOf(flags: Readonly<Record<string, unknown>>): Config {
  const loaded = loadConfig({ flags })
  assert.ok('config' in loaded)
  return loaded.config
}

for (const name of ['serve', 'dev']) {
  test(`${name} --help explains every setting of the server`, async () => {
    const world = createWorld()
    assert.equal(await world.run(name, '--help'), 0)
    for (const { flag } of SETTINGS) assert.ok(world.printed.stdout.includes(`  ${flag} `), flag)
    assert.match(world.printed.stdout, /Examples:\n {2}\$ resonate/)
  })

  test(`${name} refuses a flag that is no setting, and suggests one that is`, async () => {
    const world = createWorld()
    assert.equal(await world.run(name, '--server-prot', '1'), 2)
    assert.match(world.printed.stderr, /^error: unknown flag --server-prot\. Did you mean --server-port\?\n/)
    assert.doesNotMatch(world.printed.stderr, /goes behind --/)
  })

  test(`${name} says why a flag of another server means nothing here`, async () => {
    const world = createWorld()
    assert.equal(await world.run(name, '--messages-poll-interval', '5'), 2)
    assert.match(
      world.printed.stderr,
      /^error: --messages-poll-interval is not a setting of this server: .* Remove it\.\n/,
    )
  })
}

test('everything that is wrong with the settings is said at once', async () => {
  const world = createWorld({ env: { RESONATE_SERVER__PORT: 'x' }, files: { 'resonate.toml': 'levle = "info"' } })
  assert.equal(await world.run('serve', '--storage-type', 'paper'), 1)
  const lines = world.printed.stderr.trimEnd().split('\n')
  assert.ok(lines.length >= 3 && lines.every((line) => line.startsWith('Fatal: ')), world.printed.stderr)
})

test('the first signal stops in order, the second at once', async () => {
  const world = createWorld()
  const stopping = stopSignals(world.io)
  world.signal()
  await stopping
  assert.deepEqual(world.exits, [])
  world.signal()
  assert.deepEqual(world.exits, [1])
})

test('the echo of a signal that npm passes on is not a second one', async () => {
  const world = createWorld({ env: { npm_lifecycle_event: 'start' } })
  const stopping = stopSignals(world.io)
  world.signal()
  world.signal()
  await stopping
  assert.deepEqual(world.exits, [])
  world.advance(500)
  world.signal()
  assert.deepEqual(world.exits, [1])
})

const addresses = { url: 'http://localhost:8001', metricsUrl: 'http://localhost:9090/metrics' }

test('a server says where it is and what to try, as a block to paste', () => {
  assert.equal(
    welcome(createWorld().io, addresses, storageText(configOf({}), createWorld().io.fullPath)),
    `
Resonate is running. Stop it with Ctrl-C.

  API       http://localhost:8001
  Metrics   http://localhost:9090/metrics
  Database  /work/resonate.db (SQLite)

To try it, paste this into another terminal:

resonate promises create approval-1 --timeout 1h
resonate promises resolve approval-1 --value '{"approved": true}'
resonate invoke greet-1 --func greet --arg world --timeout 10m
resonate tree greet-1

`,
  )
})

test('started by npm, the block goes to the checkout and uses its scripts', () => {
  const env = { npm_lifecycle_event: 'start', npm_config_local_prefix: "/home/me/it's here" }
  const database = storageText(configOf({ 'storage.type': 'memory' }))
  const text = welcome(createWorld({ env }).io, { url: 'http://localhost:9001', metricsUrl: undefined }, database)
  assert.match(
    text,
    /\ncd '\/home\/me\/it'\\''s here'\nnpm run resonate -- promises create .* --server http:\/\/localhost:9001\n/,
  )
  assert.match(text, /Metrics {3}off\n {2}Database {2}in memory, gone when this process ends\n/)
})
