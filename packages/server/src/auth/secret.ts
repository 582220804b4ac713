// A shared secret out of a file, and whether somebody brings it. Compared in a time that does not depend on how much of it
// was guessed.

import { createHash, timingSafeEqual } from 'node:crypto'

/** Fewer characters could be guessed. */
const SECRET_MIN = 16

export class Secret {
  #digest: Buffer | undefined

  /** Throws where the text is no secret. As an editor or an echo leaves it, it may end with a line break. */
  replace(text: string): void {
    const secret = text.replace(/\r?\n$/, '')
    if (!/^\S+$/.test(secret) || secret.length < SECRET_MIN)
      throw new Error(`it must hold one token of at least ${SECRET_MIN} characters without spaces`)
    this.#digest = digestOf(secret)
  }

  /** Where there is no secret nobody has to bring one. */
  isBrought(token: string | undefined): boolean {
    if (!this.#digest) return true
    return token !== undefined && timingSafeEqual(digestOf(token), this.#digest)
  }
}

/** Of one length, whatever it is made of. */
function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
