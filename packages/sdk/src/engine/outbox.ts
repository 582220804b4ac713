// What one execution sends: what gathers in a macrotask leaves as one ordered group, and is answered as one, in that order. Knows
// what is under way; what an answer means is for who asked.

import type { Call, Reply, Transport } from '../transport/transport.ts'
import type { Operation } from './operations.ts'

/** One request of a group. */
export interface Pending {
  readonly call: Call
  /** Whose promise it is about. */
  readonly operation?: Operation | undefined
  /** Its answer is needed before the pass may end: someone goes on with it. */
  isOpen: boolean
  readonly onReply: (reply: Reply) => void
}

/** What it needs of its execution. */
export interface Sender {
  readonly isOver: boolean
  touch(): void
  /** All answers of a group were taken. */
  answered(): void
  /** Nothing can be sent any more: the client was stopped. */
  unsent(cause: unknown): void
}

export class Outbox {
  readonly #transport: Transport
  readonly #sender: Sender
  #gathered: Pending[] = []
  /** Groups sent and not answered. */
  #unanswered = 0

  constructor(transport: Transport, sender: Sender) {
    this.#transport = transport
    this.#sender = sender
  }

  get isEmpty(): boolean {
    return this.#gathered.length === 0
  }

  /** A group has been sent and is not answered. */
  get isUnderWay(): boolean {
    return this.#unanswered > 0
  }

  /** Whether the pass has to wait for what is under way or about to leave. What ends a pass may leave in one group with the rest. */
  get holdsPass(): boolean {
    if (this.isUnderWay) return true
    return this.#transport.batches ? this.#gathered.some(({ isOpen }) => isOpen) : !this.isEmpty
  }

  push(pending: Pending): Pending {
    this.#gathered.push(pending)
    this.#sender.touch()
    return pending
  }

  /** Sends what has gathered, as one group. */
  flush(): void {
    const group = this.#gathered
    if (group.length === 0) return
    this.#gathered = []
    for (const { operation } of group) if (operation?.creation === 'queued') operation.creation = 'sent'
    this.#unanswered += 1
    this.#transport.send(group.map(({ call }) => call)).then(
      (replies) => this.#answered(group, replies),
      (cause) => this.#sender.unsent(cause),
    )
  }

  #answered(group: readonly Pending[], replies: readonly Reply[]): void {
    this.#unanswered -= 1
    for (const [at, { onReply }] of group.entries()) {
      if (this.#sender.isOver) return
      onReply(replies[at] as Reply)
    }
    this.#sender.answered()
  }

  /** What gathered under an earlier claim of the task is sent under this one. */
  readdress(version: number): void {
    this.#gathered = this.#gathered.map((pending) => {
      const { kind, data } = pending.call
      return kind.startsWith('task.') ? { ...pending, call: { ...pending.call, data: { ...data, version } } } : pending
    })
  }

  discard(): void {
    this.#gathered = []
  }
}
