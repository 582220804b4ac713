// The audit log: one line for each act of an operator, refused ones too. Who, what, on which id, from where, with what
// outcome; never a value, and never a token. To a file of its own, or into the log. A line that cannot be written to the
// file goes into the log instead: it must never be lost in silence, nor hold up who acts.

import { createWriteStream, openSync, type WriteStream } from 'node:fs'
import type { Platform } from '@resonatehq/engine'
import type { Logger } from '../log.ts'

export interface Act {
  /** Claim `sub` of the token. */
  readonly subject: string
  readonly role: string | null
  /** Kind of the request. */
  readonly kind: string
  readonly id?: string
  readonly corrId: string
  /** What it was answered. */
  readonly status: number
  /** The other end of the connection. */
  readonly peer?: string
}

export interface Audit {
  record(act: Act): void
}

/** Unwritten bytes past which lines go into the log: the disk does not keep up. */
const UNWRITTEN_MAX = 1024 * 1024

export class AuditLog implements Audit {
  readonly #platform: Platform
  readonly #logger: Logger
  #path = ''
  #stream: WriteStream | undefined

  constructor(platform: Platform, logger: Logger) {
    this.#platform = platform
    this.#logger = logger
  }

  /** Appends to this file from now on; again, after a rotation has moved it away. Throws where it cannot be opened. */
  open(path: string): void {
    const fd = openOf(path)
    void this.close()
    this.#path = path
    const stream = createWriteStream(path, { fd, flags: 'a' })
    this.#stream = stream
    stream.on('error', (error) => {
      this.#complain(error)
      // The one before a rotation may fail after it: the new one goes on.
      if (this.#stream === stream) this.#stream = undefined
    })
  }

  reopen(): void {
    if (this.#path === '') return
    try {
      this.open(this.#path)
    } catch (error) {
      void this.close()
      this.#complain(error as Error)
    }
  }

  record(act: Act): void {
    const stream = this.#stream
    if (!stream || stream.writableLength > UNWRITTEN_MAX) return this.#logger.warn({ audit: act }, 'Operator acted')
    const at = new Date(this.#platform.now()).toISOString()
    stream.write(`${JSON.stringify({ at, ...act })}\n`, (error) => {
      if (error) this.#logger.warn({ audit: act }, 'Operator acted')
    })
  }

  /** What was recorded is written first. Never rejects. */
  close(): Promise<void> {
    const stream = this.#stream
    this.#stream = undefined
    return new Promise((resolve) => (stream && !stream.destroyed ? stream.end(() => resolve()) : resolve()))
  }

  #complain(error: Error): void {
    const message =
      'The audit file cannot be written (observability.audit_file): until a SIGHUP opens it again, acts are in this log'
    this.#logger.error({ err: error, path: this.#path }, message)
  }
}

function openOf(path: string): number {
  try {
    return openSync(path, 'a', 0o600)
  } catch (error) {
    throw new Error(`observability.audit_file cannot be opened: ${(error as Error).message}`, { cause: error })
  }
}
