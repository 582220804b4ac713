// `resonate groups`: what waits in each group, and the workers that are there for it.

import type { GroupRecord } from '@resonatehq/protocol'
import { Command } from 'commander'
import { formatDuration } from '../duration.ts'
import { example } from '../help.ts'
import type { Io } from '../io.ts'
import { tableText } from '../output.ts'
import { LIMIT_MAX, listAll } from '../pages.ts'
import { openSession, type Session, withClientOptions } from '../session.ts'
import { isFleet } from '../wait.ts'
import { shorten } from '../width.ts'

const NAME_WIDTH_MAX = 40

export function groupsCommand(io: Io): Command {
  return withClientOptions(new Command('groups'))
    .description('list groups that have a worker or a task: what waits, and the workers that it needs')
    .addHelpText('after', example('resonate groups'))
    .action(async (_options: unknown, command: Command) => {
      const session = openSession(io, command)
      const groups = await loadGroups(session)
      session.out.data({ groups }, () => groupsText(groups, io.now()))
    })
}

/** All of them, by name. */
export async function loadGroups(session: Session): Promise<GroupRecord[]> {
  const all = await listAll(session, 'group.search', { limit: LIMIT_MAX }, ({ groups }) => groups)
  return all.filter(isFleet)
}

export function groupsText(groups: readonly GroupRecord[], now: number): string {
  if (groups.length === 0) return 'No groups: no worker is connected, and no task is under way.'
  const rows = groups.map(({ group, workers, workersDesired, ready, oldestReadyAt, tasks }) => [
    shorten(group, NAME_WIDTH_MAX),
    String(workers),
    String(workersDesired),
    String(ready),
    oldestReadyAt === undefined ? '' : formatDuration(now - oldestReadyAt),
    String(tasks.acquired),
    String(tasks.suspended),
    String(tasks.pending - ready),
    String(tasks.halted),
  ])
  const headings = ['GROUP', 'WORKERS', 'NEEDED', 'READY', 'OLDEST', 'HELD', 'SUSPENDED', 'NOT YET', 'HALTED']
  return tableText(headings, rows)
}
