// Cancels what a canceled call has called where nobody remembers what that was: its frame has left memory. Its records tell, since
// each names its parent. Only ids that were given out in order are taken for attached: detached work must go on.

import type { PromiseRecord } from '@resonatehq/protocol'
import type { Reply, Transport } from '../transport/transport.ts'
import { joinId } from './operations.ts'

const PAGE = 1_000

/** Does nothing where the call `id` was not canceled. Rejects where the transport is stopped. */
export async function cancelForgotten(transport: Transport, id: string): Promise<void> {
  const [found] = await transport.send([{ kind: 'promise.get', data: { id } }])
  const promise = promiseOf(found)
  if (promise?.state === 'rejected_canceled') await cancelChildren(transport, promise)
}

async function cancelChildren(transport: Transport, { id, tags }: PromiseRecord): Promise<void> {
  // With the origin the server looks through this call tree alone.
  const wanted = { 'resonate:origin': tags['resonate:origin'] ?? id, 'resonate:parent': id }
  let cursor: string | undefined
  do {
    const search = { tags: wanted, state: 'pending', limit: PAGE, ...(cursor ? { cursor } : {}) }
    const [reply] = await transport.send([{ kind: 'promise.search', data: search }])
    if (reply?.status !== 200) return
    const page = reply.data as { promises: PromiseRecord[]; cursor?: string }
    cursor = page.cursor
    await cancel(
      transport,
      page.promises.filter((child) => isAttached(id, child)),
    )
  } while (cursor !== undefined)
}

/** Tasks are canceled by those who hold them; steps have none, so what they have called is found here. */
async function cancel(transport: Transport, children: readonly PromiseRecord[]): Promise<void> {
  if (children.length === 0) return
  const settle = ({ id }: PromiseRecord) => ({ id, state: 'rejected_canceled', value: {} })
  await transport.send(children.map((child) => ({ kind: 'promise.settle', data: settle(child) })))
  for (const child of children) if (child.tags['resonate:scope'] === 'local') await cancelChildren(transport, child)
}

function isAttached(parent: string, { id }: PromiseRecord): boolean {
  const prefix = joinId(parent, '')
  return id.startsWith(prefix) && /^\d+$/.test(id.slice(prefix.length))
}

function promiseOf(reply: Reply | undefined): PromiseRecord | undefined {
  return reply?.status === 200 ? (reply.data as { promise: PromiseRecord }).promise : undefined
}
