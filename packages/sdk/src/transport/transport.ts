// The seam between the engine and the world: requests out, answers and messages in. Everything behind it keeps one promise:
// what may be asked again is asked again, so a lost connection is never the engine's business.

import type { Message } from '@resonatehq/protocol'
import type { Door } from '../platform.ts'

/** A request without its envelope. */
export interface Call {
  readonly kind: string
  readonly data: object
  /** More for the head of the envelope. */
  readonly head?: Readonly<Record<string, unknown>>
}

export interface Reply {
  /** As decided, refusals like 400 and 403 included. What asking again may help is asked again and never seen here. */
  readonly status: number
  /** On any status other than 200 and 300 a string that says what is wrong. */
  readonly data: unknown
  /** The request was sent more than once, so a 409 may be the echo of its own success. */
  readonly repeated: boolean
}

export interface SendOptions {
  /** Give up asking again after this long, ms. Absent: never, until the transport is stopped. */
  readonly patienceMs?: number
}

export interface Transport {
  /** The address of this worker alone. */
  readonly unicast: string
  /** The address of this worker, or of another of its group when it is gone. */
  readonly anycast: string
  /** Whether a group of requests costs one round trip. */
  readonly batches: boolean
  /** Whether `promise.check` is known there. */
  readonly checks: boolean
  /** How another thread can send a request by itself; absent where that makes no sense. */
  readonly door?: Door
  /** The address that a target means: a bare name is a group. */
  match(target: string): string
  /**
   * Sends requests that are decided in this order; what several callers send in one macrotask travels together.
   * Answers come in the same order. Rejects with ResonateTimeoutException where patience ran out, and with ResonateError
   * 1112 when the transport is stopped.
   */
  send(group: readonly Call[], options?: SendOptions): Promise<Reply[]>
  /** Sends what has gathered without waiting for the end of the macrotask. */
  flush(): void
  /** Who gets the messages. Set before `start`. */
  receive(onMessage: (message: Message) => void): void
  /** Who is told that the connection of messages is there again: what the one before it carried last may be lost. */
  reopened?(onReopened: () => void): void
  /** Opens the connection that messages come on. `facts` are told to operators, anew with every connection. */
  start(facts: () => WorkerFacts): void
  /** Takes no more messages; requests still work. */
  close(): void
  /** Ends everything; what was not answered rejects. */
  stop(): Promise<void>
}

export interface WorkerFacts {
  /** Tasks in hand at most. */
  readonly capacity: number | undefined
  readonly functions: readonly string[]
}

const RETRY_FIRST_MS = 100
const RETRY_MAX_MS = 30_000

/** How long to wait before asking again, ms; `attempt` counts from 0. Half of it is drawn, so that many do not come together. */
export function backoffMs(attempt: number, random: () => number): number {
  const most = Math.min(RETRY_FIRST_MS * 2 ** Math.min(attempt, 20), RETRY_MAX_MS)
  return most / 2 + (random() * most) / 2
}

/** Whether asking again may help: too much, or broken for now. 501 says that it never will. */
export function isPassing(status: number): boolean {
  return status === 429 || (status >= 500 && status !== 501)
}

/** A request within a request has a head of its own, on which servers of others insist. */
export function withInnerHeads(data: object, head: object): object {
  const { action, actions } = data as { action?: object; actions?: object[] }
  if (action) return { ...data, action: { head, ...action } }
  return actions ? { ...data, actions: actions.map((each) => ({ head, ...each })) } : data
}
