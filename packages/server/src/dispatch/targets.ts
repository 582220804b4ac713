// How each pushed target is met: what proves to it who we are. Settings give one way for all; a file of targets gives others
// to those whose URL begins with one of its own, the longest beginning first. Pure: texts in, records out.

import { validateHeaderName, validateHeaderValue } from 'node:http'
import { parse as parseToml } from 'smol-toml'
import type { Config } from '../config/settings.ts'
import { isAtOrBelow } from '../urls.ts'

/** What a target is shown. */
export interface Proof {
  readonly mode: Config['transports.http_push.auth.mode']
  /** `bearer`: the token. */
  readonly token: string
  /** `gcp`: for whom the identity token is meant. Empty: the URL of the target. */
  readonly audience: string
  /** The header that carries the token. */
  readonly header: string
  /** What bodies are signed with. Empty: they are not. */
  readonly secret: string
}

/** The proof for a target, by its URL. */
export type Proofs = (url: string) => Proof

interface Entry {
  readonly url: URL
  readonly proof: Proof
}

/** `file`: the text of `transports.http_push.targets_file`; throws, for people, where it cannot be used. */
export function proofsOf(config: Config, file: string | undefined): Proofs {
  const common: Proof = {
    mode: config['transports.http_push.auth.mode'],
    token: config['transports.http_push.auth.token'],
    audience: config['transports.http_push.auth.audience'],
    header: config['transports.http_push.auth.header'],
    secret: config['transports.http_push.secret'],
  }
  const entries = file === undefined ? [] : entriesOf(file, common.header)
  entries.sort((a, b) => b.url.pathname.length - a.url.pathname.length)
  return (text) => {
    const url = new URL(text)
    return entries.find((entry) => isAtOrBelow(url, entry.url))?.proof ?? common
  }
}

function entriesOf(file: string, header: string): Entry[] {
  const { target: tables = [], ...rest } = parseToml(file)
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) throw new Error(`it must hold [[target]] tables only, but has ${unknown}`)
  if (!Array.isArray(tables)) throw new Error('targets are written as [[target]]')
  return tables.map((table, at) => entryOf(table as Record<string, unknown>, `target ${at + 1}`, header))
}

const KEYS = ['url', 'auth', 'token', 'audience', 'header', 'secret']

function entryOf(table: Record<string, unknown>, what: string, header: string): Entry {
  for (const [key, value] of Object.entries(table)) {
    if (!KEYS.includes(key)) throw new Error(`${what} has ${key}; it may have ${KEYS.join(', ')}`)
    if (typeof value !== 'string') throw new Error(`${key} of ${what} must be a text in quotes`)
  }
  const { url = '', auth = 'none', token = '', audience = '', secret = '' } = table as Record<string, string>
  if (!/^https?:/.test(url) || !URL.canParse(url)) throw new Error(`url of ${what} must be an http:// or https:// URL`)
  if (auth !== 'none' && auth !== 'bearer' && auth !== 'gcp')
    throw new Error(`auth of ${what} must be one of none, bearer, gcp`)
  if (auth === 'bearer' && token === '') throw new Error(`${what} has auth = "bearer" and no token`)
  const named = (table.header as string | undefined) ?? header
  if (!isHeaderName(named)) throw new Error(`header of ${what} must be the name of a header, like Authorization`)
  if (!isHeaderText(token)) throw new Error(`token of ${what} holds ${NO_HEADER_TEXT}`)
  return { url: new URL(url), proof: { mode: auth, token, audience, header: named, secret } }
}

export function isHeaderName(text: string): boolean {
  return isAllowed(() => validateHeaderName(text))
}

/** Whether a header may carry it. */
export function isHeaderText(text: string): boolean {
  return isAllowed(() => validateHeaderValue('a', text))
}

export const NO_HEADER_TEXT = 'a character that no header may carry, such as a line break at its end: remove it'

function isAllowed(validate: () => void): boolean {
  try {
    validate()
    return true
  } catch {
    return false
  }
}
