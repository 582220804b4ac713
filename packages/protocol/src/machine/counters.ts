// Gauges and totals kept in the same commit as the rows they count, so that nobody ever counts rows.
// Names: `promises.<state>`, `tasks.<state>`, `tasks.<state>@<group>`, and totals that only grow: `total.<what>`.

import { groupOf } from '../address.ts'
import type { PromiseRow, TaskRow } from './rows.ts'

export const gaugeDeltas = {
  promise(deltas: Map<string, number>, before: PromiseRow | null, after: PromiseRow): void {
    if (before?.state === after.state) return
    if (before) add(deltas, `promises.${before.state}`, -1)
    add(deltas, `promises.${after.state}`, 1)
  },

  task(deltas: Map<string, number>, before: TaskRow | null, after: TaskRow): void {
    if (before && after.lost > before.lost) add(deltas, 'total.leases_lost', 1)
    if (after.version > 0 && (before?.version ?? 0) === 0) add(deltas, 'total.claimed', 1)
    if (before?.state === after.state) return
    const group = groupOf(after.address) ?? PUSHED
    if (before) {
      add(deltas, `tasks.${before.state}`, -1)
      add(deltas, `tasks.${before.state}@${group}`, -1)
    }
    add(deltas, `tasks.${after.state}`, 1)
    add(deltas, `tasks.${after.state}@${group}`, 1)
  },
}

/** All pushed targets count as one group, whatever their number. */
const PUSHED = 'push'

function add(deltas: Map<string, number>, name: string, delta: number): void {
  deltas.set(name, (deltas.get(name) ?? 0) + delta)
}
