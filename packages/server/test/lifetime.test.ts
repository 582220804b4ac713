// A server's start and stop: what a start that fails leaves open, which is nothing, and a stop that comes too early.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createServer, nodePlatform, type OpenEngine, silentLogger } from '../src/index.ts'
import { configOf, FakeEngine, startServer } from './world.ts'

/** The real clock, and the timers on it that were neither cancelled nor have fired. */
function countedPlatform() {
  const platform = nodePlatform()
  const timers = new Set<object>()
  const timer = (delayMs: number, fn: () => void) => {
    const own = {}
    timers.add(own)
    const cancel = platform.timer(delayMs, () => {
      timers.delete(own)
      fn()
    })
    return () => {
      timers.delete(own)
      cancel()
    }
  }
  return { platform: { ...platform, timer }, timers }
}

/** One that looks at a file from time to time. */
function serverOf(t: TestContext, flags: Record<string, unknown>, openEngine: OpenEngine = () => new FakeEngine()) {
  const folder = mkdtempSync(join(tmpdir(), 'resonate-lifetime-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'targets.toml')
  writeFileSync(path, '')
  const { platform, timers } = countedPlatform()
  const config = configOf({ 'transports.http_push.targets_file': path, ...flags })
  const parts = { platform, logger: silentLogger, processMetrics: false, openEngine }
  return { server: createServer(config, parts), timers }
}

test('a start that fails leaves nothing open: no port, no timer', async (t) => {
  const taken = Number(new URL((await startServer(t)).url).port)
  const late = serverOf(t, { 'server.port': taken })
  await assert.rejects(late.server.start(), /in use by another program/)
  assert.equal(late.timers.size, 0)
  const without = serverOf(t, {}, () => Promise.reject(new Error('no store')))
  await assert.rejects(without.server.start(), /no store/)
  assert.equal(without.timers.size, 0)
})

test('a stop that comes while the server starts waits for that, and then stops it', async (t) => {
  const { server, timers } = serverOf(t, {})
  const started = server.start()
  await server.stop()
  const { url } = await started
  await assert.rejects(fetch(`${url}/health`))
  assert.equal(timers.size, 0)
})

test('a server that was never started stops at once', async (t) => {
  await serverOf(t, {}).server.stop()
})
