// Stands in for @resonatehq/sdk/http where an example imports it in a simulation, in which nobody is called by HTTP: its functions
// run on a worker of the world that keeps none of them in memory, as if each message met an instance that knows nothing.
// It must be imported by nobody but examples, through the hook in simulation.ts.

import type { ResonateOptions } from '@resonatehq/sdk/http'
import { stage } from './stage.ts'

/** What examples make with `new Resonate()`. */
export class Resonate {
  constructor({ secret: _, ...options }: ResonateOptions) {
    const { world, pid } = stage()
    // biome-ignore lint/correctness/noConstructorReturn: an example gets the worker of the world instead.
    return world.asyncResonate({ ...options, pid, frames: { count: 0 } } as object) as unknown as Resonate
  }
}
