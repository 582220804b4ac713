// headline.ts: a workflow that has one step done in Python and another in Rust.
import { type Context, Resonate } from '@resonatehq/sdk/async'

const resonate = Resonate.remote({ group: 'typescript' })

resonate.register('headline', async (ctx: Context, text: string) => {
  const [loud, words] = await Promise.all([
    ctx.rpc<string>('shout', text, ctx.options({ target: 'python' })),
    ctx.rpc<number>('count', text, ctx.options({ target: 'rust' })),
  ])
  return `${loud}, in ${words} words`
})
