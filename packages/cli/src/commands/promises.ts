// `resonate promises …`: durable promises, one request each.

import type { PromiseRecord, PromiseState, Settlement, Tags } from '@resonatehq/protocol'
import { Command } from 'commander'
import { duration, given, promiseState, tags, target } from '../arguments.ts'
import { promisesText, promiseText, STATE_WORDS } from '../describe.ts'
import { example } from '../help.ts'
import type { Io } from '../io.ts'
import { printable } from '../output.ts'
import { LIMIT_MAX, listAll, noteMore, type PageOptions, withPageOptions } from '../pages.ts'
import { openSession, type Session, withClientOptions } from '../session.ts'
import { optionValue } from '../values.ts'

export function promisesCommand(io: Io): Command {
  return withClientOptions(new Command('promises'))
    .alias('promise')
    .description('read, create and settle durable promises')
    .enablePositionalOptions()
    .addCommand(get(io))
    .addCommand(create(io))
    .addCommand(settle(io, 'resolve', 'resolved', '\'{"approved": true}\''))
    .addCommand(settle(io, 'reject', 'rejected', "'out of stock'"))
    .addCommand(settle(io, 'cancel', 'rejected_canceled', "'no longer needed'"))
    .addCommand(search(io))
    .addCommand(registerCallback(io))
    .addCommand(registerListener(io))
}

function get(io: Io): Command {
  return withClientOptions(new Command('get'))
    .description('show a promise')
    .argument('<id>')
    .addHelpText('after', example('resonate promises get order-42'))
    .action(async (id: string, _options: unknown, command: Command) => {
      const session = openSession(io, command)
      show(session, await session.ask('promise.get', { id }))
    })
}

interface CreateOptions {
  readonly timeout: number
  readonly param?: string
  readonly tags?: Tags
}

function create(io: Io): Command {
  return withClientOptions(new Command('create'))
    .description('create a promise; one that exists is left as it is')
    .argument('<id>')
    .requiredOption('--timeout <duration>', 'how long it may stay pending', duration)
    .option('--param <value>', 'what it is about: JSON, or text')
    .option('--tags <json>', 'tags, as a JSON object of strings', tags)
    .addHelpText('after', example('resonate promises create approval-42 --timeout 24h --param \'{"amount": 99}\''))
    .action(async (id: string, options: CreateOptions, command: Command) => {
      const session = openSession(io, command)
      const timeoutAt = io.now() + options.timeout
      const { param, tags = {} } = options
      show(session, await session.ask('promise.create', { id, timeoutAt, param: optionValue(param), tags }))
    })
}

function settle(io: Io, name: string, state: Settlement, sample: string): Command {
  return withClientOptions(new Command(name))
    .description(`${name} a promise; one that is settled is left as it is`)
    .argument('<id>')
    .option('--value <value>', 'with what: JSON, or text')
    .option('--data <value>', 'another name for --value')
    .addHelpText('after', example(`resonate promises ${name} approval-42 --value ${sample}`))
    .action(async (id: string, options: { value?: string; data?: string }, command: Command) => {
      const session = openSession(io, command)
      const value = optionValue(options.value ?? options.data)
      const answer = await session.ask('promise.settle', { id, state, value })
      show(session, answer)
      if (answer.promise.state !== state) noteSettledBefore(session, answer.promise)
    })
}

interface SearchOptions extends PageOptions {
  readonly state?: PromiseState
  readonly tags?: Tags
}

function search(io: Io): Command {
  const command = withClientOptions(new Command('search'))
    .description('list promises, in the order of their ids')
    .option('--state <state>', 'only those in this state', promiseState)
    .option('--tags <json>', 'only those with all of these tags, as a JSON object of strings', tags)
  return withPageOptions(command, 100)
    .addHelpText('after', example('resonate promises search --state pending --limit 20'))
    .action(async ({ state, tags, limit, cursor, all }: SearchOptions) => {
      const session = openSession(io, command)
      const wanted = given({ state, tags, cursor, limit: all ? LIMIT_MAX : limit })
      const answer = all
        ? { promises: await listAll(session, 'promise.search', wanted, ({ promises }) => promises) }
        : await session.ask('promise.search', wanted)
      session.out.data(answer, () => promisesText(answer.promises, io.now()))
      noteMore(session, answer)
    })
}

function registerCallback(io: Io): Command {
  return withClientOptions(new Command('register-callback'))
    .description('resume the task of one promise when another settles')
    .argument('<awaited>', 'the promise that settles')
    .argument('<awaiter>', 'the promise whose task waits for it')
    .addHelpText('after', example('resonate promises register-callback approval-42 order-42'))
    .action(async (awaited: string, awaiter: string, _options: unknown, command: Command) => {
      const session = openSession(io, command)
      show(session, await session.ask('promise.register_callback', { awaited, awaiter }))
    })
}

function registerListener(io: Io): Command {
  return withClientOptions(new Command('register-listener'))
    .description('send a message to an address when a promise settles')
    .argument('<awaited>', 'the promise that settles')
    .argument('<address>', 'http(s)://…, poll://any@group or poll://uni@group/pid; a bare name is a group')
    .addHelpText('after', example('resonate promises register-listener approval-42 https://shop.example/approved'))
    .action(async (awaited: string, address: string, _options: unknown, command: Command) => {
      const session = openSession(io, command)
      show(session, await session.ask('promise.register_listener', { awaited, address: target(address) }))
    })
}

function show(session: Session, answer: { promise: PromiseRecord }): void {
  session.out.data(answer, () => promiseText(answer.promise, session.io.now()))
}

function settledText(state: PromiseState): string {
  return state === 'rejected_timedout' ? 'timed out' : `was ${STATE_WORDS[state]}`
}

/** Asking again for what was asked before is no error; being too late to decide is worth a word. */
function noteSettledBefore(session: Session, promise: PromiseRecord): void {
  session.out.note(`Note: ${printable(promise.id)} ${settledText(promise.state)} already and stays so.`)
}
