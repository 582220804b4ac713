// The example recursion is run as its page says.

import { example } from '../example.ts'

example('recursion', ['primes below 200: 46'])
