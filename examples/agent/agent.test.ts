// The example agent is run as its page says.

import { example } from '../example.ts'

example('agent', ['search: height', 'calculate: 330 * 2', 'Two Eiffel Towers are 660 metres high.'])
