// The one rule on ids that is the SDK's own: the root of a call tree has no colon, because everything before the first colon
// of an id is the root. The others are the protocol's, looked at here so that a mistake is told where it is made.

import { idProblem } from '@resonatehq/protocol'
import { errors } from './engine/errors.ts'

const WHAT = 'The id of a call'

/** The id of a top-level call, or of one that starts a tree of its own. Throws ResonateError 1110. */
export function checkedRootId(id: string): string {
  const problem = typeof id === 'string' ? idProblem(id, WHAT) : `${WHAT} must be a text, got ${String(id)}`
  if (problem !== null) throw errors.idInvalid(problem)
  if (!id.includes(':')) return id
  throw errors.idInvalid(
    `${WHAT} must not contain ':', which separates a root from what it calls, got ${JSON.stringify(id)}`,
  )
}
