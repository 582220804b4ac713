// LISTEN and NOTIFY, the only place that uses them: what servers of one database tell each other, on a connection of its own
// and never inside a transaction that writes, because commits that notify wait for each other. Nothing depends on what is
// told here: without it the store is looked at from time to time.

import type pg from 'pg'
import type { Hints } from '../store.ts'

const CHANNEL = 'resonate'

export class PostgresHints implements Hints {
  /** A notification must be shorter than 8,000 bytes. */
  readonly bytesMax = 7_900
  readonly #pool: () => pg.Pool
  #client: pg.PoolClient | null = null

  /** `pool`: opens one for a single connection to the database itself, not to a pooler. */
  constructor(pool: () => pg.Pool) {
    this.#pool = pool
  }

  async tell(text: string): Promise<void> {
    if (!this.#client) throw new Error('nothing can be told before it was listened')
    await this.#client.query('select pg_notify($1, $2)', [CHANNEL, text])
  }

  async listen(heard: (text: string) => void, broken: (error: Error) => void): Promise<() => void> {
    const pool = this.#pool()
    try {
      const client = await pool.connect()
      const end = () => this.#end(client, pool)
      client.on('notification', ({ payload }) => heard(payload ?? ''))
      client.once('error', broken)
      client.once('end', () => broken(new Error('the database closed the connection on which other servers are heard')))
      // A notification needs no disk: whoever misses it looks.
      await client.query(`set synchronous_commit = off; listen ${CHANNEL}`)
      this.#client = client
      return end
    } catch (error) {
      void pool.end().catch(() => {})
      throw error
    }
  }

  #end(client: pg.PoolClient, pool: pg.Pool): void {
    if (this.#client === client) this.#client = null
    client.removeAllListeners('notification')
    client.release(true)
    // What it says at its end concerns nobody: the connection is given up.
    void pool.end().catch(() => {})
  }
}
