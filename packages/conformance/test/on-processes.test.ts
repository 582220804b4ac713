// The published SDK's flows and faults once more, against servers of three processes each, on PostgreSQL: what one process
// is asked, workers of the others do. In the long run only; the short one has many-processes.test.ts.

import { test } from 'node:test'
import { withoutPostgres } from '../../store/test/postgres-server.ts'
import { isLong } from './processes.ts'

const skip = withoutPostgres || (!isLong && 'part of the long run')

if (skip) test('on several processes', { skip })
else {
  process.env.RESONATE_TEST_STORE = 'postgres-processes'
  await import('./published-sdk.test.ts')
  await import('./faults.test.ts')
}
