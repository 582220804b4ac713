// Lists that come in pages: how a command asks for one, where the next one starts, and all of them one after the other.

import type { RequestTable } from '@resonatehq/protocol'
import { type Command, Option } from 'commander'
import { given, integer } from './arguments.ts'
import { quoted } from './help.ts'
import type { Session } from './session.ts'

export interface PageOptions {
  readonly limit: number
  readonly cursor?: string
  readonly all?: boolean
}

/** The most that a server gives at once. */
export const LIMIT_MAX = 1000

export function withPageOptions(command: Command, limitByDefault: number): Command {
  return command
    .option('--limit <n>', 'at most so many', integer(1, LIMIT_MAX), limitByDefault)
    .option('--cursor <cursor>', 'go on where the last page ended')
    .addOption(new Option('--all', 'all there are, however many requests that takes').conflicts('limit'))
}

/** Says where the next page starts. Programs find the cursor in the answer. */
export function noteMore(session: Session, { cursor }: { readonly cursor?: string }): void {
  if (cursor !== undefined && !session.out.json) session.out.note(`There is more: --cursor ${quoted(cursor)}`)
}

type Paged =
  | 'promise.search'
  | 'task.search'
  | 'schedule.search'
  | 'group.search'
  | 'worker.search'
  | 'retention.preview'

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

/** What all pages list, as one list. */
export async function listAll<K extends Paged, T>(
  session: Session,
  kind: K,
  data: RequestTable[K]['data'],
  listOf: (page: RequestTable[K]['answer']) => readonly T[],
): Promise<T[]> {
  const all: T[] = []
  for await (const page of allPages(session, kind, data)) all.push(...listOf(page))
  return all
}
