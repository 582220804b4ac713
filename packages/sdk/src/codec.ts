// Codecs and encryptors as those see them who have one to themselves: where the encryptor answers at once, so does the codec.
// Nothing is encoded or decoded here; that is the engine's one codec.

import { Codec as EngineCodec } from './engine/codec.ts'
import type { PromiseRecord, Value } from './wire.ts'

/** Makes stored values unreadable to others, at once. */
export interface Encryptor {
  /** `data` is base64 of JSON; headers may be added, the name of the key for instance. */
  encrypt(plaintext: Value): Value
  /** The reverse, with the same headers; of values that were never encrypted too. */
  decrypt(ciphertext: Value): Value
}

/** The same for who answers later, as key services and WebCrypto do. */
export interface AsyncEncryptor {
  /** Where it rejects in a worker, as a key service does that is not there, the task is given back and tried again. */
  encrypt(plaintext: Value): Value | Promise<Value>
  /** The reverse. */
  decrypt(ciphertext: Value): Value | Promise<Value>
}

/** What comes at once from an `Encryptor`, and maybe later from another. */
type From<E extends AsyncEncryptor, T> = E extends Encryptor ? T : T | Promise<T>

/**
 * Values as they travel: base64 of JSON, encrypted where there is an encryptor. For those who read or write promises past the
 * client; `resonate.promises` does it by itself.
 */
export class Codec<E extends AsyncEncryptor = Encryptor> {
  readonly #codec: EngineCodec

  constructor(encryptor?: E) {
    this.#codec = new EngineCodec(encryptor)
  }

  /** Throws ResonateError 1106 where `value` has no JSON form. */
  encode(value: unknown): From<E, Value> {
    return this.#codec.encode(value) as From<E, Value>
  }

  /** Throws ResonateError 1107 where there is no JSON in `value`. */
  // biome-ignore lint/suspicious/noExplicitAny: what was encoded is not known here.
  decode(value: Value | undefined): From<E, any> {
    return this.#codec.decode(value)
  }

  /** A record with what its `param` and `value` hold decoded, as `data`. Throws as `decode` does. */
  decodePromise(record: PromiseRecord): From<E, PromiseRecord> {
    return this.#codec.decodePromise(record) as From<E, PromiseRecord>
  }
}
