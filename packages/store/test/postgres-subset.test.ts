// What the PostgreSQL store says is what the databases that speak as PostgreSQL understand too (YugabyteDB, CockroachDB,
// Citus), but for two things that a setting switches off: advisory locks and notifications. Found in the text of all that
// is in its folder, so that no statement can be forgotten here.

import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'

const FOLDER = join(import.meta.dirname, '../src/postgres')

/** Functions, and what else stands before a parenthesis, that each of those databases has. */
const FUNCTIONS = new Set(
  (
    'any check clock_timestamp coalesce count current_database distinct exists extract filter floor given greatest in ' +
    'json_to_recordset key least max min not over pg_sleep sum to_regclass unnest values'
  ).split(' '),
)

/** Where a setting chooses, or where nothing depends on the answer: the words that stand in these files and no others. */
const SWITCHABLE: Readonly<Record<string, readonly string[]>> = {
  'locks.ts': ['pg_advisory_xact_lock'],
  'migration.ts': ['pg_advisory_xact_lock'],
  'hints.ts': ['pg_notify', 'listen'],
  // How many sessions there are, for operators.
  'statements.ts': ['pg_stat_activity'],
}

/** Constructs that one of them lacks, or gives another meaning. */
const FOREIGN = [
  ...['listen', 'notify', 'pg_notify', 'pg_advisory\\w*', 'pg_try_advisory\\w*', 'skip\\s+locked', 'nowait'],
  ...[
    'lock\\s+table',
    'for\\s+(?:no\\s+key\\s+)?(?:key\\s+)?share',
    'jsonb',
    'ctid',
    'xmin',
    'pg_stat\\w*',
    'pg_class',
  ],
  ...['create\\s+(?:or\\s+replace\\s+)?(?:function|procedure|trigger|rule|type|sequence|extension|unlogged|temp\\w*)'],
  ...['do\\s+\\$', 'plpgsql', 'declare', 'savepoint', 'cluster', 'merge\\s+into', 'tablesample', 'inherits', 'exclude'],
  ...['serial', 'bigserial', 'identity', 'using\\s+(?:gin|gist|brin|hash)', 'generate_series', 'array_agg', 'copy'],
].map((source) => new RegExp(`\\b${source}\\b`, 'gi'))

interface Text {
  readonly file: string
  readonly text: string
}

/** The statements of a migration, and the strings of a program that are statements or parts of them. */
function texts(): Text[] {
  const files = globSync(['*.ts', 'migrations/*.sql'], { cwd: FOLDER })
  return files.flatMap((path) => {
    const source = readFileSync(join(FOLDER, path), 'utf8')
    const file = basename(path)
    if (path.endsWith('.sql')) return [{ file, text: source.replaceAll(/--.*/g, '') }]
    return strings(source)
      .filter(isSql)
      .map((text) => ({ file, text }))
  })
}

function strings(source: string): string[] {
  const code = source.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '')
  return [...code.matchAll(/'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\]|\\.)*)`/g)].map(
    ([, plain, template]) => plain ?? template ?? '',
  )
}

function isSql(text: string): boolean {
  return /\b(?:select|insert|update|delete|from|where|order by|on conflict|create|alter|begin|set|listen|commit)\b/.test(
    text,
  )
}

test('no statement holds what only PostgreSQL has, outside the places that a setting switches', () => {
  const found = texts().flatMap(({ file, text }) => {
    const words = FOREIGN.flatMap((pattern) => [...text.matchAll(pattern)].map(([word]) => word.toLowerCase()))
    return words.filter((word) => !SWITCHABLE[file]?.includes(word)).map((word) => `${file}: ${word} in ${text}`)
  })
  assert.deepEqual(found, [])
})

test('no statement calls a function that one of those databases lacks', () => {
  const found = texts().flatMap(({ file, text }) => {
    const called = [...text.matchAll(/(?<![.\w])([a-z_]+)\(/g)].map(([, name]) => name as string)
    return called
      .filter((name) => !FUNCTIONS.has(name) && !SWITCHABLE[file]?.includes(name))
      .map((name) => `${file}: ${name} in ${text}`)
  })
  assert.deepEqual(found, [])
})

test('the two places are there: what is looked for is found', () => {
  const all = texts()
  for (const [file, words] of Object.entries(SWITCHABLE))
    for (const word of words)
      assert.ok(
        all.some((one) => one.file === file && one.text.includes(word)),
        `${file}: ${word}`,
      )
})
