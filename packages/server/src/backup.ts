// Backups of a SQLite file while the server writes to it: what an operator asks for becomes a new file in the folder of
// backups, complete or not there at all. A client gives a name at most, never a path. One backup at a time.

import assert from 'node:assert/strict'
import { chmod, mkdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, extname, join, resolve } from 'node:path'
import type { Answer } from '@resonatehq/protocol'
import type { Store } from '@resonatehq/store'
import type { Config } from './config/settings.ts'
import type { Logger } from './log.ts'

export interface BackupParts {
  readonly config: Config
  readonly store: Store
  readonly logger: Logger
  /** ms since epoch. */
  readonly now: () => number
}

/** Copies the database to a file of this name; without one, of its own name and the instant. Never rejects. */
export type Backup = (name: string | undefined) => Promise<Answer>

/** `name` is a file name, as the rules of requests have it. Undefined: this store has no file. */
export function createBackup({ config, store, logger, now }: BackupParts): Backup | undefined {
  if (!store.backup || config['storage.type'] !== 'sqlite') return undefined
  const database = resolve(config['storage.sqlite.path'])
  const folder = resolve(config['storage.sqlite.backups'] || join(dirname(database), 'backups'))
  let isRunning = false

  return async (name = nameAt(database, now())) => {
    if (isRunning) return { status: 409, data: 'a backup is being written: wait for its end' }
    const path = join(folder, name)
    assert.equal(basename(path), name, 'a backup is named, not placed')
    isRunning = true
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      if (await exists(path)) return { status: 409, data: `${path} is there already: choose another name` }
      const bytes = await write(path)
      logger.info({ path, bytes }, 'Backup written')
      return { status: 200, data: { path, bytes } }
    } catch (error) {
      logger.error({ err: error, path }, 'Backup failed')
      return { status: 500, data: `the backup could not be written to ${path}: ${(error as Error).message}` }
    } finally {
      isRunning = false
    }
  }

  async function write(path: string): Promise<number> {
    const partial = `${path}.partial`
    try {
      await rm(partial, { force: true })
      await store.backup?.(partial)
      await chmod(partial, 0o600)
      const { size } = await stat(partial)
      await rename(partial, path)
      return size
    } catch (error) {
      await rm(partial, { force: true })
      throw error
    }
  }
}

/** `resonate.db` → `resonate-20261124T093015123Z.db` */
function nameAt(database: string, at: number): string {
  const suffix = extname(database)
  const instant = new Date(at).toISOString().replaceAll(/[-:.]/g, '')
  return `${basename(database, suffix)}-${instant}${suffix}`
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false
      throw error
    },
  )
}
