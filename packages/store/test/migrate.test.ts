// Which schema changes a database still needs, and which program may use which schema.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { migrationsOf, pendingMigrations } from '../src/migrate.ts'

const all = migrationsOf(['create table a;', '-- works with: 1\ncreate index b;', '-- Adds c.\ncreate table c;'])

test('what a database lacks is applied in order', () => {
  const versions = (version: number) =>
    pendingMigrations(all, { version, oldest: version }, 'x').map((migration) => migration.version)
  assert.deepEqual([versions(0), versions(1), versions(3)], [[1, 2, 3], [2, 3], []])
})

test('a change works with no older program unless its first line says so', () => {
  assert.deepEqual(
    all.map(({ oldest }) => oldest),
    [1, 1, 3],
  )
})

test('a program uses a newer schema that works with it, and refuses one that does not', () => {
  assert.deepEqual(pendingMigrations(all, { version: 5, oldest: 3 }, 'x'), [])
  assert.throws(
    () => pendingMigrations(all, { version: 5, oldest: 4 }, 'the database x'),
    /^SchemaError: the database x has schema version 5, which works with programs that know version 4, and this program knows versions up to 3: start the newer program/,
  )
})
