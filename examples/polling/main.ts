// Polling: a system that cannot call back is asked again and again. The waiting costs nothing and survives everything.

import { type Context, type Info, Resonate } from '@resonatehq/sdk'

const resonate = new Resonate()

// What stands for the other system: an export that takes three looks.
let looks = 0
async function lookAt(_: Info, job: string): Promise<{ state: 'working' | 'done'; url?: string }> {
  looks += 1
  console.log(`look ${looks} at ${job}`)
  return looks < 3 ? { state: 'working' } : { state: 'done', url: `/exports/${job}.csv` }
}

const download = resonate.register('download', async (ctx: Context, job: string) => {
  for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 60_000)) {
    const { state, url } = await ctx.run(lookAt, job)
    if (state === 'done') return url
    await ctx.sleep(waitMs)
  }
})

console.log('ready at', await download.run('download-7', 'export-7'))
await resonate.stop()
