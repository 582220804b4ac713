// Results that are waited for: no lost message keeps anybody waiting for longer than it takes to notice.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PromiseRecord } from '@resonatehq/protocol'
import { Listeners } from '../src/listeners.ts'
import { World } from '../src/testing.ts'
import type { Call, Reply, Transport } from '../src/transport/transport.ts'

const PENDING = { id: 'p', state: 'pending', param: {}, value: {}, tags: {}, timeoutAt: 1, createdAt: 0 } as const
const RESOLVED: PromiseRecord = { ...PENDING, state: 'resolved', settledAt: 1 }

/** A server that answers every registration with how the promise is, and tells nobody when that changes. */
function silentServer() {
  const world = new World()
  const server = { record: PENDING as PromiseRecord, asked: 0 }
  const send = async (calls: readonly Call[]): Promise<Reply[]> => {
    server.asked += calls.length
    return calls.map(() => ({ status: 200, data: { promise: server.record }, repeated: false }))
  }
  const transport = { unicast: 'poll://uni@g/p', send } as unknown as Transport
  const listeners = new Listeners({ transport, platform: world.platform, isRunning: () => false })
  return { world, server, listeners }
}

test('what settled while its message was lost is known as soon as it is asked for again', async () => {
  const { server, listeners } = silentServer()
  const result = listeners.wait('p')
  server.record = RESOLVED
  listeners.askAgain()
  assert.deepEqual(await result, RESOLVED)
})

test('what settled while its message was lost is asked for after a minute in any case', async () => {
  const { world, server, listeners } = silentServer()
  const result = listeners.wait('p')
  await world.pass(30_000)
  server.record = RESOLVED
  assert.equal(server.asked, 1)
  await world.pass(31_000)
  assert.deepEqual(await result, RESOLVED)
  listeners.stop()
})
