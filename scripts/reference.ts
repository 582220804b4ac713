// Writes the pages that the code says itself: settings, metrics, the command line, requests and records, examples. docs.test.ts
// fails while they differ, so nobody has to remember to run this.
//
//   node scripts/reference.ts

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { configPage, metricsPage } from '@resonatehq/server'
import { cliPage } from './cli-reference.ts'
import { examplesPage } from './examples-reference.ts'

const NOTE = '<!-- Written by scripts/reference.ts from the code: change it there. -->\n'

/** File name under docs/ → its text. */
export function referencePages(): Readonly<Record<string, string>> {
  return {
    'cli.md': NOTE + cliPage(),
    'configuration.md': NOTE + configPage(),
    'examples.md': NOTE + examplesPage(),
    'metrics.md': NOTE + metricsPage(),
    'requests.md': NOTE + requestsPage(),
  }
}

/** What travels, as its types: files of the protocol that hold nothing else. */
function requestsPage(): string {
  const sections = { Records: 'records.ts', Requests: 'requests.ts', Explanations: 'explanation.ts' }
  const introduction =
    'What travels, as TypeScript has it. What each request does is on the page of the [protocol](protocol.md).'
  const parts = Object.entries(sections).map(([title, file]) => `## ${title}\n\n\`\`\`ts\n${typesOf(file)}\n\`\`\``)
  return `${['# Requests and records', introduction, ...parts].join('\n\n')}\n`
}

/** A file without the comment at its head and its imports. */
function typesOf(file: string): string {
  const text = readFileSync(join(import.meta.dirname, '../packages/protocol/src', file), 'utf8')
  return text
    .replace(/^(?:\/\/.*\n)+/, '')
    .replaceAll(/^import [\s\S]*? from '.*'\n/gm, '')
    .trim()
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(referencePages())) {
    writeFileSync(join(import.meta.dirname, '../docs', name), text)
  }
}
