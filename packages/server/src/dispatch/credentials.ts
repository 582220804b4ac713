// The headers that prove to a target who we are: a token of ours, an identity token of Google for that target, a signature of
// the body. A message whose proof cannot be had is not sent at all: never without it.

import type { Platform } from '@resonatehq/engine'
import { SIGNATURE_HEADER, signatureOf } from '@resonatehq/protocol'
import type { Proof, Proofs } from './targets.ts'

export type Headers = Readonly<Record<string, string>>

export interface CredentialParts {
  readonly proofs: () => Proofs
  /** Asks the metadata server of Google's platforms. */
  readonly fetch: typeof fetch
  readonly metadataUrl: string
  /** ms since epoch. */
  readonly now: () => number
  readonly timer: Platform['timer']
}

/** The headers of one POST. Rejects where the proof cannot be had; the message says why. */
export type HeadersFor = (url: string, body: string) => Promise<Headers>

interface Minted {
  readonly token: string
  readonly expiresAt: number
}

/** An identity token is renewed this long before it expires, ms. */
const RENEW_BEFORE_MS = 300_000
const METADATA_TIMEOUT_MS = 5_000
/** Audiences whose tokens are kept. */
const AUDIENCES_MAX = 1_000

export function createCredentials({ proofs, fetch, metadataUrl, now, timer }: CredentialParts): HeadersFor {
  const minted = new Map<string, Promise<Minted>>()

  return async (url, body) => {
    const proof = proofs()(url)
    const [token, signature] = await Promise.all([tokenOf(proof, url), signedBy(proof, body)])
    return { ...(token && { [proof.header.toLowerCase()]: `Bearer ${token}` }), ...signature }
  }

  async function tokenOf({ mode, token, audience }: Proof, url: string): Promise<string | undefined> {
    switch (mode) {
      case 'none':
        return undefined
      case 'bearer':
        return token
      case 'gcp':
        return identityFor(audience || url)
    }
  }

  async function signedBy({ secret }: Proof, body: string): Promise<Headers> {
    return secret === '' ? {} : { [SIGNATURE_HEADER]: await signatureOf(body, { secret, at: now() }) }
  }

  async function identityFor(audience: string): Promise<string> {
    const known = minted.get(audience)
    const standing = await known
    if (standing && standing.expiresAt - RENEW_BEFORE_MS > now()) return standing.token
    // Whoever comes meanwhile waits for the same one.
    if (minted.get(audience) === known) remember(audience, mint(audience))
    return (await (minted.get(audience) as Promise<Minted>)).token
  }

  function remember(audience: string, minting: Promise<Minted>): void {
    if (minted.size >= AUDIENCES_MAX) minted.clear()
    minted.set(audience, minting)
    minting.catch(() => minted.delete(audience))
  }

  async function mint(audience: string): Promise<Minted> {
    const query = new URLSearchParams({ audience, format: 'full' })
    const path = '/computeMetadata/v1/instance/service-accounts/default/identity'
    const abort = new AbortController()
    const cancel = timer(METADATA_TIMEOUT_MS, () => abort.abort(new Error('it does not answer')))
    try {
      const response = await fetch(`${metadataUrl}${path}?${query}`, {
        headers: { 'metadata-flavor': 'Google' },
        redirect: 'error',
        signal: abort.signal,
      })
      const text = await response.text()
      if (response.status !== 200) throw new Error(`it answered ${response.status}`)
      return { token: text.trim(), expiresAt: expiryOf(text) }
    } catch (error) {
      throw new Error(`no identity token of the metadata server at ${metadataUrl}: ${(error as Error).message}`)
    } finally {
      cancel()
    }
  }
}

/** When a JWT expires, ms since epoch. It is for its receiver to verify; we only need to know how long it is good. */
function expiryOf(jwt: string): number {
  const payload = JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString()) as { exp?: unknown }
  if (typeof payload.exp !== 'number') throw new Error('its answer is no token')
  return payload.exp * 1000
}
