// Keeps the rules of tidy.ts over this repository, and shows that each rule finds what it is for.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { importsOf, sourceOf } from './source.ts'
import { findingText, type Manifest, readRepository, tidy } from './tidy.ts'

const HEADER = '// What this file is for, and what it must never do, in a sentence.\n'

test('this repository is tidy', () => {
  assert.deepEqual(tidy(readRepository()).map(findingText), [])
})

const manifests = new Map<string, Manifest>([
  ['protocol', { name: '@resonatehq/protocol', exports: { '.': './src/index.ts' } }],
  ['engine', { name: '@resonatehq/engine', exports: { '.': './src/index.ts' } }],
  ['store', { name: '@resonatehq/store', exports: { '.': './src/index.ts' } }],
  ['server', { name: '@resonatehq/server', exports: { '.': './src/index.ts' }, dependencies: { pino: '1.0.0' } }],
  ['cli', { name: 'resonate', bin: { resonate: 'bin/resonate.js' } }],
])

/** What is found in a repository of these files; each gets a header unless it has one. */
function findings(files: Record<string, string>): string[] {
  const sources = Object.entries(files).map(([path, text]) =>
    sourceOf(path, text.startsWith('// short') ? text : HEADER + text),
  )
  return tidy({ sources, manifests }).map(findingText)
}

/** What is found in one file that is alive. */
function findingsIn(path: string, text: string): string[] {
  return findings({ [path]: text })
}

const refused: readonly (readonly [rule: string, path: string, text: string, message: RegExp])[] = [
  ['a file opens with a paragraph', 'packages/engine/src/index.ts', '// short\nexport {}', /:1: Open with a paragraph/],
  ['imports point one way', 'packages/store/src/index.ts', "import '@resonatehq/engine'", /:2: store must not import/],
  [
    'nobody imports the command',
    'packages/server/src/index.ts',
    "import 'resonate'",
    /server must not import resonate/,
  ],
  [
    'the protocol imports no package',
    'packages/protocol/src/index.ts',
    "import '@resonatehq/store'",
    /imports no other/,
  ],
  ['a dependency is declared', 'packages/server/src/index.ts', "import { a } from 'left-pad'", /add it there, or do/],
  [
    'a package is entered by its name',
    'packages/server/src/index.ts',
    "import '../../store/src/index.ts'",
    /by its name/,
  ],
  ['the engine runs without Node', 'packages/engine/src/index.ts', "import 'node:fs'", /where there is no Node/],
  [
    'SQLite has one door',
    'packages/server/src/index.ts',
    "import { DatabaseSync } from 'node:sqlite'",
    /Store interface/,
  ],
  ['ports are opened in one file', 'packages/server/src/index.ts', 'http.createServer()', /listen\.ts opens a port/],
  [
    'by import too',
    'packages/server/src/index.ts',
    "import { createServer } from 'node:net'",
    /listen\.ts opens a port/,
  ],
  ['no default exports', 'packages/engine/src/index.ts', 'export default 1', /Export it by a name/],
  ['no leftovers', 'packages/engine/src/index.ts', `// ${'TO' + 'DO'}: later`, /Do it now or file it/],
  ['no `as any`', 'packages/engine/src/index.ts', 'export const a = b as any', /Name the type/],
  ['no silenced types', 'packages/engine/src/index.ts', `// @ts-${'ignore'}`, /Fix the type/],
  ['no `only`', 'packages/engine/test/a.test.ts', "test.only('a')", /silences every other test/],
  ['no skip without a reason', 'packages/engine/test/a.test.ts', "test.skip('a')", /Say why/],
  ['no `skip: true`', 'packages/engine/test/a.test.ts', "test('a', { skip: true })", /Say why/],
  ['the clock is given', 'packages/engine/src/index.ts', 'const now = Date.now()', /reaching for Date\.now/],
  ['the date is given', 'packages/engine/src/index.ts', 'const now = new Date()', /reaching for new Date\(\)/],
  ['chance is given', 'packages/engine/src/index.ts', 'const x = Math.random()', /reaching for Math\.random/],
  ['timers are given', 'packages/engine/src/index.ts', 'setTimeout(f, 1)', /reaching for a global timer/],
  ['by any name', 'packages/engine/src/index.ts', 'globalThis.setImmediate(f)', /reaching for a global timer/],
  ['ids are given', 'packages/engine/src/index.ts', 'const id = crypto.randomUUID()', /chance from crypto/],
  ['the process is given', 'packages/engine/src/index.ts', 'process.exit(1)', /reaching for the process/],
  ['the console is given', 'packages/engine/src/index.ts', "console.log('x')", /reaching for the console/],
]

for (const [rule, path, text, message] of refused) {
  test(`tidy: ${rule}: ${path.split('/')[1]}: ${text.slice(0, 40)}`, () => {
    const found = findingsIn(path, text)
    assert.equal(found.length, 1, found.join('\n'))
    assert.match(found[0] ?? '', message)
  })
}

const allowed: readonly (readonly [why: string, path: string, text: string])[] = [
  [
    'words in comments and strings',
    'packages/engine/src/index.ts',
    "// Date.now()\nconst a = 'Math.random()' + `process.env`",
  ],
  ['what stands in a regular expression', 'packages/engine/src/index.ts', 'const a = /console.log("/.test(b)'],
  ['a date of a given instant', 'packages/engine/src/index.ts', 'const a = new Date(now).toISOString()'],
  ['methods that share a name', 'packages/engine/src/index.ts', 'platform.setTimeout(f); job.process.start()'],
  ['ambient calls in the files for them', 'packages/engine/src/index.ts', "import './platform.ts'"],
  ['imports downwards', 'packages/engine/src/index.ts', "import { a } from '@resonatehq/store'"],
  ['subpaths of packages', 'packages/server/src/index.ts', "import { a } from '@resonatehq/store/sqlite'"],
  ['declared dependencies', 'packages/server/src/index.ts', "import pino from 'pino'"],
  ['a skip with its reason', 'packages/engine/test/a.test.ts', "test('a', { skip: 'needs a database' })"],
  ['anything imported by a test', 'packages/engine/test/a.test.ts', "import '@resonatehq/server'"],
]

for (const [why, path, text] of allowed) {
  test(`tidy lets pass: ${why}`, () => {
    const platform = { 'packages/engine/src/platform.ts': 'export const now = () => Date.now()' }
    assert.deepEqual(findings({ [path]: text, ...(text.includes('./platform.ts') ? platform : {}) }), [])
  })
}

test('a file that only tests import is dead', () => {
  const found = findings({
    'packages/engine/src/index.ts': "export { a } from './a.ts'",
    'packages/engine/src/a.ts': "export const a = new URL('./worker.ts', import.meta.url)",
    'packages/engine/src/worker.ts': 'run()',
    'packages/engine/src/dead.ts': 'export const b = 1',
    'packages/engine/test/dead.test.ts': "import { b } from '../src/dead.ts'",
  })
  assert.deepEqual(found, [
    'packages/engine/src/dead.ts:1: Nothing that is shipped imports this file: delete it, or export it from index.ts.',
  ])
})

test('a circle of imports is found, also one of types alone', () => {
  const circle = (back: string) =>
    findings({
      'packages/engine/src/index.ts': "import { a } from './a.ts'",
      'packages/engine/src/a.ts': "import { b } from './b.ts'",
      'packages/engine/src/b.ts': back,
    })
  const found = ['packages/engine/src/a.ts:1: Break this circle of imports: a.ts → b.ts → a.ts.']
  assert.deepEqual(circle("import { a } from './a.ts'"), found)
  assert.deepEqual(circle("import type { a } from './a.ts'"), found)
  assert.deepEqual(circle("let a: typeof import('./a.ts')"), found)
})

test('imports are read in every form, and only where they are code', () => {
  const source = sourceOf(
    'a.ts',
    [
      "import 'one'",
      "import two, { type b } from 'two'",
      "import * as three from 'three'",
      "export * from 'four'",
      "export type { x } from 'five'",
      "const six = await import('six')",
      `const text = \`import 'seven' \${\`import('eight')\`} import 'nine'\` // import 'ten'`,
      'const half = a / b / c',
      "import { last } from 'eleven'",
    ].join('\n'),
  )
  assert.deepEqual(
    importsOf(source).map(({ specifier, dynamic }) => [specifier, dynamic]),
    [
      ['one', false],
      ['two', false],
      ['three', false],
      ['four', false],
      ['five', false],
      ['eleven', false],
      ['six', true],
    ],
  )
})
