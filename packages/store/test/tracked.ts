// A store that knows whether anything is under way in it, so that a test can wait for that before it moves the clock.

import type { Store } from '@resonatehq/store'

export function trackedStore(inner: Store): { readonly store: Store; idle(): Promise<void> } {
  let underWay = 0
  const watch = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(on, name) {
        const member = Reflect.get(on, name)
        if (typeof member !== 'function') return member
        return (...values: unknown[]) => {
          const result = member.apply(on, values)
          return result instanceof Promise ? counted(result) : result
        }
      },
    })
  const counted = async (call: Promise<unknown>) => {
    underWay++
    try {
      const result = await call
      return isTransaction(result) ? watch(result) : result
    } finally {
      underWay--
    }
  }
  return {
    store: watch(inner),
    async idle() {
      // What one call leads to begins in a macrotask or two.
      for (let still = 0; still < 3; still = underWay === 0 ? still + 1 : 0) await new Promise(setImmediate)
    },
  }
}

function isTransaction(result: unknown): result is object {
  return typeof result === 'object' && result !== null && 'commit' in result
}
