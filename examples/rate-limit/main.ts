// A client of an API with a rate limit. When the API says "later", the workflow sleeps durably and asks again; how often that
// happened is recorded, and a restart neither forgets the wait nor repeats what went through.

import { type Context, type Info, Resonate } from '@resonatehq/sdk'

const resonate = new Resonate()

/** What stands for the API: so many requests in each window, and an honest Retry-After. */
class Api {
  readonly #perWindow = 4
  readonly #windowMs = 200
  #windowAt = 0
  #used = 0

  get(path: string): { status: 200; body: string } | { status: 429; retryAfterMs: number } {
    const now = Date.now()
    if (now - this.#windowAt >= this.#windowMs) {
      this.#windowAt = now
      this.#used = 0
    }
    if (this.#used === this.#perWindow) return { status: 429, retryAfterMs: this.#windowAt + this.#windowMs - now }
    this.#used += 1
    return { status: 200, body: `contents of ${path}` }
  }
}

resonate.setDependency('api', new Api())

async function get(info: Info, path: string) {
  return (info.getDependency<Api>('api') as Api).get(path)
}

const crawl = resonate.register('crawl', async (ctx: Context, paths: string[]) => {
  const pages: string[] = []
  let waits = 0
  for (const path of paths) {
    let answer = await ctx.run(get, path)
    while (answer.status === 429) {
      waits += 1
      await ctx.sleep(answer.retryAfterMs)
      answer = await ctx.run(get, path)
    }
    pages.push(answer.body)
  }
  return { pages, waits }
})

const { pages, waits } = await crawl.run('crawl-1', [...'abcdefghij'])
console.log(`${pages.length} pages, the last is "${pages.at(-1)}"`)
console.log(waits > 0 ? 'had to wait and did' : 'never had to wait')
await resonate.stop()
