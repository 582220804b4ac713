// `resonate backup`: a copy of a running server's SQLite file, written by the server beside it.

import { Command } from 'commander'
import { given } from '../arguments.ts'
import { example } from '../help.ts'
import type { Io } from '../io.ts'
import { printable } from '../output.ts'
import { openSession, withClientOptions } from '../session.ts'

export function backupCommand(io: Io): Command {
  return withClientOptions(new Command('backup'))
    .description("copy a running server's SQLite database to a new file on the server's machine")
    .argument('[name]', "name of the file in the server's folder of backups (default: the instant)")
    .addHelpText('after', example('resonate backup', 'resonate backup before-upgrade.db'))
    .action(async (name: string | undefined, _options: unknown, command: Command) => {
      const session = openSession(io, command)
      const answer = await session.ask('backup.create', given({ name }))
      session.out.data(answer, () => `${printable(String(answer.path))}  ${answer.bytes} bytes`)
    })
}
