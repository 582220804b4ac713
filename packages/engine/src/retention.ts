// Retention: forgets promises that were settled longer ago than a configured age. It walks them from the oldest on, a page
// at a time; the machine decides about each, in a batch like any other step. Several servers may walk at once: who comes
// later finds nothing left to forget.
// R1. A page is bounded, and so is the share of time: between two pages it rests at least as long as the page took, and a
// second where a page held only promises that have to stay. R2. What stays is met again in the next round, not before.

import { type Answer, eldersOf, type Request } from '@resonatehq/protocol'
import type { DueMark, SettledPromise, Store } from '@resonatehq/store'
import type { Entry, Executed } from './batch.ts'
import type { Lane } from './lane.ts'
import type { Log, Platform } from './platform.ts'

export interface RetentionOptions {
  readonly store: Store
  readonly lane: Lane
  readonly platform: Platform
  readonly log: Log
  /** How long settled promises are kept, ms. 0: for ever. */
  readonly ageMs: number
  /** Between two rounds, ms. */
  readonly roundMs: number
}

/** Promises that one batch decides about: each has a lock, and a database has not many. */
const PAGE = 100
/** After a page of which nothing could be forgotten, ms. */
const FRUITLESS_MS = 1_000
const REST_MIN_MS = 5

const BEGINNING: DueMark = { at: 0, id: '' }

export class Retention {
  readonly #options: RetentionOptions
  #mark = BEGINNING
  #cancel: (() => void) | null = null
  #walking: Promise<void> = Promise.resolve()
  #isStopped = true

  constructor(options: RetentionOptions) {
    this.#options = options
  }

  start(): void {
    const { ageMs, roundMs, platform } = this.#options
    if (ageMs === 0) return
    this.#isStopped = false
    // Servers that start together walk at different times.
    this.#rest(platform.random() * roundMs)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancel?.()
    this.#cancel = null
    await this.#walking
  }

  #rest(delayMs: number): void {
    if (this.#isStopped) return
    this.#cancel = this.#options.platform.timer(delayMs, () => {
      this.#walking = this.#walk()
    })
  }

  async #walk(): Promise<void> {
    const { log, platform, roundMs } = this.#options
    const startedAt = platform.ticks()
    try {
      const { isLast, forgotten } = await this.#page()
      const restMs = forgotten === 0 ? FRUITLESS_MS : Math.max(platform.ticks() - startedAt, REST_MIN_MS)
      this.#rest(isLast ? roundMs : restMs)
    } catch (error) {
      log.error({ err: error }, 'old promises could not be looked for; trying again with the next round')
      this.#rest(roundMs)
    }
  }

  async #page(): Promise<{ isLast: boolean; forgotten: number }> {
    const { store, lane, ageMs } = this.#options
    const before = (await store.now()) - ageMs
    const page = await store.settled({ after: this.#mark, until: before, limit: PAGE })
    let forgotten = 0
    const answer = ({ data }: Answer) => {
      if (isForgotten(data)) forgotten++
    }
    await lane.settled(page.map((promise): Entry => ({ kind: 'input', input: forget(promise, before), answer })))
    const last = page.at(PAGE - 1)
    this.#mark = last ? markOf(last) : BEGINNING
    return { isLast: last === undefined, forgotten }
  }

  /** What would be forgotten of the next page, if promises were kept for `ageMs`. Nothing is changed. Rejects where the store fails. */
  async preview({ limit = 1_000, cursor, ...asked }: Request<'retention.preview'>['data']): Promise<Answer> {
    const { store, lane } = this.#options
    const ageMs = asked.ageMs ?? this.#options.ageMs
    if (ageMs === 0) return NO_RETENTION
    const after = cursor === undefined ? BEGINNING : readMark(cursor)
    if (after === null) return BAD_CURSOR
    const before = (await store.now()) - ageMs
    const page = await store.settled({ after, until: before, limit })
    const ids = new Set<string>()
    for (let from = 0; from < page.length; from += PAGE) {
      const entries = page
        .slice(from, from + PAGE)
        .map((promise): Entry => ({ kind: 'input', input: forget(promise, before) }))
      for (const one of await lane.rehearsed(entries)) if (isForgotten(one.decision.answer.data)) ids.add(idOf(one))
    }
    const promises = page.filter(({ id }) => ids.has(id)).map(({ id, settledAt }) => ({ id, settledAt }))
    const last = page.at(limit - 1)
    const next = last && { cursor: writeMark(markOf(last)) }
    return { status: 200, data: { promises, examined: page.length, ...next } }
  }
}

const NO_RETENTION: Answer = {
  status: 400,
  data: 'data.ageMs must be given (--age on the command line): this server keeps settled promises for ever (promises.retention is 0)',
}
const BAD_CURSOR: Answer = { status: 400, data: 'data.cursor must be one that retention.preview answered' }

/** A mark as clients carry it. */
function writeMark({ at, id }: DueMark): string {
  return `${at}.${encodeURIComponent(id)}`
}

function readMark(text: string): DueMark | null {
  const [, at, id] = /^(\d{1,16})\.(.+)$/.exec(text) ?? []
  if (at === undefined || id === undefined) return null
  try {
    return { at: Number(at), id: decodeURIComponent(id) }
  } catch {
    return null
  }
}

function forget({ id, tags }: SettledPromise, before: number) {
  return { kind: 'promise.forget', data: { id, before, elders: eldersOf(id, tags) } } as const
}

function isForgotten(data: unknown): boolean {
  return typeof data === 'object' && data !== null && 'isForgotten' in data
}

function idOf({ input }: Executed): string {
  return (input.data as { readonly id: string }).id
}

function markOf({ id, settledAt }: SettledPromise): DueMark {
  return { at: settledAt, id }
}
