// Stands in for what examples take from Node and no simulation has: pauses, which take the time of the world, and cryptography,
// which is the real one on its threads, while the present instant of the world lasts until they are done.
// It must be imported by nobody but examples, through the hook in simulation.ts.

import { webcrypto as real } from 'node:crypto'
import { stage } from './stage.ts'

/** As of node:timers/promises. */
export function setTimeout(delayMs: number): Promise<void> {
  const { platform } = stage().world
  return new Promise((resolve) => platform.timer(delayMs, resolve))
}

/** As of node:crypto. */
export const webcrypto = {
  getRandomValues: real.getRandomValues.bind(real),
  subtle: new Proxy(real.subtle, {
    get: (subtle, name) => {
      const call = Reflect.get(subtle, name).bind(subtle)
      return (...args: unknown[]) => withinInstant(call(...args))
    },
  }),
}

async function withinInstant<T>(work: Promise<T>): Promise<T> {
  const { platform } = stage().world
  let isDone = false
  const done = () => {
    isDone = true
  }
  work.then(done, done)
  while (!isDone) await new Promise<void>((resolve) => platform.defer(resolve))
  return work
}
