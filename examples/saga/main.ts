// Saga: each step that succeeded is undone, the last one first, when a later one fails for good.

import { type Context, type Info, Never, Resonate } from '@resonatehq/sdk'

const resonate = new Resonate()

async function book(_: Info, what: string): Promise<string> {
  console.log(`book ${what}`)
  return `${what}-42`
}

async function cancel(_: Info, booking: string): Promise<void> {
  console.log(`cancel ${booking}`)
}

async function pay(_: Info, amount: number): Promise<string> {
  if (amount > 1_000) throw new Error('the card was declined')
  console.log(`pay ${amount}`)
  return 'receipt-1'
}

const travel = resonate.register('travel', async (ctx: Context, amount: number) => {
  const bookings: string[] = []
  try {
    bookings.push(await ctx.run(book, 'flight'))
    bookings.push(await ctx.run(book, 'hotel'))
    return await ctx.run(pay, amount, ctx.options({ retryPolicy: new Never() }))
  } catch (error) {
    // Recorded like every other step: a crash in the middle of the undoing is no problem either.
    for (const booking of bookings.reverse()) await ctx.run(cancel, booking)
    throw error
  }
})

console.log(await travel.run('travel-1', 500))
await travel.run('travel-2', 5_000).catch((error) => console.log(`not traveling: ${error.message}`))
await resonate.stop()
