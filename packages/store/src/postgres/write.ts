// What a batch changed, written to PostgreSQL: one set-based statement for each kind of change, sent together. Who commits them,
// whoever calls knows.

import { type Changes, compareIds, groupOfCounter } from '@resonatehq/protocol'
import type { Send, Value } from './send.ts'
import * as columns from './statements.ts'
import { keyOf, type SQL } from './statements.ts'

/** All statements in one fixed order, rows in the order of their keys where servers may meet. */
export function write(send: Send, changes: Changes, slot: number): Promise<unknown>[] {
  const sent: Promise<unknown>[] = []
  const put = (name: keyof typeof SQL, given: readonly object[], ...more: Value[]) => {
    if (given.length > 0) sent.push(send(name, JSON.stringify(given), ...more))
  }
  const { forgotten, promises, tasks, callbacks, listeners, unblocks, schedules } = changes
  if (forgotten.length > 0) sent.push(send('deletePromises', forgotten), send('deleteTasks', forgotten))
  put(
    'insertPromises',
    promises.filter(isNew).map(({ row }) => columns.promiseColumns(row)),
  )
  put(
    'updatePromises',
    promises.filter(isOld).map(({ row }) => columns.settledColumns(row)),
  )
  put(
    'insertTasks',
    tasks.filter(isNew).map(({ row }) => columns.taskColumns(row)),
  )
  put(
    'updateTasks',
    tasks.filter(isOld).map(({ row }) => columns.taskColumns(row)),
  )
  put('insertCallbacks', callbacks.filter(isAdded))
  put('deleteCallbacks', callbacks.filter(isDropped))
  put('insertListeners', listeners.filter(isAdded).map(withKey))
  put('deleteListeners', listeners.filter(isDropped).map(withKey))
  put(
    'upsertUnblocks',
    unblocks.flatMap(({ row }) => (row ? [columns.unblockColumns(row)] : [])),
  )
  put('deleteUnblocks', unblocks.filter(({ row }) => !row).map(withKey))
  put('upsertSchedules', [...schedules.values()].filter((row) => row !== null).map(columns.scheduleColumns))
  const dropped = [...schedules].flatMap(([id, row]) => (row ? [] : [id]))
  if (dropped.length > 0) sent.push(send('deleteSchedules', dropped))
  sent.push(...writeWorkers(send, changes.workers))
  const counts = [...changes.counters].map(([name, value_added]) => ({ name, value_added }))
  put(
    'addCounters',
    counts.sort((a, b) => compareIds(a.name, b.name)),
    slot,
  )
  const groups = [...changes.counters].flatMap(([name, delta]) => (delta < 0 && groupOfCounter(name) ? [name] : []))
  if (groups.length > 0) sent.push(send('dropCounters', groups.sort(compareIds), slot))
  return sent
}

function writeWorkers(send: Send, effects: Changes['workers']): Promise<unknown>[] {
  if (effects.length === 0) return []
  const pids = effects.flatMap((effect) =>
    effect.kind === 'worker' ? effect.row.pid : 'pid' in effect ? effect.pid : [],
  )
  const servers = effects.flatMap((effect) => (effect.kind === 'server.seen' ? effect.server : []))
  return [send('lockWorkers', pids, servers), ...effects.map((effect) => writeWorker(send, effect))]
}

function writeWorker(send: Send, effect: Changes['workers'][number]): Promise<unknown> {
  switch (effect.kind) {
    case 'worker': {
      const { pid, server, group, capacity, info, seenAt, goneAt, beat } = effect.row
      const texts = { info: JSON.stringify(info), beat: beat && JSON.stringify(beat) }
      return send('upsertWorker', pid, server, group, capacity, texts.info, seenAt, goneAt, texts.beat)
    }
    case 'worker.drop':
      return send('deleteWorker', effect.pid, effect.server, effect.group)
    case 'worker.seen':
      return send('seeWorker', effect.at, effect.pid)
    case 'worker.beat':
      return send('beatWorker', JSON.stringify(effect.beat), effect.pid)
    case 'server.seen':
      return send('seeServer', effect.at, effect.server)
  }
}

function withKey<T extends { readonly address: string }>(row: T): T & { address_key: string } {
  return { ...row, address_key: keyOf(row.address) }
}

const isNew = (change: { isNew: boolean }) => change.isNew
const isOld = (change: { isNew: boolean }) => !change.isNew
const isAdded = (change: { isAdded: boolean }) => change.isAdded
const isDropped = (change: { isAdded: boolean }) => !change.isAdded
