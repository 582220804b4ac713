// Locks on ids, also where no row exists yet. A key is a function of the id alone and the same for every server and every
// version of this program: change how it is made, and two versions side by side no longer exclude each other. All keys of
// a batch are taken by one statement in one order, so that batches wait for each other and never in a circle. Each lock
// ends with its transaction, which a pooler in transaction mode can carry.

import { lockName } from '@resonatehq/protocol'

export type LockingKind = 'advisory' | 'table'

/** How keys are made from names, and the statement that takes them: `$1` is an array of keys. */
export interface Locking {
  keyOf(name: string): string
  readonly sql: string
}

// The sort is in a subquery: in the outer query the locks could be taken before the rows are sorted.
const sorted = 'select key from unnest($1::bigint[]) as given (key) order by key'

export const LOCKING: Readonly<Record<LockingKind, Locking>> = {
  advisory: {
    keyOf: (name) => hash64(name).toString(),
    sql: `select pg_advisory_xact_lock(key) from (${sorted}) as ordered`,
  },
  // Not all 64 bits, because the rows stay. Two batches of 100 keys then meet by chance about once in a hundred times.
  table: {
    keyOf: (name) => BigInt.asUintN(20, hash64(name)).toString(),
    sql:
      `insert into locks (key, taken) select key, 1 from (${sorted}) as ordered ` +
      'on conflict (key) do update set taken = excluded.taken',
  },
}

export function idKey(locking: Locking, id: string): string {
  return locking.keyOf(lockName(id))
}

/** Schedules are locked apart from promises: a space is in no id. */
export function scheduleKey(locking: Locking, id: string): string {
  return locking.keyOf(`schedule ${id}`)
}

/** Two 32-bit multiply-and-mix lanes (as in cyrb53) side by side, signed as PostgreSQL's bigint is. */
export function hash64(text: string): bigint {
  let high = 0xdeadbeef
  let low = 0x41c6ce57
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    high = Math.imul(high ^ unit, 2654435761)
    low = Math.imul(low ^ unit, 1597334677)
  }
  const mixedHigh = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909)
  const mixedLow = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(mixedHigh ^ (mixedHigh >>> 13), 3266489909)
  return BigInt.asIntN(64, (BigInt(mixedHigh >>> 0) << 32n) | BigInt(mixedLow >>> 0))
}
