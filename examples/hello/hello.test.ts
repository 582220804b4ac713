// The example hello is run as its page says.

import { example } from '../example.ts'

example('hello', ['HELLO WORLD!'])
