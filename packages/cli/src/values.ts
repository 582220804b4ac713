// What stands between a value on the command line and a value on the wire: the wire carries base64 of JSON, as every
// SDK writes it. What cannot be decoded is shown as it came, never guessed at.

import type { PromiseRecord, Value } from '@resonatehq/protocol'

/** JSON where the text is JSON, else the text itself: `42`, `{"a":1}`, `hello`. */
export function readValue(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

export function encodeValue(value: unknown): Value {
  return { data: Buffer.from(JSON.stringify(value)).toString('base64') }
}

/** The value of an option that may not have been given. */
export function optionValue(text: string | undefined): Value {
  return text === undefined ? {} : encodeValue(readValue(text))
}

/** `opaque`: not base64 of JSON, encrypted for example; `data` as it came. */
export type Decoded =
  | { readonly kind: 'none' }
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'opaque'; readonly data: string }

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const UTF8 = new TextDecoder('utf-8', { fatal: true })

export function decodeValue({ data }: Value): Decoded {
  if (data === undefined || data === '') return { kind: 'none' }
  if (!BASE64.test(data)) return { kind: 'opaque', data }
  try {
    return { kind: 'json', value: JSON.parse(UTF8.decode(Buffer.from(data, 'base64'))) }
  } catch {
    return { kind: 'opaque', data }
  }
}

/** What a promise calls, where its param says so in the form that SDKs write. */
export interface Call {
  readonly func: string
  readonly args?: readonly unknown[]
  readonly version?: number
}

export function callOf(promise: PromiseRecord): Call | null {
  const param = decodeValue(promise.param)
  if (param.kind !== 'json' || !isRecord(param.value) || typeof param.value.func !== 'string') return null
  const { func, args, version } = param.value
  return {
    func,
    ...(Array.isArray(args) ? { args } : {}),
    ...(typeof version === 'number' ? { version } : {}),
  }
}

/** One line. An error as SDKs encode one reads as `TypeError: what went wrong`. */
export function valueText(value: Value): string {
  const decoded = decodeValue(value)
  switch (decoded.kind) {
    case 'none':
      return ''
    case 'opaque':
      return decoded.data
    case 'json':
      return errorText(decoded.value) ?? JSON.stringify(decoded.value)
  }
}

export function errorText(value: unknown): string | null {
  if (!isRecord(value) || (value.__type !== 'error' && value.__type !== 'aggregate_error')) return null
  const name = typeof value.name === 'string' ? value.name : 'Error'
  return typeof value.message === 'string' && value.message !== '' ? `${name}: ${value.message}` : name
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
