// `resonate top`: groups and the busiest workers, again and again. On a terminal each picture replaces the one before; for
// a program each is a line of JSON. A server that goes away is waited for, once there was a first picture.

import type { GroupRecord, WorkerRecord } from '@resonatehq/protocol'
import { Command } from 'commander'
import { durationOption, positiveDuration } from '../arguments.ts'
import { Failure } from '../exit.ts'
import { example } from '../help.ts'
import { type Io, pause } from '../io.ts'
import { jsonText } from '../output.ts'
import { openSession, type Session, withClientOptions } from '../session.ts'
import { isFleet } from '../wait.ts'
import { shorten } from '../width.ts'
import { groupsText, loadGroups } from './groups.ts'
import { workersText } from './workers.ts'

const EVERY = '2s'
/** Lines of one look that stays where it is printed. */
const ONCE_ROWS = 46
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
  if (out.json) return io.stdout.write(`${jsonText(sight)}\n`)
  if (!isLive) return io.stdout.write(`${sightText(sight, client.url, ONCE_ROWS)}\n`)
  // One line more than there are, or longer than they are, and the picture would begin above the screen.
  const { rows, columns } = io.stdout.size()
  const lines = sightText(sight, client.url, rows - 1).split('\n')
  io.stdout.write(`${HOME}${lines.map((line) => shorten(line, columns)).join('\n')}\n`)
}

function many(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

/** The most urgent groups and the busiest workers, as many as there is room for. */
function sightText({ at, groups, workers, isCut }: Sight, url: string, rows: number): string {
  const urgent = groups.toSorted(byUrgency)
  const busy = workers.filter(({ state }) => state === 'connected').sort((a, b) => b.tasks - a.tasks)
  const counts = `${many(groups.length, 'group')}, ${many(busy.length, 'worker')}${isCut ? ' of the first thousand' : ''}`
  const title = `${url}  ${new Date(at).toISOString().slice(11, 19)}Z  ${counts}`
  const room = Math.max(rows - FRAME_ROWS, 2 * LIST_ROWS_MIN)
  const groupRoom = Math.max(Math.floor(room / 2), room - busy.length)
  const workerRoom = room - Math.min(urgent.length, groupRoom)
  const lists = [
    listText(urgent, groupRoom, (shown) => groupsText(shown, at)),
    listText(busy, workerRoom, (shown) => workersText(shown, at)),
  ]
  return [title, ...lists].join('\n\n')
}

/** What waits for workers, then what waits for somebody to continue it, then what is worked on. */
function byUrgency(a: GroupRecord, b: GroupRecord): number {
  return b.ready - a.ready || b.tasks.halted - a.tasks.halted || b.tasks.acquired - a.tasks.acquired
}

/** The title, two lines of headings, and the empty ones between. */
const FRAME_ROWS = 5
const LIST_ROWS_MIN = 2

/** The first of them, and how many are left out. */
function listText<T>(all: readonly T[], room: number, textOf: (shown: readonly T[]) => string): string {
  if (all.length <= room) return textOf(all)
  const shown = all.slice(0, room - 1)
  return `${textOf(shown)}\n… and ${all.length - shown.length} more`
}
