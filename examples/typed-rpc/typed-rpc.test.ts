// The example typed-rpc is run as its page says.

import { example } from '../example.ts'

example('typed-rpc', ['three chairs for 187.5', 'two tables for 100 before tax'])
