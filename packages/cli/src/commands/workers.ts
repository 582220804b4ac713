// `resonate workers`: who is connected, what they have in hand, and how they are.

import type { WorkerRecord } from '@resonatehq/protocol'
import { Command } from 'commander'
import { given } from '../arguments.ts'
import { formatDuration } from '../duration.ts'
import { example } from '../help.ts'
import type { Io } from '../io.ts'
import { tableText } from '../output.ts'
import { LIMIT_MAX, listAll } from '../pages.ts'
import { openSession, type Session, withClientOptions } from '../session.ts'
import { isFleet } from '../wait.ts'
import { shorten } from '../width.ts'

const CELL_WIDTH_MAX = 40

export function workersCommand(io: Io): Command {
  return withClientOptions(new Command('workers'))
    .description('list workers: connected, gone for less than an hour, or silent')
    .option('--group <group>', 'only those of this group')
    .addHelpText('after', example('resonate workers --group emails'))
    .action(async ({ group }: { group?: string }, command: Command) => {
      const session = openSession(io, command)
      const workers = await loadWorkers(session, group)
      session.out.data({ workers }, () => workersText(workers, io.now()))
    })
}

/** All of them, in the order of group and pid. */
export async function loadWorkers(session: Session, group?: string): Promise<WorkerRecord[]> {
  const wanted = given({ limit: LIMIT_MAX, group })
  const all = await listAll(session, 'worker.search', wanted, ({ workers }) => workers)
  return all.filter((worker) => worker.group === group || isFleet(worker))
}

export function workersText(workers: readonly WorkerRecord[], now: number): string {
  if (workers.length === 0) return 'No workers.'
  const rows = workers.map((worker) => [
    shorten(worker.group, CELL_WIDTH_MAX),
    shorten(worker.pid, CELL_WIDTH_MAX),
    stateText(worker, now),
    worker.capacity === undefined ? String(worker.tasks) : `${worker.tasks} of ${worker.capacity}`,
    worker.heartbeatAt === undefined ? '' : `${formatDuration(now - worker.heartbeatAt)} ago`,
    worker.lagMs === undefined ? '' : formatDuration(worker.lagMs),
    worker.rssBytes === undefined ? '' : `${Math.round(worker.rssBytes / 1_048_576)} MiB`,
    shorten([worker.info.sdk, worker.info.version].filter(Boolean).join(' '), CELL_WIDTH_MAX),
    shorten(worker.info.host ?? '', CELL_WIDTH_MAX),
  ])
  return tableText(['GROUP', 'PID', 'STATE', 'TASKS', 'HEARTBEAT', 'LAG', 'MEMORY', 'SDK', 'HOST'], rows)
}

function stateText({ state, seenAt }: WorkerRecord, now: number): string {
  return state === 'connected' ? state : `${state} for ${formatDuration(now - seenAt)}`
}
