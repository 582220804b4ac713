// Values as they travel: base64 of JSON, in the very encoding of the published SDK, so that workers of both read each
// other's results. What decode gives is what every replay gives, so callers are given decoded values on the first run too.

import type { PromiseRecord, Value } from '@resonatehq/protocol'
import { errors } from './errors.ts'

/** A promise whose payloads are values again. */
export interface DecodedPromise extends Omit<PromiseRecord, 'param' | 'value'> {
  readonly param: Omit<Value, 'data'> & { readonly data: unknown }
  readonly value: Omit<Value, 'data'> & { readonly data: unknown }
}

/** Makes stored values unreadable to others. May answer later, as key services do. */
export interface Encryptor {
  /**
   * `data` is base64 of JSON; headers may be added, the name of the key for instance. Where it throws in a worker, as a key service
   * does that is not there, the task is given back and tried again.
   */
  encrypt(plaintext: Value): Value | Promise<Value>
  /** The reverse, with the same headers; of values that were never encrypted too. */
  decrypt(ciphertext: Value): Value | Promise<Value>
}

/** The encryptor of those who have none: values stay as they are. */
export class NoopEncryptor implements Encryptor {
  encrypt(plaintext: Value): Value {
    return plaintext
  }

  decrypt(ciphertext: Value): Value {
    return ciphertext
  }
}

/**
 * Values as they travel: base64 of JSON, encrypted where there is an encryptor. For those who read or write promises past the
 * client; `resonate.promises` does it by itself.
 */
export class Codec {
  readonly #encryptor: Encryptor | undefined

  constructor(encryptor?: Encryptor) {
    this.#encryptor = encryptor instanceof NoopEncryptor ? undefined : encryptor
    if (encryptor && (typeof encryptor.encrypt !== 'function' || typeof encryptor.decrypt !== 'function'))
      throw new TypeError("The option 'encryptor' has encrypt and decrypt, each a function of a value")
  }

  /** Whether values need no waiting for an encryptor. */
  get isPlain(): boolean {
    return this.#encryptor === undefined
  }

  /** Throws ResonateError 1106 where `value` has no JSON form. */
  encode(value: unknown, what = 'A value'): Value | Promise<Value> {
    const plain = encodeValue(value, what)
    const encryptor = this.#encryptor
    if (!encryptor) return plain
    return attempt(
      () => encryptor.encrypt(plain),
      (cause) => errors.notEncrypted(what, cause),
    )
  }

  /** Throws ResonateError 1107 where there is no JSON in `value`. */
  decode(value: Value | undefined, what = 'A value'): unknown {
    const encryptor = this.#encryptor
    if (!encryptor || value?.data === undefined) return decodeValue(value, what)
    const decrypted = attempt(
      () => encryptor.decrypt(value),
      (cause) => errors.notDecrypted(what, cause),
    )
    return chain(decrypted, (plain) => decodeValue(plain, what))
  }

  /** A record with what its `param` and `value` hold decoded, as `data`. Throws as `decode` does. */
  decodePromise(record: PromiseRecord): DecodedPromise | Promise<DecodedPromise> {
    const { param, value } = record
    return chain(this.decode(param), (paramData) =>
      chain(this.decode(value), (valueData) => ({
        ...record,
        param: { ...param, data: paramData },
        value: { ...value, data: valueData },
      })),
    ) as DecodedPromise | Promise<DecodedPromise>
  }
}

/** What an encryptor does, at once or later; where it fails, `failure` says of what. */
function attempt<T>(work: () => T | Promise<T>, failure: (cause: unknown) => Error): T | Promise<T> {
  const failed = (cause: unknown) => {
    throw failure(cause)
  }
  try {
    const done = work()
    return isThenable(done) ? Promise.resolve(done).catch(failed) : done
  } catch (cause) {
    return failed(cause)
  }
}

/** Goes on with `value` at once where it is there, and later where it is a promise. */
export function chain<T, R>(value: T | PromiseLike<T>, then: (value: T) => R): R | Promise<Awaited<R>> {
  if (!isThenable(value)) return then(value as T)
  return Promise.resolve(value as PromiseLike<T>).then(then) as Promise<Awaited<R>>
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

function encodeValue(value: unknown, what: string): Value {
  if (value === undefined) return { headers: {}, data: '' }
  try {
    const text = textOf(value)
    return { headers: {}, data: text === undefined ? '' : toBase64(text) }
  } catch (cause) {
    throw errors.notEncodable(what, cause)
  }
}

function textOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value, replace)
  } catch {
    return trimmedText(value)
  }
}

function decodeValue(value: Value | undefined, what: string): unknown {
  if (!value?.data) return undefined
  try {
    const text = fromBase64(value.data)
    // Nearly no value has one of our marks, and a reviver makes parsing several times slower.
    return text.includes('"__') ? JSON.parse(text, revive) : JSON.parse(text)
  } catch (cause) {
    throw errors.notDecodable(what, cause)
  }
}

/** Whether `value` comes back from JSON as it is. */
export function isPrimitive(value: unknown): boolean {
  return (
    value === null ||
    value === undefined ||
    typeof value === 'boolean' ||
    (typeof value === 'string' && value !== INFINITE && value !== NEGATIVE_INFINITE) ||
    (typeof value === 'number' && Number.isFinite(value) && !Object.is(value, -0))
  )
}

const INFINITE = '__INF__'
const NEGATIVE_INFINITE = '__NEG_INF__'

function replace(_key: string, value: unknown): unknown {
  if (value === Number.POSITIVE_INFINITY) return INFINITE
  if (value === Number.NEGATIVE_INFINITY) return NEGATIVE_INFINITE
  return value instanceof Error ? encodeError(value) : value
}

interface EncodedError {
  readonly __type: 'error' | 'aggregate_error'
  readonly name: string
  readonly message: string
  readonly stack?: string
  readonly errors?: readonly unknown[]
  readonly cause?: unknown
  /** What else the error says of itself, `code` above all. Not read by the published SDK. */
  readonly fields?: Record<string, unknown>
}

/** `fit` says what becomes of its parts, which may be anything. */
function encodeError(error: Error, fit: (part: () => unknown) => unknown = (part) => part()): EncodedError {
  const { name, message, stack } = error
  const isAggregate = error instanceof AggregateError
  const cause = fit(() => error.cause)
  const fields = Object.keys(error)
    .map((key) => [key, fit(() => error[key as keyof Error])] as const)
    .filter(([key, value]) => key !== 'name' && value !== undefined && typeof value !== 'function')
  return {
    __type: isAggregate ? 'aggregate_error' : 'error',
    message,
    ...(stack === undefined ? {} : { stack }),
    name,
    ...(isAggregate ? { errors: error.errors.map((part) => fit(() => part)) } : {}),
    ...(cause === undefined ? {} : { cause }),
    ...(fields.length ? { fields: Object.fromEntries(fields) } : {}),
  }
}

/**
 * The JSON of a value whose errors hold what has none: a request, a socket, themselves. Those parts are left out, so that the
 * failure that an error tells of is not lost behind one of ours. Throws where the trouble is elsewhere.
 */
function trimmedText(value: unknown, above: readonly Error[] = []): string | undefined {
  return JSON.stringify(value, (key, part) => {
    if (!(part instanceof Error)) return replace(key, part)
    const inside = [...above, part]
    return encodeError(part, (read) => fitting(read, inside))
  })
}

/** A part of an error as it travels; undefined where it cannot. */
function fitting(read: () => unknown, inside: readonly Error[]): unknown {
  try {
    const part = read()
    const text = inside.includes(part as Error) ? undefined : trimmedText(part, inside)
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}

function revive(_key: string, value: unknown): unknown {
  if (value === INFINITE) return Number.POSITIVE_INFINITY
  if (value === NEGATIVE_INFINITE) return Number.NEGATIVE_INFINITY
  const type = typeof value === 'object' && value !== null ? (value as Partial<EncodedError>).__type : undefined
  return type === 'error' || type === 'aggregate_error' ? decodeError(value as EncodedError) : value
}

/** The classes that every runtime has; an error of any other comes back as an Error with its name. */
const CLASSES: Record<string, new (message: string, options?: ErrorOptions) => Error> = {
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
}

function decodeError({ __type, name, message, stack, errors: parts, cause, fields }: EncodedError): Error {
  const options = cause === undefined ? undefined : { cause }
  const Class = CLASSES[name] ?? Error
  const error =
    __type === 'aggregate_error' ? new AggregateError(parts ?? [], message, options) : new Class(message, options)
  Object.defineProperty(error, 'stack', { value: stack, writable: true, configurable: true })
  if (name !== undefined && name !== error.name)
    Object.defineProperty(error, 'name', { value: name, writable: true, configurable: true })
  return fields ? Object.assign(error, fields) : error
}

interface BufferLike {
  from(text: string, encoding: string): { toString(encoding: string): string }
}

const NodeBuffer = (globalThis as { Buffer?: BufferLike }).Buffer

function toBase64(text: string): string {
  if (NodeBuffer) return NodeBuffer.from(text, 'utf8').toString('base64')
  let binary = ''
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte)
  return btoa(binary)
}

function fromBase64(data: string): string {
  if (NodeBuffer) return NodeBuffer.from(data, 'base64').toString('utf8')
  return new TextDecoder().decode(Uint8Array.from(atob(data), (char) => char.charCodeAt(0)))
}
