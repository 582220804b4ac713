// Durable promises by id, for what no function of ours settles: webhooks, people, other systems.
// Given `value`, data is encoded as everything else here is; given `data`, it is taken as it is, base64 of JSON by convention.

import type { PromiseState, Settlement } from '@resonatehq/protocol'
import { cancelTree } from './engine/cancel.ts'
import type { Codec } from './engine/codec.ts'
import { type Asker, asker, PATIENCE_MS } from './requests.ts'
import type { Transport } from './transport/transport.ts'
import type { PromiseRecord, TaskRecord, Value } from './wire.ts'

/** What a promise is made or settled with: a value that is encoded here, or data that already is. */
export interface Content {
  readonly headers?: Record<string, string>
  /** Encoded already. */
  readonly data?: string
  /** Any JSON value; encoded here, and encrypted where the client has an encryptor. */
  readonly value?: unknown
}

/** What `resonate.promises.search` looks for: one page of promises, in the order of their ids. */
export interface PromiseSearch {
  readonly state?: PromiseState
  /** Every one of them must match. */
  readonly tags?: Record<string, string>
  readonly limit?: number
  readonly cursor?: string
}

/**
 * Durable promises by id: `resonate.promises`. Every method throws ResonateError 1199 where the server refuses, with its status in
 * `serverError.code` (404: there is none), and ResonateTimeoutException where it cannot be reached for a minute.
 */
export class Promises {
  readonly #transport: Transport
  readonly #ask: Asker
  readonly #codec: Codec

  constructor(transport: Transport, codec: Codec) {
    this.#transport = transport
    this.#ask = asker(transport)
    this.#codec = codec
  }

  /** The record of a promise. */
  async get(id: string): Promise<PromiseRecord> {
    return (await this.#ask<{ promise: PromiseRecord }>('promise.get', { id })).promise
  }

  /** `timeoutAt`: its deadline, ms since epoch. Exists: the existing one, unchanged. */
  async create(
    id: string,
    timeoutAt: number,
    { tags = {}, ...content }: Content & { tags?: Record<string, string> } = {},
  ): Promise<PromiseRecord> {
    const param = await this.#encode(content)
    return (await this.#ask<{ promise: PromiseRecord }>('promise.create', { id, timeoutAt, param, tags })).promise
  }

  /**
   * Creates a promise that has a target, and takes its task for the worker `pid` for `ttl` ms, where nobody has it. `timeoutAt`: its
   * deadline, ms since epoch. Refused with 409 where another worker has it, with 422 where an existing promise has no target.
   */
  async createWithTask(
    id: string,
    timeoutAt: number,
    pid: string,
    ttl: number,
    { tags = {}, ...content }: Content & { tags?: Record<string, string> } = {},
  ): Promise<{ promise: PromiseRecord; task?: TaskRecord }> {
    const param = await this.#encode(content)
    const action = { kind: 'promise.create', data: { id, timeoutAt, param, tags } }
    return this.#ask<{ promise: PromiseRecord; task?: TaskRecord }>('task.create', { pid, ttl, action })
  }

  /** Settles it as resolved. Settled already: it stays as it is, and is returned. */
  resolve(id: string, content: Content = {}): Promise<PromiseRecord> {
    return this.#settle(id, 'resolved', content)
  }

  /** Settles it as rejected, in the same way; a `value` should be an Error, which is what awaiting it throws. */
  reject(id: string, content: Content = {}): Promise<PromiseRecord> {
    return this.#settle(id, 'rejected', content)
  }

  /**
   * Settles it as canceled, in the same way. A function that runs for it is aborted, and what it has called is canceled, at every
   * depth, whether a worker has it in hand or not; detached work goes on.
   */
  async cancel(id: string, content: Content = {}): Promise<PromiseRecord> {
    const promise = await this.#settle(id, 'rejected_canceled', content)
    if (promise.state === 'rejected_canceled') await cancelTree(this.#transport, promise, { patienceMs: PATIENCE_MS })
    return promise
  }

  /** Has the task of `awaiter` resumed when `awaited` is settled. */
  registerCallback(awaited: string, awaiter: string): Promise<{ promise: PromiseRecord }> {
    return this.#ask('promise.register_callback', { awaited, awaiter })
  }

  /** Has a message sent to an address, `poll://…` or `https://…`, when `awaited` is settled. */
  registerListener(awaited: string, address: string): Promise<{ promise: PromiseRecord }> {
    return this.#ask('promise.register_listener', { awaited, address })
  }

  /** One page. A page may be short and still have a cursor: the last one has none. */
  search(search: PromiseSearch = {}): Promise<{ promises: PromiseRecord[]; cursor?: string }> {
    return this.#ask('promise.search', { ...search })
  }

  async #settle(id: string, state: Settlement, content: Content): Promise<PromiseRecord> {
    const value = await this.#encode(content)
    return (await this.#ask<{ promise: PromiseRecord }>('promise.settle', { id, state, value })).promise
  }

  async #encode(content: Content): Promise<Value> {
    const { headers, data } = content
    if ('value' in content) {
      const encoded = await this.#codec.encode(content.value)
      return { ...encoded, headers: { ...encoded.headers, ...headers } }
    }
    // Both are always there, as what the published SDK makes has them: whoever reads `headers.x` need not look first.
    return { headers: headers ?? {}, data: data ?? '' }
  }
}
