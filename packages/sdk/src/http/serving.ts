// One task in one request: acquires it, runs it until it is blocked or done, and puts everything down again. Nothing outlives
// the request, as platforms that freeze or forget a process between requests demand; what is suspended is replayed by whichever
// instance the next message wakes.
// S1. A claim is only ever taken for the version that the message names, so a message that comes twice runs nothing twice.
// S2. The address of this function is what the task's own promise says, never what a request claims.

import type { TaskRef } from '@resonatehq/protocol'
import { DurableContext, oversleeper } from '../context.ts'
import type { Codec } from '../engine/codec.ts'
import { errors } from '../engine/errors.ts'
import type { Ending, Execution, ExecutionClaim } from '../engine/execution.ts'
import type { Registered, Registry } from '../engine/registry.ts'
import type { RetryPolicy } from '../engine/retry.ts'
import { Worker, type WorkerOptions } from '../engine/worker.ts'
import type { Logger } from '../log.ts'
import type { Platform } from '../platform.ts'
import type { Tracing } from '../tracing.ts'
import { HttpTransport } from '../transport/http.ts'
import type { Transport } from '../transport/transport.ts'
import { VERSION } from '../version.ts'

/** What became of the task in this request. */
export type Outcome =
  /** It is over. */
  | 'completed'
  /** It waits for something, in no process. */
  | 'suspended'
  /** It was given back, for lack of time or at a stop; the server sends it again. */
  | 'released'
  /** It was not to be had: another request has it, had it, or nobody needs it any more. */
  | 'taken'
  /** Its lease ended, or it was canceled, while it ran here. */
  | 'lost'
  | 'halted'

export interface Served {
  readonly outcome: Outcome
  /** Why it could not be run here. */
  readonly problem?: string
}

export interface ServingParts {
  /** The server that the task belongs to. */
  readonly url: string
  readonly token: string | undefined
  readonly pid: string
  readonly ttl: number
  readonly timeoutMs: number
  /** Where this function is called; absent: where the task was sent. */
  readonly functionUrl: string | undefined
  readonly codec: Codec
  readonly registry: Registry
  readonly dependencies: ReadonlyMap<string, unknown>
  readonly logger: Logger
  readonly platform: Platform
  readonly retryPolicy: RetryPolicy
  readonly tracing: Tracing | undefined
}

/** How long a server that does not answer is asked for a task, ms. The message comes again. */
const PATIENCE_MS = 10_000
const UNKNOWN_TASK =
  'the server knows no such task: it was deleted, or url (RESONATE_URL) names another server than the one that sent it'
const NOBODY = 'poll://any@default'

export class Serving {
  readonly #parts: ServingParts
  readonly #transport: HttpTransport
  readonly #worker: OneTaskWorker
  #address: string

  constructor(parts: ServingParts) {
    const { url, token, pid, timeoutMs, platform, logger } = parts
    this.#parts = parts
    this.#address = parts.functionUrl ?? NOBODY
    const group = 'default'
    this.#transport = new HttpTransport({
      url,
      token,
      pid,
      group,
      timeoutMs,
      sdk: 'typescript',
      version: VERSION,
      platform,
      logger,
    })
    const { codec, registry, dependencies, retryPolicy, tracing, ttl } = parts
    const targetOf = (target: string | undefined, registered: Registered | undefined) =>
      target === undefined && registered ? this.#address : this.#transport.match(target ?? 'default')
    const oversleeps = oversleeper(logger)
    const source = { registry, dependencies, now: platform.now, random: platform.random, targetOf, oversleeps }
    this.#worker = new OneTaskWorker({
      ...{ pid, ttl, codec, registry, logger, platform, retryPolicy, tracing },
      transport: this.#pushed(),
      lagLimitMs: ttl,
      concurrency: 1,
      framesMax: 0,
      frameCharsMax: 0,
      contextOf: (frame) => new DurableContext(frame, source),
      left: () => {},
    })
  }

  /** The transport of a worker that keeps no connection, and is told at its URL. */
  #pushed(): Transport {
    const transport = this.#transport
    const address = () => this.#address
    return {
      get unicast() {
        return address()
      },
      get anycast() {
        return address()
      },
      get batches() {
        return transport.batches
      },
      get checks() {
        return transport.checks
      },
      match: (target) => transport.match(target),
      send: (group, options) => transport.send(group, options),
      flush: () => transport.flush(),
      receive: () => {},
      start: () => {},
      close: () => {},
      stop: () => transport.stop(),
    }
  }

  /** Rejects where the server cannot be asked. `timeLimitMs`: gives the task back after this, if it still runs. */
  async run(ref: TaskRef, { timeLimitMs }: { timeLimitMs: number | undefined }): Promise<Served> {
    try {
      const claim = await this.#claim(ref)
      if (claim?.task.state !== 'acquired' || claim.promise.state !== 'pending') return { outcome: 'taken' }
      const { 'resonate:target': target } = claim.promise.tags
      if (!this.#parts.functionUrl && target?.startsWith('http')) this.#address = target
      return await this.#drive(claim, timeLimitMs)
    } finally {
      await this.#worker.stop(0)
      await this.#transport.stop()
    }
  }

  async #claim({ id, version }: TaskRef): Promise<ExecutionClaim | undefined> {
    const { pid, ttl } = this.#parts
    const call = { kind: 'task.acquire', data: { id, version, pid, ttl } }
    const [reply] = await this.#transport.send([call], { patienceMs: PATIENCE_MS })
    if (!reply) return undefined
    const isAnswered = reply.status === 200 || reply.status === 404 || reply.status === 409
    if (!isAnswered) throw errors.server('task.acquire', reply.status, String(reply.data))
    if (reply.status === 404) this.#parts.logger.warn({ id, url: this.#parts.url }, UNKNOWN_TASK)
    return this.#worker.claimOf(reply, id, version + 1)
  }

  async #drive(claim: ExecutionClaim, timeLimitMs: number | undefined): Promise<Served> {
    const cancel =
      timeLimitMs === undefined ? () => {} : this.#parts.platform.timer(timeLimitMs, () => void this.stop(0))
    try {
      this.#worker.adopt(claim)
      return await this.#worker.served
    } finally {
      cancel()
    }
  }

  /** Lets the task go on for a while, then gives it back. */
  stop(graceMs: number): Promise<void> {
    return this.#worker.stop(graceMs)
  }
}

/** A worker that tells when its one task has left it. */
class OneTaskWorker extends Worker {
  readonly served: Promise<Served>
  readonly #leave: (served: Served) => void

  constructor(options: WorkerOptions) {
    super(options)
    const { promise, resolve } = Promise.withResolvers<Served>()
    this.served = promise
    this.#leave = resolve
  }

  override suspended(execution: Execution): void {
    // Before its frame is dropped, for want of room on purpose, which ends it once more.
    this.#leave({ outcome: 'suspended' })
    super.suspended(execution)
  }

  override ended(execution: Execution, ending: Ending): void {
    this.#leave({ outcome: ending.kind === 'done' ? 'completed' : ending.kind })
    super.ended(execution, ending)
  }

  override unregistered(execution: Execution, name: string, version: number): void {
    this.#leave({ outcome: 'released', problem: errors.notRegistered(name, version).message })
    super.unregistered(execution, name, version)
  }
}
