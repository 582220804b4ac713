// One thing goes wrong at a time, every few seconds: a process is killed and started again a while later, or stands still and
// goes on. Which one, how, when and for how long is drawn from the seed before anything starts.

import type { Chance } from '../chance.ts'

export interface Victim {
  readonly name: string
  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void
  /** Starts it again after SIGKILL; resolves once it is at work. */
  restart(): Promise<void>
}

export interface Fault {
  readonly victim: Victim
  readonly how: 'SIGKILL' | 'SIGSTOP'
  /** After the fault before. */
  readonly afterMs: number
  readonly lastsMs: number
}

/** A fault that has happened. */
export interface Incident {
  readonly name: string
  readonly how: Fault['how']
  readonly fromAt: number
  readonly toAt: number
}

/** Victims come in kinds, which are all met as often. */
export function drawFaults(chance: Chance, kinds: readonly (readonly Victim[])[], durationMs: number): Fault[] {
  const faults: Fault[] = []
  for (let atMs = 0; ; ) {
    const how = chance.pick(['SIGKILL', 'SIGSTOP'] as const)
    const fault: Fault = {
      victim: chance.pick(chance.pick(kinds)),
      how,
      afterMs: chance.between(200, 2_500),
      lastsMs: chance.between(100, how === 'SIGKILL' ? 1_500 : 4_000),
    }
    atMs += fault.afterMs + fault.lastsMs
    if (atMs > durationMs) return faults
    faults.push(fault)
  }
}

/** Lets all of them happen, and tells of each when it is over. */
export async function inflict(
  faults: readonly Fault[],
  { now, pause, tell }: { now(): number; pause(ms: number): Promise<void>; tell(incident: Incident): void },
): Promise<void> {
  for (const { victim, how, afterMs, lastsMs } of faults) {
    const { name, signal, restart } = victim
    await pause(afterMs)
    const fromAt = now()
    signal(how)
    await pause(lastsMs)
    if (how === 'SIGSTOP') signal('SIGCONT')
    else await restart()
    tell({ name, how, fromAt, toAt: now() })
  }
}
