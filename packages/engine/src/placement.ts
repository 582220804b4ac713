// Which worker gets which ready task. In memory: the workers connected to this server, and how many tasks each has in hand.
// P1. A worker never gets more than its capacity; an offer that has lapsed is in nobody's hands. P2. Among those with room the one with the fewest tasks in hand is
// chosen, ties in turn; a worker that let an offer lapse goes last until it asks for one, be it too late. P3. `any@group/pid`, and the
// worker that ran a task before, are preferred while they have room. P4. A task that nobody can take stays where it is:
// in the store, and its queue is remembered as having a backlog.
// Where several servers share a store, requests to others change what the workers connected here have in hand, so: P5. A
// worker near its capacity is counted in the transaction that gives it more. P6. A task that another server's worker should
// get back is left to it for a moment. P7. What others must know is gathered (`takeNews`) and told after the commit.

import { groupOf, handOf, parseAddress, type TaskRow } from '@resonatehq/protocol'
import type { Circumstances, Dispatcher } from './batch.ts'
import type { WorkerStats } from './observer.ts'
import type { Hint } from './peers.ts'

interface Worker {
  readonly group: string
  readonly pid: string
  /** Tasks in hand at most; null: any number. */
  capacity: number | null
  /** When it was last chosen, as a running number. */
  turn: number
  /** It let an offer lapse and was not heard from since. */
  isLate: boolean
  /** Its connections take nothing at the moment. */
  isStalled: boolean
  /** Shared by the groups that this pid is connected in. Here, because every choice looks at the hands of a whole group. */
  readonly hand: Hand
}

type Newcomer = Pick<Worker, 'group' | 'pid' | 'capacity'>

interface Hand {
  /** Offered or acquired. */
  count: number
  /** What is offered and not acquired, as far as this server knows, oldest first. */
  readonly offers: Map<string, Offer>
  /** When the store was last asked for the count. Offers that stood then are in it, whoever made them. */
  countedAt: number
  /** Those among them that have lapsed since, and so left the count. */
  readonly lapsed: Set<string>
  /** Another server has told that it changed. */
  isStale: boolean
}

interface Offer {
  readonly version: number
  readonly offeredAt: number
  /** When it lapses. */
  readonly dueAt: number
}

export interface PlacementOptions {
  readonly canPush: boolean
  /** Other servers of this store would hear what they are told. */
  readonly hasPeers?: () => boolean
}

/** What happened in batches that other servers, or a later look, must see to. */
export interface News {
  readonly hints: readonly Hint[]
  /** Tasks left to other servers until `at`, the store's clock. */
  readonly left: readonly { readonly id: string; readonly at: number }[]
}

/** P6: how long, ms. */
const LEFT_MS = 25
/** Workers that are counted at once. */
const COUNTED_MAX = 32
/** Room from which a worker is near its capacity, where that is small. */
const NEAR = 8

export class Placement implements Dispatcher {
  readonly #groups = new Map<string, Map<string, Worker>>()
  readonly #hands = new Map<string, Hand>()
  readonly #backlog = new Set<string>()
  /** Queues whose backlog somebody may be able to take again, since the last `takeRelieved`. */
  readonly #relieved = new Set<string>()
  readonly #canPush: boolean
  readonly #hasPeers: () => boolean
  /** By their text, so that each is told once. */
  readonly #hints = new Map<string, Hint>()
  #left: { id: string; at: number }[] = []
  #turn = 0
  /** Nothing is offered while paused. */
  isPaused = false

  constructor({ canPush, hasPeers = () => false }: PlacementOptions) {
    this.#canPush = canPush
    this.#hasPeers = hasPeers
  }

  *workers(): Generator<WorkerStats> {
    for (const workers of this.#groups.values()) {
      for (const { group, pid, hand } of workers.values()) {
        yield { group, pid, inHand: hand.count }
      }
    }
  }

  /** A worker connected, and this many tasks are in its hands by the store's account. */
  add({ group, pid, capacity }: Newcomer, inHand: number, now: number): void {
    const workers = this.#groups.get(group) ?? new Map<string, Worker>()
    const hand = this.#hands.get(pid) ?? {
      count: 0,
      offers: new Map(),
      countedAt: 0,
      lapsed: new Set(),
      isStale: false,
    }
    recount(hand, inHand, now)
    this.#hands.set(pid, hand)
    workers.set(pid, { group, pid, capacity, turn: this.#turn++, isLate: false, isStalled: false, hand })
    this.#groups.set(group, workers)
  }

  /** The last connection of a worker to this server ended. Returns what was offered to it and not acquired. */
  remove({ group, pid }: { group: string; pid: string }): { id: string; version: number }[] {
    const workers = this.#groups.get(group)
    workers?.delete(pid)
    if (workers?.size === 0) this.#groups.delete(group)
    const isElsewhere = [...this.#groups.values()].some((others) => others.has(pid))
    const offers = [...(this.#hands.get(pid)?.offers ?? [])].map(([id, { version }]) => ({ id, version }))
    if (!isElsewhere) this.#hands.delete(pid)
    return offers
  }

  /** Its connections refused a message: it gets nothing until they have drained. */
  stall({ group, pid }: { readonly group: string; readonly pid: string }): void {
    const worker = this.#groups.get(group)?.get(pid)
    if (worker) worker.isStalled = true
  }

  /** It takes messages again. Returns those of its queues that have a backlog. */
  drained({ group, pid }: { readonly group: string; readonly pid: string }): string[] {
    const worker = this.#groups.get(group)?.get(pid)
    if (worker) worker.isStalled = false
    return queuesOf({ group, pid }).filter((queue) => this.#backlog.has(queue))
  }

  /** Queues with a backlog that became smaller than what the workers can take, or may have. */
  takeRelieved(): string[] {
    const queues = [...this.#relieved]
    this.#relieved.clear()
    return queues
  }

  /** The queue is about to be read: what is still not taken will say so again. */
  reading(queue: string): void {
    this.#backlog.delete(queue)
  }

  /** More is waiting in this queue than was read. */
  leftover(queue: string): void {
    this.#backlog.add(queue)
  }

  /** P7. */
  takeNews(): News {
    const news = { hints: [...this.#hints.values()], left: this.#left }
    this.#hints.clear()
    this.#left = []
    return news
  }

  #tell(key: string, hint: Hint): void {
    if (this.#hasPeers()) this.#hints.set(key, hint)
  }

  /** Somebody connected here reads this queue. */
  isServed(queue: string): boolean {
    return !this.#readers(queue).next().done
  }

  isConnected(pid: string): boolean {
    return this.#hands.has(pid)
  }

  /** What a worker has in hand was changed elsewhere. True: it should be counted now, because it could take more. */
  changed(pid: string): boolean {
    const hand = this.#hands.get(pid)
    if (!hand) return false
    hand.isStale = true
    for (const [group, workers] of this.#groups) {
      const worker = workers.get(pid)
      if (worker && this.#isMissing(group, worker)) return true
    }
    return false
  }

  /** It has no room by the count that is known, and something waits for it. */
  #isMissing(group: string, worker: Worker): boolean {
    return !hasRoom(worker) && queuesOf({ group, pid: worker.pid }).some((queue) => this.#backlog.has(queue))
  }

  /** Workers whose count should be looked up: something waits for them, or it changed elsewhere. A bounded number. */
  suspects(): string[] {
    const suspects = new Set<string>()
    for (const [group, workers] of this.#groups) {
      for (const worker of workers.values()) {
        if (suspects.size >= COUNTED_MAX) return [...suspects]
        if (worker.hand.isStale || this.#isMissing(group, worker)) suspects.add(worker.pid)
      }
    }
    return [...suspects]
  }

  /** P5. */
  doubted(task: TaskRow, chosen: string): string[] {
    const workers = this.#groups.get(groupOf(task.address) ?? '')
    const worker = workers?.get(chosen)
    if (!workers || !worker || !isNearFull(worker)) return []
    // Those that would be next, so that not each of them costs a round trip.
    const others = [...workers.values()].filter((other) => isNearFull(other) && hasRoom(other))
    const next = others.sort((a, b) => a.hand.count - b.hand.count || a.turn - b.turn).slice(0, COUNTED_MAX)
    return [...new Set([chosen, ...next.map(({ pid }) => pid)])]
  }

  counted(pid: string, inHand: number, now: number): void {
    const hand = this.#hands.get(pid)
    if (!hand) return
    const isLess = inHand < hand.count
    recount(hand, inHand, now)
    if (isLess) this.#relieve(pid)
  }

  /** How many more tasks the readers of this queue can take, up to `max`. */
  room(queue: string, max: number): number {
    let room = 0
    for (const worker of this.#readers(queue)) {
      if (worker.isStalled) continue
      room += worker.capacity === null ? max : Math.max(0, worker.capacity - worker.hand.count)
      if (room >= max) return max
    }
    return room
  }

  /** The workers that may take what waits in a queue. */
  *#readers(queue: string): Generator<Worker> {
    const address = parseAddress(queue)
    if (address === null || address.kind === 'push') return
    const workers = this.#groups.get(address.group)
    if (address.kind === 'any') yield* workers?.values() ?? []
    else yield* [workers?.get(address.pid)].filter((worker) => worker !== undefined)
  }

  choose(task: TaskRow, { now, isNew }: Circumstances): string | null | undefined {
    if (this.isPaused) return undefined
    this.#lapse(task)
    const address = parseAddress(task.address)
    if (address?.kind === 'push') return this.#canPush ? null : undefined
    if (address && this.#isLeft(task, address, now)) return undefined
    const worker = address && this.#best(task, address)
    if (worker) {
      worker.turn = this.#turn++
      return worker.pid
    }
    this.#backlog.add(task.queue)
    if (isNew) this.#tell(`ready ${task.queue}`, { kind: 'ready', queue: task.queue })
    return undefined
  }

  /** P6. */
  #isLeft(task: TaskRow, { group, pid }: { group: string; pid?: string }, now: number): boolean {
    const favourite = isShunned(task) ? undefined : (task.worker ?? pid)
    const until = (task.dueAt ?? now) + LEFT_MS
    if (favourite === undefined || until <= now || this.#groups.get(group)?.has(favourite)) return false
    if (!this.#hasPeers()) return false
    this.#left.push({ id: task.id, at: until })
    this.#tell(`returned ${task.queue} ${favourite}`, { kind: 'returned', queue: task.queue, worker: favourite })
    return true
  }

  #best(task: TaskRow, { kind, group, pid }: { kind: 'any' | 'uni'; group: string; pid?: string }): Worker | null {
    const workers = this.#groups.get(group)
    if (!workers) return null
    const hasLapsed = task.offeredAt !== null
    const late = hasLapsed && task.worker !== null ? workers.get(task.worker) : undefined
    if (late) late.isLate = true
    if (kind === 'uni') return withRoom(workers.get(pid as string))
    const shunned = isShunned(task) ? task.worker : null
    const favourite = workers.get(shunned !== null || task.worker === null ? (pid ?? '') : task.worker)
    if (favourite && !favourite.isLate && favourite.pid !== shunned) {
      const preferred = withRoom(favourite)
      if (preferred) return preferred
    }
    return this.#leastLoaded(workers.values(), shunned)
  }

  /** Runs over a whole group for every task, so it makes nothing on its way. */
  #leastLoaded(workers: Iterable<Worker>, shunned: string | null): Worker | null {
    let best: Worker | null = null
    let bestRank = Number.POSITIVE_INFINITY
    for (const worker of workers) {
      if (!hasRoom(worker)) continue
      const inHand = worker.hand.count
      const isLast = worker.isLate || worker.pid === shunned
      const rank = isLast ? inHand + Number.MAX_SAFE_INTEGER / 2 : inHand
      if (best && (rank > bestRank || (rank === bestRank && worker.turn > best.turn))) continue
      best = worker
      bestRank = rank
    }
    return best
  }

  moved(before: TaskRow | null, after: TaskRow): void {
    const from = before ? handOf(before) : null
    const to = handOf(after)
    if (before && from !== null) this.#leave(from, before, to)
    if (to !== null) this.#enter(to, after, from)
  }

  #leave(pid: string, task: TaskRow, to: string | null): void {
    const hand = this.#hands.get(pid)
    if (hand) {
      if (task.state === 'acquired' || isStanding(hand, task)) hand.count--
      hand.offers.delete(task.id)
      hand.lapsed.delete(task.id)
    }
    if (pid === to) return
    if (hand) this.#relieve(pid)
    else this.#tell(`hand ${pid}`, { kind: 'hand', worker: pid })
  }

  #enter(pid: string, task: TaskRow, from: string | null): void {
    const hand = this.#hands.get(pid)
    if (!hand) return pid === from ? undefined : this.#tell(`hand ${pid}`, { kind: 'hand', worker: pid })
    hand.count++
    if (task.state !== 'pending') return this.heard(pid)
    const { version, offeredAt, dueAt } = task
    hand.offers.set(task.id, { version, offeredAt: offeredAt ?? 0, dueAt: dueAt ?? 0 })
    forgetLapsed(hand, offeredAt ?? 0)
  }

  /** An offer that was not acquired in time. */
  #lapse(task: TaskRow): void {
    const hand = this.#hands.get(task.worker ?? '')
    if (!hand || !isStanding(hand, task)) return
    letLapse(hand, task.id, task)
    this.#relieve(task.worker as string)
  }

  /** A sign of life: it asks for what it was offered, be it too late. */
  heard(pid: string): void {
    for (const workers of this.#groups.values()) {
      const worker = workers.get(pid)
      if (worker) worker.isLate = false
    }
  }

  /** A worker has one task fewer: queues that it reads and that have a backlog can be read again. */
  #relieve(pid: string): void {
    if (this.#backlog.size === 0) return
    for (const [group, workers] of this.#groups) {
      if (!workers.has(pid)) continue
      for (const queue of queuesOf({ group, pid })) if (this.#backlog.has(queue)) this.#relieved.add(queue)
    }
  }
}

function withRoom(worker: Worker | undefined): Worker | null {
  return worker && hasRoom(worker) ? worker : null
}

/** Offered in vain, given back or lost: not to the same worker again while others have room. */
function isShunned({ offeredAt, released, lost }: TaskRow): boolean {
  return offeredAt !== null || released > 0 || lost > 0
}

/** The store has been asked. */
function recount(hand: Hand, inHand: number, now: number): void {
  forgetLapsed(hand, now)
  hand.count = inHand
  hand.countedAt = now
  hand.lapsed.clear()
  hand.isStale = false
}

/** Whether an offer is in the count. What is known of an earlier one of the same task says nothing. */
function isStanding(hand: Hand, { id, offeredAt, dueAt }: TaskRow): boolean {
  if (offeredAt === null) return false
  return (
    hand.offers.get(id)?.offeredAt === offeredAt || (wasCounted(hand, { offeredAt, dueAt }) && !hand.lapsed.has(id))
  )
}

function wasCounted({ countedAt }: Hand, { offeredAt, dueAt }: Pick<TaskRow, 'offeredAt' | 'dueAt'>): boolean {
  return offeredAt !== null && dueAt !== null && offeredAt <= countedAt && dueAt > countedAt
}

/** Offers leave a hand when they lapse, also those that were acquired through another server. */
function forgetLapsed(hand: Hand, now: number): void {
  for (const [id, offer] of hand.offers) {
    if (offer.dueAt > now) return
    letLapse(hand, id, offer)
  }
}

function letLapse(hand: Hand, id: string, offer: Pick<TaskRow, 'offeredAt' | 'dueAt'>): void {
  hand.count--
  hand.offers.delete(id)
  // Or it would seem to stand still, as one of those that were counted.
  if (wasCounted(hand, offer)) hand.lapsed.add(id)
}

function isNearFull({ capacity, hand }: Worker): boolean {
  return capacity !== null && capacity - hand.count <= Math.max(capacity >> 1, NEAR)
}

function hasRoom({ isStalled, capacity, hand }: Worker): boolean {
  return !isStalled && (capacity === null || hand.count < capacity)
}

/** The queues that a worker reads. */
export function queuesOf({ group, pid }: { readonly group: string; readonly pid: string }): string[] {
  return [`poll://any@${group}`, `poll://uni@${group}/${pid}`]
}
