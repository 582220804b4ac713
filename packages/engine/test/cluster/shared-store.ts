// A database in the simulated world: one set of rows, behind a network that takes its time and sometimes fails, locked by
// the names of ids. READ COMMITTED: a transaction reads after it has its locks. One that its server left alone is ended,
// as PostgreSQL does; a commit whose answer is lost has happened. Every commit is shown to the auditor, in its order.

import assert from 'node:assert/strict'
import { type Changes, lockName, type Needs } from '@resonatehq/protocol'
import { type Hints, memoryStore, type Store, type Transaction } from '@resonatehq/store'
import type { Executed } from '../../src/index.ts'
import type { Auditor } from './auditor.ts'
import type { Process, World } from './world.ts'

/** How long a lock is waited for, and how long a transaction may be left alone, ms. */
const PATIENCE_MS = 5_000

export class Database {
  readonly #world: World
  readonly #auditor: Auditor
  readonly rows: Store
  readonly #locks = new Map<string, Session[]>()
  readonly #listeners = new Set<Listener>()
  readonly #hasLocks: boolean
  /** Share of the calls that fail. */
  faults = 0

  /** `hasLocks`: false for a database that must be found out. */
  constructor(world: World, auditor: Auditor, { hasLocks = true } = {}) {
    this.#world = world
    this.#auditor = auditor
    this.#hasLocks = hasLocks
    this.rows = memoryStore({ wall: () => world.now })
  }

  /** The store as one server sees it, and where to put what it is about to commit. */
  open(
    process: Process,
    { hasHints }: { hasHints: boolean },
  ): { store: Store; trace: (executed: readonly Executed[]) => void } {
    let traced: readonly Executed[] = []
    const link = new Link(this.#world, process, () => this.faults)
    const store = new Proxy(this.rows, {
      get: (rows, name) => {
        if (name === 'isShared') return true
        if (name === 'locksMax') return 8
        if (name === 'hints') return hasHints ? this.#hints(process) : undefined
        if (name === 'begin') return (needs: Needs) => this.#begin(link, needs, () => traced)
        const member = rows[name as keyof Store]
        if (typeof member !== 'function') return member
        return (query: never) => link.call(async () => (member as (query: never) => Promise<unknown>).call(rows, query))
      },
    })
    return {
      store,
      trace: (executed) => {
        traced = executed
      },
    }
  }

  async #begin(link: Link, needs: Needs, traced: () => readonly Executed[]): Promise<Transaction> {
    const names = [...new Set([...[...needs.ids].map(lockName), ...[...needs.schedules].map((id) => `schedule ${id}`)])]
    const session = new Session(this.#world, () => this.#release(session))
    link.process.atEnd(() => this.#world.after(this.#world.between(0, 20), () => session.end()))
    const inner = await link.call(async () => {
      for (const name of this.#hasLocks ? names.sort() : []) await this.#lock(name, session)
      session.touch()
      return this.rows.begin(needs)
    }, session)
    const locked = new Set(names)
    const covers = (id: string) => locked.has(lockName(id))
    const counted = new Map<string, number>()
    return {
      ...inner,
      covers,
      load: (more) => {
        for (const id of more.ids) if (!covers(id)) this.#world.fail(new Error(`${id} is not locked`))
        return link.call(() => session.during(() => inner.load(more)), session)
      },
      inHand: (workers) =>
        link.call(
          () =>
            session.during(async () => {
              for (const worker of workers) counted.set(worker, this.#auditor.inHand(worker, inner.now))
              return new Map(counted)
            }),
          session,
        ),
      commit: (changes) => {
        const executed = traced()
        return link.call(
          () => session.during(async () => this.#commit(inner, changes, { executed, counted, covers, session })),
          session,
        )
      },
      rollback: () => link.call(async () => session.end()),
    }
  }

  async #commit(
    inner: Transaction,
    changes: Changes,
    {
      executed,
      counted,
      covers,
      session,
    }: {
      executed: readonly Executed[]
      counted: Map<string, number>
      covers: (id: string) => boolean
      session: Session
    },
  ): Promise<void> {
    for (const { row } of [...changes.promises, ...changes.tasks])
      assert.ok(covers(row.id), `${row.id} is written and not locked`)
    void inner.commit(changes)
    try {
      this.#auditor.committed(executed, counted)
    } catch (error) {
      this.#world.fail(error)
    }
    session.end()
  }

  #lock(name: string, session: Session): Promise<void> {
    return new Promise((resolve, reject) => {
      if (session.isOver) return reject(new Error('the session is over'))
      const line = this.#locks.get(name) ?? []
      this.#locks.set(name, line)
      line.push(session)
      session.waitsFor = { name, granted: resolve }
      session.reject = reject
      if (line[0] === session) session.granted()
    })
  }

  #release(session: Session): void {
    for (const [name, line] of this.#locks) {
      const at = line.indexOf(session)
      if (at < 0) continue
      line.splice(at, 1)
      if (line.length === 0) this.#locks.delete(name)
      else if (at === 0 && line[0]?.waitsFor?.name === name) line[0].granted()
    }
  }

  #hints(process: Process): Hints {
    const world = this.#world
    return {
      bytesMax: 400,
      tell: async (text) => {
        for (const listener of this.#listeners) {
          for (let copies = world.chance(0.05) ? 2 : 1; copies > 0; copies--) {
            if (!world.chance(0.05)) world.after(world.between(0, 5), () => listener.heard(text), listener.process)
          }
        }
      },
      listen: async (heard, broken) => {
        const listener = { process, heard, broken }
        await world.pause(world.between(0, 5), process)
        this.#listeners.add(listener)
        return () => void this.#listeners.delete(listener)
      },
    }
  }

  /** Somebody is heard no more. */
  deafen(): void {
    const listener = this.#world.pick([...this.#listeners])
    if (!listener) return
    this.#listeners.delete(listener)
    this.#world.after(this.#world.between(0, 500), () => listener.broken(new Error('cut')), listener.process)
  }
}

interface Listener {
  readonly process: Process
  readonly heard: (text: string) => void
  readonly broken: (error: Error) => void
}

/** The way of one server to the database and back. */
class Link {
  readonly #world: World
  readonly process: Process
  readonly #faults: () => number

  constructor(world: World, process: Process, faults: () => number) {
    this.#world = world
    this.process = process
    this.#faults = faults
  }

  call<T>(work: () => Promise<T>, session?: Session): Promise<T> {
    const world = this.#world
    return new Promise((resolve, reject) => {
      const back = (fn: () => void) => world.after(world.between(0, 2), fn, this.process)
      const cut = () => {
        session?.end()
        back(() => reject(new Error('the connection was cut')))
      }
      world.after(world.between(0, 2), () => {
        if (world.chance(this.#faults())) return cut()
        work().then(
          // What has happened there has happened, whether it is heard of or not.
          (result) => (world.chance(this.#faults()) ? cut() : back(() => resolve(result))),
          (error: unknown) => {
            session?.end()
            back(() => reject(error))
          },
        )
      })
    })
  }
}

/** One transaction: its locks, until it ends. */
class Session {
  readonly #world: World
  readonly #ended: () => void
  #cancel: () => void
  waitsFor: { readonly name: string; readonly granted: () => void } | null = null
  reject: (error: Error) => void = () => {}
  isOver = false

  constructor(world: World, ended: () => void) {
    this.#world = world
    this.#ended = ended
    this.#cancel = world.after(PATIENCE_MS, () => this.end())
  }

  granted(): void {
    const { granted } = this.waitsFor as { granted: () => void }
    this.waitsFor = null
    granted()
  }

  /** It was heard from. */
  touch(): void {
    this.#cancel()
    this.#cancel = this.#world.after(PATIENCE_MS, () => this.end())
  }

  async during<T>(work: () => Promise<T>): Promise<T> {
    if (this.isOver) throw new Error('the transaction was ended, because its server left it alone')
    this.touch()
    return work()
  }

  end(): void {
    if (this.isOver) return
    this.isOver = true
    this.#cancel()
    this.#ended()
    if (this.waitsFor) this.reject(new Error('the transaction was ended, because it waited for its locks too long'))
  }
}
