// The same on what distributed databases that speak as PostgreSQL have: locks are rows of a table, and nobody is notified.

import { test } from 'node:test'
import { withoutPostgres } from '../../store/test/postgres-server.ts'
import { isLong } from './processes.ts'

if (withoutPostgres) test('on a database like PostgreSQL', { skip: withoutPostgres })
else {
  process.env.RESONATE_TEST_STORE = 'postgres-like'
  await import('./published-sdk.test.ts')
  if (isLong) {
    await import('./faults.test.ts')
    await import('./input.test.ts')
  }
}
