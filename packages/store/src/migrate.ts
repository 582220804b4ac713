// Numbered schema changes: which of them a database still needs, and the refusal of one that knows more than we do.
// Each file is runnable by hand; a store applies them in order, each in a transaction with the note that it was applied.

/** The database cannot be used as it is; the message says why and what to do. */
export class SchemaError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'SchemaError'
  }
}

export interface Migration {
  /** 1, 2, 3, … without gaps. */
  readonly version: number
  readonly sql: string
}

/** What has to be applied to a database that is at `current`. Throws SchemaError where it is newer than this program. */
export function pendingMigrations(all: readonly Migration[], current: number, where: string): readonly Migration[] {
  const newest = all.length
  if (current > newest) {
    throw new SchemaError(
      `${where} has schema version ${current}, and this program knows versions up to ${newest}: ` +
        'start the newer program that last used it, or restore a backup from before the upgrade',
    )
  }
  return all.slice(current)
}
