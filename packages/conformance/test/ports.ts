// Ports for servers that are told theirs. A port asked of the system and let go again may be given to the next who asks, or
// to an outgoing connection; so these come from below the range that systems give out, and each is claimed by a UDP socket
// of the same number, which the system lets go when this process ends, however it ends.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

const LOWEST = 10_240
const COUNT = 20_000

let next = process.pid * 31

/** A port on which nobody listens, and that no test of any process is given as long as this one lives. */
export async function freePort(): Promise<number> {
  for (let tried = 0; tried < COUNT; tried++) {
    const port = LOWEST + (next++ % COUNT)
    if ((await isClaimed(port)) && (await isFree(port))) return port
  }
  throw new Error(`none of the ${COUNT} ports from ${LOWEST} on is free`)
}

async function isClaimed(port: number): Promise<boolean> {
  const claim = createSocket('udp4').unref()
  try {
    claim.bind({ port, address: '127.0.0.1', exclusive: true })
    await once(claim, 'listening')
    return true
  } catch {
    claim.close()
    return false
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    await once(server.listen(port), 'listening')
    return true
  } catch {
    return false
  } finally {
    await new Promise((closed) => server.close(closed))
  }
}
