// The example rate-limit is run as its page says.

import { example } from '../example.ts'

example('rate-limit', ['10 pages', 'had to wait and did'])
