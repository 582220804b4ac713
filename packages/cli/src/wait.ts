// Waits for a promise to settle: listens for the server's message, and asks again now and then all the same.
//
// W1. What ends the wait is a record that the server answered; a message only says that it is time to ask.
// W2. A server that goes away is waited for, as long as the promise could still settle.
// W3. Where the server takes no listeners on this address, or not from this token, asking alone is enough.
// W4. Who waits for what nobody works on is told why, once.

import type { Explanation, PromiseRecord, Reason } from '@resonatehq/protocol'
import { Unreachable } from './client.ts'
import { Failure } from './exit.ts'
import { pause } from './io.ts'
import { printable } from './output.ts'
import type { Session } from './session.ts'

/** Never the group of a worker: nothing is meant to be handed out here. */
const GROUP = 'resonate-cli'

/** Whether it is of those that work, and not of command lines that wait. */
export function isFleet({ group }: { readonly group: string }): boolean {
  return group !== GROUP
}

/** How long between questions while the connection stands. */
const LISTENING_MS = 30_000
/** How long between questions, and between attempts to connect, while it does not. */
const ASKING_MS = 1_000
/** How long after the promise's deadline a server may stay away. */
const GRACE_MS = 60_000

/** A worker that is there takes less to begin. */
const EXPLAINED_AFTER_MS = 5_000

export async function settled(session: Session, promise: PromiseRecord): Promise<PromiseRecord> {
  const { io } = session
  const pid = io.randomId()
  const over = new AbortController()
  const connection = listen(session, { promiseId: promise.id, pid, signal: over.signal })
  const told = tellWhy(session, promise.id, over.signal)
  try {
    let current: PromiseRecord = promise
    while (current.state === 'pending') {
      // Before the question: what comes while it is on its way is news to an answer that was given before.
      const news = connection.news()
      current = (await askOrWarn(session, current, pid, connection)) ?? current
      if (current.state === 'pending') await connection.wake(news)
    }
    return current
  } finally {
    over.abort()
    await Promise.all([connection.ended, told])
  }
}

/** What holds an execution up until somebody does something about it; anything else passes by itself. */
const STANDSTILLS: readonly Reason['kind'][] = [
  'no_worker',
  'no_function',
  'halted',
  'queued',
  'backing_off',
  'unowned',
]

async function tellWhy({ io, client, out }: Session, id: string, signal: AbortSignal): Promise<void> {
  await pause(io, EXPLAINED_AFTER_MS, signal)
  if (signal.aborted) return
  // The wait itself tells of a server that does not answer.
  const reply = await client.call('promise.explain', { id }).catch(() => undefined)
  const text = reply?.ok && !signal.aborted ? standstillOf(reply.data) : undefined
  if (text !== undefined) out.note(`Still waiting: ${text}. 'resonate explain' tells how it goes on.`)
}

function standstillOf({ steps }: Explanation): string | undefined {
  const last = steps.at(-1)
  if (!last) return undefined
  const { id, reason, text } = last
  const isTroubled = reason.kind === 'pushed' && reason.trouble !== undefined
  return isTroubled || STANDSTILLS.includes(reason.kind) ? `${printable(id)} ${printable(text)}` : undefined
}

interface Connection {
  open: boolean
  lost: boolean
  /** Aborted when something is heard from now on. */
  news(): AbortSignal
  /** Resolves when there may be news, or when it is time to ask without. */
  wake(news: AbortSignal): Promise<void>
  readonly ended: Promise<void>
}

/** Keeps a poll connection until `signal` aborts; every line that names the promise, and every change, is a wake-up. */
function listen(session: Session, options: { promiseId: string; pid: string; signal: AbortSignal }): Connection {
  const { io, client } = session
  const { promiseId, pid, signal } = options
  let news = new AbortController()
  const wakeUp = () => {
    const before = news
    news = new AbortController()
    before.abort()
  }

  /** Whether it makes sense to come back: a door that is closed to this token stays closed. */
  async function readUntilEnd(): Promise<boolean> {
    const response = await client.poll(GROUP, pid, signal)
    if (!response.ok || response.body === null) {
      await response.body?.cancel()
      return response.status !== 403
    }
    connection.open = true
    wakeUp()
    for await (const line of lines(response.body)) if (mentions(line, promiseId)) wakeUp()
    return true
  }

  async function keepOpen(): Promise<void> {
    let isOpenTo = true
    while (isOpenTo && !signal.aborted) {
      // A connection that fails is no fault of the wait: asking goes on without it.
      isOpenTo = await readUntilEnd().catch(() => true)
      if (connection.open) {
        connection.open = false
        wakeUp()
      }
      await pause(io, ASKING_MS, signal)
    }
  }

  const connection: Connection = {
    open: false,
    lost: false,
    news: () => news.signal,
    wake: (heard) => pause(io, connection.open ? LISTENING_MS : ASKING_MS, heard),
    ended: Promise.resolve(),
  }
  return Object.assign(connection, { ended: keepOpen() })
}

/** The promise as it stands, listening to it by the way; null where no answer came and one may still come. */
async function askOrWarn(session: Session, promise: PromiseRecord, pid: string, connection: Connection) {
  try {
    const current = await ask(session, promise.id, pid)
    connection.lost = false
    return current
  } catch (fault) {
    if (!(fault instanceof Unreachable)) throw fault
    if (session.io.now() > promise.timeoutAt + GRACE_MS) throw new Failure(fault.message)
    if (!connection.lost) session.out.note(`${fault.message} Waiting for it to come back.`)
    connection.lost = true
    return null
  }
}

async function ask({ client }: Session, id: string, pid: string): Promise<PromiseRecord> {
  const listening = await client.call('promise.register_listener', {
    awaited: id,
    address: `poll://uni@${GROUP}/${pid}`,
  })
  const isRefused = !listening.ok && (listening.status === 400 || listening.status === 403)
  const reply = isRefused ? await client.call('promise.get', { id }) : listening
  if (reply.ok) return reply.data.promise
  // Too busy or not ready is not an answer yet.
  if (reply.status === 429 || reply.status >= 500) throw new Unreachable(`${client.url} answered: ${reply.message}.`)
  throw new Failure(`Cannot wait for ${printable(id)}: ${reply.message}`)
}

function mentions(line: string, promiseId: string): boolean {
  return line.startsWith('data:') && line.includes(JSON.stringify(promiseId))
}

async function* lines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split(/\r\n|\n|\r/)
    rest = parts.pop() ?? ''
    yield* parts
  }
}
