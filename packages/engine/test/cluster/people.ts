// Who uses the servers in the simulated world: workers that run small workflows, and clients that start them and wait to be
// told. They reach servers over a network that loses, doubles and delays requests, ask again until they are answered, and
// connect to another server when theirs is silent. A connection keeps its messages in order, or breaks.

import assert from 'node:assert/strict'
import type { Answer, Message, Request } from '@resonatehq/protocol'
import type { Connected, Engine } from '../../src/index.ts'
import { Process, type World } from './world.ts'

export interface ServerProcess {
  readonly process: Process
  readonly engine: Engine
}

/** What is between everybody. */
export interface Network {
  readonly world: World
  /** Those a load balancer would choose from: a frozen one among them. */
  servers(): readonly ServerProcess[]
  /** Share of requests and answers that are lost. */
  loss(): number
}

const TTL_MS = 7_000
const BEAT_MS = 1_500
/** An answer is waited for this long. */
const PATIENCE_MS = 1_000
/** A connection is given up after this much silence. */
const SILENCE_MS = 3_000
const LOOK_MS = 500

/** Somebody with a process, requests and one connection. */
class User {
  readonly network: Network
  readonly process: Process
  readonly group: string
  readonly capacity: number | undefined
  #server: ServerProcess | null = null
  #connected: Connected | null = null
  /** To connect: a server that was frozen meanwhile must not take an earlier one for this. */
  #attempt: symbol | null = null
  #heardAt = 0
  /** Since when it has been connected. */
  connectedSince = Number.POSITIVE_INFINITY
  protected readonly receive: (message: Message) => void = () => {}

  constructor(network: Network, { pid, group, capacity }: { pid: string; group: string; capacity?: number }) {
    this.network = network
    this.process = new Process(network.world, pid)
    this.group = group
    this.capacity = capacity
    this.process.atEnd(() => this.hangUp())
  }

  get pid(): string {
    return this.process.name
  }

  get world(): World {
    return this.network.world
  }

  /** It runs, and so does the server that it has been connected to all the time. */
  isThere(forMs: number): boolean {
    const since = this.world.now - forMs
    const server = this.#server?.process
    return (
      this.process.isWell &&
      this.process.runsSince < since &&
      this.connectedSince < since &&
      !!server?.isWell &&
      server.runsSince < since
    )
  }

  /** Connects, and to another server when this one is silent. */
  stayConnected(): void {
    const { world, process } = this
    const isSilent = this.#server?.process.isWell !== true && world.now - this.#heardAt > SILENCE_MS
    if (this.#server?.process.isWell) this.#heardAt = world.now
    if (this.#server === null || isSilent) this.#connect()
    world.after(LOOK_MS, () => this.stayConnected(), process)
  }

  #connect(): void {
    this.hangUp()
    const { world, network, process, group, pid, capacity } = this
    const server = world.pick(network.servers())
    if (!server) return
    this.#server = server
    const attempt = Symbol(pid)
    this.#attempt = attempt
    this.#heardAt = world.now
    this.connectedSince = Number.POSITIVE_INFINITY
    const deliver = (message: Message) => {
      world.after(world.between(0, 5), () => this.#attempt === attempt && this.receive(message), process)
      return true
    }
    const port = { group, pid, revoke: true, send: deliver, ...(capacity !== undefined && { capacity }) }
    world.after(
      world.between(0, 5),
      () => {
        if (this.#attempt !== attempt || process.isDead) return
        this.#connected = server.engine.connect(port)
        this.connectedSince = world.now
      },
      server.process,
    )
  }

  /** The connection ends: what was on its way is lost, and its server is told when it can hear it. */
  hangUp(): void {
    const [server, connected] = [this.#server, this.#connected]
    this.#server = null
    this.#attempt = null
    this.#connected = null
    this.connectedSince = Number.POSITIVE_INFINITY
    if (server && connected) this.world.after(this.world.between(0, 20), () => connected.ended(), server.process)
  }

  /** Asks until it is answered; undefined: it was not, in all those times. */
  async ask(request: Request, times = 40): Promise<Answer | undefined> {
    for (let time = 0; time < times; time++) {
      const answer = await this.#askOnce(request)
      if (answer && answer.status < 500) return answer
      await this.world.pause(this.world.between(20, 200), this.process)
    }
    return undefined
  }

  #askOnce(request: Request): Promise<Answer | undefined> {
    const { world, network, process } = this
    const server = world.pick(network.servers())
    return new Promise((resolve) => {
      world.after(PATIENCE_MS, () => resolve(undefined), process)
      const isLost = () => world.chance(network.loss())
      const arrive = () => {
        void server?.engine.submit(request).then((answer) => {
          if (!isLost()) world.after(world.between(0, 5), () => resolve(answer), process)
        })
      }
      for (let copies = world.chance(network.loss()) ? 2 : 1; copies > 0; copies--) {
        if (!isLost()) world.after(world.between(0, 10), arrive, server?.process)
      }
    })
  }
}

/** What a task is to do, as its promise says. */
interface Work {
  readonly takesMs?: number
  /** Ids of children, and the groups that they are for; a timer has none. */
  readonly children?: readonly { readonly id: string; readonly group: string | null }[]
}

export class SimWorker extends User {
  /** Claims that it holds: id → version. */
  readonly #held = new Map<string, number>()
  readonly #claimed: (id: string, version: number, pid: string) => void

  constructor(
    network: Network,
    facts: { pid: string; group: string; capacity?: number },
    claimed: (id: string, version: number, pid: string) => void,
  ) {
    super(network, facts)
    this.#claimed = claimed
    this.stayConnected()
    this.#beat()
  }

  protected override readonly receive = (message: Message): void => {
    if (message.kind === 'execute') void this.#execute(message.data.task)
    if (message.kind === 'revoke' && this.#held.get(message.data.task.id) === message.data.task.version)
      this.#held.delete(message.data.task.id)
  }

  #beat(): void {
    this.world.after(BEAT_MS, () => this.#beat(), this.process)
    const tasks = [...this.#held].map(([id, version]) => ({ id, version }))
    if (tasks.length === 0) return
    void this.ask({ kind: 'task.heartbeat', data: { pid: this.pid, tasks } }, 1).then((answer) => {
      for (const id of (answer?.data as { lost: string[] } | undefined)?.lost ?? []) {
        const version = tasks.find((task) => task.id === id)?.version
        if (this.#held.get(id) === version) this.#held.delete(id)
      }
    })
  }

  async #execute({ id, version }: { id: string; version: number }): Promise<void> {
    const answer = await this.ask({ kind: 'task.acquire', data: { id, version, pid: this.pid, ttl: TTL_MS } }, 3)
    if (answer?.status !== 200) return
    const { task, promise } = answer.data as { task: { version: number }; promise: { param: { data?: string } } }
    this.#claimed(id, task.version, this.pid)
    this.#held.set(id, task.version)
    await this.#work({ id, version: task.version }, JSON.parse(promise.param.data ?? '{}') as Work)
    if (this.#held.get(id) === task.version) this.#held.delete(id)
  }

  #holds({ id, version }: { id: string; version: number }): boolean {
    return this.#held.get(id) === version
  }

  async #work(claim: { id: string; version: number }, { takesMs = 0, children = [] }: Work): Promise<void> {
    if (takesMs > 0) await this.world.pause(takesMs, this.process)
    for (const child of children) {
      if (!this.#holds(claim)) return
      const action = this.#creation(claim.id, child)
      const answer = await this.ask({ kind: 'task.fence', data: { ...claim, action } })
      if (answer?.status !== 200) return
    }
    let waiting = children.map(({ id }) => id)
    while (waiting.length > 0 && this.#holds(claim)) {
      const actions = waiting.map((awaited) => {
        return { kind: 'promise.register_callback', data: { awaited, awaiter: claim.id } } as const
      })
      const answer = await this.ask({ kind: 'task.suspend', data: { ...claim, actions } })
      if (answer?.status !== 300) return
      const states = await Promise.all(waiting.map((id) => this.ask({ kind: 'promise.get', data: { id } })))
      waiting = waiting.filter((_, at) => isPending(states[at]))
    }
    if (!this.#holds(claim)) return
    const settle = {
      kind: 'promise.settle',
      data: { id: claim.id, state: 'resolved', value: { data: claim.id } },
    } as const
    await this.ask({ kind: 'task.fulfill', data: { ...claim, action: settle } })
  }

  #creation(parent: string, { id, group }: { id: string; group: string | null }): Request<'promise.create'> {
    const { world } = this
    const origin = { 'resonate:origin': parent, 'resonate:branch': id }
    if (group === null) {
      const tags = { ...origin, 'resonate:timer': 'true' }
      return { kind: 'promise.create', data: { id, timeoutAt: world.now + 400, param: {}, tags } }
    }
    const takesMs = world.chance(0.1) ? 3_000 : world.between(0, 200)
    const tags = { ...origin, 'resonate:target': `poll://any@${group}` }
    return { kind: 'promise.create', data: { id, timeoutAt: FAR, param: { data: JSON.stringify({ takesMs }) }, tags } }
  }
}

function isPending(answer: Answer | undefined): boolean {
  return (answer?.data as { promise: { state: string } } | undefined)?.promise.state === 'pending'
}

export const FAR = 9e15

export class SimClient extends User {
  readonly #told = new Set<string>()
  /** Workflows whose beginning was acknowledged. */
  readonly begun: string[] = []
  #isBusy = true

  constructor(network: Network, pid: string) {
    super(network, { pid, group: 'clients' })
    this.stayConnected()
  }

  protected override readonly receive = (message: Message): void => {
    if (message.kind !== 'unblock') return
    const { id, state, value } = message.data.promise
    assert.equal(state, 'resolved')
    assert.equal(value.data, id)
    this.#told.add(id)
  }

  /** All that it began has ended, and it was told. */
  get isDone(): boolean {
    return !this.#isBusy && this.begun.every((id) => this.#told.has(id))
  }

  get missing(): string[] {
    return this.begun.filter((id) => !this.#told.has(id))
  }

  async start(workflows: number): Promise<void> {
    for (let n = 0; n < workflows; n++) {
      await this.world.pause(this.world.between(100, 2_500), this.process)
      await this.#begin(`${this.pid}w${n}`)
    }
    this.#isBusy = false
  }

  /** Something that every server fires, for as long as the run lasts. */
  async schedule(): Promise<void> {
    const promiseTags = { 'resonate:target': 'poll://any@g' }
    const promise = { promiseId: '{{.id}}.{{.timestamp}}', promiseTimeout: 60_000, promiseParam: {}, promiseTags }
    const created = await this.ask({ kind: 'schedule.create', data: { id: 's', cron: '*/3 * * * * *', ...promise } })
    assert.equal(created?.status, 200)
  }

  async #begin(id: string): Promise<void> {
    const { world } = this
    const children = Array.from({ length: 1 + Math.floor(world.random() * 3) }, (_, n) => ({
      // Some share the lock of their workflow, some do not.
      id: world.chance(0.5) ? `${id}.${n}` : `${id}-${n}`,
      group: world.pick(['g', 'h', null]),
    }))
    const data = JSON.stringify({ takesMs: world.between(0, 50), children })
    const tags = { 'resonate:target': 'poll://any@g', 'resonate:branch': id }
    const created = await this.ask({ kind: 'promise.create', data: { id, timeoutAt: FAR, param: { data }, tags } })
    assert.equal(created?.status, 200, `${id} could not be begun`)
    this.begun.push(id)
    const address = `poll://uni@clients/${this.pid}`
    const listened = await this.ask({ kind: 'promise.register_listener', data: { awaited: id, address } })
    assert.equal(listened?.status, 200, `${id} could not be listened for`)
    if (!isPending(listened)) this.#told.add(id)
  }
}
