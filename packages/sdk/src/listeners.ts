// Who waits for which promise. The server tells this process when one settles; since such a message may be lost with a
// connection, everything that is waited for is asked again when there is another one, and now and then, which also registers
// the listener anew.

import type { PromiseRecord } from '@resonatehq/protocol'
import { errors } from './engine/errors.ts'
import type { Platform } from './platform.ts'
import type { Reply, Transport } from './transport/transport.ts'

const REFRESH_MS = 60_000
/** Listeners of one group of requests. */
const GROUP_MAX = 500

interface Waiting {
  readonly id: string
  readonly native: PromiseWithResolvers<PromiseRecord>
  isListening: boolean
}

export interface ListenersOptions {
  readonly transport: Transport
  readonly platform: Platform
  /** Whether the task of a promise runs in this process, so that its end is heard without a listener. */
  readonly isRunning: (id: string) => boolean
}

export class Listeners {
  readonly #options: ListenersOptions
  readonly #waiting = new Map<string, Waiting>()
  #cancelRefresh: (() => void) | undefined
  #isStopped = false

  constructor(options: ListenersOptions) {
    this.#options = options
  }

  /** The settled record. */
  wait(id: string): Promise<PromiseRecord> {
    if (this.#isStopped) return Promise.reject(errors.stopped())
    const waiting = this.#waiting.get(id) ?? this.#add(id)
    if (!waiting.isListening && !this.#options.isRunning(id)) void this.#listen([waiting])
    return waiting.native.promise
  }

  /** A request that is about to be sent registers us: the message may be here before its answer. */
  expect(id: string): void {
    if (this.#isStopped) return
    const waiting = this.#waiting.get(id) ?? this.#add(id)
    waiting.isListening = true
    // Whoever asks for the result is told; until then nobody is.
    waiting.native.promise.catch(() => {})
  }

  /** The answer to the registration of such a request. */
  heard(id: string, reply: Reply): void {
    const waiting = this.#waiting.get(id)
    if (waiting) this.#listened(waiting, reply)
  }

  /** Such a request failed. */
  fail(id: string, cause: unknown): void {
    const waiting = this.#waiting.get(id)
    if (!waiting) return
    this.#waiting.delete(id)
    waiting.native.reject(cause)
  }

  /** A settled record, from wherever it is known. */
  notify(record: PromiseRecord): void {
    const waiting = this.#waiting.get(record.id)
    if (!waiting || record.state === 'pending') return
    this.#waiting.delete(record.id)
    waiting.native.resolve(record)
  }

  /** The task of this promise no longer runs here: only the server can tell from now on. */
  left(id: string): void {
    const waiting = this.#waiting.get(id)
    if (waiting && !waiting.isListening) void this.#listen([waiting])
  }

  /** Whatever is waited for may have settled without a word. */
  askAgain(): void {
    const listening = [...this.#waiting.values()].filter(({ isListening }) => isListening)
    for (let at = 0; at < listening.length; at += GROUP_MAX) void this.#listen(listening.slice(at, at + GROUP_MAX))
  }

  stop(): void {
    this.#isStopped = true
    this.#cancelRefresh?.()
    for (const { native } of this.#waiting.values()) {
      // Nobody may be waiting any more.
      native.promise.catch(() => {})
      native.reject(errors.stopped())
    }
    this.#waiting.clear()
  }

  #add(id: string): Waiting {
    const waiting: Waiting = { id, native: Promise.withResolvers(), isListening: false }
    this.#waiting.set(id, waiting)
    this.#refreshLater()
    return waiting
  }

  async #listen(all: readonly Waiting[]): Promise<void> {
    const { transport } = this.#options
    for (const waiting of all) waiting.isListening = true
    try {
      const calls = all.map(({ id }) => ({
        kind: 'promise.register_listener',
        data: { awaited: id, address: transport.unicast },
      }))
      const replies = await transport.send(calls)
      for (const [at, waiting] of all.entries()) this.#listened(waiting, replies[at] as Reply)
    } catch {
      // The client was stopped, and with it everyone who waits.
    }
  }

  #listened(waiting: Waiting, { status, data }: Reply): void {
    if (status === 200) return this.notify((data as { promise: PromiseRecord }).promise)
    this.#waiting.delete(waiting.id)
    waiting.native.reject(errors.server('promise.register_listener', status, String(data)))
  }

  #refreshLater(): void {
    if (this.#cancelRefresh) return
    const refresh = () => {
      this.#cancelRefresh = undefined
      if (this.#waiting.size === 0) return
      this.askAgain()
      this.#refreshLater()
    }
    this.#cancelRefresh = this.#options.platform.timer(REFRESH_MS, refresh, { background: true })
  }
}
