// The bare machine: the whole state in memory, one input at a time, every property checked after each.

import {
  type Decision,
  decide,
  type Input,
  type MachineConfig,
  type PromiseRow,
  Tables,
  type TaskRow,
} from '@resonatehq/protocol'
import { PROPERTIES } from './properties.ts'

export class BareMachine {
  readonly tables = new Tables()
  readonly #config: MachineConfig

  constructor(config: MachineConfig) {
    this.#config = config
  }

  /** Decides, applies, and throws where a property no longer holds. */
  step(input: Input, now: number): Decision {
    const decision = this.decide(input, now)
    this.apply(input, now, decision)
    return decision
  }

  decide(input: Input, now: number): Decision {
    return decide({ view: this.tables, now, config: this.#config }, input)
  }

  /** Applies what was decided, here or elsewhere, and throws where a property no longer holds. */
  apply(input: Input, now: number, decision: Decision): void {
    const promises = new Map<string, PromiseRow | null>()
    const tasks = new Map<string, TaskRow | null>()
    for (const effect of decision.effects) {
      if (effect.kind === 'promise') promises.set(effect.row.id, this.tables.promise(effect.row.id))
      if (effect.kind === 'task') tasks.set(effect.row.id, this.tables.task(effect.row.id))
      if (effect.kind === 'promise.drop') {
        promises.set(effect.id, this.tables.promise(effect.id))
        tasks.set(effect.id, this.tables.task(effect.id))
      }
      if (effect.kind === 'callback.drop') promises.set(effect.awaited, this.tables.promise(effect.awaited))
    }
    for (const effect of decision.effects) this.tables.apply(effect)
    for (const [name, property] of Object.entries(PROPERTIES)) {
      const problem = property(this.tables, { now, promises, tasks })
      if (problem !== null) throw new Error(`not so: ${name}. ${problem}, after ${JSON.stringify(input)} at ${now}`)
    }
  }
}
