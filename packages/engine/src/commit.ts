// One batch to its commit: what it names is locked and read, all of it is decided, what changed is written; and again from
// the beginning where another server was quicker, or where it turned out that more has to be locked.
// C1. The pages that a batch reads are shorter where they are many: together they are bounded. C2. Whatever fails, what the
// dispatcher was told is taken back and the transaction is over. C3. What needs far more locks than a batch should take is
// given back to be divided, where it can be.

import { addFootprint, type Changes, type Input, lockName, type MachineConfig, Needs } from '@resonatehq/protocol'
import { LostRace, type Store, type Transaction } from '@resonatehq/store'
import { Batch, type Dispatcher, type Entry, type Executed, Uncovered } from './batch.ts'
import type { Log, Platform } from './platform.ts'

export interface CommitOptions {
  readonly store: Store
  readonly machine: MachineConfig
  readonly platform: Platform
  readonly dispatcher: Dispatcher
  readonly log: Log
  /** For tests that replay a run: what was decided, just before it is written. */
  readonly trace?: ((executed: readonly Executed[]) => void) | undefined
}

export interface Committed {
  readonly batch: Batch
  readonly changes: Changes
  readonly loadMs: number
  readonly commitMs: number
}

/** C3: less of it is to be decided at a time. */
export class TooWide extends Error {}

/** Texts of all pages that one batch reads: searches, and what is preloaded. */
const PAGES_BYTES = 64 * 1024 * 1024

/** So many times the locks that a batch should stay below are still taken, where what it needs turns out as it is decided. */
const WIDE = 5

/** How often a batch is begun again after another server won. */
const RACES_MAX = 5

export class Commits {
  readonly #options: CommitOptions

  constructor(options: CommitOptions) {
    this.#options = options
  }

  /** What these name. */
  needsOf(entries: readonly Entry[], machine = this.#options.machine): Needs {
    const needs = new Needs()
    for (const entry of entries) {
      if (entry.kind === 'input') addNamed(needs, entry.input, machine)
      else if (entry.kind !== 'count') needs.ids.add(entry.id)
      if (entry.kind === 'wake') needs.waiters.add(entry.id)
    }
    return needs
  }

  commit(entries: readonly Entry[], { mayDivide }: { readonly mayDivide: boolean }): Promise<Committed> {
    const whole = this.needsOf(entries)
    const machine = this.#machineFor(whole.scans.size)
    const needs = machine === this.#options.machine ? whole : this.needsOf(entries, machine)
    return this.#attempt(entries, needs, { machine, mayDivide })
  }

  /** What these would do now. Nothing is written, and nobody is told. */
  async rehearse(entries: readonly Entry[]): Promise<readonly Executed[]> {
    const { machine } = this.#options
    const { batch } = await this.#attempt(entries, this.needsOf(entries), { machine, isRehearsal: true })
    return batch.executed
  }

  /** C1. */
  #machineFor(pages: number): MachineConfig {
    const { machine } = this.#options
    const share = Math.floor(PAGES_BYTES / Math.max(pages, 1))
    if (share >= Math.max(machine.examinedBytesMax, machine.preloadBytesMax)) return machine
    const examinedBytesMax = Math.min(share, machine.examinedBytesMax)
    return { ...machine, examinedBytesMax, preloadBytesMax: Math.min(share, machine.preloadBytesMax) }
  }

  /** One go, or several: where rows outside the locked ones were needed, everything is decided again under all the locks. */
  async #attempt(
    entries: readonly Entry[],
    needs: Needs,
    { machine, mayDivide = false, isRehearsal = false }: Conditions,
  ): Promise<Committed> {
    const { platform } = this.#options
    for (let races = 0; ; ) {
      const startedAt = platform.ticks()
      const transaction = await this.#begun(needs)
      const loadMs = platform.ticks() - startedAt
      const batch = this.#batch(transaction, machine)
      try {
        await batch.decideAll(entries)
        const decidedAt = platform.ticks()
        const changes = batch.changes()
        if (isRehearsal) batch.revert()
        else this.#options.trace?.(batch.executed)
        if (isRehearsal || batch.isUnchanged) await transaction.rollback()
        else await transaction.commit(changes)
        return { batch, changes, loadMs, commitMs: platform.ticks() - decidedAt }
      } catch (error) {
        batch.revert()
        await transaction.rollback()
        if (error instanceof LostRace && races++ < RACES_MAX) continue
        if (!(error instanceof Uncovered)) throw error
        for (const id of error.needs.ids) needs.ids.add(id)
        for (const id of error.needs.waiters) needs.waiters.add(id)
        if (mayDivide && this.#isTooWide(needs)) throw new TooWide()
      }
    }
  }

  /** Where locks are rows, taking them can be what a race is lost about. */
  async #begun(needs: Needs): Promise<Transaction> {
    for (let races = 0; ; races++) {
      try {
        return await this.#options.store.begin(needs)
      } catch (error) {
        if (!(error instanceof LostRace) || races === RACES_MAX) throw error
      }
    }
  }

  #batch(transaction: Transaction, machine: MachineConfig): Batch {
    const { dispatcher, log } = this.#options
    const failed = (error: unknown, kind: string) =>
      log.error({ err: error, kind }, 'a request failed inside the machine')
    return new Batch(transaction, { config: machine, dispatcher, failed, uncoveredMax: this.#locksWide })
  }

  #isTooWide({ ids }: Needs): boolean {
    return ids.size > this.#locksWide && new Set([...ids].map(lockName)).size > this.#locksWide
  }

  get #locksWide(): number {
    return WIDE * (this.#options.store.locksMax ?? Number.POSITIVE_INFINITY)
  }
}

interface Conditions {
  readonly machine: MachineConfig
  readonly mayDivide?: boolean
  readonly isRehearsal?: boolean
}

function addNamed(needs: Needs, input: Input, machine: MachineConfig): void {
  try {
    addFootprint(needs, input, machine)
  } catch {
    // A bug in one request must not take the others along: deciding it throws again, and answers 500 to it alone.
  }
}
