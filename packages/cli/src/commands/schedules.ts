// `resonate schedules …`: promises created by the clock.

import { type ScheduleRecord, TAG_SCHEDULE, type Tags } from '@resonatehq/protocol'
import { Command } from 'commander'
import { duration, given, tags } from '../arguments.ts'
import { schedulesText, scheduleText } from '../describe.ts'
import { example, programName, quoted } from '../help.ts'
import type { Io } from '../io.ts'
import { printable } from '../output.ts'
import { LIMIT_MAX, listAll, noteMore, type PageOptions, withPageOptions } from '../pages.ts'
import { openSession, type Session, withClientOptions } from '../session.ts'
import { optionValue } from '../values.ts'

export function schedulesCommand(io: Io): Command {
  return withClientOptions(new Command('schedules'))
    .alias('schedule')
    .description('promises that the clock creates')
    .enablePositionalOptions()
    .addCommand(get(io))
    .addCommand(create(io))
    .addCommand(remove(io))
    .addCommand(search(io))
}

function get(io: Io): Command {
  return withClientOptions(new Command('get'))
    .description('show a schedule')
    .argument('<id>')
    .addHelpText('after', example('resonate schedules get nightly'))
    .action(async (id: string, _options: unknown, command: Command) => {
      const session = openSession(io, command)
      show(session, await session.ask('schedule.get', { id }))
      const tags = quoted(JSON.stringify({ [TAG_SCHEDULE]: id }))
      if (!session.out.json) session.out.note(`\nIts promises: ${programName(io.env)} promises search --tags ${tags}`)
    })
}

interface CreateOptions {
  readonly cron: string
  readonly promiseId: string
  readonly promiseTimeout: number
  readonly promiseParam?: string
  readonly promiseTags?: Tags
}

function create(io: Io): Command {
  return withClientOptions(new Command('create'))
    .description('create a schedule; one that exists is left as it is')
    .argument('<id>')
    .requiredOption('--cron <cron>', 'when: minute hour day month weekday (1 = Sunday), UTC')
    .requiredOption('--promise-id <template>', 'id of each promise; {{.id}} and {{.timestamp}} are replaced')
    .requiredOption('--promise-timeout <duration>', 'how long each promise may stay pending', duration)
    .option('--promise-param <value>', 'what each promise is about: JSON, or text')
    .option('--promise-tags <json>', 'tags of each promise, as a JSON object of strings; needs a resonate:target', tags)
    .addHelpText(
      'after',
      example(
        "resonate schedules create nightly --cron '0 3 * * *' --promise-id '{{.id}}-{{.timestamp}}' " +
          `--promise-timeout 1h --promise-param '{"func": "report", "args": [], "version": 1}' ` +
          `--promise-tags '{"resonate:target": "poll://any@default"}'`,
      ),
    )
    .action(async (id: string, options: CreateOptions, command: Command) => {
      const session = openSession(io, command)
      const { cron, promiseId, promiseTimeout, promiseParam, promiseTags = {} } = options
      show(
        session,
        await session.ask('schedule.create', {
          id,
          cron,
          promiseId,
          promiseTimeout,
          promiseParam: optionValue(promiseParam),
          promiseTags,
        }),
      )
    })
}

function remove(io: Io): Command {
  return withClientOptions(new Command('delete'))
    .description('delete a schedule; promises it created stay')
    .argument('<id>')
    .addHelpText('after', example('resonate schedules delete nightly'))
    .action(async (id: string, _options: unknown, command: Command) => {
      const session = openSession(io, command)
      const answer = await session.ask('schedule.delete', { id })
      session.out.data(answer, () => `${printable(id)} deleted`)
    })
}

interface SearchOptions extends PageOptions {
  readonly tags?: Tags
}

function search(io: Io): Command {
  const command = withClientOptions(new Command('search'))
    .description('list schedules, in the order of their ids')
    .option('--tags <json>', 'only those whose promise tags include all of these, as a JSON object of strings', tags)
  return withPageOptions(command, 10)
    .addHelpText('after', example('resonate schedules search --limit 50'))
    .action(async ({ tags, limit, cursor, all }: SearchOptions) => {
      const session = openSession(io, command)
      const wanted = given({ tags, cursor, limit: all ? LIMIT_MAX : limit })
      const answer = all
        ? { schedules: await listAll(session, 'schedule.search', wanted, ({ schedules }) => schedules) }
        : await session.ask('schedule.search', wanted)
      session.out.data(answer, () => schedulesText(answer.schedules, io.now()))
      noteMore(session, answer)
    })
}

function show(session: Session, answer: { schedule: ScheduleRecord }): void {
  session.out.data(answer, () => scheduleText(answer.schedule, session.io.now()))
}
