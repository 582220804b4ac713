// One request of a client, from the call to its data or its error.

import { errors } from './engine/errors.ts'
import type { Transport } from './transport/transport.ts'

/** Asks the server; throws ResonateError 1199 on any answer but 200. */
export type Asker = <T>(kind: string, data: object) => Promise<T>

/** How long a call of a client asks again while the server cannot be reached, ms. */
export const PATIENCE_MS = 60_000

export function asker(transport: Transport): Asker {
  return async <T>(kind: string, data: object) => {
    const [reply] = await transport.send([{ kind, data }], { patienceMs: PATIENCE_MS })
    if (reply?.status === 200) return reply.data as T
    throw errors.server(kind, reply?.status ?? 500, String(reply?.data))
  }
}
