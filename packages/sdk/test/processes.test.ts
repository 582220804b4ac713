// Real processes: an event loop that is really blocked, signals that are really sent.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Resonate } from '@resonatehq/sdk'
import { serve, startWorker } from './servers.ts'

/** Starts the embedded program over one file again and again. */
function embedded(t: TestContext): (env?: Record<string, string>) => ReturnType<typeof startWorker> {
  const folder = mkdtempSync(join(tmpdir(), 'resonate-embedded-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return (env = {}) => startWorker(t, { DATABASE: join(folder, 'app.db'), ...env }, 'embedded-process.ts')
}

for (const [hang, before, after] of [
  ['first', ['first'], ['first', 'second', 'third']],
  ['second', ['first', 'second'], ['second', 'third']],
  ['third', ['first', 'second', 'third'], ['third']],
] as const) {
  test(`a program with its server in a file, killed in its ${hang} step, goes on with that step when it is started again`, async (t) => {
    const start = embedded(t)
    const killed = start({ HANG: hang })
    await killed.says(hang)
    killed.child.kill('SIGKILL')
    await killed.ended()
    assert.deepEqual(killed.lines, before)
    // Long before the lease of the dead one would end.
    const again = start()
    assert.equal(await again.ended(), 0)
    assert.deepEqual(again.lines, [...after, 'done: first second third'])
    const done = start()
    assert.equal(await done.ended(), 0)
    assert.deepEqual(done.lines, ['done: first second third'])
  })
}

function caller(t: TestContext, url: string, group = 'callers'): Resonate {
  const resonate = new Resonate({ url, group, logLevel: 'error' })
  t.after(() => resonate.stop({ timeout: 0 }))
  return resonate
}

/** Another worker of the group, in this process. */
function other(t: TestContext, url: string): void {
  caller(t, url, 'blocked').register('block', () => 'by the other')
}

test('a worker whose event loop is blocked keeps its task for as long as the limit allows', async (t) => {
  const { url } = await serve(t)
  const worker = startWorker(t, { URL: url, TTL: '1500', LAG_LIMIT: '60000' })
  await worker.says('ready')
  const client = caller(t, url)
  const call = client.rpc('id', 'block', 4_000, client.options({ target: 'blocked' }))
  await worker.says('blocking')
  other(t, url)
  assert.equal(await call, 'blocked')
})

for (const how of ['offered', 'started here with run']) {
  test(`a worker that is stuck loses its work to another: ${how}`, async (t) => {
    const { url } = await serve(t)
    const run: Record<string, string> = how === 'offered' ? {} : { RUN_ID: 'id', RUN_MS: '20000' }
    const worker = startWorker(t, { URL: url, TTL: '300', LAG_LIMIT: '400', ...run })
    await worker.says('ready')
    const client = caller(t, url)
    const to = client.options({ target: 'blocked' })
    const call = how === 'offered' ? client.rpc('id', 'block', 20_000, to) : undefined
    await worker.says('blocking')
    other(t, url)
    assert.equal(await (call ?? (await client.get('id')).result()), 'by the other')
  })
}

test('a worker that gets SIGTERM ends what it has in hand and exits with the code it was told', async (t) => {
  const { url } = await serve(t)
  const worker = startWorker(t, { URL: url, EXIT_CODE: '7' })
  await worker.says('ready')
  const client = caller(t, url)
  const call = client.rpc('id', 'linger', 300, client.options({ target: 'blocked' }))
  await worker.says('lingering')
  worker.child.kill('SIGTERM')
  assert.equal(await call, 'lingered')
  assert.equal(await worker.ended(), 7)
})

test('what a worker that gets SIGTERM cannot end in time is given back before the process is gone', async (t) => {
  // The server takes nothing from who is gone, and a lease is long: only what is given back goes to another.
  const { url } = await serve(t, { settings: { 'tasks.disconnect_uptime': '1h' } })
  const worker = startWorker(t, { URL: url, EXIT_CODE: '0', GRACE: '0' })
  await worker.says('ready')
  const client = caller(t, url)
  const handle = await client.beginRpc('id', 'linger', 60_000, client.options({ target: 'blocked' }))
  await worker.says('lingering')
  worker.child.kill('SIGTERM')
  assert.equal(await worker.ended(), 0)
  const again = startWorker(t, { URL: url })
  await again.says('lingering')
  await client.promises.resolve('id', { value: 'enough' })
  assert.equal(await handle.result(), 'enough')
})

test('without an exit code a worker that was stopped by a signal ends when nothing is left to do', async (t) => {
  const { url } = await serve(t)
  const worker = startWorker(t, { URL: url })
  await worker.says('ready')
  const client = caller(t, url)
  const call = client.rpc('id', 'linger', 100, client.options({ target: 'blocked' }))
  await worker.says('lingering')
  worker.child.kill('SIGINT')
  assert.equal(await call, 'lingered')
  assert.equal(await worker.ended(), 0)
})

test('a second signal ends the worker at once', async (t) => {
  const { url } = await serve(t)
  const worker = startWorker(t, { URL: url, EXIT_CODE: '7' })
  await worker.says('ready')
  const client = caller(t, url)
  await client.beginRpc('id', 'linger', 60_000, client.options({ target: 'blocked' }))
  await worker.says('lingering')
  worker.child.kill('SIGTERM')
  await worker.says('stopping')
  worker.child.kill('SIGINT')
  assert.equal(await worker.ended(), 'SIGINT')
})
