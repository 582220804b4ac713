// How long a task rests that is given back, or lost, again and again.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_CONFIG } from '@resonatehq/protocol'
import { BareMachine } from './bare.ts'

const SECONDS = [1, 2, 4, 8, 16, 32, 60, 60, 60]

test('from the fourth release in a row a task rests for 1 s, doubling, to a minute', () => {
  const rests = restsOf((machine, version, now) =>
    machine.step({ kind: 'task.release', data: { id: 'a', version } }, now),
  )
  assert.deepEqual(rests, [0, 0, 0, ...SECONDS])
})

test('from the third lost lease in a row a task rests for 1 s, doubling, to a minute', () => {
  const rests = restsOf((machine, _version, now) => machine.step({ kind: 'task.expire', data: { id: 'a' } }, now))
  assert.deepEqual(rests, [0, 0, ...SECONDS, 60])
})

/** Twelve times in a row, seconds. */
function restsOf(giveUp: (machine: BareMachine, version: number, now: number) => void): number[] {
  const machine = new BareMachine(DEFAULT_CONFIG)
  const tags = { 'resonate:target': 'poll://any@g' }
  machine.step({ kind: 'promise.create', data: { id: 'a', timeoutAt: 1e9, param: {}, tags } }, 0)
  return Array.from({ length: 12 }, (_, version) => {
    const at = (version + 1) * 100_000
    machine.step({ kind: 'task.acquire', data: { id: 'a', version, pid: 'w', ttl: 1 } }, at)
    giveUp(machine, version + 1, at + 1)
    return ((machine.tables.task('a')?.dueAt ?? 0) - (at + 1)) / 1_000
  })
}
