// `resonate tasks …`: the duty to run a promise's function. Reading and steering for operators; the rest lets a script
// be a worker.

import {
  type Action,
  type CallbackAction,
  type CreateAction,
  clip,
  HALT_BY_BYTES_MAX,
  type SettleAction,
  type Tags,
  type TaskRef,
  type TaskState,
} from '@resonatehq/protocol'
import { Command } from 'commander'
import { duration, given, integer, jsonObject, jsonObjects, positiveDuration, tags, taskState } from '../arguments.ts'
import { promiseText, tasksText, taskText } from '../describe.ts'
import { Failure } from '../exit.ts'
import { example } from '../help.ts'
import type { Io } from '../io.ts'
import { jsonText, printable } from '../output.ts'
import { LIMIT_MAX, listAll, noteMore, type PageOptions, withPageOptions } from '../pages.ts'
import { failUnreachable, openSession, type Session, withClientOptions } from '../session.ts'
import { optionValue } from '../values.ts'

export function tasksCommand(io: Io): Command {
  return withClientOptions(new Command('tasks'))
    .alias('task')
    .description('see and steer the tasks of promises')
    .enablePositionalOptions()
    .addCommand(get(io))
    .addCommand(search(io))
    .addCommand(halt(io))
    .addCommand(continueHalted(io))
    .addCommand(create(io))
    .addCommand(claim(io))
    .addCommand(release(io))
    .addCommand(heartbeat(io))
    .addCommand(fence(io))
    .addCommand(suspend(io))
    .addCommand(complete(io))
}

const version = integer(0)

/** A command about one task, which is called by its promise. */
function ofTask(name: string, meaning: string): Command {
  return withClientOptions(new Command(name)).description(meaning).argument('<id>', 'the id of its promise')
}

/** One that only its holder may give: it says at which version it holds the task. */
function ofHeldTask(name: string, meaning: string): Command {
  return ofTask(name, meaning).requiredOption('--version <n>', 'the version it is held at', version)
}

function get(io: Io): Command {
  return ofTask('get', 'show a task')
    .addHelpText('after', example('resonate tasks get order-42'))
    .action(async (id: string, _options: unknown, command: Command) => {
      const session = openSession(io, command)
      const answer = await session.ask('task.get', { id })
      session.out.data(answer, () => taskText(answer.task))
    })
}

interface SearchOptions extends PageOptions {
  readonly state?: TaskState
}

function search(io: Io): Command {
  const command = withClientOptions(new Command('search'))
    .description('list tasks, in the order of their ids')
    .option('--state <state>', 'only those in this state', taskState)
  return withPageOptions(command, 100)
    .addHelpText('after', example('resonate tasks search --state acquired'))
    .action(async ({ state, limit, cursor, all }: SearchOptions) => {
      const session = openSession(io, command)
      const wanted = given({ state, cursor, limit: all ? LIMIT_MAX : limit })
      const answer = all
        ? { tasks: await listAll(session, 'task.search', wanted, ({ tasks }) => tasks) }
        : await session.ask('task.search', wanted)
      session.out.data(answer, () => tasksText(answer.tasks))
      noteMore(session, answer)
    })
}

function halt(io: Io): Command {
  return ofTask('halt', 'keep a task from being handed out until it is continued')
    .option('--reason <text>', 'why: told to whoever asks what it waits for, with who halted it')
    .addHelpText('after', example("resonate tasks halt order-42 --reason 'wrong price list'"))
    .action(async (id: string, { reason }: { reason?: string }, command: Command) => {
      const session = openSession(io, command)
      const by = clip(io.who(), HALT_BY_BYTES_MAX)
      const answer = await session.ask('task.halt', given({ id, by, reason }))
      session.out.data(answer, () => `${printable(id)} halted`)
    })
}

function continueHalted(io: Io): Command {
  return ofTask('continue', 'let a halted task be handed out again')
    .addHelpText('after', example('resonate tasks continue order-42'))
    .action(async (id: string, _options: unknown, command: Command) => {
      const session = openSession(io, command)
      const answer = await session.ask('task.continue', { id })
      session.out.data(answer, () => `${printable(id)} continued`)
    })
}

interface CreateOptions {
  readonly pid: string
  readonly ttl: number
  readonly timeout: number
  readonly param?: string
  readonly tags?: Tags
}

function create(io: Io): Command {
  return withClientOptions(new Command('create'))
    .description('create a promise and hold its task at once')
    .argument('<id>')
    .requiredOption('--pid <pid>', 'who holds the task')
    .requiredOption('--ttl <duration>', 'how long the lease lasts without a heartbeat', positiveDuration)
    .requiredOption('--timeout <duration>', 'how long the promise may stay pending', duration)
    .option('--param <value>', 'what the promise is about: JSON, or text')
    .option('--tags <json>', 'tags, as a JSON object of strings; needs a resonate:target', tags)
    .addHelpText(
      'after',
      example(
        'resonate tasks create job-1 --pid me --ttl 1m --timeout 1h --tags \'{"resonate:target": "poll://any@default"}\'',
      ),
    )
    .action(async (id: string, options: CreateOptions, command: Command) => {
      const { pid, ttl, timeout, param, tags = {} } = options
      const action: CreateAction = {
        kind: 'promise.create',
        head: {},
        data: { id, timeoutAt: io.now() + timeout, param: optionValue(param), tags },
      }
      const session = openSession(io, command)
      showClaim(session, await session.ask('task.create', { pid, ttl, action }))
    })
}

function claim(io: Io): Command {
  return ofTask('claim', 'take a pending task under a lease')
    .alias('acquire')
    .requiredOption('--version <n>', 'the version it is pending at', version)
    .requiredOption('--pid <pid>', 'who takes it')
    .requiredOption('--ttl <duration>', 'how long the lease lasts without a heartbeat', positiveDuration)
    .addHelpText('after', example('resonate tasks claim order-42 --version 0 --pid me --ttl 1m'))
    .action(async (id: string, options: { version: number; pid: string; ttl: number }, command: Command) => {
      const { version, pid, ttl } = options
      const session = openSession(io, command)
      showClaim(session, await session.ask('task.acquire', { id, version, pid, ttl }))
    })
}

function release(io: Io): Command {
  return ofHeldTask('release', 'give a task back for others to take')
    .addHelpText('after', example('resonate tasks release order-42 --version 1'))
    .action(async (id: string, options: { version: number }, command: Command) => {
      const session = openSession(io, command)
      const answer = await session.ask('task.release', { id, version: options.version })
      session.out.data(answer, () => `${printable(id)} released`)
    })
}

function heartbeat(io: Io): Command {
  return withClientOptions(new Command('heartbeat'))
    .description('renew the leases of tasks')
    .requiredOption('--pid <pid>', 'who holds them')
    .option(
      '--tasks <json>',
      'which, as a JSON array of {"id", "version"}; none means all that this pid holds',
      jsonObjects,
    )
    .addHelpText('after', example('resonate tasks heartbeat --pid me --tasks \'[{"id": "order-42", "version": 1}]\''))
    .action(async (options: { pid: string; tasks?: object[] }, command: Command) => {
      const session = openSession(io, command)
      const tasks = (options.tasks ?? []) as TaskRef[]
      const answer = await session.ask('task.heartbeat', { pid: options.pid, tasks })
      session.out.data(answer, () => lostText(answer.lost ?? []))
    })
}

function lostText(lost: readonly string[]): string {
  return lost.length === 0 ? 'renewed' : `renewed, but no longer held: ${lost.map(printable).join(' ')}`
}

interface ActionOptions<A> {
  readonly version: number
  readonly action: A
}

function fence(io: Io): Command {
  return ofHeldTask('fence', 'create or settle a promise on condition that the task is still held')
    .requiredOption('--action <json>', 'a promise.create or promise.settle, as {"kind", "data"}', jsonObject)
    .addHelpText(
      'after',
      example(
        'resonate tasks fence order-42 --version 1 ' +
          '--action \'{"kind": "promise.settle", "data": {"id": "order-42:0", "state": "resolved"}}\'',
      ),
    )
    .action(async (id: string, options: ActionOptions<CreateAction | SettleAction>, command: Command) => {
      const session = openSession(io, command)
      const action = withHead(options.action)
      const answer = await session.ask('task.fence', { id, version: options.version, action })
      const { status } = answer.action.head
      session.out.data(answer, () => `${answer.action.kind} ${status} ${jsonText(answer.action.data)}`)
      if (status !== 200) throw new Failure(`The task is held, but its ${answer.action.kind} was refused (${status}).`)
    })
}

function suspend(io: Io): Command {
  return ofHeldTask('suspend', 'put a task to sleep until one of the awaited promises settles')
    .requiredOption('--actions <json>', 'promise.register_callback actions, as a JSON array', jsonObjects)
    .addHelpText(
      'after',
      example(
        'resonate tasks suspend order-42 --version 1 ' +
          '--actions \'[{"kind": "promise.register_callback", "data": {"awaited": "order-42:0", "awaiter": "order-42"}}]\'',
      ),
    )
    .action(async (id: string, options: { version: number; actions: object[] }, command: Command) => {
      const session = openSession(io, command)
      const actions = (options.actions as CallbackAction[]).map(withHead)
      const reply = await session.client
        .call('task.suspend', { id, version: options.version, actions })
        .catch(failUnreachable)
      if (!reply.ok) throw new Failure(reply.message)
      session.out.data(reply.data, () =>
        reply.status === 200 ? `${printable(id)} suspended` : `${printable(id)} goes on`,
      )
      if (reply.status === 300) throw new Failure('Not suspended: an awaited promise has settled already (300).')
    })
}

function complete(io: Io): Command {
  return ofHeldTask('complete', 'settle the promise of a task that is held')
    .alias('fulfill')
    .requiredOption('--action <json>', 'a promise.settle of the same id, as {"kind", "data"}', jsonObject)
    .addHelpText(
      'after',
      example(
        'resonate tasks complete order-42 --version 1 ' +
          '--action \'{"kind": "promise.settle", "data": {"id": "order-42", "state": "resolved"}}\'',
      ),
    )
    .action(async (id: string, options: ActionOptions<SettleAction>, command: Command) => {
      const session = openSession(io, command)
      const action = withHead(options.action)
      const answer = await session.ask('task.fulfill', { id, version: options.version, action })
      session.out.data(answer, () => promiseText(answer.promise, io.now()))
    })
}

/** Older servers insist on a head; nobody wants to type one. */
function withHead<A extends Action<string, unknown>>(action: A): A {
  return { ...action, head: action.head ?? {} }
}

function showClaim(
  session: Session,
  answer: { task: Parameters<typeof taskText>[0]; promise: Parameters<typeof promiseText>[0] },
) {
  session.out.data(answer, () => `${taskText(answer.task)}\n${promiseText(answer.promise, session.io.now())}`)
}
