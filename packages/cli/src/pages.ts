// Lists that come in pages: how a command asks for one, where the next one starts, and all of them one after the other.

import type { RequestTable } from '@resonatehq/protocol'
import type { Command } from 'commander'
import { given, integer } from './arguments.ts'
import { quoted } from './help.ts'
import type { Session } from './session.ts'

export interface PageOptions {
  readonly limit: number
  readonly cursor?: string
}

export function withPageOptions(command: Command, limitByDefault: number): Command {
  return command
    .option('--limit <n>', 'at most so many', integer(1, 1000), limitByDefault)
    .option('--cursor <cursor>', 'go on where the last page ended')
}

/** Says where the next page starts. Programs find the cursor in the answer. */
export function noteMore(session: Session, cursor: string | undefined): void {
  if (cursor !== undefined && !session.out.json) session.out.note(`There is more: --cursor ${quoted(cursor)}`)
}

type Paged = 'promise.search' | 'group.search' | 'worker.search' | 'retention.preview'

/** Asks for one page after the other, until there is no more. */
export async function* allPages<K extends Paged>(
  { ask }: Session,
  kind: K,
  data: RequestTable[K]['data'],
): AsyncGenerator<RequestTable[K]['answer']> {
  for (let cursor: string | undefined, isFirst = true; isFirst || cursor !== undefined; isFirst = false) {
    const answer = await ask(kind, { ...data, ...given({ cursor }) })
    yield answer
    cursor = answer.cursor
  }
}
