// The published SDK's flows once more, against servers on PostgreSQL; in the long run faults and bad input as well.

import { test } from 'node:test'
import { withoutPostgres } from '../../store/test/postgres-server.ts'
import { isLong } from './processes.ts'

if (withoutPostgres) test('on PostgreSQL', { skip: withoutPostgres })
else {
  process.env.RESONATE_TEST_STORE = 'postgres'
  await import('./published-sdk.test.ts')
  if (isLong) {
    await import('./faults.test.ts')
    await import('./input.test.ts')
  }
}
