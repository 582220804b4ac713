// The command line as a function: arguments in, exit code out, everything else through `io`. Never touches the process.

import { Command, CommanderError } from 'commander'
import manifest from '../package.json' with { type: 'json' }
import { backupCommand } from './commands/backup.ts'
import { explainCommand } from './commands/explain.ts'
import { groupsCommand } from './commands/groups.ts'
import { invokeCommand } from './commands/invoke.ts'
import { migrateCommand } from './commands/migrate.ts'
import { promisesCommand } from './commands/promises.ts'
import { retentionCommand } from './commands/retention.ts'
import { schedulesCommand } from './commands/schedules.ts'
import { addSettings, devCommand, serveCommand } from './commands/serve.ts'
import { tasksCommand } from './commands/tasks.ts'
import { topCommand } from './commands/top.ts'
import { treeCommand } from './commands/tree.ts'
import { workersCommand } from './commands/workers.ts'
import { EXIT, type ExitCode, Failure } from './exit.ts'
import { example } from './help.ts'
import type { Io } from './io.ts'
import { printable, printableLines } from './output.ts'
import { withClientOptions } from './session.ts'

const COMMANDS = [
  { heading: 'Run a server:', commands: [serveCommand, devCommand] },
  { heading: 'Call functions, and see how they go on:', commands: [invokeCommand, treeCommand, explainCommand] },
  { heading: 'See who works on what:', commands: [topCommand, groupsCommand, workersCommand] },
  { heading: 'Read and steer what the server keeps:', commands: [promisesCommand, tasksCommand, schedulesCommand] },
  { heading: 'Look after the database:', commands: [retentionCommand, backupCommand, migrateCommand] },
] as const
const SERVERS = new Set(['serve', 'dev'])

export async function run(args: readonly string[], io: Io): Promise<ExitCode> {
  try {
    await createProgram(io).parseAsync([...args], { from: 'user' })
    return EXIT.ok
  } catch (fault) {
    return conclude(fault, io)
  }
}

export function createProgram(io: Io): Command {
  const program = withClientOptions(new Command('resonate'))
    .description('Durable functions: run a server, call functions, look at what they do.')
    .version(manifest.version)
    .enablePositionalOptions()
    .addHelpText('after', help())
    .commandsGroup('Learn more:')
    .helpCommand('help [command]', 'say what a command takes')
  for (const { heading, commands } of COMMANDS) {
    for (const command of commands) program.addCommand(command(io).helpGroup(heading))
  }
  // The settings come with the server, which client commands need not wait for.
  program.hook('preSubcommand', async (_program, command) => {
    if (SERVERS.has(command.name())) await addSettings(command)
  })
  for (const command of allCommands(program)) confine(command, io)
  return program
}

/** A command and all below it. */
export function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)]
}

const DASH_HINT = '(what begins with a dash and is no option goes behind --, as in: promises get -- -x)\n'

/** Keeps commander from writing to, or ending, the process. */
function confine(command: Command, io: Io): void {
  command
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(printableLines(text)),
      outputError: (text, write) => write(text + (mayBeAnArgument(text, command) ? DASH_HINT : '')),
    })
    .showHelpAfterError('(--help shows the usage and an example)')
}

function mayBeAnArgument(text: string, { registeredArguments }: Command): boolean {
  return text.startsWith('error: unknown option') && registeredArguments.length > 0
}

function conclude(fault: unknown, io: Io): ExitCode {
  if (fault instanceof Failure) {
    for (const line of fault.message.split('\n')) io.stderr.write(`${fault.label}: ${printable(line)}\n`)
    return fault.code
  }
  if (fault instanceof CommanderError) {
    // Help that was asked for, and the version, end with 0; help in place of a command that is missing does not.
    return fault.exitCode === 0 ? EXIT.ok : EXIT.usage
  }
  io.stderr.write(`Error: the resonate command itself failed, which is a bug in it.\n${describe(fault)}\n`)
  return EXIT.failed
}

function describe(fault: unknown): string {
  return fault instanceof Error ? (fault.stack ?? fault.message) : String(fault)
}

function help(): string {
  const codes = 'Exit codes: 0 done; 1 refused by the server, or no server; 2 wrong usage; with invoke --wait also\n'
  return (
    `\nPrints tables and records on a terminal, and JSON where stdout is a pipe or a file, or with --json.\n${codes}` +
    '3 rejected or canceled, 4 timed out.\n' +
    example('resonate dev', 'resonate invoke greet-1 --func greet --arg world', 'resonate tree greet-1')
  )
}
