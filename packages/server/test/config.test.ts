// Settings: where they come from, in which order, and what is said about those that cannot be.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configHelp } from '../src/config/reference.ts'
import { databaseUrlOf } from '../src/database.ts'
import {
  type ConfigKey,
  type ConfigSources,
  defaultText,
  loadConfig,
  readFlags,
  SETTINGS,
  storageText,
} from '../src/index.ts'

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

const file = (text: string) => ({ path: 'resonate.toml', read: () => text })

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

test('settings of other servers that mean nothing here are told why, with all of their section', () => {
  const env = { RESONATE_STORAGE__MYSQL__POOL_SIZE: '5', RESONATE_TRANSPORTS__GCPS__ENABLED: 'true' }
  assert.match(
    problems({ env }),
    /RESONATE_STORAGE__MYSQL__POOL_SIZE is not a setting of this server: it keeps its data in/,
  )
  assert.match(problems({ env }), /RESONATE_TRANSPORTS__GCPS__ENABLED is not a setting of this server: messages go by/)
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
  assert.doesNotMatch(problems({ env: { RESONATE_BOGUS: '1' } }), /Did you mean/, 'the prefix alone makes no two alike')
  const flags = readFlags(['--server-prot', '1'])
  assert.ok('problems' in flags)
  assert.match(flags.problems.join(), /--server-prot.*--server-port/)
})

test('of an unknown flag its name is told, and not its value; what is no flag is called an argument', () => {
  const said = (...args: string[]) => {
    const flags = readFlags(args)
    return 'problems' in flags ? flags.problems : []
  }
  const unknown = 'unknown flag --server-prot. Did you mean --server-port?'
  assert.deepEqual(said('--server-prot', '3'), [unknown])
  assert.deepEqual(said('--server-prot=3', '--server-prot'), [unknown, unknown])
  assert.deepEqual(said('version'), ['unexpected argument "version": settings are flags, listed by --help'])
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

test('the place of the database comes from a URL, from its parts, or from what older deployments call them', () => {
  const url = (env: Record<string, string>) => databaseUrlOf(load({ env }))
  const older = {
    RESONATE_STORE_POSTGRES_HOST: 'db',
    RESONATE_STORE_POSTGRES_PORT: '6543',
    RESONATE_STORE_POSTGRES_DATABASE: 'resonate',
    RESONATE_STORE_POSTGRES_USERNAME: 'resonate',
    RESONATE_STORE_POSTGRES_PASSWORD: 'p@ss/word',
  }
  assert.equal(url(older), 'postgres://resonate:p%40ss%2Fword@db:6543/resonate')
  assert.equal(url({ ...older, RESONATE_STORAGE__POSTGRES__HOST: 'new' }).split('@')[1], 'new:6543/resonate')
  const given = { RESONATE_STORAGE__POSTGRES__URL: 'postgresql://me@there/mine?sslmode=require' }
  assert.equal(url(given), 'postgresql://me@there:5432/mine?sslmode=require')
  assert.equal(url({ ...older, ...given }), 'postgresql://me:p%40ss%2Fword@there:6543/mine?sslmode=require')
  assert.equal(
    url({ RESONATE_STORAGE__POSTGRES__HOST: '/run/postgresql' }),
    'postgres://localhost:5432/?host=%2Frun%2Fpostgresql',
  )
  assert.equal(url({ RESONATE_STORAGE__POSTGRES__HOST: '::1' }), 'postgres://[::1]:5432/')
})

test('whoever names a PostgreSQL means it, unless another store is chosen', () => {
  const typeOf = (sources: ConfigSources) => load(sources)['storage.type']
  assert.equal(typeOf({ env: { RESONATE_STORAGE__POSTGRES__URL: 'postgres://db/x' } }), 'postgres')
  assert.equal(typeOf({ env: { RESONATE_STORE_POSTGRES_HOST: 'db' } }), 'postgres')
  assert.equal(typeOf({ file: file('[storage]\ntype = "postgres"\npostgres = { host = "db" }') }), 'postgres')
  const chosen = { flags: { storageType: 'memory' }, env: { RESONATE_STORE_POSTGRES_HOST: 'db' } }
  assert.equal(typeOf(chosen), 'memory')
  assert.match(
    problems({ flags: { storageType: 'postgres' } }),
    /storage\.postgres\.url must say where the database is/,
  )
})

test('no message repeats a password, and what names the database leaves it out', () => {
  const bad = ['postgres://u:sec/ret#1@db:x/y', 'mysql://u:secret@db/y', 'secret']
  for (const url of bad) {
    const told = problems({ flags: { storageType: 'postgres', storagePostgresUrl: url } })
    assert.match(told, /storage\.postgres\.url must be a URL like postgres:/)
    assert.doesNotMatch(told, /sec/)
  }
  assert.doesNotMatch(problems({ file: file('storage = { postgres = { password = 424242 } }') }), /4242/)
  const config = load({ env: { RESONATE_STORAGE__POSTGRES__URL: 'postgres://u:secret@db/my%20base?password=secret' } })
  assert.equal(storageText(config), 'my base at db:5432 (PostgreSQL)')
})

test('a file that is no TOML is said to be none', () => {
  assert.equal(
    problems({ file: file('level = "info"\nport = = 1') }),
    'resonate.toml is not valid TOML, line 2: invalid value',
  )
})

test('a file that cannot be read is said so, and one that is not there is none', () => {
  const read = () => {
    throw new Error('EISDIR: illegal operation on a directory, read')
  }
  assert.match(problems({ file: { path: 'resonate.toml', read } }), /^resonate\.toml cannot be read: EISDIR/)
  assert.equal(load({ file: { path: 'resonate.toml', read: () => undefined } }).level, 'info')
})

test('a default is told in a form in which it could be given', () => {
  const told = new Map(SETTINGS.map((setting) => [setting.key, defaultText(setting)]))
  assert.deepEqual(
    ['server.idle_timeout', 'auth.jwks_stale', 'limits.body_size', 'limits.address_size', 'promises.retention'].map(
      (key) => told.get(key as ConfigKey),
    ),
    ['75s', '1d', '4MiB', '2100', '0'],
  )
  for (const setting of SETTINGS) {
    if (setting.type !== 'duration' && setting.type !== 'bytes') continue
    assert.equal(load({ flags: { [setting.key]: defaultText(setting) } })[setting.key], setting.default, setting.key)
  }
})

test('every setting has a meaning, a flag and a variable, and no two share one', () => {
  for (const part of ['key', 'flag', 'env'] as const) {
    const names = SETTINGS.map((setting) => setting[part])
    assert.equal(new Set(names).size, names.length)
  }
  for (const { key, meaning } of SETTINGS) assert.ok(meaning.length > 10, key)
})

test('help lists every setting by its section, in lines that a terminal shows whole where no word is longer', () => {
  const lines = configHelp().split('\n')
  for (const { flag, placeholder } of SETTINGS) assert.ok(lines.includes(`  ${flag} ${placeholder}`), flag)
  for (const section of ['Options:', '[server.tls]', '[limits]']) assert.ok(lines.includes(section), section)
  assert.deepEqual(
    lines.filter((line) => line.length > 80 && line.trim().includes(' ') && !line.startsWith('  --')),
    [],
  )
})
