// Searches: pages in id order, projected like every read. The rows examined for one answer are bounded, so a page may be
// short, even empty, and still carry a cursor.

import { idProblem } from '../ids.ts'
import type { Tags } from '../records.ts'
import type { Request, RequestTable } from '../requests.ts'
import { TAG_BRANCH, TAG_ORIGIN } from '../tags.ts'
import type { Decision } from './effects.ts'
import { type Env, type MachineConfig, ok, refuse } from './env.ts'
import { projectPromise, projectTask, promiseRecord, scheduleRecord, taskRecord } from './project.ts'
import type { Page, Scan } from './rows.ts'

type Data<K extends keyof RequestTable> = RequestTable[K]['data']
export type Search = Request<'promise.search' | 'task.search' | 'schedule.search'>

export function searchPromises(env: Env, data: Data<'promise.search'>): Decision {
  const scan = scanOf({ kind: 'promise.search', data }, env.config)
  if (!scan) return badCursor(data.cursor)
  const page = env.view.scan(scan as Scan<'promises'>)
  const wanted = (row: { state: string; tags: Tags }) =>
    (data.state === undefined || row.state === data.state) && hasTags(row.tags, data.tags)
  const projected = { ...page, rows: page.rows.map((row) => projectPromise(row, env.now)) }
  const { found, cursor } = paginate(projected, { limit: data.limit ?? 100, idOf: (row) => row.id, wanted })
  return ok({ promises: found.map(promiseRecord), ...cursor })
}

export function searchTasks(env: Env, data: Data<'task.search'>): Decision {
  const scan = scanOf({ kind: 'task.search', data }, env.config)
  if (!scan) return badCursor(data.cursor)
  const page = env.view.scan(scan as Scan<'tasks'>)
  const rows = page.rows.map(({ task, promise }) => projectTask(task, projectPromise(promise, env.now)))
  const wanted = (row: { state: string }) => data.state === undefined || row.state === data.state
  const { found, cursor } = paginate({ ...page, rows }, { limit: data.limit ?? 100, idOf: (row) => row.id, wanted })
  return ok({ tasks: found.map(taskRecord), ...cursor })
}

export function searchSchedules(env: Env, data: Data<'schedule.search'>): Decision {
  const scan = scanOf({ kind: 'schedule.search', data }, env.config)
  if (!scan) return badCursor(data.cursor)
  const page = env.view.scan(scan as Scan<'schedules'>)
  const wanted = (row: { promiseTags: Tags }) => hasTags(row.promiseTags, data.tags)
  const { found, cursor } = paginate(page, { limit: data.limit ?? 10, idOf: (row) => row.id, wanted })
  return ok({ schedules: found.map(scheduleRecord), ...cursor })
}

/** The rows that a search examines, or null where its cursor is none of ours. An origin or a branch asked for narrows them. */
export function scanOf(search: Search, config: MachineConfig): Scan | null {
  const after = search.data.cursor === undefined ? '' : decodeCursor(search.data.cursor)
  if (after === null) return null
  const limit = config.examinedMax
  const bytesMax = config.examinedBytesMax
  switch (search.kind) {
    case 'promise.search': {
      const { state, tags = {} } = search.data
      const origin = tags[TAG_ORIGIN]
      const branch = origin === undefined ? tags[TAG_BRANCH] : undefined
      const narrow = origin !== undefined ? { origin } : branch !== undefined ? { branch } : {}
      const isFiltered = state !== undefined || Object.keys(tags).length > 0
      return { table: 'promises', ...narrow, after, limit: isFiltered ? limit : pageOf(search, 100), bytesMax }
    }
    case 'task.search':
      return { table: 'tasks', after, limit: search.data.state === undefined ? pageOf(search, 100) : limit, bytesMax }
    case 'schedule.search':
      return { table: 'schedules', after, limit, bytesMax }
  }
}

function pageOf(search: Search, limit: number): number {
  return search.data.limit ?? limit
}

function hasTags(tags: Tags, wanted: Tags = {}): boolean {
  return Object.entries(wanted).every(([name, value]) => tags[name] === value)
}

interface Paging<T> {
  readonly limit: number
  readonly idOf: (row: T) => string
  readonly wanted: (row: T) => boolean
}

/** The wanted rows up to the limit, and a cursor where rows beyond them were not examined. */
function paginate<T>(page: Page<T>, { limit, idOf, wanted }: Paging<T>): { found: T[]; cursor: { cursor?: string } } {
  const found: T[] = []
  for (const [at, row] of page.rows.entries()) {
    if (wanted(row)) found.push(row)
    if (found.length < limit) continue
    const isLast = at === page.rows.length - 1 && !page.more
    return { found, cursor: isLast ? {} : { cursor: encodeCursor(idOf(row)) } }
  }
  const last = page.rows.at(-1)
  return { found, cursor: page.more && last !== undefined ? { cursor: encodeCursor(idOf(last)) } : {} }
}

const CURSOR_PREFIX = 'after.'

/** Opaque to clients: the last id that was examined, safe in a URL and on a command line. */
export function encodeCursor(id: string): string {
  return CURSOR_PREFIX + encodeURIComponent(id)
}

export function decodeCursor(cursor: string): string | null {
  if (!cursor.startsWith(CURSOR_PREFIX)) return null
  try {
    const id = decodeURIComponent(cursor.slice(CURSOR_PREFIX.length))
    return idProblem(id, 'cursor') === null ? id : null
  } catch {
    return null
  }
}

function badCursor(cursor = ''): Decision {
  return refuse(400, `data.cursor ${JSON.stringify(cursor.slice(0, 60))} is not one that a search of this server gave`)
}
