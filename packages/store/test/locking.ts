// A store that locks by keys of ids, as one shared by several servers must: only what was named at the beginning, and what
// shares a key with it, may be loaded later. What it shows is that batches respect that.

import assert from 'node:assert/strict'
import { lockName, type Needs } from '@resonatehq/protocol'
import type { Store, Transaction } from '@resonatehq/store'

export function lockingStore(inner: Store): Store {
  const begin = async (needs: Needs): Promise<Transaction> => {
    const keys = new Set([...needs.ids].map(lockName))
    const covers = (id: string) => keys.has(lockName(id))
    const transaction = await inner.begin(needs)
    return {
      ...transaction,
      covers,
      load: (more) => {
        for (const id of more.ids) assert.ok(covers(id), `${id} is not locked`)
        return transaction.load(more)
      },
      commit: (changes) => {
        for (const { row } of [...changes.promises, ...changes.tasks]) {
          assert.ok(covers(row.id), `${row.id} was written and is not locked`)
        }
        return transaction.commit(changes)
      },
    }
  }
  return new Proxy(inner, {
    get: (target, name) => {
      if (name === 'begin') return begin
      const member = target[name as keyof Store]
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}
