// What the recorded effects prove. Pure: lines of the effects file in, findings out.

export const STEPS = ['reserve', 'charge', 'pack', 'ship'] as const

export interface Effect {
  readonly orderId: number
  readonly step: (typeof STEPS)[number]
  readonly pid: string
  /** ms since epoch. */
  readonly at: number
}

export interface Proof {
  /** Sentences that should be empty. */
  readonly faults: readonly string[]
  /** Steps that were cut short by the crash and ran again elsewhere. */
  readonly resumed: number
  /** For each order that the dead worker had in hand: how long it waited for another worker, ms. */
  readonly waitsMs: readonly number[]
}

interface Crash {
  readonly pid: string
  readonly at: number
}

/**
 * A step is complete once the next one of its order has begun, or the order is done. What was complete must not have run
 * again; what the crash cut short must have, on another worker.
 */
export function prove(effects: readonly Effect[], orders: number, crash: Crash): Proof {
  const faults: string[] = []
  const waitsMs: number[] = []
  let resumed = 0
  for (let orderId = 1; orderId <= orders; orderId++) {
    const runs = effects.filter((effect) => effect.orderId === orderId).sort((a, b) => a.at - b.at)
    const missing = STEPS.filter((step) => !runs.some((run) => run.step === step))
    if (missing.length > 0) faults.push(`order ${orderId} never ran ${missing.join(', ')}`)
    for (const [at, run] of runs.entries()) {
      const before = runs[at - 1]
      if (!before) continue
      const isForward = STEPS.indexOf(run.step) === STEPS.indexOf(before.step) + 1
      const isCutShort = run.step === before.step && before.pid === crash.pid && run.pid !== crash.pid
      if (isCutShort) resumed++
      else if (!isForward) faults.push(`order ${orderId} ran ${run.step} again after ${before.step} had begun`)
      if (before.pid === crash.pid && run.pid !== crash.pid) waitsMs.push(run.at - crash.at)
    }
    for (const run of runs)
      if (run.pid === crash.pid && run.at > crash.at) faults.push(`the dead worker ran ${run.step}`)
  }
  return { faults, resumed, waitsMs: waitsMs.sort((a, b) => a - b) }
}
