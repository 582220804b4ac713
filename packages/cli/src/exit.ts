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

  constructor(message: string, code: ExitCode = EXIT.failed) {
    super(message)
    this.name = 'Failure'
    this.code = code
  }
}
