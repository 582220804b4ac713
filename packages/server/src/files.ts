// Files that may be replaced while the server runs: certificates, keys, secrets. They are looked at again from time to time
// and on demand, by content and not by event, because what mounts them (a Kubernetes secret, a renewed link) replaces whole
// folders. What cannot be used at the start is thrown; later it is logged, and what was in use stays so.
// It must never log what a file holds.

import { readFileSync } from 'node:fs'
import type { Platform } from '@resonatehq/engine'
import type { ConfigKey } from './config/settings.ts'
import type { Logger } from './log.ts'

export interface FileWatchOptions {
  readonly platform: Platform
  readonly logger: Logger
  /** ms. 0: only when `reload` is called. */
  readonly intervalMs: number
}

interface Watched {
  readonly settings: readonly ConfigKey[]
  readonly paths: readonly string[]
  /** Throws where the texts cannot be used. */
  readonly use: (...texts: string[]) => void
  texts: readonly string[]
  /** What was logged last, so that it is not said every few seconds. */
  problem: string
}

export class WatchedFiles {
  readonly #options: FileWatchOptions
  readonly #watched: Watched[] = []
  #cancel: (() => void) | undefined

  constructor(options: FileWatchOptions) {
    this.#options = options
  }

  /** Reads the files and hands their texts to `use`, now and whenever one has changed. Throws, for people, if now fails. */
  watch(settings: readonly ConfigKey[], paths: readonly string[], use: (...texts: string[]) => void): void {
    const watched: Watched = { settings, paths, use, texts: [], problem: '' }
    try {
      watched.texts = read(watched)
      use(...watched.texts)
    } catch (error) {
      throw new Error(problemOf(watched, error), { cause: error })
    }
    this.#watched.push(watched)
    this.#arm()
  }

  /** Looks now. */
  reload(): void {
    for (const watched of this.#watched) this.#refresh(watched)
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  #arm(): void {
    const { intervalMs, platform } = this.#options
    if (intervalMs === 0) return
    this.#cancel ??= platform.timer(intervalMs, () => {
      this.#cancel = undefined
      this.reload()
      this.#arm()
    })
  }

  #refresh(watched: Watched): void {
    const { logger } = this.#options
    try {
      const texts = read(watched)
      if (texts.every((text, at) => text === watched.texts[at])) return
      // Also where they are of no use: they are not tried again until they change.
      watched.texts = texts
      watched.use(...texts)
      watched.problem = ''
      logger.info({ settings: watched.settings }, 'Files reloaded')
    } catch (error) {
      const problem = problemOf(watched, error)
      if (problem !== watched.problem) logger.error({}, `${problem} What was read before stays in use.`)
      watched.problem = problem
    }
  }
}

function read({ paths }: Watched): string[] {
  return paths.map((path) => readFileSync(path, 'utf8'))
}

function problemOf({ settings }: Watched, error: unknown): string {
  return `${settings.join(' and ')} cannot be used: ${(error as Error).message}.`
}
