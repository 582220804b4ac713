// `resonate explain ID`: why an execution does not go on, followed through what it waits for. The server finds the reasons
// and says them; here they are only laid out, one below the other.

import type { ExplainStep, Explanation } from '@resonatehq/protocol'
import { Command } from 'commander'
import { stateIcon } from '../describe.ts'
import { formatDuration } from '../duration.ts'
import { example } from '../help.ts'
import type { Io } from '../io.ts'
import { printable } from '../output.ts'
import { openSession, withClientOptions } from '../session.ts'

export function explainCommand(io: Io): Command {
  return withClientOptions(new Command('explain'))
    .description('say what an execution waits for, down to what holds everything up')
    .argument('<id>')
    .addHelpText('after', example('resonate explain order-42'))
    .action(async (id: string, _options: unknown, command: Command) => {
      const session = openSession(io, command)
      const explanation = await session.ask('promise.explain', { id })
      session.out.data(explanation, () => explanationText(explanation))
    })
}

export function explanationText({ at, steps, isCircular, isCut }: Explanation): string {
  const lines = steps.map(({ id, state, func, text }, depth) => {
    const lead = depth === 0 ? '' : `${'    '.repeat(depth - 1)}└── `
    const name = func === undefined ? id : `${id} (${func})`
    return `${lead}${stateIcon(state)} ${printable(name)} ${printable(text)}`
  })
  if (isCircular) lines.push('They wait for each other in a circle: one of them has to be settled by hand.')
  if (isCut) lines.push('There is more below that is not shown: ask for the last of these.')
  const deadline = steps[0] && deadlineText(steps[0], at)
  if (deadline) lines.push(deadline)
  return lines.join('\n')
}

/** Of what was asked for, where nothing has said it yet. */
function deadlineText({ id, state, timeoutAt, reason }: ExplainStep, at: number): string | undefined {
  const isTold = reason.kind === 'unowned' || reason.kind === 'sleeping'
  if (state !== 'pending' || isTold) return undefined
  const when = timeoutAt >= Number.MAX_SAFE_INTEGER ? 'never' : `in ${formatDuration(timeoutAt - at)}`
  return `${printable(id)} times out ${when}.`
}
