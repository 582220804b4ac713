// Takes an object of the published SDK's Network interface (one request, one answer) for a transport, so that networks written
// for it run here. A fault of such a network rejects and is asked again, as everywhere.

import { type Message, PROTOCOL_VERSION, type RequestEnvelope, type ResponseEnvelope } from '@resonatehq/protocol'
import { errors, messageOf, ResonateTimeoutException } from '../engine/errors.ts'
import type { Logger } from '../log.ts'
import type { Platform } from '../platform.ts'
import {
  backoffMs,
  type Call,
  isPassing,
  type Reply,
  type SendOptions,
  type Transport,
  withInnerHeads,
} from './transport.ts'

/** What the published SDK calls a network. */
export interface Network {
  readonly unicast: string
  readonly anycast: string
  match(target: string): string
  init(): Promise<void>
  stop(): Promise<void>
  send: Send
  recv: Recv
}

// biome-ignore lint/suspicious/noExplicitAny: each request kind has its own type, which the published interface spells out.
export type Send = (request: any) => Promise<any>
// biome-ignore lint/suspicious/noExplicitAny: the same.
export type Recv = (callback: (message: any) => void) => void

export class NetworkTransport implements Transport {
  readonly batches = false
  readonly #network: Network
  readonly #platform: Platform
  readonly #logger: Logger
  readonly #ready: Promise<void>
  #isClosed = false
  #isStopped = false

  constructor({ network, platform, logger }: { network: Network; platform: Platform; logger: Logger }) {
    this.#network = network
    this.#platform = platform
    this.#logger = logger
    this.#ready = network.init()
    this.#ready.catch((cause: unknown) => logger.error({ cause }, 'the network did not start'))
  }

  get unicast(): string {
    return this.#network.unicast
  }

  get anycast(): string {
    return this.#network.anycast
  }

  match(target: string): string {
    return target.includes('://') ? target : this.#network.match(target)
  }

  receive(onMessage: (message: Message) => void): void {
    this.#network.recv((message: Message) => {
      if (!this.#isClosed) onMessage(message)
    })
  }

  async send(group: readonly Call[], { patienceMs }: SendOptions = {}): Promise<Reply[]> {
    await this.#ready
    const untilAt = patienceMs === undefined ? Number.POSITIVE_INFINITY : this.#platform.now() + patienceMs
    const replies: Reply[] = []
    for (const call of group) replies.push(await this.#sendOne(call, untilAt))
    return replies
  }

  flush(): void {}

  start(): void {}

  close(): void {
    this.#isClosed = true
  }

  async stop(): Promise<void> {
    this.close()
    if (this.#isStopped) return
    this.#isStopped = true
    await this.#network.stop()
  }

  async #sendOne({ kind, data, head: more }: Call, untilAt: number): Promise<Reply> {
    for (let attempt = 0; ; attempt++) {
      if (this.#isStopped) throw errors.stopped()
      try {
        const head = { corrId: this.#platform.uuid(), version: PROTOCOL_VERSION }
        const whole = withInnerHeads(data, head) as Record<string, unknown>
        const request = { kind, head: { ...head, ...more }, data: whole } satisfies RequestEnvelope
        const response: ResponseEnvelope = await this.#network.send(request)
        const { status } = response.head
        if (!isPassing(status)) return { status, data: response.data, repeated: attempt > 0 }
        throw new Error(`the server answered ${status}: ${response.data}`)
      } catch (cause) {
        await this.#again(attempt, untilAt, cause)
      }
    }
  }

  async #again(attempt: number, untilAt: number, cause: unknown): Promise<void> {
    const waitMs = backoffMs(attempt, this.#platform.random)
    if (this.#platform.now() + waitMs > untilAt) throw new ResonateTimeoutException(messageOf(cause))
    if (attempt === 0) this.#logger.warn({ cause: messageOf(cause) }, 'the network failed; trying again')
    await new Promise<void>((resolve) => this.#platform.timer(waitMs, resolve))
  }
}
