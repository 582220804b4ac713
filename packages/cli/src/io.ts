// Everything a command may touch outside itself, passed in by main.ts and by tests. No command reaches for the process,
// the clock or the network in any other way.

export interface Sink {
  write(text: string): void
  /** A person is reading: tables and sentences instead of JSON. */
  readonly isTTY: boolean
  /** How much that person sees at once; it may change at any time. */
  size(): Size
}

export interface Size {
  readonly columns: number
  readonly rows: number
}

export interface Io {
  readonly stdout: Sink
  readonly stderr: Sink
  readonly env: Readonly<Record<string, string | undefined>>
  readonly fetch: typeof fetch
  readonly nodeVersion: string
  /** The text of a file, by its path from the working folder; undefined where there is none. */
  readText(path: string): string | undefined
  /** A path from the working folder, in full. */
  fullPath(path: string): string
  /** ms since epoch. */
  now(): number
  /** Runs `fn` once after `delayMs`; returns its cancel. */
  timer(delayMs: number, fn: () => void): () => void
  /** Who types, as `user@host`: what the system says, for other people to read. */
  who(): string
  /** A name that no other process has. */
  randomId(): string
  /** Calls `fn` at each SIGINT or SIGTERM, instead of what the process would do; returns the way back. */
  onStopSignal(fn: () => void): () => void
  /** Calls `fn` at each SIGHUP, instead of what the process would do. */
  onReloadSignal(fn: () => void): void
  /** Ends the process at once, whatever it was doing. */
  exit(code: number): void
  /** From now on the process goes on when what it prints cannot be written: its reader is gone, or the disk is full. */
  outliveOutput(): void
}

/** Waits `delayMs`, or until `signal` aborts. */
export function pause(io: Io, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const cancel = io.timer(delayMs, done)
    if (signal?.aborted) done()
    else signal?.addEventListener('abort', done)
  })
}
