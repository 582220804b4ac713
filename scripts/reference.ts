// Writes the pages that the code says itself: settings, metrics and the command line. docs.test.ts fails while they differ, so nobody
// has to remember to run this.
//
//   node scripts/reference.ts

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { configPage, metricsPage } from '@resonatehq/server'
import { cliPage } from './cli-reference.ts'

const NOTE = '<!-- Written by scripts/reference.ts from the code: change it there. -->\n'

/** File name under docs/ → its text. */
export function referencePages(): Readonly<Record<string, string>> {
  return { 'cli.md': NOTE + cliPage(), 'configuration.md': NOTE + configPage(), 'metrics.md': NOTE + metricsPage() }
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(referencePages())) {
    writeFileSync(join(import.meta.dirname, '../docs', name), text)
  }
}
