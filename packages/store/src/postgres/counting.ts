// Which rows of counters this server adds to. Every batch changes some, so each server has rows of its own for the moment
// (a slot), and moves on to others every few seconds: as long as somebody holds an old snapshot, PostgreSQL keeps every
// version of a row, and each change goes through all of them (36 ms a batch after 13,000 batches on the same rows). What it
// leaves behind is added to the rows of the sum, so that few are read.

import { hash64 } from './locks.ts'

const SLOTS = 64
/** Whose rows hold what was counted before. */
export const SUM_SLOT = SLOTS
const STAY_MS = 10_000

export class Counting {
  readonly #server: string
  readonly #fold: (slot: number) => void
  #stay = -1
  #slot = 0

  /** `fold`: adds the rows of a slot to those of the sum. Left undone, they count where they are. */
  constructor({ server, fold }: { readonly server: string; readonly fold: (slot: number) => void }) {
    this.#server = server
    this.#fold = fold
  }

  slotAt(now: number): number {
    const stay = Math.floor(now / STAY_MS)
    if (stay === this.#stay) return this.#slot
    if (this.#stay >= 0) this.#fold(this.#slot)
    this.#stay = stay
    this.#slot = Number(BigInt.asUintN(32, hash64(`${this.#server} ${stay}`))) % SLOTS
    return this.#slot
  }
}
