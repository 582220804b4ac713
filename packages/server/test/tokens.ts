// Keys and tokens for tests: good ones, and every kind of bad one. The keys are made anew in each run.

import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { type JWTPayload, SignJWT } from 'jose'

export interface Issuer {
  readonly alg: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  /** As `openssl pkey -pubout` writes it. */
  readonly pem: string
}

/** 2030-01-01: when tests take place, unless their clock is a real one. */
export const NOW = Date.UTC(2030, 0, 1)

export function issuerOf(alg: string): Issuer {
  const { privateKey, publicKey } = pairFor(alg)
  return { alg, privateKey, publicKey, pem: publicKey.export({ type: 'spki', format: 'pem' }).toString() }
}

function pairFor(alg: string): { privateKey: KeyObject; publicKey: KeyObject } {
  switch (alg) {
    case 'EdDSA':
    case 'Ed25519':
      return generateKeyPairSync('ed25519')
    case 'ES256':
      return generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
    case 'ES384':
      return generateKeyPairSync('ec', { namedCurve: 'secp384r1' })
    case 'ES512':
      return generateKeyPairSync('ec', { namedCurve: 'secp521r1' })
    default:
      return generateKeyPairSync('rsa', { modulusLength: 2048 })
  }
}

/** Good for an hour from `now`, unless the claims say otherwise. `kid`: names the key in the header. */
export function sign(
  issuer: Issuer,
  claims: JWTPayload = {},
  { kid, now = NOW }: { kid?: string; now?: number } = {},
): Promise<string> {
  const payload = { sub: 'somebody', exp: now / 1_000 + 3_600, ...claims }
  return new SignJWT(payload).setProtectedHeader({ alg: issuer.alg, ...(kid && { kid }) }).sign(issuer.privateKey)
}

/** What says that it needs no signature. */
export function unsigned(claims: JWTPayload): string {
  return `${encoded({ alg: 'none', typ: 'JWT' })}.${encoded(claims)}.`
}

/** Signed with the text of the public key, as if that were a secret which only the issuer has. */
export function confused({ pem }: Issuer, claims: JWTPayload): string {
  const signed = `${encoded({ alg: 'HS256', typ: 'JWT' })}.${encoded(claims)}`
  return `${signed}.${createHmac('sha256', pem).update(signed).digest('base64url')}`
}

/** The token with other claims under the same signature. */
export function forged(token: string, claims: JWTPayload): string {
  const [header, , signature] = token.split('.')
  return `${header}.${encoded(claims)}.${signature}`
}

function encoded(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}
