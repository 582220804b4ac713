// The known word that a misspelt one was meant to be, for messages. Pure; it must never guess wildly: a suggestion that
// is far off is worse than none.

/** The closest of `known`, or undefined when none is close. Capitals and separators count little in such mistakes. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let bestDistance = Math.floor(word.length / 3) + 1
  for (const candidate of known) {
    const apart = distance(plain(word), plain(candidate))
    if (apart < bestDistance) [best, bestDistance] = [candidate, apart]
  }
  return best
}

function plain(word: string): string {
  return word.toLowerCase().replaceAll(/[-._]+/g, '.')
}

/** Insertions, deletions and replacements between two words. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
