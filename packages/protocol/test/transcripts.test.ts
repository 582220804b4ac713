// Transcripts: requests and steps, exactly what they answer and change, in files that are meant to be read, in the order of
// their numbers; they are the way to learn the protocol. A command is a line; what follows it indented is what it answered
// (status and data) and, behind `+`, its effects. The bare machine checks its properties after every line.
//
//   at 500            the clock stands at 500; `at +10`: ten later
//   begin key=5       an empty machine at instant 0, with this much of its configuration changed
//   kind key=value    a request or a step; values are JSON where they can be read as such, else texts; `+5` is five from now,
//                     `é×600` is 600 of them. target, timer, … and `tag.name` are tags. Behind `>` stands the action inside.
//
// Where one differs, look at the difference: UPDATE=1 rewrites the files; commit that only if you understand why.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  DEFAULT_CONFIG,
  type Effect,
  type Input,
  isKind,
  type PromiseRow,
  parseRequest,
  type TaskRow,
} from '@resonatehq/protocol'
import { BareMachine } from './bare.ts'

const FOLDER = new URL('./transcripts/', import.meta.url)
const HOW = 'If you understand why it differs: UPDATE=1 node --test packages/protocol/test/transcripts.test.ts'
/** `kind status` of everything that was shown; steps that changed something have `changed`, the others `nothing`. */
const shown = new Set<string>()

for (const name of readdirSync(FOLDER).filter((file) => file.endsWith('.txt'))) {
  test(`transcript ${name}`, () => {
    const file = new URL(name, FOLDER)
    const written = readFileSync(file, 'utf8')
    const played = new Stage().play(written)
    if (process.env.UPDATE === '1') writeFileSync(file, played)
    else compare(played, written)
  })
}

function compare(played: string, written: string): void {
  try {
    assert.deepEqual(played.split('\n'), written.split('\n'))
  } catch (error) {
    throw new Error(`${(error as Error).message}\n\n${HOW}`)
  }
}

test('the transcripts show every request with every status it can have, and every step', () => {
  const expected = [
    ...['promise.get 200 400 404', 'promise.create 200 400', 'promise.settle 200 400 404', 'promise.search 200 400'],
    ...['promise.check 200 400'],
    ...['promise.register_callback 200 400 404 422', 'promise.register_listener 200 400 404'],
    ...['task.get 200 400 404', 'task.create 200 400 409 422', 'task.acquire 200 400 404 409'],
    ...['task.release 200 400 404 409', 'task.suspend 200 300 400 404 409 422', 'task.fulfill 200 400 404 409'],
    ...['task.fence 200 400 404 409', 'task.heartbeat 200 400', 'task.halt 200 400 404 409'],
    ...['task.continue 200 400 404 409', 'task.search 200 400', 'schedule.create 200 400', 'schedule.get 200 400 404'],
    ...['schedule.delete 200 400 404', 'schedule.search 200 400', 'promise.timeout changed nothing'],
    ...['promise.forget changed nothing'],
    ...['promise.resume changed nothing', 'promise.notify changed nothing', 'unblock.sent changed'],
    ...['unblock.requeue changed nothing', 'task.dispatch changed nothing', 'task.withdraw changed nothing'],
    ...['task.expire changed nothing', 'task.disconnect changed nothing', 'schedule.fire changed nothing'],
    ...['worker.connect changed', 'worker.disconnect changed nothing', 'server.seen changed'],
    ...['worker.forget changed nothing'],
  ].flatMap((line) => {
    const [kind, ...outcomes] = line.split(' ')
    return outcomes.map((outcome) => `${kind} ${outcome}`)
  })
  assert.deepEqual(
    expected.filter((one) => !shown.has(one)),
    [],
  )
})

/** A machine and a clock, as the commands of one file move them. */
class Stage {
  #machine = new BareMachine(DEFAULT_CONFIG)
  #now = 0

  /** The text with its indented lines as the machine has them now. */
  play(text: string): string {
    const lines = text.split('\n').filter((line) => !line.startsWith('  '))
    return lines.flatMap((line) => [line, ...this.#line(line).map((outcome) => `  ${outcome}`)]).join('\n')
  }

  #line(line: string): string[] {
    const [command = '', ...rest] = words(line)
    if (command === '' || command === '#') return []
    if (command === 'at') return this.#at(rest[0] ?? '')
    if (command === 'begin') return this.#begin(rest)
    return this.#run(command, dataOf(command, rest, this.#now))
  }

  #at(text: string): string[] {
    this.#now = Number(expand(text, this.#now))
    return []
  }

  #begin(rest: readonly string[]): string[] {
    this.#machine = new BareMachine({ ...DEFAULT_CONFIG, ...pairs(rest, 0) })
    this.#now = 0
    return []
  }

  #run(kind: string, data: Record<string, unknown>): string[] {
    if (!isKind(kind)) return this.#step({ kind, data } as unknown as Input)
    const parsed = parseRequest(kind, data)
    if (parsed.ok) return this.#request(parsed.request as Input)
    shown.add(`${kind} 400`)
    return [`400 ${parsed.message}`]
  }

  #request(input: Input): string[] {
    const before = this.#before()
    const { answer, effects } = this.#machine.step(input, this.#now)
    shown.add(`${input.kind} ${answer.status}`)
    return [...answered(answer), ...effects.map((effect) => `+ ${change(effect, before)}`)]
  }

  /** A step has no one to answer. */
  #step(input: Input): string[] {
    const before = this.#before()
    const { effects } = this.#machine.step(input, this.#now)
    shown.add(`${input.kind} ${effects.length > 0 ? 'changed' : 'nothing'}`)
    return effects.length > 0 ? effects.map((effect) => `+ ${change(effect, before)}`) : ['nothing']
  }

  #before(): Before {
    const { promises, tasks } = this.#machine.tables
    return { promises: new Map(promises), tasks: new Map(tasks) }
  }
}

interface Before {
  readonly promises: ReadonlyMap<string, PromiseRow>
  readonly tasks: ReadonlyMap<string, TaskRow>
}

// Reading.

/** Words of a line: separated by blanks, but not inside quotes or braces. */
function words(line: string): string[] {
  return line.match(/(?:[^\s"{]+|"[^"]*"|\{[^}]*\})+/g) ?? []
}

function dataOf(kind: string, rest: readonly string[], now: number): Record<string, unknown> {
  const at = rest.indexOf('>')
  if (at >= 0) {
    const [inner = '', ...words] = rest.slice(at + 1)
    const action = { kind: inner, head: { corrId: 'inner' }, data: dataOf(inner, words, now) }
    return { ...pairs(rest.slice(0, at), now), action }
  }
  const { awaits, awaiter, tasks, ...data } = pairs(rest, now)
  switch (kind) {
    case 'task.suspend':
      return { ...data, actions: callbacks(awaiter ?? data.id, awaits) }
    case 'task.heartbeat':
      return { ...data, tasks: typeof tasks === 'string' ? refs(tasks) : (tasks ?? []) }
    case 'worker.connect':
      return { row: { capacity: null, info: {}, seenAt: now, goneAt: null, beat: null, ...data } }
    default:
      return awaiter === undefined ? data : { ...data, awaiter }
  }
}

/** `x,y` */
function callbacks(awaiter: unknown, awaits: unknown): unknown[] {
  const ids = typeof awaits === 'string' ? awaits.split(',') : []
  return ids.map((awaited) => ({ kind: 'promise.register_callback', head: {}, data: { awaited, awaiter } }))
}

/** `a@1,b@2` */
function refs(text: string): unknown[] {
  return text.split(',').map((part) => ({ id: part.split('@')[0], version: Number(part.split('@')[1]) }))
}

const TAGS = ['target', 'timer', 'delay', 'external', 'scope', 'origin', 'branch', 'parent', 'prefix']

function pairs(rest: readonly string[], now: number): Record<string, unknown> {
  const data: Record<string, unknown> = {}
  const tags: Record<string, string> = {}
  for (const word of rest) {
    const [, key = '', text = ''] = /^([^=]+)=(.*)$/.exec(word) ?? assert.fail(`expected key=value, got ${word}`)
    const expanded = expand(text, now)
    if (TAGS.includes(key)) tags[`resonate:${key}`] = expanded
    else if (key.startsWith('tag.')) tags[key.slice(4)] = expanded
    else data[key] = payload(key, expanded)
  }
  const name = 'cron' in data ? 'promiseTags' : 'tags'
  return Object.keys(tags).length > 0 ? { ...data, [name]: tags } : data
}

/** `+5`: five from now. `é×600`: 600 of them. */
function expand(text: string, now: number): string {
  if (/^\+\d+$/.test(text)) return String(now + Number(text.slice(1)))
  const [, unit, times] = /^(.+)×(\d+)$/.exec(text) ?? []
  return unit === undefined ? text : unit.repeat(Number(times))
}

/** `value=eA==` is short for a value with only data. */
function payload(key: string, text: string): unknown {
  const read = literal(text)
  return (key === 'value' || key === 'param') && read === text ? { data: text } : read
}

function literal(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

// Printing.

/** One line, or where that is too long a line for each part. */
function answered({ status, data }: { status: number; data: unknown }): string[] {
  const line = `${status} ${typeof data === 'string' ? data : show(data)}`
  if (line.length <= 118 || typeof data !== 'object' || data === null) return [line]
  return [`${status}`, ...Object.entries(data).flatMap(([name, part]) => partOf(name, part))]
}

function partOf(name: string, part: unknown): string[] {
  if (!Array.isArray(part) || part.length === 0) return [`  ${name}: ${show(part)}`]
  return [`  ${name}:`, ...part.map((item) => `    ${show(item)}`)]
}

/** JSON without the quotes that are not needed. */
function show(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([key, inner]) => `${bare(key)}: ${show(inner)}`)
    return `{${entries.join(', ')}}`
  }
  return typeof value === 'string' ? bare(value) : String(value)
}

function bare(text: string): string {
  const first = String.fromCodePoint(text.codePointAt(0) ?? 0)
  const times = text.length / first.length
  if (times > 60 && text === first.repeat(times)) return `${first}×${times}`
  const isPlain = /^[\w.:/@-]*[a-z][\w.:/@-]*$/i.test(text) && !['true', 'false', 'null'].includes(text)
  return isPlain ? text : JSON.stringify(text)
}

function change(effect: Effect, { promises, tasks }: Before): string {
  switch (effect.kind) {
    case 'promise': {
      const { row } = effect
      return `promise ${bare(row.id)}: ${promiseOf(promises.get(row.id))} → ${promiseOf(row)}`
    }
    case 'task': {
      const { row } = effect
      return `task ${bare(row.id)}: ${taskOf(tasks.get(row.id))} → ${taskOf(row)}`
    }
    case 'promise.drop':
      return `promise ${bare(effect.id)} forgotten${tasks.has(effect.id) ? ', and its task' : ''}`
    case 'callback.add':
      return `${effect.awaiter} waits for ${effect.awaited}`
    case 'callback.drop':
      return `${effect.awaiter} no longer waits for ${effect.awaited}`
    case 'listener.add':
      return `${effect.address} listens to ${effect.awaited}`
    case 'listener.drop':
      return `${effect.address} no longer listens to ${effect.awaited}`
    case 'schedule':
      return `schedule ${bare(effect.row.id)}: next ${effect.row.nextRunAt}, last ${effect.row.lastRunAt ?? 'never'}`
    case 'schedule.drop':
      return `schedule ${effect.id} dropped`
    case 'unblock.add':
      return `unblock ${effect.row.id} owed to ${effect.row.address}`
    case 'unblock.drop':
      return `unblock ${effect.id} no longer owed to ${effect.address}`
    case 'execute':
      return `message execute ${effect.id} v${effect.version} → ${effect.worker ?? effect.address}`
    case 'revoke':
      return `message revoke ${effect.id} v${effect.version} → ${[effect.pid, effect.queue].filter((who) => who !== null).join(' or ')}`
    case 'note':
      return `log: ${effect.text}`
    case 'worker': {
      const { pid, server, group, goneAt } = effect.row
      return `worker ${pid} of ${group} at ${server}: ${goneAt === null ? 'connected' : `gone ${goneAt}`}`
    }
    case 'worker.drop':
      return `worker ${effect.pid} of ${effect.group} at ${effect.server} forgotten`
    case 'worker.seen':
      return `worker ${effect.pid} seen ${effect.at}`
    case 'worker.beat':
      return `worker ${effect.pid} beat ${effect.beat.at}`
    case 'server.seen':
      return `workers connected to ${effect.server} seen ${effect.at}`
  }
}

function promiseOf(row: PromiseRow | undefined): string {
  if (!row) return 'new'
  const { state, settledAt, wakeAt } = row
  return `${state}${settledAt === null ? '' : ` at ${settledAt}`}${wakeAt === null ? '' : `, wakes ${wakeAt}`}`
}

function taskOf(row: TaskRow | undefined): string {
  if (!row) return 'new'
  const { state, version, pid, dueAt, offeredAt, resumes, worker, lost, released, halt } = row
  const parts = [`${state} v${version}`]
  if (pid !== null) parts.push(`by ${pid}`)
  if (offeredAt !== null) parts.push(`offered to ${worker ?? 'its URL'}`)
  if (dueAt !== null) parts.push(`${state === 'acquired' ? 'until' : 'due'} ${dueAt}`)
  if (resumes > 0) parts.push(`resumes ${resumes}`)
  if (lost > 0) parts.push(`lost ${lost}`)
  if (released > 0) parts.push(`released ${released}`)
  if (halt?.by !== undefined) parts.push(`by ${halt.by}`)
  if (halt?.reason !== undefined) parts.push(`because ${bare(halt.reason)}`)
  return parts.join(' ')
}
