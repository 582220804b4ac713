// Contract draft (being written): what the server, the SDK's local mode and the simulator hold.
import type { Answer, Message, Request } from '@resonatehq/protocol'

/** Everything ambient, passed in. */
export interface Platform {
  /** Wall clock, ms since epoch. */
  now(): number
  /** Runs `fn` once after `delayMs`; returns its cancel. */
  timer(delayMs: number, fn: () => void): () => void
  /** Runs `fn` at the next macrotask. */
  defer(fn: () => void): void
  /** 0 ≤ x < 1. */
  random(): number
}

/** A worker connection as the engine sees it. */
export interface WorkerPort {
  readonly group: string
  readonly pid: string
  /** Tasks in hand at most; absent: any number. */
  readonly capacity?: number
  /** What it says of itself (sdk, version, host, functions). Shown to operators only. */
  readonly info?: Readonly<Record<string, string>>
  /** Hands a message over. False: it could not be taken now, and counts as not sent. */
  send(message: Message): boolean
}

export interface Engine {
  /** Decides one request. Resolves after the commit that made the answer true; never rejects. */
  submit(request: Request, options?: { debugTime?: number }): Promise<Answer>
  /** Decides several in this order, in one batch where they fit. */
  submitAll(requests: readonly Request[], options?: { debugTime?: number }): Promise<Answer[]>
  /** A worker connected. Call the returned function when its connection ended. */
  connect(port: WorkerPort): () => void
  start(): Promise<void>
  /** Stops timers and dispatch, finishes the batches in flight, closes the store. */
  stop(): Promise<void>
}
