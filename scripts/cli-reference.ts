// The page of the command line: what each command says of itself when it is asked for help. reference.ts writes it.

import type { Command } from 'commander'
import type { Io } from '../packages/cli/src/io.ts'
import { allCommands, createProgram } from '../packages/cli/src/program.ts'

/** Columns of a line of help. */
const WIDTH = 100

const INTRODUCTION = `# The command line

\`resonate\` runs servers and speaks to them. From a checkout of the repository it is \`npm run resonate --\`, or \`npx resonate\`;
installed, \`resonate\`. A command that speaks to a server takes its URL from \`--server\` or \`RESONATE_URL\`, and a token from
\`--token\` or \`RESONATE_TOKEN\`.

On a terminal it prints tables and records for people; into a pipe or a file, or with \`--json\`, JSON. Instants are in UTC. What
steers a terminal is written out, as \`\\x1b\`. An id that begins with a dash goes behind \`--\`: \`resonate tree -- -x\`.

| exit code | |
| --- | --- |
| 0 | done |
| 1 | refused by the server, or no server |
| 2 | wrong usage |
| 3 | \`invoke --wait\`: rejected or canceled |
| 4 | \`invoke --wait\`: timed out |

Flags of \`serve\` and \`dev\` are the [settings](configuration.md).
`

export function cliPage(): string {
  const program = createProgram(io)
  const commands = allCommands(program).filter((command) => command.commands.length === 0)
  return [INTRODUCTION, ...commands.map(sectionOf)].join('\n')
}

function sectionOf(command: Command): string {
  let help = ''
  const writeOut = (text: string) => {
    help += text
  }
  command.configureOutput({ writeOut, getOutHelpWidth: () => WIDTH, getOutHasColors: () => false })
  command.outputHelp()
  return `## ${pathOf(command)}\n\n\`\`\`text\n${help.trim()}\n\`\`\`\n`
}

function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name()
}

const nowhere = { write() {}, isTTY: false, size: () => ({ columns: 80, rows: 24 }) }

/** Help needs nothing of the world. */
const io: Io = {
  stdout: nowhere,
  stderr: nowhere,
  env: {},
  fetch: () => Promise.reject(new Error('help asks nobody')),
  nodeVersion: '',
  readText: () => undefined,
  fullPath: (path) => path,
  now: () => 0,
  timer: () => () => {},
  who: () => '',
  randomId: () => '',
  onStopSignal: () => () => {},
  onReloadSignal: () => {},
  outliveOutput: () => {},
  exit: () => {},
}
