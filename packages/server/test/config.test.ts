// Settings: where they come from, in which order, and what is said about those that cannot be.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ConfigSources, loadConfig, readFlags, SETTINGS } from '../src/index.ts'

function load(sources: ConfigSources) {
  const loaded = loadConfig(sources)
  assert.ok('config' in loaded, JSON.stringify(loaded))
  return loaded.config
}

function problems(sources: ConfigSources): string {
  const loaded = loadConfig(sources)
  assert.ok('problems' in loaded, 'expected problems')
  return loaded.problems.join('\n')
}

const file = (text: string) => ({ path: 'resonate.toml', text })

test('flags win over the environment, that over the file, that over the defaults', () => {
  const sources = {
    file: file('[server]\nport = 1\nhost = "file"\nbind = "127.0.0.1"'),
    env: { RESONATE_SERVER__PORT: '2', RESONATE_SERVER__HOST: 'env' },
  }
  const config = load({ ...sources, flags: { 'server.port': 3 } })
  assert.deepEqual(
    [config['server.port'], config['server.host'], config['server.bind'], config['tasks.retry_timeout']],
    [3, 'env', '127.0.0.1', 30_000],
  )
})

test('the published names have the published defaults', () => {
  const config = load({})
  const expected = {
    level: 'info',
    debug: false,
    'server.host': 'localhost',
    'server.port': 8001,
    'server.bind': '0.0.0.0',
    'server.shutdown_timeout': 10_000,
    'storage.type': 'sqlite',
    'storage.sqlite.path': 'resonate.db',
    'tasks.retry_timeout': 30_000,
    'tasks.offer_timeout': 5_000,
    'tasks.disconnect_grace': 5_000,
    'schedules.catchup_limit': 1_000,
    'messages.retention': 86_400_000,
    'transports.http_push.enabled': true,
    'transports.http_poll.enabled': true,
    'observability.metrics_port': 9090,
    'limits.body_size': 4 * 1024 * 1024,
  }
  for (const [key, value] of Object.entries(expected)) assert.deepEqual(config[key as keyof typeof config], value, key)
})

test('an unknown name suggests the nearest one, wherever it stands', () => {
  assert.match(problems({ file: file('[server]\nprot = 1') }), /server\.prot.*server\.port/s)
  assert.match(problems({ env: { RESONATE_SERVER__PROT: '1' } }), /RESONATE_SERVER__PROT.*RESONATE_SERVER__PORT/s)
  const flags = readFlags(['--server-prot', '1'])
  assert.ok('problems' in flags)
  assert.match(flags.problems.join(), /--server-prot.*--server-port/)
})

test('what a worker’s environment holds is none of the server’s business', () => {
  load({ env: { RESONATE_URL: 'http://x', RESONATE_TOKEN: 't', RESONATE_GROUP: 'g', PATH: '/bin' } })
})

test('what Kubernetes tells a container about a service called resonate is no setting', () => {
  load({
    env: {
      RESONATE_PORT: 'tcp://10.0.0.1:8001',
      RESONATE_PORT_8001_TCP: 'tcp://10.0.0.1:8001',
      RESONATE_PORT_8001_TCP_ADDR: '10.0.0.1',
      RESONATE_SERVICE_HOST: '10.0.0.1',
      RESONATE_SERVICE_PORT_API: '8001',
      RESONATE_SERVER_PORT: 'tcp://10.0.0.1:8001',
      RESONATE_SERVER_SERVICE_PORT: '8001',
    },
  })
  assert.match(problems({ env: { RESONATE_SERVER_PORT: '8001' } }), /RESONATE_SERVER_PORT.*RESONATE_SERVER__PORT/s)
})

test('durations and sizes may carry their unit', () => {
  const config = load({ env: { RESONATE_TASKS__OFFER_TIMEOUT: '30s', RESONATE_LIMITS__BODY_SIZE: '8MiB' } })
  assert.deepEqual([config['tasks.offer_timeout'], config['limits.body_size']], [30_000, 8 * 1024 * 1024])
})

test('every problem is told, with the value and where it came from', () => {
  const told = problems({
    env: { RESONATE_SERVER__PORT: 'eighty' },
    file: file('[storage]\ntype = "mongo"\n[tasks]\noffer_timeout = -1'),
  })
  assert.match(told, /RESONATE_SERVER__PORT.*eighty/)
  assert.match(told, /storage\.type.*mongo/)
  assert.match(told, /offer_timeout.*-1/)
})

test('a file that is no TOML is said to be none', () => {
  assert.match(problems({ file: file('port = = 1') }), /resonate\.toml/)
})

test('every setting has a meaning, a flag and a variable, and no two share one', () => {
  for (const part of ['key', 'flag', 'env'] as const) {
    const names = SETTINGS.map((setting) => setting[part])
    assert.equal(new Set(names).size, names.length)
  }
  for (const { key, meaning } of SETTINGS) assert.ok(meaning.length > 10, key)
})
