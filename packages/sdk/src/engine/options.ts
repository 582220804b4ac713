// What a call may be told beside its arguments. Options travel as the last argument, marked so that no argument of a user is
// ever taken for them.

import { TAG_TIMER } from '@resonatehq/protocol'
import { mistake } from './errors.ts'
import { checkedPolicy, type ErrorClass, type RetryPolicy } from './retry.ts'

/** A day, ms: how long a call may take that is told nothing. */
export const DEFAULT_TIMEOUT_MS = 86_400_000

const RESONATE_OPTIONS = Symbol.for('resonate.options')

/** What a call may be told: `ctx.options({ … })` or `resonate.options({ … })`, passed as its last argument. */
export interface CallOptions {
  /** The id of the call, instead of the next one in order. */
  id?: string | undefined
  tags?: Record<string, string>
  /** Who runs it: the name of a group, or an address. */
  target?: string | undefined
  /** How long it may take, ms; Infinity: for ever. Never beyond the deadline of its caller. */
  timeout?: number
  /** Which version of the function; 0: the latest that is registered here. */
  version?: number
  retryPolicy?: RetryPolicy | undefined
  /** Errors that end the retries at once; thrown errors with `nonRetryable: true` do so too. */
  nonRetryableErrors?: ErrorClass[]
}

/**
 * Options of a call with their defaults, marked so that no argument is taken for them. Made by `options({ … })`; throws a TypeError
 * where one of them is of the wrong kind, as a timeout that is no number of at least 0.
 */
export class Options {
  readonly id: string | undefined
  readonly tags: Record<string, string>
  readonly target: string | undefined
  readonly timeout: number
  readonly version: number
  readonly retryPolicy: RetryPolicy | undefined
  readonly nonRetryableErrors: ErrorClass[]

  constructor(options: CallOptions = {}) {
    this.id = options.id
    this.tags = checkedTags(options.tags ?? {})
    this.target = checkedText('target', options.target)
    this.timeout = checkedAmount('timeout', options.timeout ?? DEFAULT_TIMEOUT_MS)
    this.version = checkedAmount('version', options.version ?? 0)
    this.retryPolicy = checkedPolicy(options.retryPolicy)
    this.nonRetryableErrors = checkedClasses(options.nonRetryableErrors ?? [])
  }

  get [RESONATE_OPTIONS](): boolean {
    return true
  }
}

export const DEFAULT_OPTIONS = new Options()

/** An option that is a number of at least 0. Throws a TypeError where it is not. */
export function checkedAmount(name: string, value: number): number {
  if (typeof value === 'number' && value >= 0) return value
  const got = typeof value === 'string' ? `'${value}'` : String(value)
  throw mistake(`The option '${name}' must be a number of at least 0, got ${got}`)
}

function checkedText(name: string, value: string | undefined): string | undefined {
  if (value === undefined || value === null || (typeof value === 'string' && value !== '')) return value ?? undefined
  throw mistake(`The option '${name}' must be a text that is not empty, got ${value === '' ? "''" : String(value)}`)
}

function checkedTags(tags: Record<string, string>): Record<string, string> {
  for (const [name, value] of Object.entries(tags)) {
    if (typeof value !== 'string') throw mistake(`The tag '${name}' must be a text, got ${String(value)}`)
    if (name === TAG_TIMER) throw mistake(`The tag '${name}' makes a sleep of a call: use ctx.sleep`)
  }
  return tags
}

function checkedClasses(classes: ErrorClass[]): ErrorClass[] {
  if (Array.isArray(classes) && classes.every((each) => typeof each === 'function')) return classes
  throw mistake(`The option 'nonRetryableErrors' is a list of error classes, as in [TypeError]`)
}

/** The instant `timeoutMs` from now; the last one that there is where that is for ever. */
export function deadlineAt(now: number, timeoutMs: number): number {
  return Math.min(now + timeoutMs, Number.MAX_SAFE_INTEGER)
}

function isOptions(value: unknown): value is Options {
  return (
    typeof value === 'object' &&
    value !== null &&
    (value as { [RESONATE_OPTIONS]?: unknown })[RESONATE_OPTIONS] === true
  )
}

/** The arguments of a call, and the options where they come last. */
export function splitOptions(all: readonly unknown[]): { args: unknown[]; options: Options } {
  const last = all.at(-1)
  if (isOptions(last)) return { args: all.slice(0, -1), options: last }
  return { args: all as unknown[], options: DEFAULT_OPTIONS }
}

/** The arguments of a call of a function whose version is known, unless its options name one. */
export function withVersion(all: readonly unknown[], version: number): unknown[] {
  const { args, options } = splitOptions(all)
  return [...args, options.version === 0 ? new Options({ ...options, version }) : options]
}
