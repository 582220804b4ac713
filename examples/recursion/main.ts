// Recursive fan-out: a function that calls itself through the server, so that every worker of the group takes part. Start this
// file in several terminals with the same RESONATE_URL to see them share the work.

import { type Context, type Info, Resonate } from '@resonatehq/sdk'

const PIECE = 25

const resonate = new Resonate({ group: 'primes' })

async function countHere(_: Info, from: number, to: number): Promise<number> {
  let count = 0
  for (let n = Math.max(from, 2); n < to; n++) if (isPrime(n)) count += 1
  return count
}

function isPrime(n: number): boolean {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false
  return true
}

const primes = resonate.register('primes', async (ctx: Context, from: number, to: number): Promise<number> => {
  if (to - from <= PIECE) return ctx.run(countHere, from, to)
  const middle = Math.floor((from + to) / 2)
  const halves = [ctx.rpc<number>('primes', from, middle), ctx.rpc<number>('primes', middle, to)]
  const [low = 0, high = 0] = await Promise.all(halves)
  return low + high
})

console.log('primes below 200:', await primes.run('primes-200', 0, 200))
await resonate.stop()
