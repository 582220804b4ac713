// Stands in for @resonatehq/sdk where an example imports it in a simulation: the same, but its clients live in the world of the
// test. It must be imported by nobody but examples, through the hook in simulation.ts.

import type { ResonateOptions } from '@resonatehq/sdk'
import { stage } from './stage.ts'

export * from '@resonatehq/sdk'

/** What examples make with `new Resonate()`. */
export class Resonate {
  constructor(options: ResonateOptions = {}) {
    const { world, pid } = stage()
    // biome-ignore lint/correctness/noConstructorReturn: an example gets the client of the world instead.
    return world.resonate({ ...options, pid }) as unknown as Resonate
  }

  static remote(options: ResonateOptions): Resonate {
    return new Resonate(options)
  }
}
