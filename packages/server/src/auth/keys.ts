// Public keys, out of PEM or out of a JSON Web Key Set, each with the algorithms that it may be used with. Which those are
// follows from the key and never from a token, so that a public key is never taken for a shared secret. Pure.

import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'

export interface PublicKey {
  readonly key: KeyObject
  /** Names it among others. Keys out of PEM have none. */
  readonly kid: string | undefined
  readonly algorithms: readonly string[]
}

/** RSA keys below this are no longer safe to believe. */
const RSA_BITS_MIN = 2048

const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g

/** Every key of the text. Throws, for people, where it has none, or one that cannot be used. `wanted`: empty is all. */
export function keysOfPem(text: string, wanted: readonly string[]): PublicKey[] {
  const blocks = [...text.matchAll(PEM_BLOCK)]
  if (blocks.length === 0) throw new Error('it has no -----BEGIN PUBLIC KEY-----')
  return blocks.map(([block, label = '']) => {
    if (label.includes('PRIVATE'))
      throw new Error(
        'it has a private key, which only the issuer of tokens should hold: openssl pkey -pubout makes the public one',
      )
    const key = publicKeyOf(block)
    return { key, kid: undefined, algorithms: usable(key, wanted) }
  })
}

/** The keys of a key set that can be used; others (for encryption, shared secrets, unknown curves) are passed over. */
export function keysOfKeySet(text: string, wanted: readonly string[]): PublicKey[] {
  const set: unknown = JSON.parse(text)
  const listed = typeof set === 'object' && set !== null && 'keys' in set ? set.keys : undefined
  if (!Array.isArray(listed)) throw new Error('it is no JSON Web Key Set: {"keys": [...]}')
  const keys = listed.flatMap((jwk) => keyOfJwk(jwk, wanted))
  if (keys.length === 0) throw new Error('it has no key that signatures can be checked with')
  return keys
}

function keyOfJwk(jwk: unknown, wanted: readonly string[]): PublicKey[] {
  if (typeof jwk !== 'object' || jwk === null) return []
  const { kid, use, alg, kty } = jwk as Record<string, unknown>
  if ((use !== undefined && use !== 'sig') || kty === 'oct') return []
  try {
    const key = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' })
    const algorithms = usable(key, wanted).filter((name) => alg === undefined || name === alg)
    return algorithms.length === 0 ? [] : [{ key, kid: typeof kid === 'string' ? kid : undefined, algorithms }]
  } catch {
    // A kind of key that is newer than this server, next to others that it knows.
    return []
  }
}

function publicKeyOf(pem: string): KeyObject {
  try {
    return createPublicKey(pem)
  } catch (error) {
    throw new Error(`it has a key that cannot be read (${(error as Error).message})`)
  }
}

function usable(key: KeyObject, wanted: readonly string[]): string[] {
  const able = algorithmsOf(key)
  const found = able.filter((algorithm) => wanted.length === 0 || wanted.includes(algorithm))
  if (found.length > 0) return found
  if (able.length > 0)
    throw new Error(`its key is for ${able.join(', ')}, none of which auth.algorithms allows (${wanted.join(', ')})`)
  throw new Error(
    `no algorithm is known for its key (${describe(key)}): use RSA of at least ${RSA_BITS_MIN} bits, EC P-256, P-384 or P-521, or Ed25519`,
  )
}

function algorithmsOf({ asymmetricKeyType, asymmetricKeyDetails: details }: KeyObject): readonly string[] {
  switch (asymmetricKeyType) {
    case 'rsa':
      return (details?.modulusLength ?? 0) < RSA_BITS_MIN ? [] : RSA
    case 'ec':
      return CURVES[details?.namedCurve ?? ''] ?? []
    case 'ed25519':
      return ED25519
    default:
      return []
  }
}

const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const CURVES: Readonly<Record<string, readonly string[]>> = {
  prime256v1: ['ES256'],
  secp384r1: ['ES384'],
  secp521r1: ['ES512'],
}
const ED25519 = ['EdDSA', 'Ed25519']

/** Signature algorithms of tokens. None with a shared secret: a public key would be taken for one. */
export const ALGORITHMS: readonly string[] = [...RSA, ...Object.values(CURVES).flat(), ...ED25519]

function describe({ asymmetricKeyType, asymmetricKeyDetails: details }: KeyObject): string {
  const detail = details?.namedCurve ?? (details?.modulusLength && `${details.modulusLength} bits`)
  return [asymmetricKeyType, detail].filter(Boolean).join(' ')
}
