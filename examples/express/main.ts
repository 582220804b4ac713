// A web service on Express: POST begins an order at once and answers 202; GET tells how it stands. The id comes from the client,
// so that a repeated request begins nothing twice.

import { type Context, type Info, Resonate } from '@resonatehq/sdk'
import express from 'express'

const resonate = new Resonate()

async function charge(_: Info, amount: number): Promise<string> {
  return `charged ${amount}`
}

const order = resonate.register('order', async (ctx: Context, amount: number) => {
  const receipt = await ctx.run(charge, amount)
  await ctx.sleep(100)
  return { receipt, shipped: true }
})

const app = express()
app.use(express.json())

app.put('/orders/:id', async (request, response) => {
  const { id } = request.params
  await order.beginRun(id, Number(request.body.amount))
  response.status(202).location(`/orders/${id}`).json({ id })
})

app.get('/orders/:id', async (request, response) => {
  const handle = await resonate.get(request.params.id).catch(() => null)
  if (!handle) response.status(404).json({ error: `There is no order ${request.params.id}: PUT it first.` })
  else if (await handle.done()) response.json({ state: 'done', ...(await handle.result()) })
  else response.json({ state: 'pending' })
})

/** Waits for the end of the order, however often the client has to come back. */
app.get('/orders/:id/result', async (request, response) => {
  const handle = await resonate.get(request.params.id)
  response.json(await handle.result())
})

const server = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  const { port } = server.address() as { port: number }
  console.log(`PUT http://127.0.0.1:${port}/orders/1 with {"amount": 20}`)
})
