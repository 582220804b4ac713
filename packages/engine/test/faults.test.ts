// What implementations of this protocol have got wrong in delivering, each named by its line in the protocol page's list
// (section 6). Those about meaning are in the protocol's tests, the one about debugging (7) in the server's.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { open, START } from './world.ts'

test('not here: 8. messages deleted before they were delivered: an unblock is lost for good', async (t) => {
  const bench = await open(t)
  const full = await bench.connect('w', { isFull: true })
  await bench.create('a')
  await bench.ask({ kind: 'promise.register_listener', data: { awaited: 'a', address: 'poll://uni@g/w' } })
  await bench.ask({ kind: 'promise.settle', data: { id: 'a', state: 'resolved', value: {} } })
  assert.ok(full.refused > 0)
  full.close()
  await bench.restart()
  const cut = await bench.connect('w')
  assert.deepEqual(cut.take(), ['!a'])
  // Written, and the connection ends: nobody knows whether it arrived.
  cut.close()
  await bench.settle()
  assert.deepEqual((await bench.connect('w')).take(), ['!a'])
})

test('not here: 8. messages deleted before they were delivered: an execute waits a whole retry timeout', async (t) => {
  const bench = await open(t)
  const full = await bench.connect('w', { isFull: true })
  await bench.create('a')
  assert.ok(full.refused > 0)
  const other = await bench.connect('v')
  assert.deepEqual(other.take(), ['a'])
  other.close()
  await bench.settle()
  assert.deepEqual((await bench.connect('u')).take(), ['a'])
  assert.equal(bench.platform.now(), START)
})

test('not here: 9. a worker that connects after its work was queued waiting for the next retry instead of getting it at once', async (t) => {
  const bench = await open(t)
  await bench.create('a')
  await bench.create('b', 'poll://uni@g/w')
  const port = await bench.connect('w')
  assert.deepEqual(port.take(), ['a', 'b'])
  assert.equal(bench.platform.now(), START)
})

test('not here: 2. a dead promise’s task is handed out: to a worker that connects after its end', async (t) => {
  const bench = await open(t)
  const tags = { 'resonate:target': 'poll://any@g' }
  await bench.ask({ kind: 'promise.create', data: { id: 'a', timeoutAt: START + 100, param: {}, tags } })
  await bench.advance(100)
  assert.deepEqual((await bench.connect('w')).take(), [])
})
