// The connection that messages come on: an event stream that is opened again whenever it ends, until it is closed.
// S1. A connection that shows no byte for STREAM_SILENCE_MS is dead: the server writes comments far more often.
// S2. What is no message of the protocol is passed over, and said.

import type { Message } from '@resonatehq/protocol'
import { createParser } from 'eventsource-parser'
import type { Logger } from '../log.ts'
import type { Platform } from '../platform.ts'
import { backoffMs } from './transport.ts'

const STREAM_SILENCE_MS = 45_000
/** A connection that was refused is not asked for again as soon as one that ended. */
const REFUSED_ATTEMPT = 2
/** How long a refusal may take to be told, ms. */
const REFUSAL_MS = 1_000
/** What is kept of the beginning of a stream, in case it is a refusal, characters. */
const BEGIN_CHARS = 1_000

/** The server, or whoever answers in its place, does not want this worker. */
export class StreamRefused extends Error {
  constructor(status: number, body: string) {
    const { data } = (parseObject(body) ?? {}) as { data?: unknown }
    const why = typeof data === 'string' ? data : body.trim().slice(0, 200)
    super(`GET /poll was refused with ${status}${why === '' ? '' : `: ${why}`}`)
    this.name = 'StreamRefused'
  }
}

export interface MessageStreamOptions {
  /** Asked anew for each connection, since it tells of this worker. */
  readonly url: () => string
  /** Asked anew as well, since a token may have been followed by another. */
  readonly headers: () => Readonly<Record<string, string>>
  readonly platform: Platform
  readonly logger: Logger
  readonly onMessage: (message: Message) => void
  /** A connection could not be opened, or broke. */
  readonly onFault: (cause: unknown) => void
  readonly onOpen: () => void
}

export class MessageStream {
  readonly #options: MessageStreamOptions
  #isClosed = false
  #connection: AbortController | undefined
  #wake: (() => void) | undefined

  constructor(options: MessageStreamOptions) {
    this.#options = options
  }

  start(): void {
    void this.#listen()
  }

  close(): void {
    this.#isClosed = true
    this.#connection?.abort()
    this.#wake?.()
  }

  async #listen(): Promise<void> {
    const { logger, onFault } = this.#options
    for (let failures = 0; !this.#isClosed; failures++) {
      try {
        await this.#read(() => {
          failures = 0
        })
        if (!this.#isClosed) logger.debug({}, 'the message stream ended; reconnecting')
      } catch (cause) {
        if (this.#isClosed) return
        onFault(cause)
      }
      if (!this.#isClosed) await this.#wait(failures === 0 ? 0 : failures + REFUSED_ATTEMPT)
    }
  }

  async #read(opened: () => void): Promise<void> {
    const { platform, headers, url, onOpen } = this.#options
    const controller = new AbortController()
    this.#connection = controller
    const parser = createParser({ onEvent: ({ data }) => this.#deliver(data) })
    const silence = this.#silence(controller)
    let begin = ''
    try {
      const { status, ended } = await platform.http.stream(url(), {
        headers: { ...headers(), accept: 'text/event-stream' },
        signal: controller.signal,
        onText: (text) => {
          silence.heard()
          if (begin.length < BEGIN_CHARS) begin += text
          parser.feed(text)
        },
      })
      if (status !== 200) {
        await this.#toEnd(ended, controller)
        throw new StreamRefused(status, begin)
      }
      opened()
      onOpen()
      await ended
    } finally {
      silence.end()
    }
  }

  /** The end of a refusal says why; one that does not end is not waited for. */
  async #toEnd(ended: Promise<void>, controller: AbortController): Promise<void> {
    const cancel = this.#options.platform.timer(REFUSAL_MS, () => controller.abort(), { background: true })
    await ended.catch(() => {})
    cancel()
  }

  /** Aborts a stream on which nothing comes any more. Looks now and then rather than arming a timer for every piece. */
  #silence(controller: AbortController): { heard: () => void; end: () => void } {
    const { now, timer } = this.#options.platform
    let heardAt = now()
    let cancel = () => {}
    const look = () => {
      const waitMs = heardAt + STREAM_SILENCE_MS - now()
      if (waitMs <= 0) controller.abort(new Error(`the message stream was silent for ${STREAM_SILENCE_MS} ms`))
      else cancel = timer(waitMs, look, { background: true })
    }
    look()
    return {
      heard: () => {
        heardAt = now()
      },
      end: () => cancel(),
    }
  }

  #deliver(data: string): void {
    const message = parseObject(data) as Message | undefined
    if (message?.kind) return this.#options.onMessage(message)
    this.#options.logger.warn({ data: data.slice(0, 200) }, 'a message that is none of the protocol was passed over')
  }

  #wait(attempt: number): Promise<void> {
    const { timer, random } = this.#options.platform
    return new Promise((resolve) => {
      const cancel = timer(backoffMs(attempt, random), resolve)
      this.#wake = () => {
        cancel()
        resolve()
      }
    })
  }
}

/** An object or an array; undefined for everything else. */
export function parseObject(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}
