// A person in the loop: the workflow waits, in no process, for a durable promise that a web form settles.

import { createServer, type IncomingMessage } from 'node:http'
import { type Context, type Info, Resonate } from '@resonatehq/sdk'

const resonate = new Resonate()

async function refund(_: Info, amount: number): Promise<string> {
  return `${amount} € are on their way`
}

resonate.register('refund', async (ctx: Context, amount: number) => {
  // The first operation of the workflow, so its id is the workflow's and ":0".
  const approved = await ctx.promise<boolean>({ timeout: 7 * 86_400_000, data: { amount } })
  return approved ? ctx.run(refund, amount) : 'refused'
})

/** Begins a refund; the same id again is the same refund. */
async function ask(id: string, form: URLSearchParams): Promise<void> {
  const week = resonate.options({ timeout: 7 * 86_400_000 })
  await resonate.beginRun(id, 'refund', Number(form.get('amount') ?? 0), week)
}

async function answer(id: string, form: URLSearchParams): Promise<void> {
  await resonate.promises.resolve(`${id}:0`, { value: form.get('answer') === 'yes' })
  await (await resonate.get(id)).result()
}

async function page(id: string): Promise<string> {
  const handle = await resonate.get<string>(id)
  if (await handle.done()) return `<p>${await handle.result()}</p>`
  return `<form method="post" action="/refunds/${id}/answer">
    <p>Refund ${id} waits for you.</p>
    <button name="answer" value="yes">Approve</button> <button name="answer" value="no">Refuse</button>
  </form>`
}

const START_PAGE = `<form method="post" action="/refunds/refund-${Date.now()}">
  <input name="amount" type="number" value="20"> <button>Ask for a refund</button>
</form>`

async function formOf(request: IncomingMessage): Promise<URLSearchParams> {
  let body = ''
  for await (const chunk of request) body += chunk
  return new URLSearchParams(body)
}

const server = createServer(async (request, response) => {
  const [, id, action] = /^\/refunds\/([\w-]+)(\/answer)?$/.exec(request.url ?? '') ?? []
  const show = (status: number, html: string) =>
    response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' }).end(`<!doctype html>${html}`)
  try {
    if (id === undefined) return show(200, START_PAGE)
    if (request.method !== 'POST') return show(200, await page(id))
    const form = await formOf(request)
    if (action) await answer(id, form)
    else await ask(id, form)
    response.writeHead(303, { location: `/refunds/${id}` }).end()
  } catch (error) {
    show(404, `<p>${(error as Error).name}: there is no such refund, or it waits for nobody.</p>`)
  }
})

server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  const { port } = server.address() as { port: number }
  console.log(`Open http://127.0.0.1:${port}`)
})
