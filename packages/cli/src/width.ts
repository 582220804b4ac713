// How much room text takes on a terminal: one column for most characters, two for those of East Asia and for emoji, none for a
// mark that sits on another. Terminals differ in details; a table that is off by one is the worst that comes of it.

const GRAPHEMES = new Intl.Segmenter('en')
const NARROW = /^[\x20-\x7e]*$/
/** The blocks that Unicode calls wide, emoji apart. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\ufe0f/u

export function widthOf(text: string): number {
  if (NARROW.test(text)) return text.length
  return [...GRAPHEMES.segment(text)].reduce((sum, { segment }) => sum + (WIDE.test(segment) ? 2 : 1), 0)
}

export function pad(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - widthOf(text)))
}

/** What takes more columns ends in `…`, between two characters and never inside of one. */
export function shorten(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  let kept = ''
  let room = columns - 1
  for (const { segment } of GRAPHEMES.segment(text)) {
    room -= widthOf(segment)
    if (room < 0) break
    kept += segment
  }
  return `${kept}…`
}
