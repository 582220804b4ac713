// `resonate top`: groups and the busiest workers, again and again. On a terminal each picture replaces the one before; for
// a program each is a line of JSON. A server that goes away is waited for, once there was a first picture.

import type { GroupRecord, WorkerRecord } from '@resonatehq/protocol'
import { Command } from 'commander'
import { durationOption, positiveDuration } from '../arguments.ts'
import { Failure } from '../exit.ts'
import { example } from '../help.ts'
import { type Io, pause } from '../io.ts'
import { openSession, type Session, withClientOptions } from '../session.ts'
import { isFleet } from '../wait.ts'
import { groupsText, loadGroups } from './groups.ts'
import { workersText } from './workers.ts'

const EVERY = '2s'
/** Lines of a screen that nobody has to scroll. */
const WORKERS_SHOWN = 20
const GROUPS_SHOWN = 20
/** Workers that are looked at each time: counting what each has in hand costs the server something. */
const WORKERS_LOADED = 1_000

interface TopOptions {
  readonly interval: number
  readonly once?: boolean
}

interface Sight {
  readonly at: number
  readonly groups: readonly GroupRecord[]
  readonly workers: readonly WorkerRecord[]
  /** There are more workers than were asked for. */
  readonly isCut: boolean
}

export function topCommand(io: Io): Command {
  return withClientOptions(new Command('top'))
    .description('watch groups and workers; one line of JSON each time where stdout is no terminal')
    .addOption(durationOption('--interval <duration>', 'how long between two looks', EVERY, positiveDuration))
    .option('--once', 'look once')
    .addHelpText('after', example('resonate top --once'))
    .action(async (options: TopOptions, command: Command) => watch(openSession(io, command), options))
}

async function watch(session: Session, { interval, once }: TopOptions): Promise<void> {
  const { io } = session
  const over = new AbortController()
  const unlisten = io.onStopSignal(() => over.abort())
  try {
    show(session, await look(session), { isLive: once !== true })
    while (once !== true) {
      await pause(io, interval, over.signal)
      if (over.signal.aborted) return
      const sight = await look(session).catch(reasonOf)
      if (typeof sight === 'string') session.out.note(sight)
      else show(session, sight, { isLive: true })
    }
  } finally {
    unlisten()
  }
}

function reasonOf(fault: unknown): string {
  if (fault instanceof Failure) return fault.message
  throw fault
}

async function look(session: Session): Promise<Sight> {
  const [groups, { workers, cursor }] = await Promise.all([
    loadGroups(session),
    session.ask('worker.search', { limit: WORKERS_LOADED }),
  ])
  return { at: session.io.now(), groups, workers: workers.filter(isFleet), isCut: cursor !== undefined }
}

/** From the upper left corner, over what was there. */
const HOME = '\x1b[H\x1b[J'

function show({ io, out, client }: Session, sight: Sight, { isLive }: { isLive: boolean }): void {
  if (out.json) io.stdout.write(`${JSON.stringify(sight)}\n`)
  else io.stdout.write(`${isLive ? HOME : ''}${sightText(sight, client.url)}\n`)
}

function many(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

function sightText({ at, groups, workers, isCut }: Sight, url: string): string {
  const urgent = groups.toSorted((a, b) => b.ready - a.ready || b.tasks.acquired - a.tasks.acquired)
  const busy = workers.filter(({ state }) => state === 'connected').sort((a, b) => b.tasks - a.tasks)
  const counts = `${many(groups.length, 'group')}, ${many(busy.length, 'worker')}${isCut ? ' of the first thousand' : ''}`
  const title = `${url}  ${new Date(at).toISOString().slice(11, 19)}Z  ${counts}`
  const shown = [groupsText(urgent.slice(0, GROUPS_SHOWN), at), workersText(busy.slice(0, WORKERS_SHOWN), at)]
  return [title, ...shown].join('\n\n')
}
