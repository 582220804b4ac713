// `server.processes`, seen from the process that starts the others: what it must not keep, and whom it must not wait for.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, before, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../conformance/test/ports.ts'
import { Process } from '../../conformance/test/processes.ts'
import { type PostgresServer, startPostgres, withoutPostgres } from '../../store/test/postgres-server.ts'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const skip = withoutPostgres
let database: PostgresServer

before(async () => {
  if (!skip) database = await startPostgres()
})
after(() => database?.stop())

async function serve(t: TestContext, ...flags: string[]) {
  const [port, metricsPort] = [await freePort(), await freePort()]
  const ports = ['--server-port', `${port}`, '--observability-metrics-port', `${metricsPort}`]
  const args = [MAIN, '--processes', '2', '--server-bind', '127.0.0.1', ...ports, ...flags]
  const command = new Process(t, args, { RESONATE_STORAGE__POSTGRES__URL: await database.create() })
  for (const number of [1, 2]) await command.says(`"process":${number},"url":"http://127.0.0.1:${port}"`)
  return { command, metricsUrl: `http://127.0.0.1:${metricsPort}/metrics` }
}

function childrenOf({ child }: Process): number[] {
  const { stdout } = spawnSync('ps', ['-o', 'pid=', '--ppid', `${child.pid}`], { encoding: 'utf8' })
  return stdout.trim().split(/\s+/).map(Number)
}

test('a scrape leaves nothing behind, however many there were', { skip }, async (t) => {
  const { command, metricsUrl } = await serve(t)
  for (let scrape = 0; scrape < 12; scrape++) {
    const text = await (await fetch(metricsUrl)).text()
    assert.match(text, /^resonate_store_up 1$/m)
  }
  command.child.kill('SIGTERM')
  assert.equal(await command.exited, 0)
  assert.doesNotMatch(command.lines.join('\n'), /MaxListenersExceededWarning/)
})

test('a stop does not wait for a process that has not started yet', { skip }, async (t) => {
  const { command } = await serve(t, '--server-shutdown-timeout', '1s')
  const [child] = childrenOf(command)
  process.kill(child as number, 'SIGKILL')
  await command.says('"process":3,"version"')
  command.child.kill('SIGTERM')
  assert.equal(await command.exited, 0)
  assert.doesNotMatch(command.lines.join('\n'), /killing it/)
})
