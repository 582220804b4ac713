// A client of a deployment, run on a host of its network: calls `work` of a group many times, checks every result, and prints
// as JSON how many calls each worker had a part in.
//
//   node client.ts URL GROUP CALLS

import { Resonate } from '@resonatehq/sdk'

const [url = '', group = '', calls = '1'] = process.argv.slice(2)
const steps = 3

const resonate = Resonate.remote({ url, group: 'clients' })
const options = resonate.options({ target: group })
const ids = Array.from({ length: Number(calls) }, (_, at) => `${calls}-calls.${at}`)
const results = await Promise.all(ids.map((id) => resonate.rpc<string[]>(id, 'work', { steps, stepMs: 20 }, options)))

const parts = new Map<string, number>()
for (const result of results) {
  if (result.length !== steps) throw new Error(`a call of ${steps} steps resulted in ${JSON.stringify(result)}`)
  for (const worker of new Set(result.map((said) => said.replace(/^.* by /, ''))))
    parts.set(worker, (parts.get(worker) ?? 0) + 1)
}
console.log(JSON.stringify(Object.fromEntries(parts)))
await resonate.stop()
