// A worker in a process of its own, for tests that block its event loop or send it signals. Its environment says how it is made.

import { Resonate } from '@resonatehq/sdk'

const { URL = '', TTL = '60000', LAG_LIMIT, EXIT_CODE, GRACE = '10000' } = process.env
const say = (line: string) => process.stdout.write(`${line}\n`)

const resonate = new Resonate({
  url: URL,
  group: 'blocked',
  ttl: Number(TTL),
  logLevel: 'error',
  ...(LAG_LIMIT ? { lagLimit: Number(LAG_LIMIT) } : {}),
  signals: EXIT_CODE ? { timeout: Number(GRACE), exitCode: Number(EXIT_CODE) } : true,
})

resonate.register('block', (_: unknown, ms: number) => {
  say('blocking')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
  return 'blocked'
})

resonate.register('linger', async (_: unknown, ms: number) => {
  say('lingering')
  await new Promise((resolve) => setTimeout(resolve, ms))
  return 'lingered'
})

process.once('SIGTERM', () => say('stopping'))
say('ready')
if (process.env.RUN_ID) void resonate.run(process.env.RUN_ID, 'block', Number(process.env.RUN_MS)).catch(() => {})
