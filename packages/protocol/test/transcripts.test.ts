// Transcripts: requests and steps, exactly what they answer and change, in files that are meant to be read; they are the way
// to learn the protocol. A command is a line; what follows it indented is what it answered (status and data) and, behind
// `+`, its effects. The bare machine checks its properties after every line.
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

for (const name of readdirSync(FOLDER).filter((file) => file.endsWith('.txt'))) {
  test(`transcript ${name}`, () => {
    const file = new URL(name, FOLDER)
    const written = readFileSync(file, 'utf8')
    const played = play(written)
    if (process.env.UPDATE === '1') writeFileSync(file, played)
    else assert.equal(played, written, `${name} differs: run with UPDATE=1, and look at what changed`)
  })
}

/** The transcript with its indented lines as the machine has them now. */
function play(text: string): string {
  // Small pages, so that a transcript can show where one ends.
  const machine = new BareMachine({ ...DEFAULT_CONFIG, preloadMax: 3, catchupLimit: 4, occurrencesPerStep: 2 })
  let now = 0
  const lines = text.split('\n').filter((line) => !line.startsWith('  '))
  return lines
    .flatMap((line) => {
      if (line === '' || line.startsWith('#')) return [line]
      const [command = '', ...rest] = words(line)
      if (command === 'at') {
        now = Number(rest[0])
        return [line]
      }
      return [line, ...outcome(machine, command, rest, now).map((shown) => `  ${shown}`)]
    })
    .join('\n')
}

function outcome(machine: BareMachine, kind: string, rest: readonly string[], now: number): string[] {
  const data = dataOf(kind, rest)
  if (!isKind(kind)) return run(machine, { kind, data } as unknown as Input, now, false)
  const parsed = parseRequest(kind, data)
  return parsed.ok ? run(machine, parsed.request as Input, now, true) : [`400 ${parsed.message}`]
}

function run(machine: BareMachine, input: Input, now: number, isRequest: boolean): string[] {
  const before = new Map<string, PromiseRow | TaskRow>(machine.tables.promises)
  for (const [id, row] of machine.tables.tasks) before.set(`task ${id}`, row)
  const { answer, effects } = machine.step(input, now)
  const answered = isRequest
    ? [`${answer.status} ${typeof answer.data === 'string' ? answer.data : show(answer.data)}`]
    : []
  const changed = effects.map((effect) => `+ ${describe(effect, before)}`)
  return !isRequest && changed.length === 0 ? ['nothing'] : [...answered, ...changed]
}

/** Words of a line: separated by blanks, but not inside quotes or braces. */
function words(line: string): string[] {
  return line.match(/(?:[^\s"{]+|"[^"]*"|\{[^}]*\})+/g) ?? []
}

/** `key=value …` as the data of a request; behind `>` stands the action inside it. */
function dataOf(kind: string, rest: readonly string[]): Record<string, unknown> {
  const at = rest.indexOf('>')
  const own = pairs(at < 0 ? rest : rest.slice(0, at))
  if (at >= 0) {
    const inner = rest[at + 1] as string
    return { ...own, action: { kind: inner, head: { corrId: 'inner' }, data: dataOf(inner, rest.slice(at + 2)) } }
  }
  const { awaits, tasks, ...data } = own
  if (kind === 'task.suspend') return { ...data, actions: callbacks(String(data.id), String(awaits ?? '')) }
  if (kind === 'task.heartbeat') return { ...data, tasks: refs(String(tasks ?? '')) }
  return data
}

function callbacks(awaiter: string, awaits: string): unknown[] {
  const ids = awaits.split(',').filter((id) => id !== '')
  return ids.map((awaited) => ({ kind: 'promise.register_callback', head: {}, data: { awaited, awaiter } }))
}

/** `a@1,b@2` */
function refs(text: string): unknown[] {
  const parts = text.split(',').filter((part) => part !== '')
  return parts.map((part) => ({ id: part.split('@')[0], version: Number(part.split('@')[1]) }))
}

const TAGS = ['target', 'timer', 'delay', 'origin', 'branch', 'parent']

function pairs(rest: readonly string[]): Record<string, unknown> {
  const data: Record<string, unknown> = {}
  const tags: Record<string, string> = {}
  for (const word of rest) {
    const [, key = '', text = ''] = /^([^=]+)=(.*)$/.exec(word) ?? assert.fail(`expected key=value, got ${word}`)
    if (TAGS.includes(key)) tags[`resonate:${key}`] = text
    else if (key.startsWith('tag.')) tags[key.slice(4)] = text
    else if (key === 'value' || key === 'param') data[key] = { data: text }
    else data[key] = literal(text)
  }
  const name = 'cron' in data ? 'promiseTags' : 'tags'
  return Object.keys(tags).length > 0 ? { ...data, [name]: tags } : data
}

/** Numbers, booleans, null, quoted texts and objects as JSON has them; everything else is a text. */
function literal(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

// Printing.

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
  return /^[\w.:/@-]+$/.test(text) ? text : JSON.stringify(text)
}

function describe(effect: Effect, before: ReadonlyMap<string, unknown>): string {
  switch (effect.kind) {
    case 'promise': {
      const was = before.get(effect.row.id) as PromiseRow | undefined
      return `promise ${effect.row.id}: ${was ? promise(was) : 'new'} → ${promise(effect.row)}`
    }
    case 'task': {
      const was = before.get(`task ${effect.row.id}`) as TaskRow | undefined
      return `task ${effect.row.id}: ${was ? task(was) : 'new'} → ${task(effect.row)}`
    }
    case 'callback.add':
    case 'callback.drop':
      return `${effect.awaiter} ${effect.kind === 'callback.add' ? 'waits for' : 'no longer waits for'} ${effect.awaited}`
    case 'listener.add':
    case 'listener.drop':
      return `${effect.address} ${effect.kind === 'listener.add' ? 'listens to' : 'no longer listens to'} ${effect.awaited}`
    case 'schedule':
      return `schedule ${effect.row.id}: next ${effect.row.nextRunAt}, last ${effect.row.lastRunAt ?? 'never'}`
    case 'unblock.add':
    case 'unblock.drop':
      return `unblock ${'row' in effect ? effect.row.id : effect.id} ${effect.kind === 'unblock.add' ? 'owed' : 'no longer owed'} to ${'row' in effect ? effect.row.address : effect.address}`
    case 'execute':
      return `message execute ${effect.id} v${effect.version} to ${effect.worker ?? effect.address}`
    case 'revoke':
      return `message revoke ${effect.id} v${effect.version} to ${effect.pid}`
    case 'note':
      return `note: ${effect.text}`
    case 'worker':
      return `worker ${effect.row.pid} at ${effect.row.server}: ${effect.row.goneAt === null ? 'connected' : `gone ${effect.row.goneAt}`}`
    case 'schedule.drop':
      return `schedule ${effect.id} dropped`
    case 'worker.drop':
      return `worker ${effect.pid} forgotten`
    case 'worker.seen':
      return `worker ${effect.pid} seen ${effect.at}`
    case 'server.seen':
      return `workers of ${effect.server} seen ${effect.at}`
  }
}

function promise({ state, settledAt, wakeAt }: PromiseRow): string {
  return `${state}${settledAt === null ? '' : ` at ${settledAt}`}${wakeAt === null ? '' : `, wakes ${wakeAt}`}`
}

function task({ state, version, pid, dueAt, offeredAt, resumes, worker, lost, released }: TaskRow): string {
  const parts = [`${state} v${version}`]
  if (pid !== null) parts.push(`by ${pid}`)
  if (dueAt !== null) parts.push(`${state === 'acquired' ? 'until' : 'due'} ${dueAt}`)
  if (offeredAt !== null) parts.push(`offered to ${worker ?? 'its URL'}`)
  if (resumes > 0) parts.push(`${resumes} resumed`)
  if (lost > 0) parts.push(`lost ${lost}`)
  if (released > 0) parts.push(`released ${released}`)
  return parts.join(' ')
}
