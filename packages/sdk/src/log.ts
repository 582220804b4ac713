// How the SDK tells what it does: the logger that users replace with their own, and the one that writes to the console.
// Nothing else may write there.

/** From the least to the most serious. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

// biome-ignore-start lint/suspicious/noExplicitAny: a logger reads fields that it knows by name, as published SDKs let it.
/** Fits pino, winston and the like. */
export interface Logger {
  /** Every step of the way. */
  debug(fields: Record<string, any>, msg: string): void
  /** What an operator may want to know. */
  info(fields: Record<string, any>, msg: string): void
  /** What goes on all the same, and should be looked at. */
  warn(fields: Record<string, any>, msg: string): void
  /** What needs somebody. */
  error(fields: Record<string, any>, msg: string): void
}
// biome-ignore-end lint/suspicious/noExplicitAny: end of the interface above.

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

/** A logger that was given. Throws a TypeError where it could not be told everything. */
export function checkedLogger(logger: Logger): Logger {
  const missing = LEVELS.filter((level) => typeof logger[level] !== 'function')
  if (missing.length === 0) return logger
  throw new TypeError(
    `The option 'logger' has debug, info, warn and error, as console has: ${missing.join(', ')} missing`,
  )
}

/** One JSON line an event: debug and info to stdout, warn and error to stderr. */
export class ConsoleLogger implements Logger {
  readonly #least: number

  constructor(level: LogLevel = 'warn') {
    this.#least = LEVELS.indexOf(level)
    if (this.#least < 0) throw new TypeError(`A log level is one of ${LEVELS.join(', ')}, got '${level}'`)
  }

  debug(fields: Record<string, unknown>, msg: string): void {
    this.#write('debug', fields, msg)
  }

  info(fields: Record<string, unknown>, msg: string): void {
    this.#write('info', fields, msg)
  }

  warn(fields: Record<string, unknown>, msg: string): void {
    this.#write('warn', fields, msg)
  }

  error(fields: Record<string, unknown>, msg: string): void {
    this.#write('error', fields, msg)
  }

  #write(level: LogLevel, fields: Record<string, unknown>, msg: string): void {
    if (LEVELS.indexOf(level) < this.#least) return
    const write = level === 'error' ? console.error : level === 'warn' ? console.warn : console.log
    write(JSON.stringify({ timestamp: new Date().toISOString(), level, msg, ...plain(fields) }))
  }
}

/** Errors have no fields of their own that JSON would show. */
function plain(fields: Record<string, unknown>): Record<string, unknown> {
  const shown = Object.entries(fields).map(([name, value]) => [
    name,
    value instanceof Error ? (value.stack ?? `${value.name}: ${value.message}`) : value,
  ])
  return Object.fromEntries(shown)
}
