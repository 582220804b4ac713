// `server.processes`: one command that is several servers on one database, each on a core of its own, behind one port. This
// is the process that was started; it starts the others, puts another in the place of one that ends, and stops them. It
// serves nothing itself and never touches the store, so that it has little to fail at.

import cluster, { type Worker } from 'node:cluster'
import type { Platform } from '@resonatehq/engine'
import type { Config } from '../config/settings.ts'
import type { Logger } from '../log.ts'
import { type MetricsJson, sumUp } from '../metrics/scrape.ts'
import type { Addresses, Server } from '../server.ts'
import type { ToChild, ToPrimary } from './messages.ts'

export interface ProcessesParts {
  readonly platform: Platform
  readonly logger: Logger
}

/** How long a place stays empty after its process ended: doubled each time one ends that did not live for a while. */
const EMPTY_MS = 500
const EMPTY_MAX_MS = 30_000
const WHILE_MS = 60_000
/** How long a process may take to say how it is; it waits for the store that long itself. */
const MEASURE_MS = 4_000
/** How long a stop may take beyond what each process allows itself for its two halves. */
const STOP_GRACE_MS = 5_000

/** The processes of a configuration, started and stopped like one server. */
export function createProcesses(config: Config, parts: ProcessesParts): Server {
  return new Processes(config, parts)
}

class Processes implements Server {
  readonly #config: Config
  readonly #platform: Platform
  readonly #logger: Logger
  /** With the instant at which each was started, in ticks. */
  readonly #children = new Map<Worker, number>()
  /** Those that answer requests, and hear what they are told. */
  readonly #ready = new Set<Worker>()
  /** Cancels what puts another in the place of one that ended. */
  readonly #refills = new Set<() => void>()
  readonly #measured = new Map<number, (metrics: MetricsJson | null) => void>()
  #asked = 0
  #emptyMs = EMPTY_MS
  #hasStarted = false
  #stopped: Promise<void> | null = null

  constructor(config: Config, { platform, logger }: ProcessesParts) {
    this.#config = config
    this.#platform = platform
    this.#logger = logger
  }

  async start(): Promise<Addresses> {
    try {
      // One first: it prepares the database, and what keeps it from starting is said once.
      const addresses = await ready(this.#fork())
      const others = Array.from({ length: this.#config['server.processes'] - 1 }, () => ready(this.#fork()))
      await Promise.all(others)
      this.#hasStarted = true
      return addresses
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  reload(): void {
    for (const child of this.#ready) tell(child, { kind: 'reload' })
  }

  async #stop(): Promise<void> {
    for (const cancel of this.#refills) cancel()
    const ended = [...this.#children.keys()].map((child) => new Promise((resolve) => child.once('exit', resolve)))
    for (const child of this.#children.keys()) {
      if (this.#ready.has(child)) tell(child, { kind: 'stop' })
      // It hears nothing yet, and has nothing to finish.
      else child.process.kill('SIGTERM')
    }
    const timeoutMs = 2 * this.#config['server.shutdown_timeout'] + STOP_GRACE_MS
    const cancel = this.#platform.timer(timeoutMs, () => this.#kill(timeoutMs))
    await Promise.all(ended)
    cancel()
  }

  #kill(timeoutMs: number): void {
    for (const child of this.#children.keys()) {
      this.#logger.warn({ process: child.id, timeoutMs }, 'A process did not end in time, killing it')
      child.process.kill('SIGKILL')
    }
  }

  #fork(): Worker {
    const child = cluster.fork()
    this.#children.set(child, this.#platform.ticks())
    child.on('message', (message: ToPrimary) => this.#hear(child, message))
    child.on('error', (error) => this.#logger.warn({ err: error, process: child.id }, 'A process could not be told'))
    child.on('exit', (code, signal) => this.#ended(child, { code, signal }))
    return child
  }

  #hear(child: Worker, message: ToPrimary): void {
    switch (message.kind) {
      case 'ready':
        this.#ready.add(child)
        return
      case 'metrics':
        this.#measured.get(message.ask)?.(message.metrics)
        return
      case 'gather':
        void this.#gather().then((text) => tell(child, { kind: 'gathered', ask: message.ask, text }))
    }
  }

  async #gather(): Promise<string> {
    const measured = await Promise.all([...this.#ready].map((child) => this.#measure(child)))
    return sumUp(measured.filter((metrics) => metrics !== null))
  }

  /** Null: it does not say, because it ends or stands still. */
  #measure(child: Worker): Promise<MetricsJson | null> {
    const ask = ++this.#asked
    return new Promise((resolve) => {
      const settle = (metrics: MetricsJson | null) => {
        cancel()
        child.off('exit', gone)
        this.#measured.delete(ask)
        resolve(metrics)
      }
      const gone = () => settle(null)
      const cancel = this.#platform.timer(MEASURE_MS, gone)
      child.on('exit', gone)
      this.#measured.set(ask, settle)
      tell(child, { kind: 'measure', ask })
    })
  }

  #ended(child: Worker, { code, signal }: { code: number; signal: string | null }): void {
    const startedAt = this.#children.get(child) ?? 0
    this.#children.delete(child)
    this.#ready.delete(child)
    if (!this.#hasStarted || this.#stopped !== null) return
    const emptyMs = this.#platform.ticks() - startedAt > WHILE_MS ? EMPTY_MS : this.#emptyMs
    this.#emptyMs = Math.min(2 * emptyMs, EMPTY_MAX_MS)
    this.#logger.error({ process: child.id, code, signal, emptyMs }, 'A process ended; another takes its place')
    const cancel = this.#platform.timer(emptyMs, () => {
      this.#refills.delete(cancel)
      this.#fork()
    })
    this.#refills.add(cancel)
  }
}

/** Rejects where it ends before. */
function ready(child: Worker): Promise<Addresses> {
  return new Promise((resolve, reject) => {
    child.on('message', (message: ToPrimary) => message.kind === 'ready' && resolve(message.addresses))
    child.on('exit', (code, signal) =>
      reject(new Error(`process ${child.id} ended with ${signal ?? `code ${code}`} before it was ready; it says why`)),
    )
  })
}

/** One that is ending hears nothing any more. */
function tell(child: Worker, message: ToChild): void {
  if (child.isConnected()) child.send(message)
}
