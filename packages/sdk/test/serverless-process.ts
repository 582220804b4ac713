// An instance of a function in a process of its own, to be killed while it works.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Context } from '@resonatehq/sdk/async'
import { node, Resonate } from '@resonatehq/sdk/http'

const { HANG = '', SECRET = '', TTL = '1000' } = process.env
const say = (line: string) => process.stdout.write(`${line}\n`)

const resonate = new Resonate({ secret: SECRET, ttl: Number(TTL) })

resonate.register('steps', async (ctx: Context) => {
  for (const step of ['first', 'second', 'third']) {
    await ctx.run(async () => {
      say(step)
      if (step === HANG) await new Promise(() => {})
    })
  }
  return 'done'
})

const server = createServer(node(resonate))
server.listen(0, '127.0.0.1', () => say(`port ${(server.address() as AddressInfo).port}`))
process.once('SIGTERM', () => void resonate.stop({ timeout: 0 }).then(() => process.exit(0)))
