// Cancels what a canceled call has called. Where nobody remembers what that was, since its frame has left memory or was never here,
// its records tell, since each names its parent. There only ids that were given out in order are taken for attached: detached work
// goes on.

import type { PromiseRecord } from '@resonatehq/protocol'
import type { Call, Reply, SendOptions, Transport } from '../transport/transport.ts'
import { joinId } from './operations.ts'

const PAGE = 1_000

interface Walk {
  readonly transport: Transport
  /** Whether what calls elsewhere have called is canceled from here too, and not only by their workers. */
  readonly isWhole: boolean
  readonly options: SendOptions
}

/**
 * For a worker that has run the call `id`: cancels what it had called, where it was itself canceled. Whoever holds one of those is told
 * by the server, and goes on like this from there. Rejects where the transport is stopped.
 */
export async function cancelCalled(transport: Transport, id: string, called: readonly string[]): Promise<void> {
  if (await canceled(transport, id)) await transport.send(called.map((each) => cancelOf({ id: each })))
}

/** For a worker that never had the call `id`, or let go of it. Rejects where the transport is stopped. */
export async function cancelForgotten(transport: Transport, id: string): Promise<void> {
  const promise = await canceled(transport, id)
  if (promise) await cancelChildren({ transport, isWhole: false, options: {} }, [promise])
}

async function canceled(transport: Transport, id: string): Promise<PromiseRecord | undefined> {
  const [found] = await transport.send([{ kind: 'promise.get', data: { id } }])
  const promise = found?.status === 200 ? (found.data as { promise: PromiseRecord }).promise : undefined
  return promise?.state === 'rejected_canceled' ? promise : undefined
}

/** For a client that has canceled `promise`: at every depth, whether anybody works on it or not. */
export async function cancelTree(transport: Transport, promise: PromiseRecord, options: SendOptions): Promise<void> {
  if (mayHaveCalled(promise)) await cancelChildren({ transport, isWhole: true, options }, [promise])
}

/** Level by level, each in as few requests as may be. */
async function cancelChildren(walk: Walk, canceled: readonly PromiseRecord[]): Promise<void> {
  for (let level = canceled; level.length > 0; ) {
    const children = (await Promise.all(level.map((parent) => childrenOf(walk, parent)))).flat()
    if (children.length > 0) await walk.transport.send(children.map(cancelOf), walk.options)
    level = children.filter((child) => mayHaveCalled(child) && (walk.isWhole || isStep(child)))
  }
}

async function childrenOf({ transport, options }: Walk, { id, tags }: PromiseRecord): Promise<PromiseRecord[]> {
  // With the origin the server looks through this call tree alone.
  const wanted = { 'resonate:origin': tags['resonate:origin'] ?? id, 'resonate:parent': id }
  const children: PromiseRecord[] = []
  let cursor: string | undefined
  do {
    const search = { tags: wanted, state: 'pending', limit: PAGE, ...(cursor ? { cursor } : {}) }
    const [reply] = await transport.send([{ kind: 'promise.search', data: search }], options)
    const page = pageOf(reply)
    children.push(...page.promises.filter((child) => isAttached(id, child)))
    cursor = page.cursor
  } while (cursor !== undefined)
  return children
}

function pageOf(reply: Reply | undefined): { promises: PromiseRecord[]; cursor?: string } {
  return reply?.status === 200 ? (reply.data as { promises: PromiseRecord[]; cursor?: string }) : { promises: [] }
}

function cancelOf({ id }: { readonly id: string }): Call {
  return { kind: 'promise.settle', data: { id, state: 'rejected_canceled', value: {} } }
}

function mayHaveCalled(promise: PromiseRecord): boolean {
  const { tags } = promise
  return isStep(promise) || (tags['resonate:target'] !== undefined && tags['resonate:timer'] !== 'true')
}

/** Steps have no task, so nobody is told of their end. */
function isStep({ tags }: PromiseRecord): boolean {
  return tags['resonate:scope'] === 'local'
}

/** Whether `childId` may have made it for this caller. */
function isAttached(parent: string, { id }: PromiseRecord): boolean {
  const [root = parent] = parent.split(':', 1)
  const below = joinId(parent, '')
  const flat = joinId(root, 'n')
  return (
    (id.startsWith(below) && /^\d+$/.test(id.slice(below.length))) ||
    (id.startsWith(flat) && /^[0-9a-f]{28}$/.test(id.slice(flat.length)))
  )
}
