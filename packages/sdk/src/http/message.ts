// A pushed message, read: a task to take, or news of a promise. Anything else is none of ours, and is told so.

import type { TaskRef } from '@resonatehq/protocol'

export interface PushedMessage {
  readonly kind: 'execute'
  readonly task: TaskRef
  /** Where its server wants to be asked. */
  readonly serverUrl: string | undefined
}

export function readMessage(body: string): PushedMessage | { readonly kind: 'unblock' } | { readonly problem: string } {
  const message = parsed(body)
  if (message?.kind === 'unblock') return { kind: 'unblock' }
  if (message?.kind !== 'execute') return { problem: 'expected an execute message of a Resonate server, as JSON' }
  const { id, version } = message.data?.task ?? {}
  if (typeof id !== 'string' || !Number.isSafeInteger(version))
    return { problem: 'expected data.task with an id and a version' }
  const { serverUrl } = message.head ?? {}
  return { kind: 'execute', task: { id, version: version as number }, serverUrl: urlOf(serverUrl) }
}

interface Untrusted {
  readonly kind?: unknown
  readonly head?: { readonly serverUrl?: unknown }
  readonly data?: { readonly task?: { readonly id?: unknown; readonly version?: unknown } }
}

function parsed(body: string): Untrusted | undefined {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

function urlOf(text: unknown): string | undefined {
  return typeof text === 'string' && /^https?:\/\/./.test(text) && URL.canParse(text) ? text : undefined
}
