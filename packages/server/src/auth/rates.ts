// How often each token may ask: a bucket of requests that fills at a steady rate up to a burst. Memory is bounded: past so
// many buckets the one used least recently is forgotten, which gives its owner no more than one burst.

export interface RateLimits {
  readonly perSecond: number
  readonly burst: number
  readonly bucketsMax: number
}

interface Bucket {
  left: number
  /** When `left` was right, ms. */
  at: number
}

export class Rates {
  readonly #limits: RateLimits
  /** Least recently used first. */
  readonly #buckets = new Map<string, Bucket>()

  constructor(limits: RateLimits) {
    this.#limits = limits
  }

  /** Takes one request out of a bucket. 0: taken; else how long until there is one, ms. */
  take(name: string, now: number): number {
    const { perSecond, burst } = this.#limits
    const bucket = this.#touch(name, now)
    bucket.left = Math.min(burst, bucket.left + (Math.max(0, now - bucket.at) * perSecond) / 1_000)
    bucket.at = now
    if (bucket.left < 1) return Math.ceil(((1 - bucket.left) * 1_000) / perSecond)
    bucket.left -= 1
    return 0
  }

  get size(): number {
    return this.#buckets.size
  }

  #touch(name: string, now: number): Bucket {
    const bucket = this.#buckets.get(name) ?? { left: this.#limits.burst, at: now }
    this.#buckets.delete(name)
    this.#buckets.set(name, bucket)
    if (this.#buckets.size > this.#limits.bucketsMax) this.#forgetOldest()
    return bucket
  }

  #forgetOldest(): void {
    const [oldest] = this.#buckets.keys()
    this.#buckets.delete(oldest as string)
  }
}
