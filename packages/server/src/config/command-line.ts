// The command line of a server that has no parser of its own: words in, flags by key out.

import { quote } from '@resonatehq/protocol'
import { BY_FLAG, type Setting, unknownName } from './names.ts'
import { isBooleanWord } from './values.ts'

/** Splits a command line into flags by key. Everything else on it is an error. */
export function readFlags(args: readonly string[]): { flags: Record<string, unknown> } | { problems: string[] } {
  const flags: Record<string, unknown> = {}
  const problems: string[] = []
  for (let at = 0; at < args.length; at++) {
    const [name = '', inline] = splitOnce(args[at] ?? '', '=')
    const setting = BY_FLAG.get(name)
    if (!name.startsWith('-'))
      problems.push(`unexpected argument ${quote(args[at])}: settings are flags, listed by --help`)
    else if (!setting) {
      problems.push(unknownName(name, [...BY_FLAG.keys()], 'flag'))
      // Its value is not to be called a mistake of its own.
      if (inline === undefined && args[at + 1]?.startsWith('-') === false) at++
    } else if (inline !== undefined) addFlag(flags, setting, inline)
    else if (setting.type === 'boolean' && !isBooleanWord(args[at + 1])) addFlag(flags, setting, true)
    else if (at + 1 >= args.length) problems.push(`${name} needs a value: ${setting.placeholder}`)
    else addFlag(flags, setting, args[++at])
  }
  return problems.length > 0 ? { problems } : { flags }
}

function addFlag(flags: Record<string, unknown>, setting: Setting, value: unknown): void {
  const before = flags[setting.key]
  flags[setting.key] = setting.type === 'list' && Array.isArray(before) ? [...before, value] : asFlag(setting, value)
}

function asFlag(setting: Setting, value: unknown): unknown {
  return setting.type === 'list' ? [value] : value
}

function splitOnce(text: string, mark: string): [string, string | undefined] {
  const at = text.indexOf(mark)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}
