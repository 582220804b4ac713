// Which world an example is in while it is simulated, and which process it is there. One at a time: examples are told by nobody but
// what they import.

import type { World } from '@resonatehq/sdk/testing'

export interface Stage {
  readonly world: World
  /** The process that is started, or was started last. */
  readonly pid: string
}

let present: Stage | undefined

/** Where what is started now is. */
export function stage(): Stage {
  if (!present) throw new Error('no example is simulated: this module stands in for another one in simulations only')
  return present
}

export function enter(stage: Stage): void {
  present = stage
}
