// Finds the fenced snippets of a page, with the marks in the HTML comments right above each. What the marks mean is up to
// who runs them; it must never change a snippet but for the indentation of its fence.

export interface Snippet {
  readonly language: string
  readonly text: string
  readonly line: number
  /** From the comments above it: name → text. */
  readonly marks: Readonly<Record<string, string>>
}

const FENCE = /((?:^<!--.*-->\n+)*)^( *)```(\w+)\n([\s\S]*?)^ *```$/gm
const MARK = /<!--\s*(not run|file|background|prints|again until)(?::\s*(.*?))?\s*-->/g

export function snippetsOf(page: string): Snippet[] {
  return [...page.matchAll(FENCE)].map((match) => {
    const [, comments = '', indent = '', language = '', body = ''] = match
    return {
      language,
      text: body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      line: page.slice(0, match.index).split('\n').length + comments.split('\n').length - 1,
      marks: Object.fromEntries([...comments.matchAll(MARK)].map(([, name = '', text = '']) => [name, text])),
    }
  })
}
