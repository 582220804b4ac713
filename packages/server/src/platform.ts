// Everything ambient that the server passes on: clocks, timers, chance. One of the few files that may reach for them;
// it must hold nothing else, so that a test or a simulation replaces all of it at once.

import type { Platform } from '@resonatehq/engine'

export function nodePlatform(): Platform {
  return {
    now: () => Date.now(),
    ticks: () => performance.now(),
    timer(delayMs, fn) {
      const timer = setTimeout(fn, delayMs)
      return () => clearTimeout(timer)
    },
    defer: (fn) => void setImmediate(fn),
    random: () => Math.random(),
  }
}
