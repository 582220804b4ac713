// Messages: from the commit that made them true to the connection or the URL that takes them.
// D1. An `execute` that no connection took is withdrawn at once: the task is due again. D2. An `unblock` stays in the store
// until it was written to a live connection or answered 2xx; what was written within a connection's last keep-alive
// window before it ended is owed again. Duplicates are fine, loss is not. D3. A slow target delays nobody else. D4. What is
// read at a time is bounded in bytes, and so is what waits in memory for another attempt: the rest waits in the store.

import {
  executeMessage,
  groupOf,
  type Message,
  type PromiseRow,
  parseAddress,
  promiseBytes,
  queueOf,
  revokeMessage,
  type TaskRef,
  type UnblockMessage,
  type UnblockRow,
  unblockKey,
  unblockMessage,
} from '@resonatehq/protocol'
import type { Store, UnblockKey } from '@resonatehq/store'
import type { Entry, Outgoing } from './batch.ts'
import type { Clock } from './clock.ts'
import type { Lane } from './lane.ts'
import type { EngineObserver } from './observer.ts'
import type { Hint } from './peers.ts'
import { type Placement, queuesOf } from './placement.ts'
import type { Platform } from './platform.ts'

/** A worker connection, as the engine sees it. */
export interface WorkerPort {
  readonly group: string
  readonly pid: string
  /** Tasks in hand at most; absent: any number. */
  readonly capacity?: number
  /** It wants to be told when a task that it holds is lost. */
  readonly revoke?: boolean
  /** What it says of itself (sdk, version, host, functions). Shown to operators only. */
  readonly info?: Readonly<Record<string, string>>
  /**
   * Hands a message over. False: it could not be taken now, and counts as not sent; say `drained` when that has changed.
   * Must not call back into the engine.
   */
  send(message: Message): boolean
}

/** What the engine is to be told of a worker connection. */
export interface Connected {
  /** It can take messages again, after `send` has answered false. */
  drained(): void
  ended(): void
}

/** POSTs a message to a URL. True: answered 2xx. Bounds its own concurrency; never rejects. */
export type Push = (url: string, message: Message) => Promise<boolean>

export interface DeliveryOptions {
  readonly store: Store
  readonly lane: Lane
  readonly placement: Placement
  readonly platform: Platform
  readonly clock: Clock
  readonly observer: EngineObserver
  readonly push: Push | null
  readonly serverUrl: string
  /** What was written less than this before a connection ended may not have arrived, ms. */
  readonly keepAliveMs: number
  /** Unblocks that nobody fetched are dropped after this, ms. */
  readonly retentionMs: number
}

interface Sent {
  readonly id: string
  readonly address: string
  readonly at: number
}

interface Owing {
  readonly row: UnblockRow
  readonly promise: PromiseRow
}

interface Connection {
  readonly port: WorkerPort
  /** Unblocks of the last keep-alive window. */
  sent: Sent[]
}

/** Owed unblocks that are read at a time, and texts of the promises that they tell of. */
const OWED_PAGE = 200
const OWED_BYTES = 4 * 1024 * 1024

/** Back-off of a pushed `unblock` that was not taken: 1 s, doubling, to 60 s. */
const PUSH_RETRY_MS = 1_000
const PUSH_RETRY_MAX_MS = 60_000

/** What pushed unblocks wait for their next attempt in memory, bytes. Others are found again as owed. */
const RETRY_BYTES = 16 * 1024 * 1024
/** Between two looks at what is owed to URLs, ms, and pages of it in one look. */
const WALK_EVERY_MS = 250
const WALK_PAGES = 5
/** Between two looks for what nobody has fetched, ms, and how many are dropped then. */
const FORGET_EVERY_MS = 60_000
const FORGET_MAX = 500
const BEGINNING: UnblockKey = { id: '', address: '' }

/** How long a pushed `unblock` is left to the server that owed it first. */
const PUSH_TAKEOVER_MS = 30_000

export class Delivery {
  readonly #options: DeliveryOptions
  /** By group, then pid. */
  readonly #connections = new Map<string, Map<string, Connection[]>>()
  /** Pushed unblocks under way or waiting for their next attempt. */
  readonly #pushing = new Set<string>()
  /** Of those that wait, bytes. */
  #retryBytes = 0
  /** What is owed to URLs was looked at up to here, and when. */
  #walked = BEGINNING
  #walkedAt = Number.NEGATIVE_INFINITY
  #forgottenAt = 0
  /** The `unblock` that was sent last: as one object to all who listen for it, it is written once. */
  #unblockSent: { readonly settledAt: number | null; readonly message: UnblockMessage } | null = null
  /** Workers that refused an unblock since they were last sent what they are owed. */
  readonly #behind = new Set<string>()
  /** Workers whose owed unblocks are being sent; true: asked again meanwhile, because there is room again. */
  readonly #catchingUp = new Map<string, boolean>()

  constructor(options: DeliveryOptions) {
    this.#options = options
  }

  open(port: WorkerPort): void {
    const group = this.#connections.get(port.group) ?? new Map<string, Connection[]>()
    group.set(port.pid, [...(group.get(port.pid) ?? []), { port, sent: [] }])
    this.#connections.set(port.group, group)
  }

  /** The connection ended. True: it was the worker's last one to this server in this group. */
  close(port: WorkerPort): boolean {
    const group = this.#connections.get(port.group)
    const ended = group?.get(port.pid)?.find((connection) => connection.port === port)
    const left = group?.get(port.pid)?.filter((connection) => connection !== ended) ?? []
    if (left.length > 0) group?.set(port.pid, left)
    else {
      group?.delete(port.pid)
      this.#behind.delete(workerKey(port))
    }
    if (group?.size === 0) this.#connections.delete(port.group)
    this.#options.lane.steps(this.#recent(ended).map(({ id, address }) => requeue(id, address)))
    return left.length === 0
  }

  get isEmpty(): boolean {
    return this.#connections.size === 0
  }

  /** The workers connected here that read a queue. */
  readersOf(queue: string): { readonly group: string; readonly pid: string }[] {
    const address = parseAddress(queue)
    if (!address || address.kind === 'push') return []
    const { group, pid } = address
    const connected = this.#connections.get(group)
    if (address.kind === 'any') return [...(connected?.keys() ?? [])].map((one) => ({ group, pid: one }))
    return pid !== undefined && connected?.has(pid) ? [{ group, pid }] : []
  }

  /** After a commit. Returns what only another server can hand over. */
  dispatch({ executes, revokes, unblocks }: Outgoing): Hint[] {
    const undone: Entry[] = []
    for (const { effect, readyAt } of executes) {
      const { id, version, address, worker } = effect
      const message = executeMessage({ id, version }, this.#options.serverUrl)
      if (worker === null) this.#pushExecute(address, message)
      else if (this.#sendTo(address, worker, message)) this.#told('execute', readyAt)
      else undone.push({ kind: 'input', input: { kind: 'task.withdraw', data: { id, version, worker } } })
    }
    const elsewhere: Hint[] = []
    for (const { id, version, pid: worker, queue } of revokes) {
      if (!this.revoke({ worker, queue }, { id, version }))
        elsewhere.push({ kind: 'revoke', worker, queue, id, version })
    }
    const sent = unblocks.filter(({ address, promise }) => {
      const isSent = this.#unblock(address, promise)
      if (!isSent && groupOf(address) !== null) elsewhere.push({ kind: 'owed', queue: queueOf(address) })
      return isSent
    })
    this.#options.lane.steps([...undone, ...sent.map(({ address, promise }) => handedOver(promise.id, address))])
    return elsewhere
  }

  /** Sends what is owed to a worker that has just connected. */
  async catchUp(worker: { readonly group: string; readonly pid: string }): Promise<void> {
    const key = workerKey(worker)
    if (this.#catchingUp.has(key)) return void this.#catchingUp.set(key, true)
    try {
      do {
        this.#catchingUp.set(key, false)
        this.#behind.delete(key)
        while (await this.#sendOwed(worker)) {}
      } while (this.#catchingUp.get(key))
    } finally {
      this.#catchingUp.delete(key)
    }
  }

  /** It refused an unblock, and has not been sent it since. */
  isBehind(worker: { readonly group: string; readonly pid: string }): boolean {
    return this.#behind.has(workerKey(worker))
  }

  /** A page of what is owed. True: there may be more, and it may be taken. */
  async #sendOwed(worker: { readonly group: string; readonly pid: string }): Promise<boolean> {
    const rows = await this.#options.store.unblocks({ queues: queuesOf(worker), limit: OWED_PAGE })
    const { owed, more } = await this.#withPromises(rows)
    const refused = owed.findIndex(({ row, promise }) => !this.#unblock(row.address, promise))
    const sent = refused < 0 ? owed : owed.slice(0, refused)
    const isNoted = await this.#options.lane.settled(sent.map(({ row }) => handedOver(row.id, row.address)))
    // What was refused waits until its connection has drained, or for the next one.
    return isNoted && refused < 0 && sent.length > 0 && (more || rows.length === OWED_PAGE)
  }

  /** The first of these with the promises that they tell of, as many as one read may hold. D4. */
  async #withPromises(rows: readonly UnblockRow[]): Promise<{ owed: Owing[]; more: boolean }> {
    if (rows.length === 0) return { owed: [], more: false }
    const ids = [...new Set(rows.map(({ id }) => id))]
    const { rows: promises, more } = await this.#options.store.promises({ ids, bytesMax: OWED_BYTES })
    const byId = new Map(promises.map((promise) => [promise.id, promise]))
    const owed = rows.flatMap((row) => {
      const promise = byId.get(row.id)
      return promise ? [{ row, promise }] : []
    })
    return { owed, more }
  }

  /** Pushes what is owed to URLs and is not under way already: some of it, and the next of it next time, round and round. D3. */
  async pushOwed(): Promise<void> {
    const { push, platform } = this.#options
    if (!push || platform.ticks() - this.#walkedAt < WALK_EVERY_MS) return
    this.#walkedAt = platform.ticks()
    const { owed, more } = await this.#withPromises(await this.#idle())
    for (const { row, promise } of owed) this.#unblock(row.address, promise, row.createdAt)
    const last = owed.at(-1)
    if (more && last) this.#walked = last.row
  }

  /** The next that are owed to URLs and not under way. */
  async #idle(): Promise<UnblockRow[]> {
    const { store, clock } = this.#options
    // The server in whose commit it became owed pushes it; only if that one is gone it is for the others.
    const before = store.isShared ? clock.now() - PUSH_TAKEOVER_MS : Number.POSITIVE_INFINITY
    for (let page = 0; page < WALK_PAGES; page++) {
      const rows = await store.unblocksPushed({ after: this.#walked, limit: OWED_PAGE })
      const last = rows.at(OWED_PAGE - 1)
      this.#walked = last ?? BEGINNING
      const idle = rows.filter((row) => row.createdAt <= before && !this.#pushing.has(unblockKey(row)))
      if (idle.length > 0 || !last) return idle
    }
    return []
  }

  /** Drops what nobody has fetched. */
  async forgetOld(now: number): Promise<void> {
    if (now - this.#forgottenAt < FORGET_EVERY_MS) return
    this.#forgottenAt = now
    const { store, lane, retentionMs } = this.#options
    const old = await store.unblocksBefore({ createdAt: now - retentionMs, limit: FORGET_MAX })
    await lane.settled(old.map(({ id, address }) => handedOver(id, address)))
  }

  #sendTo(address: string, pid: string, message: Message): boolean {
    const parsed = parseAddress(address)
    const group = parsed && parsed.kind !== 'push' ? parsed.group : ''
    const connections = this.#connections.get(group)?.get(pid) ?? []
    const isTaken = connections.some(({ port }) => port.send(message))
    if (!isTaken) this.#options.placement.stall({ group, pid })
    return isTaken
  }

  #told(kind: 'execute' | 'unblock' | 'revoke', readyAt: number | null): void {
    const { observer, clock } = this.#options
    if (readyAt === null) observer.sent(kind)
    else observer.sent(kind, Math.max(0, clock.now() - readyAt))
  }

  #pushExecute(url: string, message: Message): void {
    // Not taken: the task is due again after the retry timeout.
    void this.#options.push?.(url, message).then((isTaken) => isTaken && this.#told('execute', null))
  }

  /** False: this worker is not connected here, so that others may know it. Until they do, one that reads its queue stands in. */
  revoke({ worker, queue }: { worker: string | null; queue: string | null }, claim: TaskRef): boolean {
    const connections = worker === null ? [] : this.#connectionsOf(worker)
    for (const { port } of connections) this.#sendRevoke(port, claim)
    if (connections.length > 0) return true
    if (queue !== null) {
      const readers = this.readersOf(queue).flatMap(({ group, pid }) => this.#connections.get(group)?.get(pid) ?? [])
      readers.some(({ port }) => this.#sendRevoke(port, claim))
    }
    return false
  }

  #connectionsOf(pid: string): Connection[] {
    return [...this.#connections.values()].flatMap((group) => group.get(pid) ?? [])
  }

  #sendRevoke(port: WorkerPort, claim: TaskRef): boolean {
    const isTaken = port.revoke === true && port.send(revokeMessage(claim))
    if (isTaken) this.#told('revoke', null)
    return isTaken
  }

  /** True: written to a live connection. */
  #unblock(address: string, promise: PromiseRow, createdAt = this.#options.clock.now()): boolean {
    const parsed = parseAddress(address)
    if (parsed === null) return false
    if (parsed.kind === 'push') {
      this.#pushUnblock(address, promise, { retryMs: PUSH_RETRY_MS, until: createdAt + this.#options.retentionMs })
      return false
    }
    const group = this.#connections.get(parsed.group)
    const own = group?.get(parsed.pid ?? '') ?? []
    const others = parsed.kind === 'any' ? [...(group?.values() ?? [])].flat() : []
    for (const connection of [...own, ...others]) {
      if (!connection.port.send(this.#unblockOf(promise))) {
        this.#options.placement.stall(connection.port)
        this.#behind.add(workerKey(connection.port))
        continue
      }
      this.#remember(connection, promise.id, address)
      this.#told('unblock', null)
      return true
    }
    return false
  }

  #unblockOf(promise: PromiseRow): UnblockMessage {
    const last = this.#unblockSent
    if (last?.message.data.promise.id === promise.id && last.settledAt === promise.settledAt) return last.message
    const message = unblockMessage(promise)
    this.#unblockSent = { settledAt: promise.settledAt, message }
    return message
  }

  #pushUnblock(url: string, promise: PromiseRow, { retryMs, until }: { retryMs: number; until: number }): void {
    const key = unblockKey({ id: promise.id, address: url })
    const { push, lane, platform, clock } = this.#options
    if (!push || this.#pushing.has(key)) return
    this.#pushing.add(key)
    void push(url, unblockMessage(promise)).then((isTaken) => {
      if (isTaken) {
        this.#told('unblock', null)
        void lane.settled([handedOver(promise.id, url)]).then(() => this.#pushing.delete(key))
        return
      }
      const bytes = promiseBytes(promise)
      const isKept = this.#retryBytes + bytes <= RETRY_BYTES && clock.now() + retryMs < until
      if (!isKept) return void this.#pushing.delete(key)
      this.#retryBytes += bytes
      platform.timer(retryMs, () => {
        this.#retryBytes -= bytes
        this.#pushing.delete(key)
        this.#pushUnblock(url, promise, { retryMs: Math.min(retryMs * 2, PUSH_RETRY_MAX_MS), until })
      })
    })
  }

  #remember(connection: Connection, id: string, address: string): void {
    const at = this.#options.platform.now()
    connection.sent.push({ id, address, at })
    // Trimmed now and then, not on each message.
    if (connection.sent.length % 256 === 0) connection.sent = this.#recent(connection)
  }

  #recent(connection: Connection | undefined): Sent[] {
    const since = this.#options.platform.now() - this.#options.keepAliveMs
    return connection?.sent.filter(({ at }) => at >= since) ?? []
  }
}

function workerKey({ group, pid }: { readonly group: string; readonly pid: string }): string {
  return `${group}/${pid}`
}

function handedOver(id: string, address: string): Entry {
  return { kind: 'input', input: { kind: 'unblock.sent', data: { id, address } } }
}

function requeue(id: string, address: string): Entry {
  return { kind: 'input', input: { kind: 'unblock.requeue', data: { id, address } } }
}
