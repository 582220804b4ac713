// What is recorded of an operation, beside what the code asks for now: whether they are the same, and what a person is told where
// they are not, because the code has changed under a running workflow. Nothing is decided here about the task.

import type { PromiseRecord, Value } from '@resonatehq/protocol'
import { Codec } from './codec.ts'
import type { Caller, LocalCall, Operation, RemoteCall } from './operations.ts'

/** Whether a record is of this call, by all that both say of themselves. */
export function isSame(call: LocalCall | RemoteCall, record: PromiseRecord): boolean {
  const [requested, recorded] = [describeCall(call), describe(record)]
  if (requested.kind !== recorded.kind) return false
  return !isTelling(recorded.name) || !isTelling(requested.name) || recorded.name === requested.name
}

export interface Divergence {
  /** The id of the task that is replayed. */
  readonly task: string
  /** What the code asks for. */
  readonly operation: Operation
  /** What is recorded under its id. */
  readonly recorded: PromiseRecord
  /** The records that are not replayed yet. */
  readonly others: Iterable<PromiseRecord>
}

/** Both operations by kind, function and place, and what to do. */
export function divergence({ task, operation, recorded, others }: Divergence): string {
  const requested = describeCall(operation.call)
  const elsewhere = recordedAs(requested, others)
  const found = elsewhere.length > 0 ? ` ${capital(said(requested))} is recorded as ${elsewhere.join(', ')}.` : ''
  const { name, version } = rootOf(operation.frame).facts
  return (
    `The replay of '${task}' asks for ${said(requested)} as '${operation.id}'${placeOf(operation)}, ` +
    `where ${said(describe(recorded))} is recorded.${found} The code has changed under a running workflow: put the old code back, or ` +
    `register the new one as another version, register('${name}', fn, { version: ${version + 1} }), and let this one end ` +
    `on the old. Then continue the task: resonate tasks continue '${task}'`
  )
}

/** The ids under which the records have an operation like this, a few of them. */
function recordedAs(requested: Described, records: Iterable<PromiseRecord>): string[] {
  const alike = [...records].filter((record) => {
    const { kind, name } = describe(record)
    return kind === requested.kind && name === requested.name
  })
  return alike.slice(0, 3).map(({ id }) => `'${id}'`)
}

/** Which of its function's operations it is, where its id tells. */
function placeOf({ id, frame }: Operation): string {
  const { id: caller, name } = frame.facts
  const at = id.slice(caller.length + 1)
  if (!id.startsWith(caller) || !/^\d+$/.test(at)) return ''
  return ` (operation ${Number(at) + 1} of ${name ? `'${name}'` : 'a function without a name'})`
}

function rootOf(frame: Caller): Caller {
  return frame.facts.parent ? rootOf(frame.facts.parent) : frame
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

interface Described {
  readonly kind: 'a step' | 'a sleep' | 'a remote call' | 'a promise'
  readonly name: string
}

function describe({ tags, param }: PromiseRecord): Described {
  if (tags['resonate:timer'] === 'true') return { kind: 'a sleep', name: '' }
  const kind = tags['resonate:scope'] === 'local' ? 'a step' : tags['resonate:target'] ? 'a remote call' : 'a promise'
  return { kind, name: kind === 'a promise' ? '' : recordedName(param) }
}

function describeCall(call: LocalCall | RemoteCall): Described {
  if (call.kind === 'local') return { kind: 'a step', name: call.name }
  if (call.tags['resonate:timer'] === 'true') return { kind: 'a sleep', name: '' }
  return call.tags['resonate:target'] ? { kind: 'a remote call', name: call.name } : { kind: 'a promise', name: '' }
}

function recordedName(param: Value): string {
  if (!param.data) return ''
  try {
    const { func } = (plainCodec.decode(param) ?? {}) as { func?: unknown }
    return typeof func === 'string' ? func : ''
  } catch {
    return ''
  }
}

const plainCodec = new Codec()

/** Names that a bundler made are as good as none: the next build makes others. */
function isTelling(name: string): boolean {
  return name.length > 2
}

function said({ kind, name }: Described): string {
  return name ? `${kind} of '${name}'` : kind
}
