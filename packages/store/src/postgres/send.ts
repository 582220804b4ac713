// How a statement is sent: at once, behind those sent before it on the same connection, which is what makes one round trip
// of many.

import type { Columns } from '../columns.ts'
import type { SQL } from './statements.ts'

export type Value = string | number | null | readonly string[]
export type Send = (name: keyof typeof SQL, ...values: Value[]) => Promise<Columns[]>

/** Waits for all, also where one has failed: nothing of this transaction may still be under way when it is given up. */
export async function all<T extends readonly unknown[]>(
  promises: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(promises)
  return Promise.all(promises) as Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }>
}

export function idOf(row: Columns): string {
  return row.id as string
}
