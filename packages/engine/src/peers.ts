// The other servers of a shared store: what they are told, what is heard from them, and the looks at the store that make up
// for what was not. Nothing that matters is kept here, and nothing is decided on a hint.
// H1. A hint may be lost, late or doubled: whoever hears one looks at the rows. H2. What is told within a few ms goes out
// together, each thing once, bounded; beyond the bound everybody is told to look at everything. H3. A server that has heard
// of no other tells nothing but that it is there. H4. While nothing can be heard the store is looked at often, else seldom;
// and once completely when hearing begins again.

import { utf8Bytes } from '@resonatehq/protocol'
import type { Hints } from '@resonatehq/store'
import type { Log, Platform } from './platform.ts'

export type Hint =
  /** A task waits in this queue, and who tells it has nobody with room. */
  | { readonly kind: 'ready'; readonly queue: string }
  /** A task waits in this queue that this worker should get back. */
  | { readonly kind: 'returned'; readonly queue: string; readonly worker: string }
  /** An unblock is owed to a reader of this queue. */
  | { readonly kind: 'owed'; readonly queue: string }
  /** What this worker has in hand was changed by a request to another server than the one it is connected to. */
  | { readonly kind: 'hand'; readonly worker: string }
  /** A claim of this worker has ended without its doing; `queue`: who may stand in for it. */
  | {
      readonly kind: 'revoke'
      readonly worker: string | null
      readonly queue: string | null
      readonly id: string
      readonly version: number
    }

export interface PeersOptions {
  readonly hints: Hints | undefined
  /** Who tells. */
  readonly server: string
  readonly platform: Platform
  readonly log: Log
  readonly heard: (hint: Hint) => void
  /** Looks for what the workers connected here may take or are owed: for some of them in turn, or for all. Never rejects. */
  readonly look: (isComplete: boolean) => Promise<void>
}

interface Telling {
  readonly from: string
  readonly hints: readonly Hint[]
  /** There was too much to name. */
  readonly isMore?: true
}

/** Between two tellings, ms. */
const GATHER_MS = 4
/** Hints that are gathered. */
const GATHER_MAX = 500
const LOOK_OFTEN_MS = 100
const LOOK_SELDOM_MS = 1_000
const HELLO_EVERY_MS = 5_000
/** Who was not heard for this long is gone, ms. */
const GONE_AFTER_MS = 15_000
const LISTEN_AGAIN_MS = 1_000

export class Peers {
  readonly #options: PeersOptions
  /** Hints to tell, by their text. */
  readonly #gathered = new Map<string, Hint>()
  /** Server → when it was last heard, ticks. */
  readonly #others = new Map<string, number>()
  #isMore = false
  #isFlushing = false
  #toldAt = Number.NEGATIVE_INFINITY
  #greetedAt = Number.NEGATIVE_INFINITY
  #deaf: (() => void) | null = null
  /** It was said that others cannot be heard, and not yet that they can again. */
  #isDeafSaid = false
  #isStopped = true
  #cancels = new Set<() => void>()
  #looking: Promise<void> = Promise.resolve()

  constructor(options: PeersOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    this.#isStopped = false
    await this.#listen()
    this.#lookLater()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    for (const cancel of this.#cancels) cancel()
    this.#cancels.clear()
    this.#gathered.clear()
    this.#deaf?.()
    this.#deaf = null
    await this.#looking
  }

  /** Others are there, and they would hear. */
  get hasCompany(): boolean {
    if (!this.#deaf) return false
    const since = this.#options.platform.ticks() - GONE_AFTER_MS
    for (const [server, at] of this.#others) if (at < since) this.#others.delete(server)
    return this.#others.size > 0
  }

  /** H2, H3. */
  tell(hints: Iterable<Hint>): void {
    for (const hint of hints) {
      if (!this.hasCompany) return
      if (this.#gathered.size >= GATHER_MAX) this.#isMore = true
      else this.#gathered.set(JSON.stringify(hint), hint)
    }
    if (this.#gathered.size === 0 || this.#isFlushing) return
    this.#isFlushing = true
    // What comes alone goes at once, with all that its tick brings.
    const restMs = this.#toldAt + GATHER_MS - this.#options.platform.ticks()
    if (restMs > 0) this.later(restMs, () => this.#flush())
    else this.#options.platform.defer(() => this.#flush())
  }

  #flush(): void {
    this.#isFlushing = false
    if (this.#isStopped || !this.#options.hints) return
    this.#toldAt = this.#options.platform.ticks()
    const texts = [...this.#gathered.keys()]
    const isMore = this.#isMore
    this.#gathered.clear()
    this.#isMore = false
    const { pages, left } = paged(texts, this.#options.hints.bytesMax - HEAD_BYTES)
    for (const page of pages) this.#say(page)
    if (isMore || left) this.#say('', true)
  }

  #hello(): void {
    this.#greetedAt = this.#options.platform.ticks()
    this.#say('')
  }

  #say(hints: string, isMore = false): void {
    const text = `{"from":${JSON.stringify(this.#options.server)},"hints":[${hints}]${isMore ? ',"isMore":true' : ''}}`
    // H1: what could not be told is found by the next look of whoever it concerns.
    const connection = this.#deaf
    this.#options.hints?.tell(text).catch((error: unknown) => this.#broken(connection, error))
  }

  async #listen(): Promise<void> {
    const { hints, log } = this.#options
    if (!hints || this.#isStopped) return
    let end: (() => void) | null = null
    let fault: unknown = null
    const broken = (error: unknown) => {
      fault ??= error
      this.#broken(end, error)
    }
    try {
      end = await hints.listen((text) => this.#take(text), broken)
      if (this.#isStopped || fault !== null) end()
      if (this.#isStopped) return
      if (fault !== null) throw fault
      this.#deaf = end
      this.#hello()
      if (this.#isDeafSaid) log.info({}, 'other servers are heard again')
      this.#isDeafSaid = false
    } catch (error) {
      this.#sayDeaf(error)
      this.later(LISTEN_AGAIN_MS, () => void this.#listenAgain())
    }
  }

  async #listenAgain(): Promise<void> {
    await this.#listen()
    if (this.#deaf) this.#look(true)
  }

  /** `connection`: which one it was; another may have taken its place long ago. */
  #broken(connection: (() => void) | null, error: unknown): void {
    if (!connection || connection !== this.#deaf || this.#isStopped) return
    connection()
    this.#deaf = null
    this.#sayDeaf(error)
    this.#options.platform.defer(() => void this.#listenAgain())
  }

  /** Once, however often another connection is tried for. */
  #sayDeaf(error: unknown): void {
    const text = 'no connection on which other servers are heard; the store is looked at more often until there is one'
    if (!this.#isDeafSaid) this.#options.log.warn({ err: error }, text)
    this.#isDeafSaid = true
  }

  #take(text: string): void {
    const telling = parse(text)
    if (!telling || telling.from === this.#options.server || this.#isStopped) return
    const isNew = !this.#others.has(telling.from)
    this.#others.set(telling.from, this.#options.platform.ticks())
    // Who has just come does not know yet that it is not alone.
    if (isNew) this.#hello()
    for (const hint of telling.hints) this.#options.heard(hint)
    if (telling.isMore) this.#look(true)
  }

  #lookLater(): void {
    this.later(this.#deaf ? LOOK_SELDOM_MS : LOOK_OFTEN_MS, () => {
      if (this.#deaf && this.#options.platform.ticks() - this.#greetedAt >= HELLO_EVERY_MS) this.#hello()
      this.#look(false)
      void this.#looking.then(() => this.#lookLater())
    })
  }

  #look(isComplete: boolean): void {
    this.#looking = this.#looking.then(async () => {
      if (!this.#isStopped) await this.#options.look(isComplete)
    })
  }

  /** Runs `fn` after `delayMs`, unless it was stopped meanwhile. */
  later(delayMs: number, fn: () => void): void {
    if (this.#isStopped) return
    const cancel = this.#options.platform.timer(delayMs, () => {
      this.#cancels.delete(cancel)
      fn()
    })
    this.#cancels.add(cancel)
  }
}

/** What stands around the hints, bytes at most: the longest name of a server included. */
const HEAD_BYTES = 150
/** Pages of one telling. */
const PAGES_MAX = 4

/** Texts joined to pages of at most `bytesMax` bytes. `left`: not all of them went in. */
function paged(texts: readonly string[], bytesMax: number): { pages: readonly string[]; left: boolean } {
  const pages: string[] = []
  let page: string[] = []
  let bytes = 0
  for (const text of texts) {
    const more = utf8Bytes(text) + 1
    if (bytes + more > bytesMax) {
      if (page.length > 0) pages.push(page.join(','))
      if (pages.length === PAGES_MAX || more > bytesMax) return { pages, left: true }
      page = []
      bytes = 0
    }
    page.push(text)
    bytes += more
  }
  return { pages: page.length === 0 ? pages : [...pages, page.join(',')], left: false }
}

/** Null: told by a program of another version, or not by us at all. */
function parse(text: string): Telling | null {
  try {
    const telling = JSON.parse(text) as Telling
    const isWhole = typeof telling.from === 'string' && Array.isArray(telling.hints) && telling.hints.every(Boolean)
    return isWhole ? telling : null
  } catch {
    return null
  }
}
