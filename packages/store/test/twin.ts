// Two stores as one: every call goes to both, and what they answer is compared. The first is the model, the second the
// store under test; a difference is thrown at the call that shows it. A commit reaches one after the other, so no read may
// fall in between: reads and commits take turns.

import assert from 'node:assert/strict'
import type { Store, Transaction } from '@resonatehq/store'

export function twinStore(model: Store, other: Store): Store {
  const inTurn = turns()
  const both = <T>(what: string, call: (store: Store) => Promise<T>): Promise<T> =>
    inTurn(async () => {
      const [expected, actual] = [await call(model), await call(other)]
      assert.deepEqual(sorted(actual), sorted(expected), what)
      return expected
    })
  return {
    open: () => both('open', (store) => store.open()),
    begin: async (needs) => twinTransaction(await model.begin(needs), await other.begin(needs), inTurn),
    now: () => both('now', (store) => store.now()),
    due: (query) => both('due', (store) => store.due(query)),
    nextDueAt: (after) => both('nextDueAt', (store) => store.nextDueAt(after)),
    ready: (query) => both('ready', (store) => store.ready(query)),
    readyPushed: (query) => both('readyPushed', (store) => store.readyPushed(query)),
    ripened: (query) => both('ripened', (store) => store.ripened(query)),
    held: (query) => both('held', (store) => store.held(query)),
    inHand: (query) => both('inHand', (store) => store.inHand(query)),
    unblocks: (query) => both('unblocks', (store) => store.unblocks(query)),
    unblocksPushed: (query) => both('unblocksPushed', (store) => store.unblocksPushed(query)),
    promises: (query) => both('promises', (store) => store.promises(query)),
    unblocksBefore: (query) => both('unblocksBefore', (store) => store.unblocksBefore(query)),
    absent: (query) => both('absent', (store) => store.absent(query)),
    forgettable: (query) => both('forgettable', (store) => store.forgettable(query)),
    settled: (query) => both('settled', (store) => store.settled(query)),
    counters: () => both('counters', (store) => store.counters()),
    pairs: (query) => both('pairs', (store) => store.pairs(query)),
    workers: (query) => both('workers', (store) => store.workers(query)),
    backlog: (query) => both('backlog', (store) => store.backlog(query)),
    snapshot: () => both('snapshot', (store) => store.snapshot()),
    reset: () => both('reset', (store) => store.reset()),
    close: () => both('close', (store) => store.close()),
  }
}

type InTurn = <T>(work: () => Promise<T>) => Promise<T>

/** One at a time, in the order in which they were asked for. */
function turns(): InTurn {
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    const result = last.then(work)
    last = result.catch(() => {})
    return result
  }
}

function twinTransaction(model: Transaction, other: Transaction, inTurn: InTurn): Transaction {
  assert.equal(other.now, model.now)
  assert.deepEqual(other.loaded, model.loaded)
  return {
    ...model,
    load: async (needs) => {
      const [expected, actual] = [await model.load(needs), await other.load(needs)]
      assert.deepEqual(actual, expected)
      return expected
    },
    commit: (changes) =>
      inTurn(async () => {
        await other.commit(changes)
        await model.commit(changes)
      }),
    rollback: async () => {
      await other.rollback()
      await model.rollback()
    },
  }
}

/** Rows that are due at one instant may come in any order, pids and counters too. */
function sorted(answer: unknown): unknown {
  if (answer instanceof Map) return [...answer].sort()
  if (Array.isArray(answer)) return answer.map((item) => JSON.stringify(item)).sort()
  if (typeof answer !== 'object' || answer === null) return answer
  return Object.fromEntries(Object.entries(answer).map(([key, value]) => [key, sorted(value)]))
}
