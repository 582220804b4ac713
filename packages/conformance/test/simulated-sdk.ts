// Stands in for @resonatehq/sdk where an example imports it in a simulation: the same, but its clients live in the world of the
// test. It must be imported by nobody but examples, through the hook in shapes-examples.test.ts.

import type { ResonateOptions } from '@resonatehq/sdk'
import type { World } from '@resonatehq/sdk/testing'

export * from '@resonatehq/sdk'

/** The world that examples are in now, and the name of the process that they are. */
export const stage: { world?: World; pid?: string } = {}

/** What examples make with `new Resonate()`. */
export class Resonate {
  constructor(options: ResonateOptions = {}) {
    // biome-ignore lint/correctness/noConstructorReturn: an example gets the client of the world instead.
    return stage.world?.resonate({ ...options, pid: stage.pid }) as unknown as Resonate
  }
}
