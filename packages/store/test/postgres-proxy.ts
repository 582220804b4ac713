// What stands between a server and its PostgreSQL in tests of outages: passes bytes on, until it is told to stall, to cut
// what is open, or to refuse what comes.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'

export interface DatabaseProxy {
  /** The URL of that database through the proxy. */
  readonly url: string
  /** New connections are closed at once, as by a machine without a server. */
  refuse(): void
  /** Bytes stay where they are, in both directions, and connections stay open: a dead network, a frozen machine. */
  stall(): void
  /** Ends all connections that are open. */
  cut(): void
  /** Passes everything on again. */
  pass(): void
  readonly connections: number
  close(): Promise<void>
}

/** In front of the database server that `direct` leads to by its socket. */
export async function startProxy(direct: string): Promise<DatabaseProxy> {
  const socket = join(new URL(direct).searchParams.get('host') as string, '.s.PGSQL.5432')
  const pairs = new Set<readonly [Socket, Socket]>()
  let mode: 'pass' | 'refuse' | 'stall' = 'pass'
  const server = createServer((client) => {
    client.on('error', () => {})
    if (mode === 'refuse') return client.destroy()
    const database = connect(socket)
    database.on('error', () => client.destroy())
    const pair = [client, database] as const
    pairs.add(pair)
    for (const [from, to] of [pair, [database, client]] as const) {
      from.on('data', (bytes) => to.write(bytes))
      from.on('close', () => {
        to.destroy()
        pairs.delete(pair)
      })
    }
    if (mode === 'stall') for (const end of pair) end.pause()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const cut = () => {
    for (const ends of pairs) for (const end of ends) end.destroy()
  }
  return {
    url: `postgres://test@127.0.0.1:${port}${new URL(direct).pathname}`,
    refuse() {
      mode = 'refuse'
    },
    stall() {
      mode = 'stall'
      for (const ends of pairs) for (const end of ends) end.pause()
    },
    cut,
    pass() {
      mode = 'pass'
      for (const ends of pairs) for (const end of ends) end.resume()
    },
    get connections() {
      return pairs.size
    },
    async close() {
      cut()
      server.close()
      await once(server, 'close')
    },
  }
}
