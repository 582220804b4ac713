// How help reads: how a long table of options is laid out, and how each command ends, with a line to copy. Tests run every
// one of these lines.

import type { Command, Help } from 'commander'
import { printable } from './output.ts'

const WIDTH = 100
const INDENT = 6

/** For long tables of options: the option on a line of its own, and what it means below it. */
export function inTwoLines(command: Command): Command {
  return command.configureHelp({
    formatItem(this: Help, term: string, _termWidth: number, description: string): string {
      const width = Math.min(this.helpWidth ?? WIDTH, WIDTH) - INDENT
      const lines = this.boxWrap(description, width).split('\n')
      return [`  ${term}`, ...lines.map((line) => ' '.repeat(INDENT) + line)].join('\n')
    },
  })
}

/** For `addHelpText('after', …)`. */
export function example(...lines: readonly string[]): string {
  return ['', lines.length === 1 ? 'Example:' : 'Examples:', ...lines.map((line) => `  $ ${line}`)].join('\n')
}

/** A word as a shell reads it back, whatever is in it. */
export function quoted(word: string): string {
  if (/^[\w./:@%+,-]+$/.test(word)) return word
  if (printable(word) === word) return `'${word.replaceAll("'", "'\\''")}'`
  return `$'${printable(word.replaceAll(/[\\']/g, '\\$&'))}'`
}

/** How this program is started where it runs: by its name, or through npm from a checkout. */
export function programName(env: Readonly<Record<string, string | undefined>>): string {
  const script = env.npm_lifecycle_event
  if (script === undefined) return 'resonate'
  return script === 'npx' ? 'npx resonate' : 'npm run resonate --'
}
