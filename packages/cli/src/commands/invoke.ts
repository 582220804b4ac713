// `resonate invoke ID --func NAME`: calls a function on a group of workers, exactly as an SDK's top-level rpc would, so
// that the call tree hangs together; with --wait, stays for the outcome.

import type { PromiseRecord, Tags } from '@resonatehq/protocol'
import { Command } from 'commander'
import { collect, durationOption, integer, jsonArray, target } from '../arguments.ts'
import { promiseText } from '../describe.ts'
import { formatDuration } from '../duration.ts'
import { EXIT, Failure } from '../exit.ts'
import { example, programName, quoted } from '../help.ts'
import type { Io } from '../io.ts'
import { printable } from '../output.ts'
import { openSession, type Session, withClientOptions } from '../session.ts'
import { decodeValue, encodeValue, readValue, valueText } from '../values.ts'
import { settled } from '../wait.ts'

interface InvokeOptions {
  readonly func: string
  readonly arg?: readonly string[]
  readonly jsonArgs?: readonly unknown[]
  readonly version: number
  readonly timeout: number
  readonly target: string
  readonly delay: number
  readonly wait?: boolean
}

export function invokeCommand(io: Io): Command {
  return withClientOptions(new Command('invoke'))
    .description('call a function on a group of workers; an id that exists is not called again')
    .argument('<id>', 'id of the call, and of its promise')
    .requiredOption('-f, --func <name>', 'name the function is registered under')
    .option('--arg <value>', 'an argument: JSON, or text; repeat for more', collect)
    .option('--json-args <json>', 'all arguments, as a JSON array; wins over --arg', jsonArray)
    .option('--version <n>', 'version of the function', integer(1), 1)
    .addOption(durationOption('-t, --timeout <duration>', 'how long the call may take', '1h'))
    .option('--target <target>', 'group of workers, or an address', target, 'poll://any@default')
    .addOption(durationOption('--delay <duration>', 'start no sooner than this', '0'))
    .option('--wait', 'wait for the outcome and print its value')
    .addHelpText(
      'after',
      `\nWith --wait the exit code is 0 when the call resolved, 3 when it was rejected or canceled, 4 when it timed out.\n${example(
        'resonate invoke greet-1 --func greet --arg world --arg \'{"times": 2}\'',
        'resonate invoke order-42 --func processOrder --arg 42 --target workers --timeout 10m',
      )}`,
    )
    .action(async (id: string, options: InvokeOptions, command: Command) => {
      const session = openSession(io, command)
      const promise = await invoke(session, id, options)
      if (options.wait) await waitAndPrint(session, promise)
      else {
        session.out.data({ promise }, () => promiseText(promise, io.now()))
        if (!session.out.json) session.out.note(`\nFollow it with: ${programName(io.env)} tree ${idArgument(id)}`)
      }
    })
}

async function invoke(session: Session, id: string, options: InvokeOptions): Promise<PromiseRecord> {
  const now = session.io.now()
  const args = options.jsonArgs ?? (options.arg ?? []).map(readValue)
  const param = encodeValue({ func: options.func, args, version: options.version })
  const { promise } = await session.ask('promise.create', {
    id,
    timeoutAt: now + options.timeout + options.delay,
    param,
    tags: rootTags(id, options.target, options.delay === 0 ? null : now + options.delay),
  })
  if (promise.param.data !== param.data) {
    session.out.note(
      `Note: ${printable(id)} exists already, with another function or arguments, and was left as it is.`,
    )
  }
  return promise
}

/** An id that begins with a dash would be taken for an option. */
function idArgument(id: string): string {
  return id.startsWith('-') ? `-- ${quoted(id)}` : quoted(id)
}

/** The tags of a call that is the root of its own tree. */
function rootTags(id: string, address: string, delayedUntil: number | null): Tags {
  return {
    'resonate:origin': id,
    'resonate:branch': id,
    'resonate:parent': id,
    'resonate:scope': 'global',
    'resonate:target': address,
    ...(delayedUntil === null ? {} : { 'resonate:delay': String(delayedUntil) }),
  }
}

async function waitAndPrint(session: Session, promise: PromiseRecord): Promise<void> {
  const name = printable(promise.id)
  if (!session.out.json && promise.state === 'pending') {
    session.out.note(
      `Waiting for ${name}, which times out in ${formatDuration(promise.timeoutAt - session.io.now())} …`,
    )
  }
  const outcome = await settled(session, promise)
  printValue(session, outcome)
  switch (outcome.state) {
    case 'rejected':
      throw new Failure(`${name} was rejected${because(outcome)}`, EXIT.rejected)
    case 'rejected_canceled':
      throw new Failure(`${name} was canceled${because(outcome)}`, EXIT.rejected)
    case 'rejected_timedout':
      throw new Failure(`${name} timed out`, EXIT.timedOut)
    case 'resolved':
    case 'pending':
  }
}

/** The value as JSON, for people too: what was returned, nothing around it. A function that returned nothing prints nothing. */
function printValue(session: Session, { value }: PromiseRecord): void {
  const decoded = decodeValue(value)
  if (decoded.kind === 'none') return
  const shown = decoded.kind === 'json' ? decoded.value : decoded.data
  session.out.data(shown, () => JSON.stringify(shown, null, 2))
}

function because(promise: PromiseRecord): string {
  const text = printable(valueText(promise.value))
  return text === '' ? '' : `: ${text}`
}
