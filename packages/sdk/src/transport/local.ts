// A whole server in this process: the engine over the memory or the SQLite store, loaded only when it is asked for. No copy of
// the protocol: what is sent is parsed and ruled upon by the same code as on the wire.

import type { Engine } from '@resonatehq/engine'
import type { Answer, Kind, Message, Request, TaskRecord } from '@resonatehq/protocol'
import { errors } from '../engine/errors.ts'
import type { Logger } from '../log.ts'
import type { Platform } from '../platform.ts'
import { type Call, isPassing, type Reply, type Transport, type WorkerFacts } from './transport.ts'

export interface LocalTransportOptions {
  readonly group: string
  readonly pid: string
  /** A SQLite file; absent: in memory, gone with the process. */
  readonly path?: string
  /** An engine that others use too, and that outlives this transport; instead of one of its own. */
  readonly embedded?: Promise<Embedded>
  readonly platform: Platform
  readonly logger: Logger
}

/** An engine that runs, and how to read a request as it does. */
export interface Embedded {
  readonly engine: Engine
  read(call: Call): Request | string
}

const BUSY_WAIT_MS = 20
const PAGE = 1_000

export class LocalTransport implements Transport {
  readonly unicast: string
  readonly anycast: string
  readonly batches = true
  readonly checks = true
  readonly #options: LocalTransportOptions
  #embedded: Promise<Embedded> | undefined
  #onMessage: (message: Message) => void = () => {}
  #disconnect: (() => void) | undefined
  #isClosed = false
  #isStopped = false

  constructor(options: LocalTransportOptions) {
    const { group, pid } = options
    this.#options = options
    this.unicast = `poll://uni@${group}/${pid}`
    this.anycast = `poll://any@${group}/${pid}`
  }

  match(target: string): string {
    return target.includes('://') ? target : `poll://any@${target}`
  }

  receive(onMessage: (message: Message) => void): void {
    this.#onMessage = onMessage
  }

  async send(group: readonly Call[]): Promise<Reply[]> {
    if (this.#isStopped) throw errors.stopped()
    const embedded = await this.#open()
    const read = group.map((call) => embedded.read(call))
    for (let attempt = 1; ; attempt++) {
      const answers = await embedded.engine.submitAll(read.filter((each) => typeof each !== 'string'))
      if (!answers.some(({ status }) => isPassing(status))) return inPlace(read, answers, attempt > 1)
      await new Promise<void>((resolve) => this.#options.platform.timer(BUSY_WAIT_MS * attempt, resolve))
      if (this.#isStopped) throw errors.stopped()
    }
  }

  /** The engine gathers by itself. */
  flush(): void {}

  start(facts: () => WorkerFacts): void {
    const { group, pid, logger } = this.#options
    void this.#open().then(
      ({ engine }) => {
        if (this.#isClosed) return
        const { capacity } = facts()
        // A handler takes every message, so there is nothing to drain.
        const { ended } = engine.connect({
          group,
          pid,
          capacity,
          revoke: true,
          send: (message) => this.#deliver(message),
        })
        this.#disconnect = ended
      },
      (cause) => logger.error({ cause }, 'the embedded server did not start'),
    )
  }

  close(): void {
    this.#isClosed = true
    this.#disconnect?.()
    this.#disconnect = undefined
  }

  async stop(): Promise<void> {
    this.close()
    if (this.#isStopped) return
    this.#isStopped = true
    const embedded = await this.#embedded?.catch(() => undefined)
    if (!this.#options.embedded) await embedded?.engine.stop()
  }

  /** Handed over at the next macrotask: a port must not call back into the engine. */
  #deliver(message: Message): boolean {
    this.#options.platform.defer(() => {
      if (!this.#isClosed) this.#onMessage(message)
    })
    return true
  }

  #open(): Promise<Embedded> {
    this.#embedded ??= this.#options.embedded ?? embed(this.#options)
    return this.#embedded
  }
}

/** Starts an engine over a store of its own. */
export async function embed({
  path,
  platform,
  logger,
}: Pick<LocalTransportOptions, 'path' | 'platform' | 'logger'>): Promise<Embedded> {
  const [{ createEngine }, protocol, store] = await Promise.all([
    import('@resonatehq/engine'),
    import('@resonatehq/protocol'),
    openStore(path, platform),
  ])
  const engine = createEngine({
    store,
    platform: { ...platform, ticks: platform.now },
    log: {
      info: (fields, message) => logger.debug({ ...fields }, message),
      warn: (fields, message) => logger.warn({ ...fields }, message),
      error: (fields, message) => logger.error({ ...fields }, message),
    },
    serverUrl: 'local://',
  })
  await engine.start()
  if (path !== undefined) await releaseAll(engine)
  const limits = protocol.DEFAULT_LIMITS
  const read = ({ kind, data }: Call) => {
    const parsed = protocol.parseRequest(kind as Kind, data as Record<string, unknown>, limits)
    if (!parsed.ok) return parsed.message
    return protocol.ruleProblem(parsed.request, limits) ?? parsed.request
  }
  return { engine, read }
}

/** A file is served by one process: whoever held a task when it was opened is dead, and nobody need wait for leases to end. */
async function releaseAll(engine: Engine): Promise<void> {
  let cursor: string | undefined
  do {
    const data = { state: 'acquired', limit: PAGE, ...(cursor ? { cursor } : {}) } as const
    const found = (await engine.submit({ kind: 'task.search', data })).data as { tasks: TaskRecord[]; cursor?: string }
    await engine.submitAll(found.tasks.map(({ id, version }) => ({ kind: 'task.release', data: { id, version } })))
    cursor = found.cursor
  } while (cursor !== undefined)
}

async function openStore(path: string | undefined, { now }: Platform) {
  if (path === undefined) return (await import('@resonatehq/store')).memoryStore({ wall: now })
  return (await import('#sqlite')).sqliteStore({ path, wall: now })
}

/** The answers in the places of their requests, and a 400 in the place of each that could not be read. */
function inPlace(read: readonly (Request | string)[], answers: Answer[], repeated: boolean): Reply[] {
  let at = 0
  return read.map((each) => {
    if (typeof each === 'string') return { status: 400, data: each, repeated }
    const { status, data } = answers[at++] as Answer
    return { status, data, repeated }
  })
}
