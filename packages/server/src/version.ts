// The version of this package, read from the one place that says it. Found by way of require because the file lies
// outside of what is compiled, beside both `src` and `dist`.

import { createRequire } from 'node:module'

export const VERSION: string = createRequire(import.meta.url)('../package.json').version
