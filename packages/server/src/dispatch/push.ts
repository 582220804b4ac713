// Messages to http:// and https:// addresses: who may be POSTed to now, and who waits. The POST itself is passed in.
//
// P1. A message is delivered (true) exactly where its POST was answered 2xx; everything else is false, never an error.
// P2. A slow target delays nobody else: each target waits in a queue of its own, and its first POST needs no place among
//     the shared ones, so that others cannot have taken them all.
// P3. Targets, places, queues and bytes are bounded. Past a bound the answer is false at once; what it is about is still
//     in the store and is tried again.

import type { Message } from '@resonatehq/protocol'
import type { Config } from '../config.ts'
import type { Logger } from '../log.ts'
import type { Metrics } from '../metrics.ts'

/** How a POST ended. `failure` is for the log. */
export type Posted = { readonly status: number } | { readonly failure: string }

/** Starts a POST. `done` never rejects; `abort` makes it end soon. */
export type Post = (url: string, body: string) => { readonly done: Promise<Posted>; abort(): void }

export interface Push {
  /** Resolves once the target has answered or the message was given up. Never rejects. */
  deliver(address: string, message: Message): Promise<boolean>
  readonly inFlight: number
  readonly waiting: number
  /** Gives up everything that waits or is under way. */
  stop(): void
}

export interface PushParts {
  readonly config: Config
  readonly post: Post
  readonly logger: Logger
  readonly metrics: Metrics
}

interface Delivery {
  readonly body: string
  readonly bytes: number
  readonly resolve: (delivered: boolean) => void
}

interface Target {
  readonly address: string
  readonly waiting: Delivery[]
  inFlight: number
}

export function createPush({ config, post, logger, metrics }: PushParts): Push {
  const targets = new Map<string, Target>()
  /** Targets that wait for a shared place and nothing else, the one whose turn it is first. */
  const hungry = new Set<Target>()
  const aborts = new Set<() => void>()
  /** POSTs in flight beyond the first of each target. */
  let shared = 0
  let waiting = 0
  let bytesTotal = 0
  let stopped = false

  function deliver(address: string, message: Message): Promise<boolean> {
    const body = JSON.stringify(message)
    const bytes = Buffer.byteLength(body)
    const target = targets.get(address) ?? { address, waiting: [], inFlight: 0 }
    if (stopped || !hasRoom(target, bytes)) {
      metrics.delivered('push', 'dropped')
      return Promise.resolve(false)
    }
    targets.set(address, target)
    bytesTotal += bytes
    waiting += 1
    return new Promise((resolve) => {
      target.waiting.push({ body, bytes, resolve })
      serve(target)
    })
  }

  function hasRoom(target: Target, bytes: number): boolean {
    if (bytesTotal > 0 && bytesTotal + bytes > config['transports.http_push.queue_bytes']) return false
    if (!targets.has(target.address) && targets.size >= config['transports.http_push.max_targets']) return false
    return mayStart(target) || target.waiting.length < config['transports.http_push.target_queue']
  }

  function mayStart(target: Target): boolean {
    if (target.inFlight === 0) return true
    return wantsPlace(target) && shared < config['transports.http_push.concurrency']
  }

  function wantsPlace(target: Target): boolean {
    return target.inFlight < config['transports.http_push.target_concurrency']
  }

  /** Starts what may start. What may not because of the shared places alone gets in line. */
  function serve(target: Target): void {
    while (target.waiting.length > 0 && mayStart(target)) start(target)
    if (target.waiting.length > 0 && wantsPlace(target)) hungry.add(target)
    else hungry.delete(target)
  }

  function start(target: Target): void {
    const delivery = target.waiting.shift()
    if (!delivery) return
    waiting -= 1
    if (target.inFlight > 0) shared += 1
    target.inFlight += 1
    const { done, abort } = post(target.address, delivery.body)
    aborts.add(abort)
    void done.then((posted) => {
      aborts.delete(abort)
      finish(target, delivery, posted)
    })
  }

  function finish(target: Target, delivery: Delivery, posted: Posted): void {
    target.inFlight -= 1
    if (target.inFlight > 0) shared -= 1
    bytesTotal -= delivery.bytes
    delivery.resolve(isDelivered(target, posted))
    if (target.inFlight === 0 && target.waiting.length === 0) targets.delete(target.address)
    if (target.inFlight === 0) serve(target)
    else if (target.waiting.length > 0) hungry.add(target)
    givePlaces()
  }

  /** One POST a turn, so that a long queue does not keep short ones waiting. */
  function givePlaces(): void {
    for (const target of hungry) {
      if (shared >= config['transports.http_push.concurrency']) return
      hungry.delete(target)
      start(target)
      if (target.waiting.length > 0 && wantsPlace(target)) hungry.add(target)
    }
  }

  function isDelivered(target: Target, posted: Posted): boolean {
    const delivered = 'status' in posted && posted.status >= 200 && posted.status < 300
    metrics.delivered('push', delivered ? 'success' : 'error')
    if (!delivered && !stopped) logger.warn({ address: target.address, ...posted }, 'Push failed')
    return delivered
  }

  return {
    deliver,
    get inFlight() {
      return aborts.size
    },
    get waiting() {
      return waiting
    },
    stop() {
      stopped = true
      for (const target of targets.values()) {
        for (const delivery of target.waiting.splice(0)) {
          waiting -= 1
          bytesTotal -= delivery.bytes
          delivery.resolve(false)
        }
      }
      hungry.clear()
      for (const abort of aborts) abort()
    },
  }
}
