// From the bytes of a body to JSON, or why they are none; and what a body that is none calls itself. Pure.

import { isUtf8 } from 'node:buffer'
import { salvage } from '@resonatehq/protocol'

export type Body = Uint8Array | string

export function parseBody(body: Body): { body: unknown } | { problem: string } {
  // Replaced bytes would change an id in silence.
  if (typeof body !== 'string' && !isUtf8(body))
    return {
      problem: 'The body must be JSON in UTF-8, but holds bytes that are not UTF-8 (compressed bodies are not taken)',
    }
  try {
    return { body: JSON.parse(textOf(body)) }
  } catch (error) {
    return { problem: `The body must be a JSON envelope: ${error instanceof Error ? error.message : String(error)}` }
  }
}

function textOf(body: Body): string {
  if (typeof body === 'string') return body
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8')
}

/** As much of a body as is looked at for what it calls itself. */
const SALVAGE_MAX = 4096
const KIND = /"kind"\s*:\s*("(?:[^"\\]|\\.){1,200}")/
const CORR_ID = /"corrId"\s*:\s*("(?:[^"\\]|\\.){0,200}")/

/** The kind and corrId of what is no JSON, or not all of it. A guess, but one that helps who reads the answer. */
export function salvaged(body: Body): { kind: string; corrId: string } {
  const text = textOf(typeof body === 'string' ? body.slice(0, SALVAGE_MAX) : body.subarray(0, SALVAGE_MAX))
  return salvage({ kind: unquoted(KIND.exec(text)?.[1]), head: { corrId: unquoted(CORR_ID.exec(text)?.[1]) } })
}

function unquoted(literal: string | undefined): unknown {
  try {
    return JSON.parse(literal ?? '')
  } catch {
    return undefined
  }
}
