// Log lines: one JSON object each for machines, or a short form for people at a terminal. Fields are named as in the
// protocol. Healthy days are quiet: start, listening and stop at info, requests at debug. One of the few files that
// may write to the process's own output; it must never throw because of what it is asked to log, and never write a token
// or a password, wherever in a line it stands.

import { type Logger as PinoLogger, pino } from 'pino'
import { type Component, type Level, readLevel } from './levels.ts'

/** Fields first, then what happened, in a few words that can be searched for. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  /** The logger of one part of the server: its name in every line, and its own level where one is set. Absent: this one. */
  of?(component: Component): Logger
  /** Whether a debug line would be written: asked before one is made on a hot path. */
  readonly isDebug?: boolean
}

export interface LogOptions {
  readonly level: Level
  /** Levels of single components, as `component=level`; what is none is left out. */
  readonly levels?: readonly string[]
  readonly format: 'auto' | 'json' | 'pretty'
  /** In every line. */
  readonly fields?: object
  /** Takes whole lines. Default: standard output. */
  readonly write?: (line: string) => void
  /** Bytes of lines that were taken and are not read yet. Default: those of standard output. */
  readonly unreadBytes?: () => number
}

/** Unread bytes past which lines are counted and not kept: a reader that stands still must not use up the memory. */
const UNREAD_MAX = 8 * 1024 * 1024

export function createLogger(options: LogOptions): Logger {
  const pretty = options.format === 'pretty' || (options.format === 'auto' && process.stdout.isTTY === true)
  const write = options.write ?? ((line) => void process.stdout.write(line))
  const unreadBytes = options.unreadBytes ?? (() => process.stdout.writableLength)
  let dropped = 0
  const take = (line: string) => {
    if (unreadBytes() > UNREAD_MAX) return void dropped++
    const lines = dropped
    dropped = 0
    if (lines > 0) root.warn({ lines }, 'Log lines were dropped: who reads them did not keep up')
    write(line)
  }
  const settings = {
    level: options.level,
    base: options.fields ?? null,
    timestamp: () => `,"at":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: SECRET_FIELDS, censor: HIDDEN },
    hooks: { streamWrite: redacted },
  }
  const root: PinoLogger = pino(settings, { write: (line: string) => take(pretty ? prettyLine(line) : line) })
  const levels = new Map((options.levels ?? []).map(readLevel).filter((one) => one !== null))
  return loggerOn(root, (component) => root.child({ component }, { level: levels.get(component) ?? options.level }))
}

function loggerOn(target: PinoLogger, child: (component: Component) => PinoLogger): Logger {
  return {
    debug: (fields, message) => target.debug(fields, message),
    info: (fields, message) => target.info(fields, message),
    warn: (fields, message) => target.warn(fields, message),
    error: (fields, message) => target.error(fields, message),
    of: (component) => loggerOn(child(component), child),
    isDebug: target.isLevelEnabled('debug'),
  }
}

/** The logger for one part of the server. */
export function componentOf(logger: Logger, component: Component): Logger {
  return logger.of?.(component) ?? logger
}

const HIDDEN = '[hidden]'
const SECRET_NAMES = ['token', 'auth', 'authorization', 'password', 'secret']
const SECRET_FIELDS = SECRET_NAMES.flatMap((name) => [name, `*.${name}`, `*.*.${name}`])

const JSON_WEB_TOKEN = /\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*/g
const BEARER = /\b(Bearer) +[^\s"\\]+/gi
const PASSWORD_IN_URL = /(:\/\/[^:@/\s"]*):[^@/\s"]+@/g

/** A line without what would open a door: also where it came in a message, a URL or the stack of an error. */
function redacted(line: string): string {
  return line.replace(JSON_WEB_TOKEN, HIDDEN).replace(BEARER, `$1 ${HIDDEN}`).replace(PASSWORD_IN_URL, `$1:${HIDDEN}@`)
}

/** For callers that want no log at all. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** `12:04:05 info  Server listening  url=http://localhost:8001`. Local time: it is read by who sits at the terminal. */
export function prettyLine(json: string): string {
  const { at, level, msg, component, ...fields } = JSON.parse(json) as Record<string, unknown>
  const time = new Date(String(at)).toTimeString().slice(0, 8)
  const rest = Object.entries(fields).map(([name, value]) => `  ${name}=${prettyValue(value)}`)
  const part = component === undefined ? '' : `${component}: `
  return `${time} ${String(level).padEnd(5)} ${part}${String(msg)}${rest.join('')}\n`
}

function prettyValue(value: unknown): string {
  if (isError(value)) return value.stack ?? value.message
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** An error as it comes out of the JSON line. */
function isError(value: unknown): value is { message: string; stack?: string } {
  return typeof value === 'object' && value !== null && 'message' in value && 'stack' in value
}
