// Objects whose methods are the functions of a worker elsewhere, known by their type alone: nothing of that worker is imported
// when the program runs. A method's name is the function's name; what it does is up to who makes the object.

import { DEFAULT_OPTIONS, Options, splitOptions } from './engine/options.ts'

/** `make(name)` is asked for a method once. */
export function byName<T extends object>(make: (name: string) => unknown): T {
  const made = new Map<string, unknown>()
  return new Proxy({} as T, {
    get(_, name) {
      // An object with a `then` would be taken for a promise.
      if (typeof name !== 'string' || name === 'then') return undefined
      if (!made.has(name)) made.set(name, make(name))
      return made.get(name)
    },
  })
}

/** The arguments of a call with its own options, or else with those that all calls have; a target of its own wins. */
export function withDefaults(all: readonly unknown[], defaults: Options): unknown[] {
  const { args, options } = splitOptions(all)
  if (options === DEFAULT_OPTIONS) return [...args, defaults]
  return [...args, new Options({ ...options, target: options.target ?? defaults.target })]
}
