// A sorted set in memory: blocks of bounded length, so that inserting into a million entries moves a few hundred.
// What the in-memory tables use where a database has an index.

const BLOCK_MAX = 512

export class Ordered<T> {
  readonly #compare: (a: T, b: T) => number
  readonly #blocks: T[][] = []
  #size = 0

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare
  }

  get size(): number {
    return this.#size
  }

  /** The smallest entry. */
  get first(): T | undefined {
    return this.#blocks[0]?.[0]
  }

  add(entry: T): void {
    const at = this.#blockOf(entry)
    const block = this.#blocks[at]
    if (!block) {
      this.#blocks.push([entry])
      this.#size++
      return
    }
    const index = this.#lowerBound(block, entry)
    const next = block[index]
    if (next !== undefined && this.#compare(next, entry) === 0) return
    block.splice(index, 0, entry)
    this.#size++
    if (block.length > BLOCK_MAX) this.#blocks.splice(at + 1, 0, block.splice(BLOCK_MAX / 2))
  }

  delete(entry: T): void {
    const at = this.#blockOf(entry)
    const block = this.#blocks[at]
    if (!block) return
    const index = this.#lowerBound(block, entry)
    const found = block[index]
    if (found === undefined || this.#compare(found, entry) !== 0) return
    block.splice(index, 1)
    this.#size--
    if (block.length === 0) this.#blocks.splice(at, 1)
  }

  /** Entries ≥ `from` in order; all of them without it. */
  *from(from?: T): Generator<T> {
    let at = from === undefined ? 0 : this.#blockOf(from)
    let index = from === undefined ? 0 : this.#lowerBound(this.#blocks[at] ?? [], from)
    for (; at < this.#blocks.length; at++, index = 0) {
      const block = this.#blocks[at] as T[]
      for (; index < block.length; index++) yield block[index] as T
    }
  }

  /** The block in which `entry` is or belongs: the first whose last entry is not below it, else the last. */
  #blockOf(entry: T): number {
    let low = 0
    let high = this.#blocks.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      const last = this.#blocks[middle]?.at(-1) as T
      if (this.#compare(last, entry) < 0) low = middle + 1
      else high = middle
    }
    return Math.max(low, 0)
  }

  #lowerBound(block: readonly T[], entry: T): number {
    let low = 0
    let high = block.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#compare(block[middle] as T, entry) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
