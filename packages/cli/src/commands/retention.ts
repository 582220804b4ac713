// `resonate retention`: which settled promises would be deleted, and how many. It deletes nothing: servers do, where
// `promises.retention` is set.

import { Command } from 'commander'
import { given, positiveDuration } from '../arguments.ts'
import { instantText } from '../describe.ts'
import { example } from '../help.ts'
import type { Io } from '../io.ts'
import { tableText } from '../output.ts'
import { allPages } from '../pages.ts'
import { openSession, type Session, withClientOptions } from '../session.ts'

/** The oldest that are shown. */
const SHOWN_MAX = 20

interface Options {
  readonly age?: number
}

interface Found {
  readonly count: number
  readonly examined: number
  readonly oldest: readonly { readonly id: string; readonly settledAt: number }[]
}

export function retentionCommand(io: Io): Command {
  return withClientOptions(new Command('retention'))
    .description('dry run of retention: how many settled promises would be deleted now, and the oldest of them')
    .option(
      '--age <duration>',
      'as if promises were kept this long (default: promises.retention of the server)',
      positiveDuration,
    )
    .option('--dry-run', 'says so: this command never deletes anything')
    .addHelpText('after', example('resonate retention --dry-run', 'resonate retention --age 30d'))
    .action(async ({ age }: Options, command: Command) => {
      const session = openSession(io, command)
      const found = await look(session, age)
      session.out.data(found, () => foundText(found, io.now()))
    })
}

async function look(session: Session, ageMs: number | undefined): Promise<Found> {
  let found: Found = { count: 0, examined: 0, oldest: [] }
  for await (const { promises, examined } of allPages(session, 'retention.preview', given({ ageMs }))) {
    found = {
      count: found.count + promises.length,
      examined: found.examined + examined,
      oldest: [...found.oldest, ...promises].slice(0, SHOWN_MAX),
    }
  }
  return found
}

function foundText({ count, examined, oldest }: Found, now: number): string {
  const kept = examined - count
  const verdict = `${count} of ${examined} promises of that age would be deleted; ${kept} are still needed.`
  if (count === 0) return verdict
  const rows = oldest.map(({ id, settledAt }) => [id, instantText(settledAt, now)])
  return `${verdict}\n${tableText([`THE OLDEST ${oldest.length}`, 'SETTLED'], rows)}`
}
