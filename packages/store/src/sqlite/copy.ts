// A copy of the database while it is written to: in small steps on another thread, over the same connection, so that what is
// committed meanwhile is copied too. A step that meets a commit copies nothing. So each commit waits for a step, and a copy ends
// however much is written.

import { backup, type DatabaseSync } from 'node:sqlite'

/** Pages that are copied in one step: 512 KiB, for which a batch waits. */
const STEP_PAGES = 256

export class Copy {
  /** Rejects where the copy cannot be written. */
  readonly ended: Promise<void>
  #isOver = false
  #remaining = Number.NaN
  #step = Promise.withResolvers<void>()

  constructor(database: DatabaseSync, path: string) {
    this.ended = this.#run(database, path).finally(() => {
      this.#isOver = true
      this.#step.resolve()
    })
  }

  /** Resolves when a step more was taken than at the last time, or when there is none left to take. */
  async step(): Promise<void> {
    await this.#step.promise
    if (!this.#isOver) this.#step = Promise.withResolvers()
  }

  async #run(database: DatabaseSync, path: string): Promise<void> {
    const progress = ({ remainingPages }: { remainingPages: number }) => {
      if (remainingPages !== this.#remaining) this.#step.resolve()
      this.#remaining = remainingPages
    }
    while (!(await isCopied(() => backup(database, path, { rate: STEP_PAGES, progress })))) {}
  }
}

/** False: the first step met a batch that was being written, which Node takes for an end with no error. Nothing was copied. */
async function isCopied(copy: () => Promise<unknown>): Promise<boolean> {
  try {
    await copy()
    return true
  } catch (error) {
    if ((error as { errcode?: number }).errcode === 0) return false
    throw error
  }
}
