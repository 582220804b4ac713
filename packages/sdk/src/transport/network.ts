// Takes an object of the published SDK's Network interface (one request, one answer) for a transport, so that networks written
// for it run here. A fault of such a network rejects and is asked again, as everywhere.

import {
  PROTOCOL_VERSION,
  type Message as Received,
  type RequestEnvelope,
  type ResponseEnvelope,
} from '@resonatehq/protocol'
import { errors, messageOf, ResonateTimeoutException } from '../engine/errors.ts'
import type { Logger } from '../log.ts'
import type { Platform } from '../platform.ts'
import type { Message } from '../wire.ts'
import type { Request, Response } from '../wire-requests.ts'
import {
  backoffMs,
  type Call,
  isPassing,
  type Reply,
  type SendOptions,
  type Transport,
  withInnerHeads,
} from './transport.ts'

/** A way to a server that one writes oneself, as the published SDK has it: one request, one answer, and messages as they come. */
export interface Network {
  /** The address of this worker alone. */
  readonly unicast: string
  /** The address of this worker, or of another of its group. */
  readonly anycast: string
  /** The address that the name of a group means. */
  match(target: string): string
  /** Starts; nothing is sent before it has resolved. */
  init(): Promise<void>
  /** Ends it; nothing is sent or received afterwards. */
  stop(): Promise<void>
  send: Send
  recv: Recv
}

/** Sends a request, and resolves with the answer to it; rejects where there was none. */
export type Send = <K extends Request['kind']>(
  request: Extract<Request, { kind: K }>,
) => Promise<Extract<Response, { kind: K }>>
/** Has every message handed to the callback. */
export type Recv = (callback: (message: Message) => void) => void

/** A network whose requests and answers are typed otherwise, by the published SDK for instance. */
export interface AnyNetwork extends Omit<Network, 'send' | 'recv'> {
  /** As `Send`. */
  // biome-ignore lint/suspicious/noExplicitAny: whatever its own types are.
  send(request: any): Promise<any>
  /** As `Recv`. */
  // biome-ignore lint/suspicious/noExplicitAny: the same.
  recv(callback: (message: any) => void): void
}

export class NetworkTransport implements Transport {
  readonly batches = false
  readonly checks = false
  readonly #network: AnyNetwork
  readonly #platform: Platform
  readonly #logger: Logger
  readonly #ready: Promise<void>
  #isClosed = false
  #isStopped = false

  constructor({ network, platform, logger }: { network: AnyNetwork; platform: Platform; logger: Logger }) {
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

  receive(onMessage: (message: Received) => void): void {
    this.#network.recv((message: Received) => {
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
