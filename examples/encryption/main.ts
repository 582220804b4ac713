// Encryption: the server stores only what it cannot read. AES-256-GCM with a key for new values and older keys for reading, so
// that keys can be changed while work is under way: each value names the key that it was made with.

import { webcrypto } from 'node:crypto'
import { type AsyncEncryptor, type Context, type Info, Resonate } from '@resonatehq/sdk'

const KEY_HEADER = 'example:key'
const NONCE_BYTES = 12

type Value = Parameters<AsyncEncryptor['encrypt']>[0]
type Key = webcrypto.CryptoKey

/** Encrypts with one of its keys, and decrypts with whichever the value names. */
class RotatingEncryptor implements AsyncEncryptor {
  readonly #keys: ReadonlyMap<string, Key>
  readonly #current: string

  constructor(keys: ReadonlyMap<string, Key>, current: string) {
    this.#keys = keys
    this.#current = current
  }

  async encrypt(value: Value): Promise<Value> {
    if (value.data === undefined) return value
    // Never the same nonce twice under one key: 96 random bits each time.
    const nonce = webcrypto.getRandomValues(new Uint8Array(NONCE_BYTES))
    const key = this.#key(this.#current)
    const sealed = await webcrypto.subtle.encrypt({ name: 'AES-GCM', iv: nonce }, key, Buffer.from(value.data))
    const data = Buffer.concat([nonce, new Uint8Array(sealed)]).toString('base64')
    return { headers: { ...value.headers, [KEY_HEADER]: this.#current }, data }
  }

  async decrypt(value: Value): Promise<Value> {
    const name = value.headers?.[KEY_HEADER]
    if (value.data === undefined || name === undefined) return value
    const bytes = Buffer.from(value.data, 'base64')
    const [nonce, sealed] = [bytes.subarray(0, NONCE_BYTES), bytes.subarray(NONCE_BYTES)]
    const plain = await webcrypto.subtle.decrypt({ name: 'AES-GCM', iv: nonce }, this.#key(name), sealed)
    return { ...value, data: Buffer.from(plain).toString('utf8') }
  }

  #key(name: string): Key {
    const key = this.#keys.get(name)
    if (key) return key
    throw new Error(`A value names the key '${name}', which is not among ${[...this.#keys.keys()].join(', ')}: add it`)
  }
}

/** In earnest: from a key service. Every process that is to read a value needs the very key that it was made with. */
async function keyOf(name: string): Promise<Key> {
  const secret = await webcrypto.subtle.digest(
    'SHA-256',
    Buffer.from(`${process.env.SECRET ?? 'not a secret'} ${name}`),
  )
  return webcrypto.subtle.importKey('raw', secret, 'AES-GCM', false, ['encrypt', 'decrypt'])
}

async function diagnose(_: Info, patient: string): Promise<string> {
  return `${patient} has a cold`
}

const resonate = new Resonate({
  encryptor: new RotatingEncryptor(new Map([['2026-01', await keyOf('2026-01')]]), '2026-01'),
})
resonate.register('visit', async (ctx: Context, patient: string) => ctx.run(diagnose, patient))
console.log('read with the key:', await resonate.run('visit-1', 'visit', 'Ada'))

const { value } = await resonate.promises.get('visit-1')
console.log('the server has:', `key ${value.headers?.[KEY_HEADER]}, ${(value.data ?? '').length} characters`)
console.log('it can read it:', Buffer.from(value.data ?? '', 'base64').includes('cold'))

// The next key: new values are made with it, old ones are read as before.
const [older, newer] = [await keyOf('old'), await keyOf('new')]
const before = await new RotatingEncryptor(new Map([['old', older]]), 'old').encrypt({ data: 'written before' })
const rotated = new RotatingEncryptor(
  new Map([
    ['old', older],
    ['new', newer],
  ]),
  'new',
)
const after = await rotated.encrypt({ data: 'written after' })
console.log('after the rotation:', (await rotated.decrypt(before)).data, 'and', (await rotated.decrypt(after)).data)
await resonate.stop()
