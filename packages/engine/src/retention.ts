// Retention: forgets promises that were settled longer ago than a configured age. It walks them from the oldest on, a page
// at a time; the machine decides about each, in a batch like any other step. Several servers may walk at once: who comes
// later finds nothing left to forget.
// R1. A page is bounded, and so is the share of time: between two pages it rests at least as long as the page took, and a
// second where a page held only promises that have to stay. R2. What stays is met again in the next round, not before.

import { type Answer, eldersOf } from '@resonatehq/protocol'
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
}

/** What a look at the next settled promises found. */
export interface RetentionPreview {
  /** Those that would be forgotten now, the oldest first. */
  readonly promises: readonly { readonly id: string; readonly settledAt: number }[]
  /** How many were looked at. */
  readonly examined: number
  /** Where the next look goes on. Null: all were seen. */
  readonly next: DueMark | null
}

/** What retention would forget of the next page, if promises were kept for `ageMs`. Nothing is changed. */
export async function previewRetention(
  { store, lane }: Pick<RetentionOptions, 'store' | 'lane'>,
  { ageMs, after, limit }: { ageMs: number; after: DueMark | null; limit: number },
): Promise<RetentionPreview> {
  const before = (await store.now()) - ageMs
  const page = await store.settled({ after: after ?? BEGINNING, until: before, limit })
  const ids = new Set<string>()
  for (let from = 0; from < page.length; from += PAGE) {
    const piece = page.slice(from, from + PAGE)
    const entries = piece.map((promise): Entry => ({ kind: 'input', input: forget(promise, before) }))
    for (const one of await lane.rehearsed(entries)) if (isForgotten(one.decision.answer.data)) ids.add(idOf(one))
  }
  const promises = page.filter(({ id }) => ids.has(id)).map(({ id, settledAt }) => ({ id, settledAt }))
  const last = page.at(limit - 1)
  return { promises, examined: page.length, next: last ? markOf(last) : null }
}

/** A mark as clients carry it. */
export function writeMark({ at, id }: DueMark): string {
  return `${at}.${encodeURIComponent(id)}`
}

export function readMark(text: string): DueMark | null {
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
