// The example fan-out is run as its page says.

import { example } from '../example.ts'

example('fan-out', ['resized: small-sea.jpg, small-hills.jpg', 'refused: notes.txt is no picture'])
