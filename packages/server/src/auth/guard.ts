// Who asks: from a token to a caller, or the reason why there is none. A token is checked once and then known by its digest
// until it expires or the keys change, because a signature costs more than many requests. No token is kept or logged.
// What a caller may do is the business of access.ts.

import { createHash } from 'node:crypto'
import type { Platform } from '@resonatehq/engine'
import { decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose'
import { ANYONE, type Caller, callerOf, type Denial, isDenial, type Verdict } from './caller.ts'
import type { Header, KeySource } from './key-source.ts'
import type { PublicKey } from './keys.ts'
import type { Rates } from './rates.ts'

export interface Guard {
  /** Whose token this is. At once where that is known already. */
  identify(token: string | undefined): Verdict | Promise<Verdict>
}

/** Takes everybody for anyone, who may do everything. */
export const openGuard: Guard = { identify: () => ANYONE }

export interface TokenOptions {
  readonly keys: KeySource
  readonly platform: Platform
  /** Empty: any. */
  readonly issuer: string
  readonly audiences: readonly string[]
  readonly clockSkewMs: number
  /** Tokens that are remembered. */
  readonly cacheMax: number
  /** Absent: any number of requests. */
  readonly rates?: Rates
}

/** Longer ones are nobody's, characters. */
const TOKEN_MAX = 16 * 1024

interface Known {
  readonly caller: Caller
  readonly generation: number
  /** Whose rate it counts against: the same for every way to write one signature. */
  readonly bucket: string
}

/** Three parts of base64url and nothing between them. */
const FORM = /^[\w-]+\.[\w-]+\.[\w-]*$/

export class TokenGuard implements Guard {
  readonly #options: TokenOptions
  /** By digest, the least recently used first. */
  readonly #known = new Map<string, Known>()

  constructor(options: TokenOptions) {
    this.#options = options
  }

  identify(token: string | undefined): Verdict | Promise<Verdict> {
    if (token === undefined || token === '') return NO_TOKEN
    if (token.length > TOKEN_MAX) return denied(`The token is longer than ${TOKEN_MAX} characters`)
    this.#options.keys.freshen()
    const digest = digestOf(token)
    const known = this.#recall(digest)
    return known ? this.#metered(known) : this.#check(token, digest)
  }

  async #check(token: string, digest: string): Promise<Verdict> {
    const header = headerOf(token)
    if (header === null) return denied('The token is no JSON Web Token')
    const keys = await this.#options.keys.find(header)
    if (keys === null) return NO_KEYS
    // Before the check: keys that are replaced while it runs make it worthless for the next time.
    const { generation } = this.#options.keys
    const verdict = await this.#verify(token, keys)
    if (isDenial(verdict)) return verdict
    const known = { caller: verdict, generation, bucket: digestOf(token.slice(0, token.lastIndexOf('.'))) }
    this.#remember(digest, known)
    return this.#metered(known)
  }

  #metered({ caller, bucket }: Known): Verdict {
    const waitMs = this.#options.rates?.take(bucket, this.#options.platform.ticks()) ?? 0
    if (waitMs === 0) return caller
    const message = 'This token asks more often than it may (limits.token_rate, limits.token_burst). Try again later.'
    return { status: 429, message, retryAfterS: Math.ceil(waitMs / 1_000) }
  }

  #recall(digest: string): Known | undefined {
    const known = this.#known.get(digest)
    if (!known) return undefined
    this.#known.delete(digest)
    const isGood = known.generation === this.#options.keys.generation && !this.#isOver(known.caller)
    if (!isGood) return undefined
    this.#known.set(digest, known)
    return known
  }

  #isOver({ expiresAt }: Caller): boolean {
    return expiresAt !== null && this.#options.platform.now() >= expiresAt
  }

  #remember(digest: string, known: Known): void {
    this.#known.set(digest, known)
    if (this.#known.size <= this.#options.cacheMax) return
    const [oldest] = this.#known.keys()
    this.#known.delete(oldest as string)
  }

  /** Several keys fit where the token does not name its own, as while keys change. */
  async #verify(token: string, keys: readonly PublicKey[]): Promise<Verdict> {
    if (keys.length === 0) return denied('No key of this server fits the alg and kid of the token')
    let denial = denied('The token has no valid signature')
    for (const key of keys) {
      try {
        const { payload } = await jwtVerify(token, key.key, this.#checksFor(key))
        return callerOf(payload, this.#expiryOf(payload))
      } catch (error) {
        if (!(error instanceof errors.JOSEError)) throw error
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) denial = denied(reasonOf(error))
      }
    }
    return denial
  }

  #checksFor({ algorithms }: PublicKey): JWTVerifyOptions {
    const { issuer, audiences, clockSkewMs, platform } = this.#options
    return {
      algorithms: [...algorithms],
      requiredClaims: ['exp'],
      ...(issuer !== '' && { issuer }),
      ...(audiences.length > 0 && { audience: [...audiences] }),
      clockTolerance: clockSkewMs / 1_000,
      currentDate: new Date(platform.now()),
    }
  }

  #expiryOf({ exp = 0 }: JWTPayload): number {
    return exp * 1_000 + this.#options.clockSkewMs
  }
}

const NO_TOKEN = denied('A token is required: Authorization: Bearer, or head.auth')
const NO_KEYS: Denial = {
  status: 503,
  message: 'Tokens cannot be checked now: the keys cannot be fetched (auth.jwks_url). Try again.',
  retryAfterS: 1,
}

function denied(message: string): Denial {
  return { status: 401, message }
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64')
}

function headerOf(token: string): Header | null {
  if (!FORM.test(token)) return null
  try {
    return decodeProtectedHeader(token)
  } catch {
    return null
  }
}

function reasonOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'The token has expired (exp)'
  if (error instanceof errors.JWTClaimValidationFailed)
    return CLAIMS[error.claim] ?? `The claim ${error.claim} is wrong`
  return 'The token is no JSON Web Token'
}

const CLAIMS: Readonly<Record<string, string>> = {
  exp: 'The token must say when it expires (exp, in seconds)',
  nbf: 'The token is not valid yet (nbf)',
  iss: 'The token is not of the issuer that this server believes (iss)',
  aud: 'The token is not for this server (aud)',
}

export function bearerOf(authorization: string | undefined): string | undefined {
  return /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
}
