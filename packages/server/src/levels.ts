// The parts of a server that log, and how severe a line is: what settings and the log agree on.

export const COMPONENTS = ['http', 'poll', 'push', 'engine', 'auth'] as const
export type Component = (typeof COMPONENTS)[number]

export const LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type Level = (typeof LEVELS)[number]

/** `engine=debug`. Null: not a component and a level of it. */
export function readLevel(text: string): readonly [Component, Level] | null {
  const [component, level, ...rest] = text.split('=')
  const isOne = COMPONENTS.includes(component as Component) && LEVELS.includes(level as Level) && rest.length === 0
  return isOne ? [component as Component, level as Level] : null
}
