// The example polling is run as its page says.

import { example } from '../example.ts'

example('polling', ['look 1', 'look 2', 'look 3', 'ready at /exports/export-7.csv'])
