// The images: what their files declare, and that what they declare works. Without an engine each one is built by its own
// instructions into a folder, and run from there as its user, with nothing but its own files, environment and network.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from '../../conformance/test/processes.ts'
import { builtImage, ROOT, readDockerfile } from './image.ts'
import { Sandbox, withoutNamespaces } from './sandbox.ts'
import { run, toolMissing } from './tools.ts'

const FILES = ['deploy/docker/server.Dockerfile', 'deploy/docker/worker.Dockerfile'] as const

for (const path of FILES) {
  const { stages, config } = readDockerfile(path)
  const steps = stages.flatMap((stage) => stage.steps)

  test(`${path}: the Node of the image is the Node that the tests run on`, () => {
    const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    for (const { base } of stages) assert.equal(base, `node:${devDependencies.node}-alpine`)
  })

  test(`${path}: a container is a user with a number, and not root`, () => {
    assert.match(config.user, /^[1-9]\d{3,}:[1-9]\d{3,}$/)
  })

  test(`${path}: nothing in it is fetched or compiled for one processor`, () => {
    for (const { keyword, text } of steps) {
      assert.notEqual(keyword, 'ADD', `${text}: COPY what is needed`)
      assert.doesNotMatch(text, /\b(amd64|arm64|x86_64|aarch64|curl|wget|apk|uname)\b/)
    }
  })

  test(`${path}: the health check needs no tool that the image would have to carry`, () => {
    assert.equal(config.healthcheck[0], 'node')
  })

  test(`${path}: signals reach the program, with no shell or npm in between`, () => {
    assert.equal(config.entrypoint[0], 'node')
    assert.equal(config.stopSignal, 'SIGTERM')
  })

  test(`${path}: hadolint finds nothing`, { skip: toolMissing('hadolint') }, () => {
    run('hadolint', join(ROOT, path))
  })
}

for (const [path, root] of [
  ['deploy/docker/server.Dockerfile', 'cli'],
  ['deploy/docker/worker.Dockerfile', 'sdk'],
] as const) {
  test(`${path}: of this repository's packages it holds those that its program needs`, {
    skip: withoutNamespaces,
  }, () => {
    const packages = join(builtImage(path).root, 'app/packages')
    const held = readdirSync(packages).filter((name) => existsSync(join(packages, name, 'src')))
    assert.deepEqual(held.sort(), [...needs(root)].sort())
  })
}

/** A package and all it depends on, by their folders. */
function needs(name: string, found = new Set<string>()): Set<string> {
  if (found.has(name)) return found
  found.add(name)
  const { dependencies = {} } = JSON.parse(readFileSync(join(ROOT, `packages/${name}/package.json`), 'utf8'))
  for (const [, other = ''] of Object.keys(dependencies)
    .join(' ')
    .matchAll(/@resonatehq\/(\w+)/g))
    needs(other, found)
  return found
}

test('the image of the server: built, run, healthy, stopped', { skip: withoutNamespaces }, async (t) => {
  const sandbox = new Sandbox(t, ['server'])
  const image = builtImage('deploy/docker/server.Dockerfile')
  const server = sandbox.run('server', image, { isReadOnly: true })
  await server.says('Server listening')
  const id = (name: string) => readFileSync(`/proc/${server.child.pid}/status`, 'utf8').match(`${name}:\\s+(\\d+)`)?.[1]
  assert.deepEqual([id('Uid'), id('Gid')], ['10001', '10001'])

  const inside = (...command: string[]) =>
    sandbox.run('server', image, { isReadOnly: true, entrypoint: command }).exited
  assert.equal(await inside(...image.config.healthcheck), 0, 'it is healthy')
  for (const port of image.config.ports)
    assert.equal(
      await inside('node', '-e', `fetch('http://127.0.0.1:${port}/').then(() => {})`),
      0,
      `${port} is served`,
    )
  const write = (path: string) => inside('node', '-e', `fs.writeFileSync('${path}', '')`)
  assert.equal(await write('/var/lib/resonate/x'), 0, 'its data can be written')
  for (const path of ['/x', '/app/x', '/etc/x', '/app/packages/cli/src/main.ts'])
    assert.equal(await write(path), 1, path)

  assert.equal(await server.kill('SIGTERM'), 0, 'SIGTERM ends it in order')
  await server.says('Server stopped')
  assert.equal(await inside(...image.config.healthcheck), 1, 'it is healthy no more')
})

test('the image of the worker: built, run, healthy, stopped', { skip: withoutNamespaces }, async (t) => {
  const sandbox = new Sandbox(t, ['worker'])
  const image = builtImage('deploy/docker/worker.Dockerfile')
  const worker = sandbox.run('worker', image, { isReadOnly: true, env: { RESONATE_GROUP: 'g' } })
  await worker.says('of group g is ready')
  const health = () => sandbox.run('worker', image, { isReadOnly: true, entrypoint: image.config.healthcheck }).exited
  await until('it is healthy', async () => ((await health()) === 0 ? true : undefined))
  assert.equal(await worker.kill('SIGTERM'), 0, 'SIGTERM ends it in order, also without a server')
})
