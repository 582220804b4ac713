// Schedule: the server calls a function on a cron schedule, in UTC, whether or not this process runs at that moment.

import { type Context, type Info, Resonate } from '@resonatehq/sdk'

const TIMES = 2

const resonate = new Resonate()
const { promise: enough, resolve } = Promise.withResolvers<void>()
let reports = 0

async function collect(_: Info): Promise<number> {
  reports += 1
  return reports
}

const report = async (ctx: Context, title: string) => {
  const number = await ctx.run(collect)
  console.log(`${title}, number ${number}`)
  if (number === TIMES) resolve()
}
resonate.register('report', report)

// Six fields: the first one is seconds. Five fields begin with minutes, as everywhere.
const schedule = await resonate.schedule('reports', '* * * * * *', 'report', 'report')
await enough
await schedule.delete()
console.log('the schedule is deleted')
await resonate.stop()
