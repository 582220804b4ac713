// The example encryption is run as its page says.

import { example } from '../example.ts'

example('encryption', [
  'read with the key: Ada has a cold',
  'the server has: key 2026-01',
  'it can read it: false',
  'after the rotation: written before and written after',
])
