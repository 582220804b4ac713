// On Cloudflare Workers, whose settings come with each request.

import { cloudflare } from '@resonatehq/sdk/http'
import { functions } from './functions.ts'

interface Env {
  readonly RESONATE_SECRET: string
}

export default cloudflare((env: Env) => functions({ secret: env.RESONATE_SECRET }))
