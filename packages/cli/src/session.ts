// What a client command works with once its options are known: a connection to ask, and a place to answer.
// The options that all client commands share are defined and read here and nowhere else.

import type { Kind, RequestTable } from '@resonatehq/protocol'
import type { Command } from 'commander'
import { type Client, createClient, DEFAULT_URL, serverUrl, Unreachable } from './client.ts'
import { EXIT, Failure } from './exit.ts'
import type { Io } from './io.ts'
import { createOutput, type Output } from './output.ts'

export interface Session {
  readonly io: Io
  readonly client: Client
  readonly out: Output
  /** --json was given, terminal or not. */
  readonly jsonAsked: boolean
  /** Asks the server; a refusal or the lack of an answer ends the command. */
  ask<K extends Kind>(kind: K, data: RequestTable[K]['data']): Promise<RequestTable[K]['answer']>
}

interface SharedOptions {
  readonly server?: string
  readonly token?: string
  readonly json?: boolean
}

/** Gives a command the options of every client command. They may stand before or after a subcommand. */
export function withClientOptions(command: Command): Command {
  return command
    .option('-S, --server <url>', `server to talk to (default: $RESONATE_URL, or ${DEFAULT_URL})`)
    .option('-T, --token <jwt>', 'token to send (default: $RESONATE_TOKEN)')
    .option('--json', 'print JSON also on a terminal')
}

export function openSession(io: Io, command: Command): Session {
  const { server, token, json } = sharedOptions(command)
  const client = createClient(io, { url: urlOf(server, io), ...tokenOf(token, io) })
  const jsonAsked = json === true
  const out = createOutput(io, { json: jsonAsked })
  return { io, client, out, jsonAsked, ask: (kind, data) => ask(client, kind, data) }
}

function urlOf(given: string | undefined, io: Io): string {
  const source = given === undefined ? 'RESONATE_URL' : '--server'
  const text = given ?? nonEmpty(io.env.RESONATE_URL) ?? DEFAULT_URL
  const { username = '', password = '' } = URL.parse(text) ?? {}
  if (username + password !== '')
    throw new Failure(`${source} has a user in it, and a server takes none: pass a token with --token.`, EXIT.usage)
  const url = serverUrl(text)
  if (url === null) throw new Failure(`${source} is to be a URL such as ${DEFAULT_URL}, not '${text}'.`, EXIT.usage)
  return url
}

/** Without the end of the line that a file or a Secret has brought along. Never printed: it is a secret. */
function tokenOf(given: string | undefined, io: Io): { token?: string } {
  const token = nonEmpty((given ?? io.env.RESONATE_TOKEN)?.trim())
  if (token === undefined) return {}
  if (/^[\x21-\x7e]+$/.test(token)) return { token }
  const source = given === undefined ? 'RESONATE_TOKEN' : '--token'
  throw new Failure(
    `${source} is no token: no header can carry what is in it. Expected one line such as eyJ….`,
    EXIT.usage,
  )
}

async function ask<K extends Kind>(client: Client, kind: K, data: RequestTable[K]['data']) {
  const reply = await client.call(kind, data).catch(failUnreachable)
  if (!reply.ok) throw new Failure(reply.message)
  return reply.data
}

export function failUnreachable(fault: unknown): never {
  if (fault instanceof Unreachable) throw new Failure(fault.message)
  throw fault
}

/** The nearest to the command's own name wins. */
function sharedOptions(command: Command): SharedOptions {
  let options: SharedOptions = {}
  for (let level: Command | null = command; level !== null; level = level.parent) {
    options = { ...level.opts<SharedOptions>(), ...options }
  }
  return options
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}
