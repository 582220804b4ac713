// The one rule on ids that is the SDK's own: the root of a call tree has no colon, because everything before the first colon
// of an id is the root.

import { errors } from './engine/errors.ts'

/** The id of a top-level call, or of one that starts a tree of its own. Throws ResonateError 1110. */
export function checkedRootId(id: string): string {
  if (typeof id !== 'string' || id === '') throw errors.idInvalid(id, 'must be a text that is not empty')
  if (id.includes('\0')) throw errors.idInvalid(id, 'must not contain NUL')
  if (id.includes(':')) throw errors.idInvalid(id, "must not contain ':', which separates a root from what it calls")
  return id
}
