// How a refusal shows what came: short, on one line, whatever it was. Messages name a field and its value, and the value
// may be a megabyte; nothing here ever lets it through whole.

const SHOWN_MAX = 60

/** `"text"` cut to about 60 characters, a number as it is, and no more than the shape of everything else. */
export function quote(value: unknown): string {
  if (typeof value === 'string') return quoteText(value)
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`
  return Object.is(value, -0) ? '-0' : String(value)
}

// JSON's quoting escapes line breaks, NUL and lone surrogates, so the message itself is always clean text.
function quoteText(text: string): string {
  if (text.length <= SHOWN_MAX) return JSON.stringify(text)
  const cut = isHighSurrogate(text.charCodeAt(SHOWN_MAX - 1)) ? SHOWN_MAX - 1 : SHOWN_MAX
  return JSON.stringify(`${text.slice(0, cut)}…`)
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00
}
