// The page of the examples: what each says of itself, with its programs, in the order of examples/README.md. reference.ts writes it.

import { globSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'

const FOLDER = join(import.meta.dirname, '../examples')

const INTRODUCTION = `# Examples

Programs to start from. Each is a folder of [examples](../examples/README.md), with a test, and is killed at its requests to see that it
comes to the same.`

export function examplesPage(): string {
  const list = readFileSync(join(FOLDER, 'README.md'), 'utf8')
  const names = [...list.matchAll(/^\| \[([\w-]+)\]\(\1\/README\.md\)/gm)].map(([, name = '']) => name)
  return `${[INTRODUCTION, ...names.map(sectionOf)].join('\n\n')}\n`
}

function sectionOf(name: string): string {
  const text = pageOf(name)
    .replaceAll(/^(#+ )/gm, '#$1')
    .replaceAll(/\]\((?!https?:)([^)]+)\)/g, (_, path) => `](${linkFrom(name, path)})`)
  const files = globSync('*.ts', { cwd: join(FOLDER, name), exclude: ['*.test.ts'] }).sort()
  return [text.trim(), ...files.map((file) => programOf(name, file))].join('\n\n')
}

function programOf(name: string, file: string): string {
  const program = readFileSync(join(FOLDER, name, file), 'utf8').trim()
  return `\`examples/${name}/${file}\`:\n\n\`\`\`ts\n${program}\n\`\`\``
}

function pageOf(name: string): string {
  return readFileSync(join(FOLDER, name, 'README.md'), 'utf8')
}

/** Where a link of an example leads from docs/: to a section of the page, to another page, or out of the site. */
function linkFrom(name: string, path: string): string {
  const target = posix.join('examples', name, path)
  const [, other] = /^examples\/([\w-]+)\/README\.md$/.exec(target) ?? []
  if (other === undefined) return posix.relative('docs', target)
  const [, title = ''] = /^# (.+)$/m.exec(pageOf(other)) ?? []
  return `#${title.toLowerCase().replaceAll(' ', '-')}`
}
