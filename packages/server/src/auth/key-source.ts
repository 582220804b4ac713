// Where the keys come from that tokens are checked with: a file, or a key set at a URL. A key set is fetched when its time
// is up, and when a token names a key that it lacks, so that an issuer can change keys at any moment; never more often than
// the cool-down, so that made-up tokens cannot make this server ask the issuer again and again; and it goes on being used
// for a while when the issuer cannot be reached. Clock and fetch are given.

import type { Platform } from '@resonatehq/engine'
import type { Logger } from '../log.ts'
import { keysOfKeySet, keysOfPem, type PublicKey } from './keys.ts'

export interface KeySource {
  /** Keys that may have signed a token with this header; looks for newer ones where there are none. Null: none can be had. */
  find(header: Header): Promise<readonly PublicKey[] | null>
  /** Called with every token, so that keys which are gone stop being believed in time. */
  freshen(): void
  /** Another number whenever the keys are others. */
  readonly generation: number
}

export interface Header {
  readonly alg?: string
  readonly kid?: string
}

function fitting(keys: readonly PublicKey[], { alg, kid }: Header): readonly PublicKey[] {
  return keys.filter(
    (key) => alg !== undefined && key.algorithms.includes(alg) && (!kid || !key.kid || kid === key.kid),
  )
}

/** Keys out of a PEM text, which may be replaced. */
export class PemKeys implements KeySource {
  #keys: readonly PublicKey[] = []
  generation = 0

  /** Throws, and keeps what it had, where the text cannot be used. */
  replace(text: string, algorithms: readonly string[]): void {
    this.#keys = keysOfPem(text, algorithms)
    this.generation += 1
  }

  async find(header: Header): Promise<readonly PublicKey[]> {
    return fitting(this.#keys, header)
  }

  freshen(): void {}
}

export interface KeySetOptions {
  readonly url: string
  readonly algorithms: readonly string[]
  readonly cacheMs: number
  readonly cooldownMs: number
  readonly staleMs: number
  readonly fetch: typeof fetch
  readonly platform: Platform
  readonly logger: Logger
}

/** An issuer that takes longer than this to send its keys cannot be reached, ms. */
const FETCH_TIMEOUT_MS = 5_000
/** No set of public keys is larger, characters. */
const KEY_SET_MAX = 1024 * 1024

export class KeySet implements KeySource {
  readonly #options: KeySetOptions
  #keys: readonly PublicKey[] = []
  #text = ''
  // In ticks: a clock that is set back must not keep new keys from being fetched.
  #fetchedAt = Number.NEGATIVE_INFINITY
  #triedAt = Number.NEGATIVE_INFINITY
  #fetching: Promise<void> | undefined
  generation = 0

  constructor(options: KeySetOptions) {
    this.#options = options
  }

  async find(header: Header): Promise<readonly PublicKey[] | null> {
    if (!this.#isUsable) await this.refresh()
    if (!this.#isUsable) return null
    const found = fitting(this.#keys, header)
    if (found.length > 0 || header.kid === undefined) return found
    await this.refresh()
    return fitting(this.#keys, header)
  }

  freshen(): void {
    if (this.#age > this.#options.cacheMs) void this.refresh()
    // Not believed any longer, whatever was checked before.
    if (this.#keys.length > 0 && !this.#isUsable) this.#forget()
  }

  /** One fetch at a time, none within the cool-down. Never rejects. */
  refresh(): Promise<void> {
    const { platform, cooldownMs } = this.#options
    if (this.#fetching) return this.#fetching
    if (platform.ticks() - this.#triedAt < cooldownMs) return Promise.resolve()
    this.#triedAt = platform.ticks()
    this.#fetching = this.#fetchKeys().finally(() => {
      this.#fetching = undefined
    })
    return this.#fetching
  }

  get #age(): number {
    return this.#options.platform.ticks() - this.#fetchedAt
  }

  get #isUsable(): boolean {
    return this.#age <= this.#options.cacheMs + this.#options.staleMs
  }

  #forget(): void {
    this.#keys = []
    this.#text = ''
    this.generation += 1
  }

  async #fetchKeys(): Promise<void> {
    const { url, algorithms, platform, logger } = this.#options
    try {
      const text = await this.#download()
      const keys = keysOfKeySet(text, algorithms)
      this.#fetchedAt = platform.ticks()
      if (text === this.#text) return
      this.#keys = keys
      this.#text = text
      this.generation += 1
      logger.info({ url, keys: keys.length }, 'Keys of tokens fetched')
    } catch (error) {
      logger.error({ url, reason: (error as Error).message }, 'Keys of tokens cannot be fetched')
    }
  }

  async #download(): Promise<string> {
    const { url, fetch, platform } = this.#options
    const deadline = new AbortController()
    const cancel = platform.timer(FETCH_TIMEOUT_MS, () => deadline.abort(new Error('no answer in time')))
    try {
      // A redirect could lead to where this server may ask and the outside may not.
      const response = await fetch(url, { redirect: 'error', signal: deadline.signal })
      if (response.status !== 200) throw new Error(`it answered ${response.status}`)
      return await textWithin(response, KEY_SET_MAX)
    } finally {
      cancel()
    }
  }
}

async function textWithin(response: Response, max: number): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true })
    if (text.length > max) throw new Error(`it sends more than ${max} characters`)
  }
  return text + decoder.decode()
}
