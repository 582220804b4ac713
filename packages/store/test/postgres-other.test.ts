// The tests of the PostgreSQL store once more, on another version of it: the one that npm brings, where another is installed.

import { test } from 'node:test'
import { npmBinaries, postgresBinaries } from './postgres-server.ts'

const other = npmBinaries()
const reason = other === null ? 'npm has no PostgreSQL for this platform' : 'the other tests run on this one already'

if (other === null || other === postgresBinaries()) test('on another PostgreSQL', { skip: reason })
else {
  process.env.RESONATE_TEST_POSTGRES_BIN = other
  await import('./postgres.test.ts')
}
