// On AWS Lambda, behind a function URL.

import { lambda } from '@resonatehq/sdk/http'
import { functions } from './functions.ts'

export const handler = lambda(functions({ secret: process.env.RESONATE_SECRET }))
