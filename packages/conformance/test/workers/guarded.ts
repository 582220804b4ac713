// A worker, or a caller, of a server that wants a token and speaks TLS, on either SDK. Who it believes comes from
// NODE_EXTRA_CA_CERTS, as with any program on Node.

import { readFileSync } from 'node:fs'
import { type Context, Resonate } from '@resonatehq/sdk'
import { Resonate as PublishedResonate } from 'resonate-published'

const { RESONATE_URL: url, RESONATE_TOKEN, TOKEN_FILE, SDK, GROUP: group, CALL } = process.env
/** A file that is replaced before its token ends, as a sidecar does it. */
const token = TOKEN_FILE === undefined ? RESONATE_TOKEN : () => readFileSync(TOKEN_FILE, 'utf8')
// One surface: what is used here is the same in both.
const Client = (SDK === 'published' ? PublishedResonate : Resonate) as typeof Resonate
const resonate = new Client({ url, token, group })

if (CALL === undefined) {
  resonate.register('square', (_: Context, n: number) => n * n)
  resonate.register('squares', function* (ctx: Context, n: number) {
    let sum = 0
    for (let i = 0; i < n; i++) sum += yield* ctx.rpc<number>('square', i, ctx.options({ target: group }))
    yield* ctx.sleep(5)
    return yield* ctx.run((_: Context, total: number) => total, sum)
  })
  console.log('ready')
} else {
  try {
    const answer = await resonate.rpc(CALL, 'squares', 4, resonate.options({ target: 'acme.workers' }))
    console.log(`answered ${answer}`)
  } catch (error) {
    console.log(`failed ${error} ${(error as Error).cause ?? ''}`)
  }
  process.exit()
}
