// The example saga is run as its page says.

import { example } from '../example.ts'

example('saga', [
  'book flight',
  'book hotel',
  'pay 500',
  'receipt-1',
  'cancel hotel-42',
  'cancel flight-42',
  'declined',
])
