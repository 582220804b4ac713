// Messages to http:// and https:// addresses: who may be POSTed to now, and who waits. The POST itself is passed in.
//
// P1. A message is delivered (true) exactly where its POST was answered 2xx; everything else is false, never an error.
// P2. A slow target delays nobody else: each target waits in a queue of its own, and its first POST needs no place among
//     the shared ones, so that others cannot have taken them all.
// P3. A target that fails again and again rests, longer and longer, and for as long as it asks to; after that it is tried with one
//     POST at a time until it answers.
// P4. Targets, places, queues and bytes are bounded. Past a bound the answer is false at once; what it is about is still
//     in the store and is tried again.

import type { Platform } from '@resonatehq/engine'
import type { Message, PushTrouble } from '@resonatehq/protocol'
import type { Config } from '../config/settings.ts'
import type { Logger } from '../log.ts'
import type { Metrics } from '../metrics/scrape.ts'

/** How a POST ended. `failure` is for the log. */
export type Posted = { readonly status: number; readonly retryAfterMs?: number } | { readonly failure: string }

/** Starts a POST. `done` never rejects; `abort` makes it end soon. */
export type Post = (url: string, body: string) => { readonly done: Promise<Posted>; abort(): void }

export interface Push {
  /** Resolves once the target has answered or the message was given up. Never rejects. */
  deliver(address: string, message: Message): Promise<boolean>
  /** How a target fails; undefined: it does not, or not lately. */
  troubleOf(address: string): PushTrouble | undefined
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
  readonly platform: Pick<Platform, 'now' | 'ticks'>
}

/** Failures in a row after which a target rests. */
const FAILURES_FREE = 2
/** How long it rests at first, ms; doubled each time, up to the most. */
const REST_MS = 1_000
const REST_MAX_MS = 60_000

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

interface Ended {
  readonly posted: Posted
  /** In ticks. */
  readonly startedAt: number
}

/** A target that failed lately. */
interface Trouble {
  /** In a row. POSTs that were under way together fail once. */
  readonly failures: number
  /** The last of them: in ticks, and in ms since epoch for people. */
  readonly failedAt: number
  readonly failedAtEpoch: number
  /** Nothing is sent before, in ticks: a clock that is set back must not make a target rest for longer. */
  readonly restsUntil: number
  readonly posted: Posted
}

export function createPush({ config, post, logger, metrics, platform }: PushParts): Push {
  /** By address, the longest untroubled first. */
  const troubles = new Map<string, Trouble>()
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
    if (stopped || isResting(address) || !hasRoom(target, bytes)) {
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

  function isResting(address: string): boolean {
    return (troubles.get(address)?.restsUntil ?? 0) > platform.ticks()
  }

  function mayStart(target: Target): boolean {
    if (target.inFlight === 0) return true
    return wantsPlace(target) && shared < config['transports.http_push.concurrency']
  }

  function wantsPlace(target: Target): boolean {
    const isTroubled = (troubles.get(target.address)?.failures ?? 0) > FAILURES_FREE
    return !isTroubled && target.inFlight < config['transports.http_push.target_concurrency']
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
    const startedAt = platform.ticks()
    const { done, abort } = post(target.address, delivery.body)
    aborts.add(abort)
    void done.then((posted) => {
      aborts.delete(abort)
      finish(target, delivery, { posted, startedAt })
    })
  }

  function finish(target: Target, delivery: Delivery, ended: Ended): void {
    target.inFlight -= 1
    if (target.inFlight > 0) shared -= 1
    bytesTotal -= delivery.bytes
    delivery.resolve(isDelivered(target, ended))
    if (isResting(target.address)) giveUp(target)
    if (target.inFlight === 0 && target.waiting.length === 0) targets.delete(target.address)
    if (target.inFlight === 0) serve(target)
    else if (target.waiting.length > 0 && wantsPlace(target)) hungry.add(target)
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

  function isDelivered(target: Target, { posted, startedAt }: Ended): boolean {
    const delivered = 'status' in posted && posted.status >= 200 && posted.status < 300
    metrics.delivered('push', delivered ? 'success' : 'error')
    if (delivered) troubles.delete(target.address)
    else if (!stopped) fail(target.address, { posted, startedAt })
    return delivered
  }

  function fail(address: string, { posted, startedAt }: Ended): void {
    const known = troubles.get(address)
    const failedAt = platform.ticks()
    const isCounted = known !== undefined && startedAt < known.failedAt
    const failures = (known?.failures ?? 0) + (isCounted ? 0 : 1)
    const askedMs = 'status' in posted ? Math.min(posted.retryAfterMs ?? 0, REST_MAX_MS) : 0
    const backoffMs =
      failures > FAILURES_FREE ? Math.min(REST_MS * 2 ** (failures - FAILURES_FREE - 1), REST_MAX_MS) : 0
    const restMs = Math.max(askedMs, backoffMs)
    const restsUntil = isCounted ? Math.max(known.restsUntil, failedAt + askedMs) : failedAt + restMs
    troubles.delete(address)
    const counted = isCounted ? known : { failures, failedAt, failedAtEpoch: platform.now() }
    troubles.set(address, { ...counted, restsUntil, posted })
    const [oldest] = troubles.keys()
    if (troubles.size > config['transports.http_push.max_targets'] && oldest !== undefined) troubles.delete(oldest)
    const level = !isCounted && isWorthSaying(failures) ? 'warn' : 'debug'
    logger[level]({ address, ...posted, ...hintOf(posted), failures, restMs }, 'Push failed')
  }

  /** What waits for a target that rests is left to its next attempt. */
  function giveUp(target: Target): void {
    for (const delivery of target.waiting.splice(0)) {
      waiting -= 1
      bytesTotal -= delivery.bytes
      metrics.delivered('push', 'dropped')
      delivery.resolve(false)
    }
    hungry.delete(target)
  }

  function troubleOf(address: string): PushTrouble | undefined {
    const known = troubles.get(address)
    return known && { failures: known.failures, failedAt: known.failedAtEpoch, answer: answerText(known.posted) }
  }

  return {
    deliver,
    troubleOf,
    get inFlight() {
      return aborts.size
    },
    get waiting() {
      return waiting
    },
    stop() {
      stopped = true
      for (const target of targets.values()) {
        giveUp(target)
      }
      hungry.clear()
      for (const abort of aborts) abort()
    },
  }
}

/** The first, and then less and less often: a target that is gone fails for days. */
function isWorthSaying(failures: number): boolean {
  return Number.isInteger(Math.log2(failures))
}

function answerText(posted: Posted): string {
  if (!('status' in posted)) return posted.failure
  const { hint } = hintOf(posted)
  return `status ${posted.status}${hint === undefined ? '' : ` (${hint})`}`
}

/** What an operator should know about a status. */
function hintOf(posted: Posted): { hint?: string } {
  if (!('status' in posted)) return {}
  const { status } = posted
  if (status >= 300 && status < 400) return { hint: 'redirects are not followed: name the URL that it leads to' }
  if (status === 401 || status === 403)
    return { hint: 'the target does not accept our proof: see transports.http_push.auth and secret' }
  return {}
}
