// How a command ends. Scripts rely on these numbers: add one rather than change one.

export const EXIT = {
  ok: 0,
  /** The server refused, or could not be reached. */
  failed: 1,
  /** The command line itself is wrong. */
  usage: 2,
  /** `invoke --wait`: the promise was rejected or canceled. */
  rejected: 3,
  /** `invoke --wait`: the promise timed out. */
  timedOut: 4,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** Ends a command with a sentence on stderr and a code. The only way a command ends with anything but 0. */
export class Failure extends Error {
  readonly code: ExitCode
  /** What stands before each line of the message. */
  readonly label: string

  constructor(message: string, code: ExitCode = EXIT.failed, label = 'Error') {
    super(message)
    this.name = 'Failure'
    this.code = code
    this.label = label
  }
}

/** What keeps a server from starting or from stopping in order; every reason, not just the first. */
export function fatal(reasons: readonly string[]): Failure {
  return new Failure(reasons.join('\n'), EXIT.failed, 'Fatal')
}
