// Pages in browsers: which may ask, and read what they are answered. A browser sends some requests of any page, to this machine
// and to private networks too, and only keeps the answer from it; so what comes from a page that may not ask is refused, by the
// word of the browser. Whoever is no browser says nothing of pages, and is not this file's business. Pure.

import { quote } from '@resonatehq/protocol'
import type { Denial } from './caller.ts'

type Headers = Readonly<Record<string, string>>

export interface PageHeaders {
  readonly origin?: string | string[] | undefined
  readonly 'sec-fetch-site'?: string | string[] | undefined
}

export interface Origins {
  /** What a browser must be told so that a page of this origin may read an answer. */
  headersFor(asked: PageHeaders): Headers
  /** The answer to a browser that asks first, but for `headersFor`. Null: no page may ask. */
  readonly preflight: Headers | null
  /** Why what a page sent is refused. */
  denialOf(asked: PageHeaders): Denial | undefined
}

const PREFLIGHT_HEADERS: Headers = {
  'access-control-allow-methods': 'GET, POST, OPTIONS',
  'access-control-allow-headers': 'content-type, authorization',
  'access-control-max-age': '86400',
}
const NO_HEADERS: Headers = {}

/** `allowed`: as in `server.cors.allow_origins`. */
export function originsOf(allowed: readonly string[]): Origins {
  const mayAsk = (origin: unknown) => allowed.includes('*') || allowed.includes(origin as string)
  return {
    preflight: allowed.length === 0 ? null : PREFLIGHT_HEADERS,
    headersFor({ origin }) {
      if (allowed.length === 0 || typeof origin !== 'string') return NO_HEADERS
      if (allowed.includes('*')) return { 'access-control-allow-origin': '*' }
      // The answer differs by origin even where it is not allowed, so a cache must know.
      return mayAsk(origin) ? { 'access-control-allow-origin': origin, vary: 'origin' } : { vary: 'origin' }
    },
    denialOf({ origin, 'sec-fetch-site': site }) {
      if ((site !== 'cross-site' && site !== 'same-site') || mayAsk(origin)) return undefined
      const page = typeof origin === 'string' ? `A page of ${quote(origin)}` : 'A page of another origin'
      return { status: 403, message: `${page} may not ask this server: allow it with server.cors.allow_origins` }
    },
  }
}
