// The example schedule is run as its page says.

import { example } from '../example.ts'

example('schedule', ['report, number 1', 'report, number 2', 'the schedule is deleted'])
