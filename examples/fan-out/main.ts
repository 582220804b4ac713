// Fan-out: many steps at once, and their results together. One that fails does not take the others with it.

import { type Context, type Info, Never, Resonate } from '@resonatehq/sdk'

const resonate = new Resonate()

async function resize(_: Info, picture: string): Promise<string> {
  if (picture.endsWith('.txt')) throw new Error(`${picture} is no picture`)
  return `small-${picture}`
}

const album = resonate.register('album', async (ctx: Context, pictures: string[]) => {
  const once = ctx.options({ retryPolicy: new Never() })
  const outcomes = await Promise.allSettled(pictures.map((picture) => ctx.run(resize, picture, once)))
  return {
    resized: outcomes.filter((outcome) => outcome.status === 'fulfilled').map(({ value }) => value),
    refused: outcomes.filter((outcome) => outcome.status === 'rejected').map(({ reason }) => reason.message),
  }
})

const { resized, refused } = await album.run('album-1', ['sea.jpg', 'notes.txt', 'hills.jpg'])
console.log('resized:', resized.join(', '))
console.log('refused:', refused.join(', '))
await resonate.stop()
