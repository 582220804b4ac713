// Which rows a request or step may touch, known from its text before anything is loaded. Where the text cannot tell
// (the awaiters of what it settles, a schedule's occurrences), deciding throws a Miss that names the rest.

import type { MachineKind, Request } from '../requests.ts'
import type { MachineConfig } from './env.ts'
import type { Step } from './internal.ts'
import type { Needs } from './rows.ts'
import { scanKey } from './rows.ts'
import { scanOf } from './search.ts'
import { branchScan } from './task.ts'

/** Adds the footprint of one request or step to `needs`. */
export function addFootprint(needs: Needs, input: Request<MachineKind> | Step, config: MachineConfig): void {
  switch (input.kind) {
    case 'promise.get':
    case 'promise.create':
    case 'task.get':
    case 'task.release':
    case 'task.halt':
    case 'task.continue':
    case 'task.dispatch':
    case 'task.withdraw':
    case 'task.expire':
    case 'unblock.requeue':
      needs.ids.add(input.data.id)
      return
    case 'promise.settle':
    case 'task.fulfill':
    case 'promise.timeout':
      addSettled(needs, input.data.id)
      return
    case 'promise.register_callback':
      needs.ids.add(input.data.awaited)
      needs.ids.add(input.data.awaiter)
      return
    case 'promise.register_listener':
      needs.ids.add(input.data.awaited)
      return
    case 'promise.resume':
      addSettled(needs, input.data.awaited)
      needs.ids.add(input.data.awaiter)
      return
    case 'promise.notify':
      addSettled(needs, input.data.awaited)
      return
    case 'promise.forget':
      needs.ids.add(input.data.id)
      needs.owed.add(input.data.id)
      for (const elder of input.data.elders) needs.ids.add(elder)
      return
    case 'promise.check':
      for (const id of input.data.ids) needs.ids.add(id)
      return
    case 'task.create':
      addClaim(needs, input.data.action.data.id, input.data.preload, config)
      return
    case 'task.acquire':
      addClaim(needs, input.data.id, input.data.preload, config)
      return
    case 'task.suspend':
      needs.ids.add(input.data.id)
      for (const { data } of input.data.actions) needs.ids.add(data.awaited)
      return
    case 'task.fence':
      needs.ids.add(input.data.id)
      if (input.data.action.kind === 'promise.settle') addSettled(needs, input.data.action.data.id)
      else needs.ids.add(input.data.action.data.id)
      return
    case 'task.heartbeat':
      for (const { id } of input.data.tasks) needs.ids.add(id)
      if (input.data.tasks.length === 0) needs.held.add(input.data.pid)
      needs.presence.add(input.data.pid)
      return
    case 'task.disconnect':
      needs.ids.add(input.data.id)
      needs.presence.add(input.data.pid)
      return
    case 'worker.disconnect':
    case 'worker.forget':
      needs.presence.add(input.data.pid)
      return
    case 'promise.search':
    case 'task.search':
    case 'schedule.search': {
      const scan = scanOf(input, config)
      if (scan) needs.scans.set(scanKey(scan), scan)
      return
    }
    case 'schedule.get':
    case 'schedule.create':
    case 'schedule.delete':
    case 'schedule.fire':
      needs.schedules.add(input.data.id)
      return
    case 'unblock.sent':
    case 'worker.connect':
    case 'worker.beats':
    case 'server.seen':
      return
  }
}

function addSettled(needs: Needs, id: string): void {
  needs.ids.add(id)
  needs.waiters.add(id)
}

/** A guess that is nearly always right: the branch of a promise that has a task is itself. */
function addClaim(needs: Needs, id: string, wanted: boolean | undefined, config: MachineConfig): void {
  needs.ids.add(id)
  if (wanted === false) return
  const scan = branchScan(id, config)
  needs.scans.set(scanKey(scan), scan)
}
