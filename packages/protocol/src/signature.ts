// The signature of a pushed message: who knows the secret of a target can tell that a message is the server's, and new.
// One header, `Resonate-Signature: t=<ms since epoch>,v1=<hex>`: an HMAC-SHA256 over the instant, a dot, and the body as it is
// sent. Written by the server and checked by workers, with the cryptography that every runtime has; it never reads a clock.

export const SIGNATURE_HEADER = 'resonate-signature'

/** How far the instant of a signature may be from the reader's clock, ms: past it a message may be an old one, sent again. */
export const REPLAY_WINDOW_MS = 300_000

export async function signatureOf(body: string, { secret, at }: { secret: string; at: number }): Promise<string> {
  const mac = await crypto.subtle.sign('HMAC', await keyOf(secret, 'sign'), signed(body, at))
  return `t=${at},v1=${hexOf(new Uint8Array(mac))}`
}

export interface SignatureCheck {
  /** As it came; null where there was none. */
  readonly header: string | null
  /** Any of them: two while one replaces the other. */
  readonly secrets: readonly string[]
  /** The reader's clock, ms since epoch. */
  readonly now: number
  readonly windowMs?: number
}

/** Why this body is not known to be the server's, or null where it is. Takes as long whatever the signature is. */
export async function signatureProblem(body: string, check: SignatureCheck): Promise<string | null> {
  const { header, secrets, now, windowMs = REPLAY_WINDOW_MS } = check
  if (header === null) return 'the message is not signed'
  const [, digits, hex] = /^t=(\d{1,15}),v1=([0-9a-f]{64})$/.exec(header) ?? []
  if (digits === undefined || hex === undefined) return 'the signature is none of t=…,v1=…'
  const at = Number(digits)
  const checks = secrets.map(async (secret) =>
    crypto.subtle.verify('HMAC', await keyOf(secret, 'verify'), bytesOf(hex), signed(body, at)),
  )
  if (!(await Promise.all(checks)).includes(true)) return 'the signature does not fit the message'
  return Math.abs(now - at) <= windowMs ? null : 'the signature is too old, or a clock is wrong'
}

function keyOf(secret: string, usage: 'sign' | 'verify'): Promise<CryptoKey> {
  const bytes = new TextEncoder().encode(secret)
  return crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, [usage])
}

function signed(body: string, at: number): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${at}.${body}`)
}

function hexOf(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

function bytesOf(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}
