// What a shape is: a small program, as users write them, in both styles. It imports no SDK, only types, so that the very same
// functions run on ours and on the published one. Its only ways to the outside are its `World`, so that a test sees every effect.

import type { AnyFunc, RetryPolicy } from '@resonatehq/sdk'

export const STYLES = ['generator', 'async'] as const
export type Style = (typeof STYLES)[number]

/** What a step may know of itself, in either style of either SDK. */
export interface Step {
  readonly id: string
}

/** The world outside of a program. It outlives every worker. */
export interface Outside {
  /** Something happens that cannot be undone. `id`: of the step that does it. */
  effect(step: Step, name: string): void
  /** How often this was asked for, this time included. */
  times(name: string): number
  /** Tells a person, who settles the promise. */
  person(id: string, answer: string): Promise<void>
}

/** What a program takes from the SDK that it runs on. */
export interface Parts extends Outside {
  constant(delay: number, maxRetries: number): RetryPolicy
  never(): RetryPolicy
}

/** A function, its name, and its version where it is not 1. */
export type Registration = readonly [name: string, func: AnyFunc, version?: number]

/** Calls from outside, in whatever style the client has. */
export interface Caller {
  rpc(id: string, name: string, args: readonly unknown[], version?: number): Promise<unknown>
  /** The result of what exists already. */
  result(id: string): Promise<unknown>
}

export interface Shape {
  readonly name: string
  /** How often it acts depends on the world outside, which counts: a crash in between saves later tries. */
  readonly countsTries?: boolean
  functions(style: Style, parts: Parts): readonly Registration[]
  /** Uses the program; every root that it calls has an id that starts with `id`. */
  use(caller: Caller, id: string): Promise<unknown>
}

/** A failed outcome as data, alike for both SDKs. */
export async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    return { value: await promise }
  } catch (error) {
    return { error: (error as Error).message }
  }
}
