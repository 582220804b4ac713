// What goes where: data to stdout, everything said about it to stderr. On a terminal, data is a table or a record to
// read; for a program (stdout is a pipe or a file, or --json) it is the answer's data as indented JSON, as the published
// `resonate` prints it. Nothing from a server reaches a terminal with its control characters alive.

import type { Io } from './io.ts'
import { pad, widthOf } from './width.ts'

export interface Output {
  /** stdout carries JSON. */
  readonly json: boolean
  /** The result of the command. `text` is what a person reads instead of `data`. */
  data(data: unknown, text: () => string): void
  /** A line for whoever watches; never part of the result. */
  note(text: string): void
}

export function createOutput(io: Io, options: { json: boolean }): Output {
  const json = options.json || !io.stdout.isTTY
  return {
    json,
    data: (data, text) => io.stdout.write(`${json ? jsonText(data, 2) : text()}\n`),
    note: (text) => io.stderr.write(`${printableLines(text)}\n`),
  }
}

/** What steers a terminal, and what makes it show the text after it in another order or on another line. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** The text with control characters written out, as a shell's `$'…'` has them: no id and no value can steer the terminal. */
export function printable(text: string): string {
  return text.replace(CONTROL, (char) => (char < '\u0080' ? `\\x${hex(char, 2)}` : unicodeEscape(char)))
}

/** The same for text whose lines are meant. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}

/** JSON that says the same without a control character in it but the ends of its own lines. */
export function jsonText(data: unknown, indent?: number): string {
  return JSON.stringify(data, null, indent).replace(CONTROL, (char) => (char === '\n' ? char : unicodeEscape(char)))
}

function unicodeEscape(char: string): string {
  return `\\u${hex(char, 4)}`
}

function hex(char: string, digits: number): string {
  return char.charCodeAt(0).toString(16).padStart(digits, '0')
}

/** A title and its fields, one a line. Fields without a value are left out. */
export function recordText(
  title: string,
  fields: readonly (readonly [name: string, value: string | undefined])[],
): string {
  const present = fields.filter(([, value]) => value !== undefined && value !== '')
  const width = Math.max(...present.map(([name]) => name.length))
  const lines = present.map(([name, value]) => `  ${name.padEnd(width)}  ${printable(value ?? '')}`)
  return [printable(title), ...lines].join('\n')
}

/** A cell that is wider pushes the rest of its own line away, and no other line. */
const COLUMN_WIDTH_MAX = 60

/** Columns under headings, as wide as they need to be. */
export function tableText(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [headings, ...rows.map((row) => row.map(printable))]
  const widths = headings.map((_, column) => {
    const cells = lines.map((line) => widthOf(line[column] ?? ''))
    return Math.max(...cells.filter((width) => width <= COLUMN_WIDTH_MAX))
  })
  return lines
    .map((line) =>
      line
        .map((cell, column) => pad(cell, widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
