// What goes wrong, for people: one table of codes, each message saying what was expected, what came and what to do.
// The codes and categories are those of the published SDK, so that a search for one finds the same thing.

import type { Logger } from '../log.ts'

/** What the server answered, where the error is an answer of the server. */
export interface ServerError {
  /** The status of the answer, as 404. */
  readonly code: number
  readonly message: string
}

export interface ResonateErrorOptions {
  readonly next?: string
  readonly cause?: unknown
  readonly retriable?: boolean
  readonly nonRetryable?: boolean
  readonly serverError?: ServerError
}

/**
 * What the SDK refuses or cannot do. `code` says what:
 *
 * - 1100 a version is no whole number above 0; 1101 a function without a name; 1102 registered already; 1103 not registered here
 * - 1106 an argument or value has no JSON form; 1107 a stored value cannot be read; 1108 a result has no JSON form
 * - 1110 an id is none; 1111 a replay asked for something else than is recorded, and its task is halted
 * - 1112 the client was stopped; 1198 the function ended its pass (`panic`, `assert`), or called its context too late
 * - 1199 the server refused: its status is in `serverError.code`
 */
export class ResonateError extends Error {
  /** The last two digits of those above. */
  readonly code: string
  /** The category: Registry, Encoding, Panic, Server… */
  readonly type: string
  /** What becomes of the work it concerns. */
  readonly next: string
  /** A page about it. */
  readonly href: string
  /** Whether the same call may succeed later. */
  readonly retriable: boolean
  /** Only a change of the code helps: a function that threw this is not tried again. */
  readonly nonRetryable?: boolean
  /** Of 1199: what the server said. */
  readonly serverError?: ServerError

  constructor(code: string, type: string, message: string, options: ResonateErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'ResonateError'
    this.code = code
    this.type = type
    this.next = options.next ?? 'n/a'
    this.href = `https://rn8.io/e/11${code}`
    this.retriable = options.retriable ?? false
    if (options.nonRetryable) this.nonRetryable = true
    if (options.serverError) this.serverError = options.serverError
  }

  /** Writes one line to the logger: the message, its code and what becomes of the work. */
  log(logger: Logger): void {
    logger.error({ code: `11${this.code}`, type: this.type, next: this.next, href: this.href }, this.message)
    if (this.stack) logger.debug({ stack: this.stack }, 'stack')
  }
}

/** No answer of the protocol was to be had: no connection, no whole response in time, or a proxy's answer. */
export class ResonateTimeoutException extends Error {
  constructor(cause: string) {
    super(`platform failure: ${cause}`)
    this.name = 'ResonateTimeoutException'
  }
}

/** The promise that was waited for was canceled. */
export class PromiseCanceledError extends Error {
  readonly id: string

  constructor(id: string) {
    super('Promise canceled')
    this.name = 'PromiseCanceledError'
    this.id = id
  }
}

/** The promise that was waited for passed its deadline. */
export class PromiseTimedoutError extends Error {
  readonly id: string

  constructor(id: string) {
    super('Promise timedout')
    this.name = 'PromiseTimedoutError'
    this.id = id
  }
}

const DROPPED = { next: 'Will drop' }
/** A mistake in the code that called us. */
const MISTAKE = { nonRetryable: true }

/** Every ResonateError there is. */
export const errors = {
  versionInvalid: (version: unknown) =>
    new ResonateError('00', 'Registry', `A function's version must be a whole number above 0, got ${String(version)}`),
  nameRequired: () =>
    new ResonateError(
      '01',
      'Registry',
      'A function needs a name to be registered: register(name, fn), or a named function',
    ),
  alreadyRegistered: (name: string, version: number, under?: string) =>
    new ResonateError(
      '02',
      'Registry',
      under
        ? `This function is registered already, as '${under}': one function has one name, so '${name}' was refused`
        : `Function '${name}' version ${version} is registered already: give the new one another version`,
    ),
  notRegistered: (name: string, version: number) =>
    new ResonateError(
      '03',
      'Registry',
      `Function '${name}'${version ? ` version ${version}` : ''} is not registered here: register it, or call it with rpc ` +
        'and the target of a group that has it',
      { ...DROPPED, ...MISTAKE },
    ),
  /** Of a task that is given back to its group. */
  notRegisteredHere: (name: string, version: number) =>
    new ResonateError(
      '03',
      'Registry',
      `Function '${name}'${version ? ` version ${version}` : ''} is not registered here: its tasks are left to other workers of ` +
        'the group. Register it in each of them, or call it with the target of a group that has it. Said once',
      { next: 'Task is given back', ...MISTAKE },
    ),
  notEncodable: (what: string, cause: unknown) =>
    new ResonateError('06', 'Encoding', `${what} cannot be encoded as JSON: ${messageOf(cause)}`, {
      ...DROPPED,
      cause,
    }),
  notDecodable: (what: string, cause: unknown) =>
    new ResonateError('07', 'Encoding', `${what} cannot be decoded: ${messageOf(cause)}`, { ...DROPPED, cause }),
  /** Of an encryptor that failed, as a key service does that is not there: it may be there later. */
  notEncrypted: (what: string, cause: unknown) =>
    new ResonateError('06', 'Encoding', `${what} cannot be encrypted: ${messageOf(cause)}`, { cause, retriable: true }),
  notDecrypted: (what: string, cause: unknown) =>
    new ResonateError('07', 'Encoding', `${what} cannot be decrypted: ${messageOf(cause)}`, { cause, retriable: true }),
  resultNotEncodable: (what: string, refusal: unknown) => {
    const cause = refusal instanceof ResonateError ? (refusal.cause ?? refusal) : refusal
    return new ResonateError('08', 'Encoding', `The result of ${what} cannot be encoded as JSON: ${messageOf(cause)}`, {
      ...DROPPED,
      cause,
    })
  },
  idInvalid: (problem: string) => new ResonateError('10', 'InvalidId', problem, MISTAKE),
  diverged: (message: string) => new ResonateError('11', 'Divergence', message, { next: 'Task is halted' }),
  stopped: () => new ResonateError('12', 'Client', 'This client was stopped: make a new one to go on'),
  panic: (message: string | undefined) =>
    new ResonateError('98', 'Panic', message ?? 'Panicked', { next: 'Will drop', retriable: true }),
  server: (kind: string, status: number, message: string) =>
    new ResonateError('99', 'Server', `${kind} was refused with ${status}: ${message}`, {
      retriable: status === 429 || status >= 500,
      serverError: { code: status, message },
    }),
} as const

/** What the code that called us got wrong. Trying again does not help, so a function that throws it is not tried again. */
export function mistake(message: string): TypeError {
  return Object.assign(new TypeError(message), { nonRetryable: true })
}

export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
