// On Cloud Run, and wherever a container listens on PORT. SIGTERM comes ten seconds before the end: what runs is given back.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { node } from '@resonatehq/sdk/http'
import { functions } from './functions.ts'

const resonate = functions({ secret: process.env.RESONATE_SECRET })

const server = createServer(node(resonate)).listen(Number(process.env.PORT ?? 8080), () => {
  console.log(`POST http://localhost:${(server.address() as AddressInfo).port}`)
})

process.once('SIGTERM', async () => {
  server.close()
  await resonate.stop({ timeout: 8_000 })
  process.exit(0)
})
