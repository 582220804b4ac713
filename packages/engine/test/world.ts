// An engine over the memory store with workers at its side, whose time is moved by hand.

import type { TestContext } from 'node:test'
import type { Answer, Message, Request } from '@resonatehq/protocol'
import { memoryStore, type Store } from '@resonatehq/store'
import { createEngine, type Engine, type EngineOptions } from '../src/index.ts'
import { ManualPlatform, strictLog } from './manual-platform.ts'

export const START = 1_000_000

export class Bench {
  readonly platform = new ManualPlatform({ now: START })
  readonly store: Store = memoryStore({ wall: () => this.platform.now() })
  engine: Engine

  constructor(options: Partial<EngineOptions> = {}) {
    this.engine = this.#create(options)
  }

  #create(options: Partial<EngineOptions>): Engine {
    const log = strictLog()
    return createEngine({ store: this.store, platform: this.platform, log, serverUrl: 'http://test', ...options })
  }

  async restart(options: Partial<EngineOptions> = {}): Promise<void> {
    await this.engine.stop()
    this.engine = this.#create(options)
    await this.engine.start()
  }

  /** Everything submitted, and what follows from it, is committed and sent. */
  async settle(): Promise<void> {
    for (let round = 0; round < 6; round++) await this.engine.submit({ kind: 'debug.snap', data: {} })
  }

  async advance(ms: number): Promise<void> {
    await this.platform.advance(ms, () => this.settle())
    await this.settle()
  }

  async ask(request: Request): Promise<Answer> {
    const answer = await this.engine.submit(request)
    await this.settle()
    return answer
  }

  create(id: string, target = 'poll://any@g', tags: Record<string, string> = {}): Promise<Answer> {
    const data = { id, timeoutAt: START + 10_000_000, param: {}, tags: { 'resonate:target': target, ...tags } }
    return this.ask({ kind: 'promise.create', data })
  }

  acquire(id: string, pid: string, version = 0, ttl = 60_000): Promise<Answer> {
    return this.ask({ kind: 'task.acquire', data: { id, version, pid, ttl } })
  }

  fulfill(id: string, version = 1): Promise<Answer> {
    const action = { kind: 'promise.settle', data: { id, state: 'resolved', value: {} } } as const
    return this.ask({ kind: 'task.fulfill', data: { id, version, action } })
  }

  async connect(pid: string, options: { capacity?: number; group?: string; isFull?: boolean } = {}): Promise<Port> {
    const port = new Port(pid, options)
    const { drained, ended } = this.engine.connect(port)
    port.close = ended
    port.drained = drained
    await this.settle()
    return port
  }
}

export class Port {
  readonly group: string
  readonly pid: string
  readonly capacity?: number
  readonly messages: Message[] = []
  isFull: boolean
  refused = 0
  close: () => void = () => {}
  drained: () => void = () => {}

  constructor(
    pid: string,
    { capacity, group = 'g', isFull = false }: { capacity?: number; group?: string; isFull?: boolean },
  ) {
    this.pid = pid
    this.group = group
    this.isFull = isFull
    if (capacity !== undefined) this.capacity = capacity
  }

  send(message: Message): boolean {
    if (this.isFull) {
      this.refused++
      return false
    }
    this.messages.push(message)
    return true
  }

  /** Ids of what arrived since the last look, `!` before an unblock. */
  take(): string[] {
    return this.messages.splice(0).map((message) => {
      return message.kind === 'unblock' ? `!${message.data.promise.id}` : message.data.task.id
    })
  }
}

export async function open(t: TestContext, options: Partial<EngineOptions> = {}): Promise<Bench> {
  const bench = new Bench(options)
  await bench.engine.start()
  t.after(() => bench.engine.stop())
  return bench
}
