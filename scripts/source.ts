// Looks at TypeScript as text: which parts are code, which are strings and comments, and what is imported. A scanner of
// characters, not a parser; it knows just enough of the language to tell those apart.

export interface Source {
  /** From the root of the repository, with `/`. */
  readonly path: string
  readonly text: string
  /** The text with the insides of strings, templates, regular expressions and comments blanked. Same length, same lines. */
  readonly code: string
}

export interface Import {
  readonly specifier: string
  /** `import(…)`. */
  readonly dynamic: boolean
  /** From the keyword to the specifier. */
  readonly clause: string
  readonly offset: number
}

export function sourceOf(path: string, text: string): Source {
  return { path, text, code: blank(text) }
}

export function lineOf(source: Source, offset: number): number {
  return source.text.slice(0, offset).split('\n').length
}

const STATIC = /\b(?:import|export)\b(?:[\w\s{},*$]*?\bfrom\s*|\s*)(["'])( *)\1/g
const DYNAMIC = /\bimport\s*\(\s*(["'])( *)\1/g

export function importsOf(source: Source): Import[] {
  const read = (match: RegExpExecArray, length: number) => {
    const end = match.index + match[0].length - 1
    return source.text.slice(end - length, end)
  }
  const statics = [...source.code.matchAll(STATIC)].map((match) => ({
    specifier: read(match, match[2]?.length ?? 0),
    dynamic: false,
    clause: match[0],
    offset: match.index,
  }))
  const dynamics = [...source.code.matchAll(DYNAMIC)].map((match) => ({
    specifier: read(match, match[2]?.length ?? 0),
    dynamic: true,
    clause: match[0],
    offset: match.index,
  }))
  return [...statics, ...dynamics]
}

/** Paths of other files that stand in the text as strings: `new URL('./worker.ts', import.meta.url)` and the like. */
export function mentionedFiles(source: Source): string[] {
  return [...source.text.matchAll(/['"`](\.{1,2}\/[^'"`\s]+\.ts)['"`]/g)].map(([, path]) => path ?? '')
}

// A slash starts a regular expression where a value may start, and divides where one may end.
const BEFORE_REGEX = /(?:^|[([{,;:=!&|?+\-*%~^<>]|=>|\b(?:return|typeof|case|in|of|void|delete|throw|await|yield))\s*$/

function blank(text: string): string {
  const out: string[] = []
  /** For each `${` that is open: how many braces are open inside it. */
  const templates: number[] = []
  let at = 0

  const keep = (count: number) => {
    out.push(text.slice(at, at + count))
    at += count
  }
  const hide = (count: number) => {
    out.push(text.slice(at, at + count).replace(/[^\n]/g, ' '))
    at += count
  }
  /** Hides up to `end`, which stays. */
  const hideUntil = (end: number) => hide(Math.min(end, text.length) - at)
  const template = () => {
    const end = endOfTemplate(text, at)
    hideUntil(end.at)
    if (end.opens) {
      keep(2)
      templates.push(0)
    } else keep(1)
  }

  while (at < text.length) {
    const char = text[at] ?? ''
    const pair = text.slice(at, at + 2)
    if (pair === '//') hideUntil(indexOrEnd(text, '\n', at))
    else if (pair === '/*') hideUntil(indexOrEnd(text, '*/', at + 2) + 2)
    else if (char === "'" || char === '"') {
      keep(1)
      hideUntil(endOfQuoted(text, at, char))
      keep(1)
    } else if (char === '`') {
      keep(1)
      template()
    } else if (char === '/' && BEFORE_REGEX.test(out.join('').slice(-200).trimEnd())) {
      keep(1)
      hideUntil(endOfRegex(text, at))
      keep(1)
    } else if (char === '{' && templates.length > 0) {
      templates.push((templates.pop() ?? 0) + 1)
      keep(1)
    } else if (char === '}' && templates.at(-1) === 0) {
      templates.pop()
      keep(1)
      template()
    } else {
      if (char === '}' && templates.length > 0) templates.push((templates.pop() ?? 0) - 1)
      keep(1)
    }
  }
  return out.join('')
}

function indexOrEnd(text: string, what: string, from: number): number {
  const index = text.indexOf(what, from)
  return index < 0 ? text.length : index
}

function endOfQuoted(text: string, from: number, quote: string): number {
  let at = from
  while (at < text.length && text[at] !== quote && text[at] !== '\n') at += text[at] === '\\' ? 2 : 1
  return at
}

function endOfTemplate(text: string, from: number): { at: number; opens: boolean } {
  let at = from
  while (at < text.length && text[at] !== '`') {
    if (text.startsWith('${', at)) return { at, opens: true }
    at += text[at] === '\\' ? 2 : 1
  }
  return { at, opens: false }
}

function endOfRegex(text: string, from: number): number {
  let at = from
  let inClass = false
  while (at < text.length && text[at] !== '\n' && (inClass || text[at] !== '/')) {
    if (text[at] === '[') inClass = true
    if (text[at] === ']') inClass = false
    at += text[at] === '\\' ? 2 : 1
  }
  return at
}
