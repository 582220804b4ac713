// What each request names and shows, beside the footprint: which ids and addresses a caller must have a right to, how a
// request is narrowed to a caller's scope, and what is left of an answer that lists more than it may see. One row a kind,
// so that the compiler asks for a new one; a test holds the footprint of every request against what is named here.
// Pure like the rest of the machine. It decides nothing about who the caller is.

import type { ExplainStep, Explanation } from '../explanation.ts'
import type { Tags } from '../records.ts'
import type { CreateAction, CreateData, Kind, Request, RequestTable, SettleAction } from '../requests.ts'
import { covers, positionIn, type Scope, type Sight } from '../scope.ts'
import { hasTask, TAG_BRANCH, TAG_ORIGIN, TAG_PARENT, TAG_TARGET } from '../tags.ts'
import { nextOf } from './explain.ts'
import { decodeCursor, encodeCursor } from './search.ts'

/** What a request names. */
export interface Names {
  /** Promises (and so their tasks), schedules, and what tags say about where a promise belongs. */
  readonly ids: readonly string[]
  /** Where messages will go: targets and listeners. */
  readonly addresses: readonly string[]
}

interface Reach<K extends Kind> {
  names(data: RequestTable[K]['data']): Names
  /** The request as a caller who sees this may ask it. Absent: as it is. */
  narrow?(data: RequestTable[K]['data'], sight: Sight): RequestTable[K]['data']
  /** What is left of an answer with status 200 or 300. Absent: all of it. */
  visible?(answer: RequestTable[K]['answer'], sight: Sight): RequestTable[K]['answer']
}

export function namesOf<K extends Kind>(request: Request<K>): Names {
  return reachOf(request.kind).names(request.data)
}

export function narrowed<K extends Kind>(request: Request<K>, sight: Sight): Request<K> {
  const { narrow } = reachOf(request.kind)
  return narrow ? ({ ...request, data: narrow(request.data, sight) } as Request<K>) : request
}

/** `answer` is the data of a 200 or a 300 to a request of this kind. */
export function visibleOf(kind: Kind, answer: unknown, sight: Sight): unknown {
  const { visible } = reachOf(kind)
  return visible ? visible(answer as RequestTable[typeof kind]['answer'], sight) : answer
}

function reachOf<K extends Kind>(kind: K): Reach<K> {
  return REACH[kind]
}

const NOTHING: Names = { ids: [], addresses: [] }

const byId = { names: (data: { readonly id: string }) => idsOnly(data.id) }

const REACH: { readonly [K in Kind]: Reach<K> } = {
  'promise.get': byId,
  'promise.create': { names: createNames },
  'promise.settle': byId,
  'promise.register_callback': { names: ({ awaited, awaiter }) => idsOnly(awaited, awaiter) },
  'promise.register_listener': { names: ({ awaited, address }) => ({ ids: [awaited], addresses: [address] }) },
  'promise.search': {
    names: () => NOTHING,
    narrow: narrowPage,
    visible: (answer, { ids }) => ({
      ...pageWithin(answer, ids),
      promises: answer.promises.filter(({ id }) => covers(ids, id)),
    }),
  },

  'promise.check': { names: ({ ids }) => ({ ids, addresses: [] }) },

  // Steps outside the scope are left out: what is below them is not the caller's to know.
  'promise.explain': {
    ...byId,
    narrow: withSight,
    visible: (answer, { ids }) => explanationWithin(answer, ids),
  },

  'task.get': byId,
  'task.create': { names: ({ action }) => createNames(action.data), visible: preloadWithin },
  'task.acquire': { ...byId, visible: preloadWithin },
  'task.release': byId,
  'task.suspend': {
    names: ({ id, actions }) => idsOnly(id, ...actions.flatMap(({ data }) => [data.awaited, data.awaiter])),
    visible: preloadWithin,
  },
  'task.fulfill': { names: ({ id, action }) => idsOnly(id, action.data.id) },
  'task.fence': { names: ({ id, action }) => fenceNames(id, action), visible: preloadWithin },
  'task.heartbeat': {
    names: ({ tasks }) => idsOnly(...tasks.map(({ id }) => id)),
    narrow: withSight,
  },
  'task.halt': byId,
  'task.continue': byId,
  'task.search': {
    names: () => NOTHING,
    narrow: narrowPage,
    visible: (answer, { ids }) => ({
      ...pageWithin(answer, ids),
      tasks: answer.tasks.filter(({ id }) => covers(ids, id)),
    }),
  },

  'schedule.get': byId,
  'schedule.create': { names: scheduleNames },
  'schedule.delete': byId,
  'schedule.search': {
    names: () => NOTHING,
    narrow: narrowPage,
    visible: (answer, { ids }) => ({
      ...pageWithin(answer, ids),
      schedules: answer.schedules.filter(({ id }) => covers(ids, id)),
    }),
  },

  'worker.search': { names: () => NOTHING, narrow: withSight },
  'group.search': { names: () => NOTHING, narrow: withSight },

  // About the store as a whole: refused to callers who may see a part of it.
  'retention.preview': { names: () => NOTHING },
  'backup.create': { names: () => NOTHING },

  'debug.start': { names: () => NOTHING },
  'debug.stop': { names: () => NOTHING },
  'debug.reset': { names: () => NOTHING },
  'debug.tick': { names: () => NOTHING },
  'debug.snap': { names: () => NOTHING },
}

function explanationWithin(answer: Explanation, scope: Scope): Explanation {
  const last = answer.steps.findIndex((step) => !covers(scope, nextOf(step) ?? step.id))
  if (last < 0) return answer
  const hidden = { ...(answer.steps[last] as ExplainStep), reason: { kind: 'hidden' }, text: HIDDEN } as const
  return { ...answer, steps: [...answer.steps.slice(0, last), hidden], isCut: true }
}

const HIDDEN = 'waits for a promise that this token does not cover'

function idsOnly(...ids: readonly string[]): Names {
  return { ids, addresses: [] }
}

function createNames({ id, tags }: CreateData): Names {
  return { ids: [id, ...lineageOf(tags)], addresses: targetsOf(tags) }
}

function fenceNames(id: string, action: CreateAction | SettleAction): Names {
  if (action.kind === 'promise.settle') return idsOnly(id, action.data.id)
  const { ids, addresses } = createNames(action.data)
  return { ids: [id, ...ids], addresses }
}

/** The timestamp stays a placeholder: what is covered must be so at every instant. */
function scheduleNames({ id, promiseId, promiseTags }: RequestTable['schedule.create']['data']): Names {
  return { ids: [id, promiseId.replaceAll('{{.id}}', () => id)], addresses: targetsOf(promiseTags) }
}

/** A promise that calls itself part of another's tree is handed to that one's worker with its preload. */
function lineageOf(tags: Tags): string[] {
  return [tags[TAG_ORIGIN], tags[TAG_BRANCH], tags[TAG_PARENT]].filter((id) => id !== undefined)
}

/** Nobody runs a timer: its target is ignored. */
function targetsOf(tags: Tags): string[] {
  return hasTask(tags) ? [tags[TAG_TARGET] as string] : []
}

/** Who decides sees what the caller may, where that cannot be told from the answer alone. */
function withSight<D extends object>(data: D, sight: Sight): D & { readonly sight: Sight } {
  return { ...data, sight }
}

/** A cursor that is none of ours is left for the search to refuse. */
function narrowPage<D extends { readonly cursor?: string }>(data: D, { ids: scope }: Sight): D {
  const after = data.cursor === undefined ? '' : decodeCursor(data.cursor)
  const position = after === null ? null : positionIn(scope, after)
  return position === null ? data : { ...data, cursor: encodeCursor(position) }
}

function pageWithin<A extends { readonly cursor?: string }>({ cursor, ...rest }: A, scope: Scope): Omit<A, 'cursor'> {
  const after = cursor === undefined ? null : decodeCursor(cursor)
  const position = after === null ? null : positionIn(scope, after)
  return position === null ? rest : { ...rest, cursor: encodeCursor(position) }
}

function preloadWithin<A extends { readonly preload?: readonly { readonly id: string }[] }>(
  answer: A,
  { ids }: Sight,
): A {
  return answer.preload ? { ...answer, preload: answer.preload.filter(({ id }) => covers(ids, id)) } : answer
}
