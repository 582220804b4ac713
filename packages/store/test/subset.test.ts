// That the PostgreSQL store stays within what databases run that only speak like PostgreSQL: CockroachDB, YugabyteDB, Citus.
// What a word here stands for is missing, or means something else, in one of them at least.

import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { LOCKING } from '../src/postgres/locks.ts'
import { SQL } from '../src/postgres/statements.ts'

const MIGRATIONS = globSync(new URL('../src/postgres/migrations/*.sql', import.meta.url).pathname)

const BEYOND: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['notifications', /\b(?:un)?listen\b|\bnotify\b|pg_notify/i],
  ['advisory locks', /pg_(?:try_)?advisory/i],
  ['triggers, rules and procedures', /\b(?:trigger|rule|procedure|function|plpgsql|language|do \$)/i],
  ['writes inside a query', /\bwith\b[^;]*\b(?:insert|update|delete)\b/i],
  ['merge', /\bmerge\s+into\b/i],
  ['skipped or refused row locks', /\bskip\s+locked\b|\bnowait\b|\bfor\s+(?:no key update|share|key share)\b/i],
  ['binary JSON', /\bjsonb\b/i],
  ['sequences', /\b(?:bigserial|serial|sequence|identity|nextval)\b/i],
  ['physical rows', /\b(?:ctid|xmin|xmax|oid)\b/i],
  ['storage parameters and tablespaces', /\bwith\s*\(|\btablespace\b|\bfillfactor\b/i],
  ['tables without a log, or for a session', /\bunlogged\b|\btemp(?:orary)?\s+table\b/i],
  ['exclusion and foreign keys', /\bexclude\b(?!d)|\breferences\b|\bdeferrable\b/i],
  ['locks of whole tables', /\block\s+table\b/i],
]

function beyond(text: string): string[] {
  return BEYOND.filter(([, pattern]) => pattern.test(text)).map(([what]) => what)
}

test('no statement needs what only PostgreSQL has', () => {
  const statements = { ...SQL, lockByTable: LOCKING.table.sql }
  for (const [name, text] of Object.entries(statements)) assert.deepEqual(beyond(text), [], `the statement ${name}`)
})

test('no migration needs what only PostgreSQL has', () => {
  assert.ok(MIGRATIONS.length > 0)
  for (const path of MIGRATIONS) {
    const text = readFileSync(path, 'utf8').replace(/--.*$/gm, '')
    assert.deepEqual(beyond(text), [], path)
  }
})

test('every table has a key that all of its rows can be spread by', () => {
  const text = MIGRATIONS.map((path) => readFileSync(path, 'utf8')).join('\n')
  const tables = [...text.matchAll(/create table (\w+) \(([\s\S]*?)\n\);/g)]
  assert.ok(tables.length >= 9)
  for (const [, name, columns] of tables) assert.match(columns as string, /primary key/, `the table ${name}`)
})

test('advisory locks are what the list finds where they are used', () => {
  assert.deepEqual(beyond(LOCKING.advisory.sql), ['advisory locks'])
})
