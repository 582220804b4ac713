// Everything ambient that the SDK uses, by interface: clock, timers, chance, environment, the network. What a test or a
// simulation replaces as a whole; `runtime.ts` is the one of the runtime.

/**
 * Everything ambient that the SDK uses, to be replaced as a whole in a test or a runtime of its own kind. `systemPlatform()` is that
 * of this runtime.
 */
export interface Platform {
  /** Wall clock, ms since epoch. */
  now(): number
  /** Runs `fn` once after `delayMs`; returns its cancel. A background timer does not keep the process alive. */
  timer(delayMs: number, fn: () => void, options?: { background?: boolean }): () => void
  /** Runs `fn` at the next macrotask: after everything that is ready now has run. */
  defer(fn: () => void): void
  /** 0 ≤ x < 1. */
  random(): number
  /** Unique among all processes, without dashes. */
  uuid(): string
  /** A variable of the environment; absent where there is none. */
  env(name: string): string | undefined
  /** What operators are told about this process. */
  readonly host: string
  readonly http: HttpPort
  /** Memory of this process, where it can be known. */
  rssBytes?(): number | undefined
  /** Starts a thread that renews leases while the event loop is blocked; undefined where there are none. */
  pacemaker?(options: PacemakerOptions): Pacemaker | undefined
  /** Calls `fn` on SIGTERM and SIGINT; returns its removal. Absent where there are no signals. */
  onSignal?(fn: () => void): () => void
  /** Ends the process. Called only where a user's option says so. */
  exit?(code: number): void
}

/** Whatever a request by itself needs: where to, and as whom. */
export interface Door {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly head: Readonly<Record<string, unknown>>
}

/** What renews leases from a thread needs to know: where to, as whom, and for how long. */
export interface PacemakerOptions extends Door {
  readonly pid: string
  readonly ttlMs: number
  /** A loop that has not turned for this long is stuck: its leases are left to end. */
  readonly lagLimitMs: number
}

/** The thread that renews leases while the event loop is blocked. */
export interface Pacemaker {
  /** The loop turns. */
  turned(): void
  /** How many tasks there are to renew. */
  held(tasks: number): void
  /** As whom from now on: a token may have been followed by another. */
  renew(door: Door): void
  /** Ends it. */
  stop(): void
}

export interface HttpResponse {
  readonly status: number
  readonly contentType: string
  /** As sent, seconds or a date. */
  readonly retryAfter: string | undefined
  readonly body: string
}

/** How requests are made over HTTP. */
export interface HttpPort {
  /** Resolves with whatever status; rejects when there is no whole response within `timeoutMs`. */
  request(url: string, options: HttpRequestOptions): Promise<HttpResponse>
  /** Resolves when the headers are in; `onText` then gets the body piece by piece, and `ended` settles when it is over. */
  stream(url: string, options: HttpStreamOptions): Promise<{ status: number; ended: Promise<void> }>
}

export interface HttpRequestOptions {
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly timeoutMs: number
}

export interface HttpStreamOptions {
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  readonly onText: (text: string) => void
}
