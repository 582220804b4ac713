// Random requests on promises and tasks that all clients share, so that they meet: right and wrong versions, short leases,
// short deadlines, repeated creates. Every request and its answer is noted by the port that they go through.

import { PROTOCOL_VERSION } from '@resonatehq/protocol'
import type { HttpPort } from '@resonatehq/sdk'
import type { Chance } from '../chance.ts'

export interface LoadOptions {
  readonly url: string
  readonly port: HttpPort
  readonly client: string
  readonly chance: Chance
  readonly now: () => number
  readonly pause: (ms: number) => Promise<void>
}

/** Ids that are in use at a time, and for how long. */
const IDS = 12
const IDS_FOR_MS = 3_000
const REQUEST_TIMEOUT_MS = 1_500

export class Load {
  readonly #options: LoadOptions
  /** The version that was last seen of a task: the right one, mostly. */
  readonly #versions = new Map<string, number>()
  #corrId = 0
  #isStopped = false

  constructor(options: LoadOptions) {
    this.#options = options
  }

  async run(): Promise<void> {
    const { chance, pause } = this.#options
    while (!this.#isStopped) {
      const { kind, data } = this.#draw()
      const isAnswered = await this.ask(kind, data)
      await pause(isAnswered ? chance.between(2, 40) : chance.between(50, 200))
    }
  }

  stop(): void {
    this.#isStopped = true
  }

  /** Whether there was an answer that says what happened. */
  async ask(kind: string, data: object): Promise<boolean> {
    const { url, port } = this.#options
    const body = JSON.stringify({ kind, head: { corrId: `${++this.#corrId}`, version: PROTOCOL_VERSION }, data })
    const headers = { 'content-type': 'application/json' }
    try {
      const { status, body: text } = await port.request(url, {
        method: 'POST',
        headers,
        body,
        timeoutMs: REQUEST_TIMEOUT_MS,
      })
      if (status === 200) this.#learn(JSON.parse(text).data)
      return status < 500
    } catch {
      return false
    }
  }

  #learn({ task }: { task?: { id: string; version: number } }): void {
    if (task) this.#versions.set(task.id, task.version)
  }

  #draw(): { kind: string; data: object } {
    const { chance, client, now } = this.#options
    const generation = Math.floor(now() / IDS_FOR_MS)
    const id = `shared-${generation}-${chance.below(IDS)}`
    const version = Math.max(0, (this.#versions.get(id) ?? 0) - (chance.happens(0.1) ? 1 : 0))
    const pid = `${client}-${chance.below(2)}`
    const ttl = chance.pick([200, 800, 2_000])
    const other = `shared-${generation}-${chance.below(IDS)}`
    const create = this.#create(id)
    const settle = this.#settle(id)
    const fenced = chance.pick([this.#create(`${id}:${chance.below(3)}`, {}), this.#settle(`${id}:${chance.below(3)}`)])
    return chance.pick([
      create,
      create,
      { kind: 'promise.get', data: { id } },
      { kind: 'task.get', data: { id } },
      chance.happens(0.4) ? settle : { kind: 'promise.get', data: { id } },
      { kind: 'task.create', data: { pid, ttl, action: this.#create(id, TASK_TAGS) } },
      { kind: 'task.acquire', data: { id, version, pid, ttl } },
      { kind: 'task.acquire', data: { id, version, pid, ttl } },
      { kind: 'task.fence', data: { id, version, action: fenced } },
      { kind: 'task.fence', data: { id, version, action: fenced } },
      { kind: 'task.heartbeat', data: { pid, tasks: [{ id, version }] } },
      chance.happens(0.3)
        ? { kind: 'task.fulfill', data: { id, version, action: settle } }
        : { kind: 'task.release', data: { id, version } },
      other === id
        ? { kind: 'task.halt', data: { id } }
        : { kind: 'task.suspend', data: { id, version, actions: [callback(other, id)] } },
      { kind: 'task.continue', data: { id } },
    ])
  }

  #create(id: string, tags: object = this.#options.chance.pick([{}, TASK_TAGS])) {
    const { chance, now } = this.#options
    const timeoutAt = Math.ceil(now()) + chance.pick([300, 2_000, 600_000, 600_000])
    return {
      kind: 'promise.create',
      head: {},
      data: { id, timeoutAt, param: { data: `${chance.below(1_000)}` }, tags },
    }
  }

  #settle(id: string) {
    const { chance } = this.#options
    const state = chance.pick(['resolved', 'rejected', 'rejected_canceled'])
    return { kind: 'promise.settle', head: {}, data: { id, state, value: { data: `${chance.below(1_000)}` } } }
  }
}

/** Nobody of this group is connected: only the clients themselves take these tasks. */
const TASK_TAGS = { 'resonate:target': 'poll://any@clients-only' }

function callback(awaited: string, awaiter: string) {
  return { kind: 'promise.register_callback', head: {}, data: { awaited, awaiter } }
}
