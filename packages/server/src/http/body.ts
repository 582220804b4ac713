// From the pieces of a body to its bytes, and from those to JSON, or why they are none; and what a body that is none calls itself.
// Pure.

import { isUtf8 } from 'node:buffer'
import { salvage } from '@resonatehq/protocol'

export type Body = Uint8Array | string

const NO_BYTES = Buffer.alloc(0)

/**
 * Pieces of a body in one buffer, which doubles as it fills. A client may send one byte at a time, and a list of pieces would hold
 * hundreds for each.
 */
export class Pieces {
  #buffer: Buffer = NO_BYTES
  #size = 0

  get size(): number {
    return this.#size
  }

  /** What came so far. Good until the next piece. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#size)
  }

  /** Most bodies are one piece, which is kept as it is. */
  add(piece: Buffer): void {
    if (this.#size === 0) this.#buffer = piece
    else this.#append(piece)
    this.#size += piece.length
  }

  clear(): void {
    this.#buffer = NO_BYTES
    this.#size = 0
  }

  #append(piece: Buffer): void {
    const size = this.#size + piece.length
    if (size > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(size, 2 * this.#buffer.length))
      this.#buffer.copy(larger, 0, 0, this.#size)
      this.#buffer = larger
    }
    piece.copy(this.#buffer, this.#size)
  }
}

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
