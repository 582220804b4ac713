// The shapes that arguments and options take: text in, value out, or a sentence that says what was expected and what came.
// Commander turns the thrown error into a usage error.

import { PROMISE_STATES, type PromiseState, TASK_STATES, type Tags, type TaskState } from '@resonatehq/protocol'
import { InvalidArgumentError, Option } from 'commander'
import { parseDuration } from './duration.ts'
import { isRecord } from './values.ts'

export function duration(text: string): number {
  const ms = parseDuration(text)
  if (ms === null)
    throw new InvalidArgumentError('Expected numbers with units (ms, s, m, h, d) such as 30s or 1h30m, or 0.')
  return ms
}

export function positiveDuration(text: string): number {
  const ms = duration(text)
  if (ms === 0) throw new InvalidArgumentError('Expected more than no time, such as 30s.')
  return ms
}

/** An option with a default that help shows as people write it, not in milliseconds. */
export function durationOption(flags: string, meaning: string, byDefault: string, parse = duration): Option {
  return new Option(flags, meaning).argParser(parse).default(parse(byDefault), byDefault)
}

export function integer(min: number, max = Number.MAX_SAFE_INTEGER) {
  const range = max === Number.MAX_SAFE_INTEGER ? `of ${min} or more` : `from ${min} to ${max}`
  return (text: string): number => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`Expected a whole number ${range}.`)
    }
    return value
  }
}

export function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (fault) {
    throw new InvalidArgumentError(`Expected JSON: ${(fault as Error).message}.`)
  }
}

export function jsonArray(text: string): unknown[] {
  const value = json(text)
  if (!Array.isArray(value)) throw new InvalidArgumentError('Expected a JSON array such as [1, "two"].')
  return value
}

export function jsonObject(text: string): Record<string, unknown> {
  const value = json(text)
  if (!isRecord(value)) throw new InvalidArgumentError('Expected a JSON object such as {"key": "value"}.')
  return value
}

export function jsonObjects(text: string): Record<string, unknown>[] {
  const value = json(text)
  if (Array.isArray(value) && value.every(isRecord)) return value
  throw new InvalidArgumentError('Expected a JSON array of objects such as [{"key": "value"}].')
}

export function tags(text: string): Tags {
  const value = jsonObject(text)
  const odd = Object.entries(value).find(([, tag]) => typeof tag !== 'string')
  if (odd !== undefined) {
    throw new InvalidArgumentError(`Tags are strings, and ${odd[0]} is ${JSON.stringify(odd[1])}: put it in quotes.`)
  }
  return value as Tags
}

export const promiseState = oneOf<PromiseState>(PROMISE_STATES)
export const taskState = oneOf<TaskState>(TASK_STATES)

function oneOf<T extends string>(values: readonly T[]) {
  return (text: string): T => {
    const value = values.find((each) => each === text)
    if (value === undefined) throw new InvalidArgumentError(`Expected one of ${values.join(', ')}.`)
    return value
  }
}

/** For an option that may be given several times. */
export function collect(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), text]
}

/** A bare name is the group of that name, as in SDKs; anything with a scheme is an address already. */
export function target(text: string): string {
  return text.includes('://') ? text : `poll://any@${text}`
}

type Given<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>
}

/** Without what is undefined: an option that was not given is not sent. */
export function given<T extends object>(options: T): Given<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Given<T>
}
