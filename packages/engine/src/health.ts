// Whether the store answers. An outage is said once when it begins and once when it is over, however many requests meet it;
// then what was missed meanwhile is made up for. It never decides what to do with a request.

import type { Log, Platform } from './platform.ts'

export interface HealthOptions {
  readonly platform: Platform
  readonly log: Log
  /** The store answers again. */
  readonly recovered: () => void
}

/** How long nothing may have failed before an outage is over, ms: one that comes and goes is one outage. */
const CALM_MS = 1_000

export class Health {
  readonly #options: HealthOptions
  #failures = 0
  #startedAt = 0
  #failedAt = 0

  constructor(options: HealthOptions) {
    this.#options = options
  }

  get isFailing(): boolean {
    return this.#failures > 0
  }

  failed(error: unknown): void {
    const { platform, log } = this.#options
    this.#failedAt = platform.ticks()
    this.#failures++
    if (this.#failures > 1) return
    this.#startedAt = this.#failedAt
    log.error({ err: error }, 'The store failed: until it answers again, requests get 503')
  }

  /** A batch was carried out. */
  answered(): void {
    const { platform, log, recovered } = this.#options
    if (!this.isFailing || platform.ticks() - this.#failedAt < CALM_MS) return
    const outageMs = Math.round(this.#failedAt - this.#startedAt)
    log.info({ failures: this.#failures, outageMs }, 'The store answers again')
    this.#failures = 0
    recovered()
  }
}
