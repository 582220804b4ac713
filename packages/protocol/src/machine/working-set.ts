// The working set of a batch: loaded rows under an overlay of effects. A step sees what earlier steps of its batch did;
// what changed is handed to the store as one write of final rows.
// W1. A row that was never loaded throws Miss; a row that is known to be absent is null.
// W2. Effects of a step are applied all together, after it was decided, or not at all.

import { compareIds } from '../ids.ts'
import { countForgotten, countPromise, countTask } from './counters.ts'
import type { Effect } from './effects.ts'
import {
  Miss,
  type Owed,
  type Page,
  type PromiseRow,
  type Scan,
  type ScanRows,
  type ScanTable,
  type ScheduleRow,
  scanKey,
  type TaskRow,
  type UnblockRow,
  type View,
  type Waiters,
  type WorkerRow,
} from './rows.ts'
import { cutPage, promiseBytes } from './tables.ts'

/** What a store read for a batch: null where there is none. Every id that was asked for has its entry. */
export interface Loaded {
  readonly promises: Map<string, PromiseRow | null>
  readonly tasks: Map<string, TaskRow | null>
  readonly waiters: Map<string, Waiters>
  /** Addresses to which an unblock is owed, by promise. */
  readonly owed: Map<string, Owed>
  readonly schedules: Map<string, ScheduleRow | null>
  readonly held: Map<string, readonly string[]>
  readonly presence: Map<string, readonly WorkerRow[]>
  /** By scanKey. */
  readonly scans: Map<string, { readonly scan: Scan; readonly page: Page<ScanRows[ScanTable]> }>
}

export function emptyLoad(): Loaded {
  return {
    promises: new Map(),
    tasks: new Map(),
    waiters: new Map(),
    owed: new Map(),
    schedules: new Map(),
    held: new Map(),
    presence: new Map(),
    scans: new Map(),
  }
}

/** The final rows of a batch. Everything in it becomes durable together, or nothing does. */
export interface Changes {
  /** Promises that are forgotten, each with its task. Written first: an id may be born again in the same batch. */
  readonly forgotten: readonly string[]
  /** `isNew`: not stored before. A stored promise changes in state, value, settledAt and wakeAt only. */
  readonly promises: readonly { readonly row: PromiseRow; readonly isNew: boolean }[]
  readonly tasks: readonly { readonly row: TaskRow; readonly isNew: boolean }[]
  /** Null: dropped. */
  readonly schedules: ReadonlyMap<string, ScheduleRow | null>
  readonly callbacks: readonly { readonly awaited: string; readonly awaiter: string; readonly isAdded: boolean }[]
  readonly listeners: readonly { readonly awaited: string; readonly address: string; readonly isAdded: boolean }[]
  /** Row null: dropped. */
  readonly unblocks: readonly { readonly id: string; readonly address: string; readonly row: UnblockRow | null }[]
  /** Worker effects in the order they were decided: few, and narrow. */
  readonly workers: readonly WorkerEffect[]
  /** Added to the stored counters in the same commit. */
  readonly counters: ReadonlyMap<string, number>
}

type WorkerEffect = Extract<Effect, { kind: 'worker' | 'worker.drop' | 'worker.seen' | 'worker.beat' | 'server.seen' }>

interface Pair {
  readonly awaited: string
  readonly waiter: string
  readonly isAdded: boolean
}

export class WorkingSet implements View {
  readonly #loaded = emptyLoad()
  /** Null: forgotten. */
  readonly #promises = new Map<string, PromiseRow | null>()
  readonly #tasks = new Map<string, TaskRow | null>()
  /** Stored, and forgotten by this batch; perhaps born again since. */
  readonly #forgotten = new Set<string>()
  readonly #schedules = new Map<string, ScheduleRow | null>()
  readonly #callbacks = new Map<string, Map<string, Pair>>()
  readonly #listeners = new Map<string, Map<string, Pair>>()
  /** By promise and address. */
  readonly #unblocks = new Map<string, Map<string, Changes['unblocks'][number]>>()
  readonly #workers: WorkerEffect[] = []
  readonly #counters = new Map<string, number>()

  /** Takes in rows that a store read, before or after other steps were decided. */
  absorb(loaded: Loaded): void {
    for (const part of Object.keys(loaded) as (keyof Loaded)[]) {
      const into = this.#loaded[part] as Map<string, unknown>
      for (const [key, value] of loaded[part] as Map<string, unknown>) if (!into.has(key)) into.set(key, value)
    }
  }

  promise(id: string): PromiseRow | null {
    const changed = this.#promises.get(id)
    return changed === undefined ? this.#row('promises', id) : changed
  }

  task(id: string): TaskRow | null {
    const changed = this.#tasks.get(id)
    return changed === undefined ? this.#row('tasks', id) : changed
  }

  #row<T extends 'promises' | 'tasks'>(table: T, id: string): ScanlessRow[T] | null {
    const row = (this.#loaded[table] as Map<string, ScanlessRow[T] | null>).get(id)
    if (row !== undefined) return row
    const miss = new Miss(`${table} ${id}`)
    miss.needs.ids.add(id)
    throw miss
  }

  schedule(id: string): ScheduleRow | null {
    const changed = this.#schedules.get(id)
    const row = changed === undefined ? this.#loaded.schedules.get(id) : changed
    if (row !== undefined) return row
    const miss = new Miss(`schedule ${id}`)
    miss.needs.schedules.add(id)
    throw miss
  }

  waiters(id: string): Waiters {
    const stored = this.#loaded.waiters.get(id) ?? (this.#isNew(id) ? NOBODY : undefined)
    if (stored) {
      const awaiters = overlay(stored.awaiters, this.#callbacks.get(id))
      const addresses = overlay(stored.addresses, this.#listeners.get(id))
      return { awaiters, addresses, more: stored.more }
    }
    const miss = new Miss(`waiters of ${id}`)
    miss.needs.ids.add(id)
    miss.needs.waiters.add(id)
    throw miss
  }

  isOwed(id: string): boolean {
    const changes = [...(this.#unblocks.get(id)?.values() ?? [])]
    if (changes.some(({ row }) => row !== null)) return true
    const stored = this.#loaded.owed.get(id) ?? (this.#isNew(id) ? NOTHING : undefined)
    if (stored) return stored.more || stored.addresses.some((address) => !this.#unblocks.get(id)?.has(address))
    const miss = new Miss(`unblocks of ${id}`)
    miss.needs.ids.add(id)
    miss.needs.owed.add(id)
    throw miss
  }

  /** Not stored as it is now: never, or forgotten by this batch and born again. */
  #isNew(id: string): boolean {
    return this.#loaded.promises.get(id) === null || this.#forgotten.has(id)
  }

  #isNewTask(id: string): boolean {
    return this.#loaded.tasks.get(id) === null || this.#forgotten.has(id)
  }

  held(pid: string): readonly string[] {
    const stored = this.#loaded.held.get(pid)
    if (!stored) {
      const miss = new Miss(`tasks held by ${pid}`)
      miss.needs.held.add(pid)
      throw miss
    }
    const ids = new Set(stored)
    for (const [id, row] of this.#tasks) {
      if (row?.pid === pid) ids.add(id)
      else ids.delete(id)
    }
    return [...ids].sort(compareIds)
  }

  presence(pid: string): readonly WorkerRow[] {
    const stored = this.#loaded.presence.get(pid)
    if (!stored) {
      const miss = new Miss(`presence of ${pid}`)
      miss.needs.presence.add(pid)
      throw miss
    }
    return this.#workers.reduce((rows, effect) => presenceAfter(rows, effect, pid), stored)
  }

  scan<T extends ScanTable>(scan: Scan<T>): Page<ScanRows[T]> {
    const stored = this.#storedPage(scan)
    const current = stored.rows.map((row) => this.#current(scan.table, row)).filter((row) => row !== null)
    const bound = stored.more ? rowId(scan.table, stored.rows.at(-1)) : null
    const created = this.#createdWithin(scan, bound)
    const merged = [...current, ...created].sort((a, b) => compareIds(rowId(scan.table, a), rowId(scan.table, b)))
    const page = cutPage(merged, scan)
    return { rows: page.rows, more: page.more || stored.more }
  }

  /** Stored rows enough for the scan: what was dropped leaves a gap that only further rows can fill. */
  #storedPage<T extends ScanTable>(scan: Scan<T>): Page<ScanRows[T]> {
    for (let wide = scan; ; ) {
      const stored = this.#loaded.scans.get(scanKey(wide))?.page as Page<ScanRows[T]> | undefined
      if (!stored) throw missedScan(wide)
      const dropped = stored.rows.filter((row) => this.#current(scan.table, row) === null)
      const limit = scan.limit + dropped.length
      if (!stored.more || limit === wide.limit) return stored
      wide = { ...scan, limit, bytesMax: scan.bytesMax + pageBytes(scan.table, dropped) }
    }
  }

  /** The row as this batch has left it; null where it was dropped, also where its id was born again: that is another row. */
  #current<T extends ScanTable>(table: T, row: ScanRows[T]): ScanRows[T] | null {
    switch (table) {
      case 'promises':
        if (this.#forgotten.has((row as PromiseRow).id)) return null
        return (this.#promises.get((row as PromiseRow).id) ?? row) as ScanRows[T]
      case 'tasks': {
        const { task, promise } = row as ScanRows['tasks']
        if (this.#forgotten.has(task.id)) return null
        const now = { task: this.#tasks.get(task.id) ?? task, promise: this.#promises.get(promise.id) ?? promise }
        return now as ScanRows[T]
      }
      default: {
        const changed = this.#schedules.get((row as ScheduleRow).id)
        return (changed === undefined ? row : changed) as ScanRows[T] | null
      }
    }
  }

  /** Rows that this batch created and that the scan would have met, up to `bound`. */
  #createdWithin<T extends ScanTable>(scan: Scan<T>, bound: string | null): ScanRows[T][] {
    const isWithin = (id: string) => compareIds(id, scan.after) > 0 && (bound === null || compareIds(id, bound) <= 0)
    switch (scan.table) {
      case 'promises': {
        const isMember = (row: PromiseRow) =>
          (scan.origin === undefined || row.origin === scan.origin) &&
          (scan.branch === undefined || row.branch === scan.branch)
        const rows = [...this.#promises.values()].filter((row) => row !== null)
        const created = rows.filter((row) => this.#isNew(row.id) && isMember(row))
        return created.filter((row) => isWithin(row.id)) as ScanRows[T][]
      }
      case 'tasks': {
        const rows = [...this.#tasks.values()].filter((row) => row !== null)
        const created = rows.filter((row) => this.#isNewTask(row.id) && isWithin(row.id))
        return created.map((task) => ({ task, promise: this.promise(task.id) })) as ScanRows[T][]
      }
      default: {
        const rows = [...this.#schedules.values()].filter((row) => row !== null)
        const created = rows.filter((row) => this.#loaded.schedules.get(row.id) === null && isWithin(row.id))
        return created as ScanRows[T][]
      }
    }
  }

  /** W2: call with all effects of one decision. */
  apply(effects: readonly Effect[]): void {
    for (const effect of effects) this.#applyOne(effect)
  }

  #applyOne(effect: Effect): void {
    switch (effect.kind) {
      case 'promise':
        countPromise(this.#counters, this.promise(effect.row.id), effect.row)
        this.#promises.set(effect.row.id, effect.row)
        return
      case 'task':
        countTask(this.#counters, this.task(effect.row.id), effect.row)
        this.#tasks.set(effect.row.id, effect.row)
        return
      case 'promise.drop':
        return this.#forget(effect.id)
      case 'callback.add':
      case 'callback.drop':
        setPair(this.#callbacks, effect.awaited, effect.awaiter, effect.kind === 'callback.add')
        return
      case 'listener.add':
      case 'listener.drop':
        setPair(this.#listeners, effect.awaited, effect.address, effect.kind === 'listener.add')
        return
      case 'schedule':
        this.#schedules.set(effect.row.id, effect.row)
        return
      case 'schedule.drop':
        this.#schedules.set(effect.id, null)
        return
      case 'unblock.add':
        return this.#setUnblock(effect.row, effect.row)
      case 'unblock.drop':
        return this.#setUnblock(effect, null)
      case 'worker':
      case 'worker.drop':
      case 'worker.seen':
      case 'worker.beat':
      case 'server.seen':
        this.#workers.push(effect)
        return
      case 'execute':
      case 'revoke':
      case 'note':
        return
    }
  }

  #setUnblock({ id, address }: { readonly id: string; readonly address: string }, row: UnblockRow | null): void {
    const unblocks = this.#unblocks.get(id) ?? new Map<string, Changes['unblocks'][number]>()
    unblocks.set(address, { id, address, row })
    this.#unblocks.set(id, unblocks)
  }

  #forget(id: string): void {
    const promise = this.promise(id)
    if (!promise) return
    countForgotten(this.#counters, promise, this.task(id))
    // What only this batch knew leaves nothing to delete.
    if (this.#loaded.promises.get(id)) this.#forgotten.add(id)
    this.#promises.set(id, null)
    this.#tasks.set(id, null)
  }

  get isUnchanged(): boolean {
    const maps = [this.#promises, this.#tasks, this.#schedules, this.#callbacks, this.#listeners, this.#unblocks]
    return this.#workers.length === 0 && maps.every((map) => map.size === 0)
  }

  changes(): Changes {
    const promises = [...this.#promises.values()].filter((row) => row !== null)
    const tasks = [...this.#tasks.values()].filter((row) => row !== null)
    return {
      forgotten: [...this.#forgotten],
      promises: promises.map((row) => ({ row, isNew: this.#isNew(row.id) })),
      tasks: tasks.map((row) => ({ row, isNew: this.#isNewTask(row.id) })),
      schedules: this.#schedules,
      callbacks: pairsOf(this.#callbacks).map(({ waiter, ...pair }) => ({ ...pair, awaiter: waiter })),
      listeners: pairsOf(this.#listeners).map(({ waiter, ...pair }) => ({ ...pair, address: waiter })),
      unblocks: [...this.#unblocks.values()].flatMap((unblocks) => [...unblocks.values()]),
      workers: this.#workers,
      counters: new Map([...this.#counters].filter(([, delta]) => delta !== 0)),
    }
  }
}

interface ScanlessRow {
  promises: PromiseRow
  tasks: TaskRow
}

const NOBODY: Waiters = { awaiters: [], addresses: [], more: false }

const NOTHING: Owed = { addresses: [], more: false }

function pageBytes(table: ScanTable, rows: readonly unknown[]): number {
  return table === 'promises' ? rows.reduce((bytes: number, row) => bytes + promiseBytes(row as PromiseRow), 0) : 0
}

function missedScan(scan: Scan): Miss {
  const miss = new Miss(`scan ${scanKey(scan)}`)
  miss.needs.scans.set(scanKey(scan), scan)
  return miss
}

function rowId(table: ScanTable, row: unknown): string {
  return table === 'tasks' ? (row as ScanRows['tasks']).task.id : (row as { id: string }).id
}

function setPair(index: Map<string, Map<string, Pair>>, awaited: string, waiter: string, isAdded: boolean): void {
  const pairs = index.get(awaited) ?? new Map<string, Pair>()
  pairs.set(waiter, { awaited, waiter, isAdded })
  index.set(awaited, pairs)
}

function pairsOf(index: Map<string, Map<string, Pair>>): Pair[] {
  return [...index.values()].flatMap((pairs) => [...pairs.values()])
}

/** Stored waiters with this batch's additions and removals, in order. */
function overlay(stored: readonly string[], pairs: Map<string, Pair> | undefined): readonly string[] {
  if (!pairs) return stored
  const waiters = new Set(stored)
  for (const { waiter, isAdded } of pairs.values()) {
    if (isAdded) waiters.add(waiter)
    else waiters.delete(waiter)
  }
  return [...waiters].sort(compareIds)
}

function presenceAfter(rows: readonly WorkerRow[], effect: WorkerEffect, pid: string): readonly WorkerRow[] {
  const isOf = (row: WorkerRow, { server, group }: { server: string; group: string }) =>
    row.server === server && row.group === group
  switch (effect.kind) {
    case 'worker':
      return effect.row.pid === pid ? [...rows.filter((row) => !isOf(row, effect.row)), effect.row] : rows
    case 'worker.drop':
      return effect.pid === pid ? rows.filter((row) => !isOf(row, effect)) : rows
    case 'worker.seen':
      return effect.pid === pid ? rows.map((row) => seen(row, effect.at)) : rows
    case 'worker.beat':
      return effect.pid === pid ? rows.map((row) => ({ ...row, beat: effect.beat })) : rows
    case 'server.seen':
      return rows.map((row) => (row.server === effect.server && row.goneAt === null ? seen(row, effect.at) : row))
  }
}

function seen(row: WorkerRow, at: number): WorkerRow {
  return { ...row, seenAt: Math.max(row.seenAt, at) }
}
