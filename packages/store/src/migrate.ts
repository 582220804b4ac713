// Numbered schema changes: which of them a database still needs, and whether this program may use one that knows more than
// it does. Each file is runnable by hand; a store applies them in order, each in a transaction with the note that it was
// applied.
//
// Rolling upgrade: the first server of the new version changes the schema while those of the old one run on, and may be
// started again. So a file may say, in its first line, which older programs it leaves in working order:
//
//     -- works with: 3        programs that know versions up to 3, or more, work on this schema too
//
// A file that says nothing works with no older program.

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
  /** The oldest schema version that a program must know to work on a database after this change. */
  readonly oldest: number
  readonly sql: string
}

/** What a database says of itself. Both 0: it is empty. */
export interface Schema {
  /** The last change that was applied. */
  readonly version: number
  /** The largest `oldest` of all that were applied. */
  readonly oldest: number
}

/** Texts of the files, in the order of their names, as migrations. */
export function migrationsOf(texts: readonly string[]): readonly Migration[] {
  return texts.map((sql, at) => {
    const version = at + 1
    const [, worksWith] = /^-- works with: (\d+)\b/.exec(sql) ?? []
    return { version, oldest: worksWith === undefined ? version : Number(worksWith), sql }
  })
}

/** What has to be applied to a database. Throws SchemaError where this program is too old for it. */
export function pendingMigrations(all: readonly Migration[], schema: Schema, where: string): readonly Migration[] {
  const newest = all.length
  if (schema.oldest > newest) {
    throw new SchemaError(
      `${where} has schema version ${schema.version}, which works with programs that know version ${schema.oldest}, ` +
        `and this program knows versions up to ${newest}: ` +
        'start the newer program that last used it, or restore a backup from before the upgrade',
    )
  }
  return all.slice(schema.version)
}
