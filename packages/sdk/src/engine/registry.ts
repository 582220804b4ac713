// The functions of this process by name and version, and the name by function. A name may have several versions, so that work that
// began on an old one ends on it; a function has one name in each version.

import { errors, mistake } from './errors.ts'
import type { RetryPolicy } from './retry.ts'

/** Any durable function: the context first, then what it was called with. */
// biome-ignore lint/suspicious/noExplicitAny: the one place where arguments of every kind meet.
export type AnyFunction = (context: any, ...args: any[]) => any

export interface Registered {
  readonly name: string
  readonly version: number
  readonly fn: AnyFunction
  /** How this function is retried where a call says nothing. */
  readonly retryPolicy?: RetryPolicy
}

export class Registry {
  readonly #byName = new Map<string, Map<number, Registered>>()
  /** The latest version of each. */
  readonly #byFunction = new Map<AnyFunction, Registered>()

  /** Throws ResonateError 1100, 1101 or 1102. */
  add(entry: Registered): void {
    const { name, version, fn } = entry
    if (!Number.isSafeInteger(version) || version < 1) throw errors.versionInvalid(version)
    if (!name) throw errors.nameRequired()
    const versions = this.#byName.get(name) ?? new Map<number, Registered>()
    if (versions.has(version)) throw errors.alreadyRegistered(name, version)
    const other = this.#byFunction.get(fn)
    if (other && other.name !== name && other.version === version)
      throw errors.alreadyRegistered(name, version, other.name)
    versions.set(version, entry)
    this.#byName.set(name, versions)
    if (!other || other.version < version) this.#byFunction.set(fn, entry)
  }

  /** Version 0: the latest. Throws where `what` cannot be the name of any function, here or elsewhere. */
  find(what: string | AnyFunction, version = 0): Registered | undefined {
    if (typeof what !== 'function' && (typeof what !== 'string' || what === ''))
      throw mistake(`A call takes a function or the name of one, got ${what === '' ? "''" : String(what)}`)
    if (typeof what === 'function') {
      const entry = this.#byFunction.get(what)
      return entry && version !== 0 && version !== entry.version ? this.find(entry.name, version) : entry
    }
    const versions = this.#byName.get(what)
    return version === 0 ? versions?.get(Math.max(...versions.keys())) : versions?.get(version)
  }

  /** `name@version` of everything, for operators. */
  names(): string[] {
    return [...this.#byName].flatMap(([name, versions]) => [...versions.keys()].map((version) => `${name}@${version}`))
  }
}
