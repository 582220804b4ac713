// Measures, prints tables and writes JSON. `npm run bench -- --help` says how it can be asked.
//
// Every number is the median of several rounds; the rounds of all servers and cases take turns, so that a machine that
// changes its speed does so for all of them. Absolute numbers are of this machine; compare within one run.

import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import type { Case, Sample, Settings, Target } from './case.ts'
import { cluster } from './cases/cluster.ts'
import { connections } from './cases/connections.ts'
import { engine } from './cases/engine.ts'
import { growth } from './cases/growth.ts'
import { latency } from './cases/latency.ts'
import { postgres } from './cases/postgres.ts'
import { requests } from './cases/requests.ts'
import { sdk } from './cases/sdk.ts'
import { takeover } from './cases/takeover.ts'
import { workflows } from './cases/workflows.ts'
import { startServer } from './processes.ts'
import { summarize, table } from './table.ts'

const CASES: readonly Case[] = [
  engine,
  requests,
  latency,
  workflows,
  sdk,
  takeover,
  growth,
  postgres,
  cluster,
  connections,
]

const HELP = `Usage: npm run bench -- [options]

  --only NAME,…     cases: ${CASES.map(({ name }) => name).join(', ')}
  --rounds N        rounds of each, of which the median is shown (default 3)
  --url URL         another server to measure beside ours, in turns; repeatable
  --sdk NAME        ours or published: the SDK of the workflows (default ours; published where --url is given)
  --quick           short rounds, for trying it out
  --json FILE       where the numbers go (default bench/results/local-<time>.json)
`

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    url: { type: 'string', multiple: true, default: [] },
    sdk: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) console.log(HELP)
else await main()

async function main(): Promise<void> {
  const rounds = Number(values.rounds)
  const sdk = values.sdk ?? (values.url.length > 0 ? 'published' : 'ours')
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds takes a whole number above 0, got ${values.rounds}`)
  if (sdk !== 'ours' && sdk !== 'published') throw new Error(`--sdk takes ours or published, got ${sdk}`)
  const cases = chosen(values.only)
  const samples = await measure(cases, rounds, { isQuick: values.quick, sdk })
  const rows = summarize(samples)
  for (const { name, meaning } of cases)
    console.log(
      table(
        `${name}: ${meaning}`,
        rows.filter((row) => belongs(row.case, name)),
      ),
    )
  write({ machine: machine(), commit: commit(), at: new Date().toISOString(), rounds, quick: values.quick, rows })
}

/** Memory is measured along with the requests. */
function belongs(row: string, name: string): boolean {
  return row === name || (row === 'memory' && name === 'requests')
}

function chosen(only: string | undefined): readonly Case[] {
  if (only === undefined) return CASES
  const names = only.split(',')
  const unknown = names.find((name) => !CASES.some((one) => one.name === name))
  if (unknown !== undefined) throw new Error(`there is no case ${unknown}: ${CASES.map(({ name }) => name).join(', ')}`)
  return CASES.filter(({ name }) => names.includes(name))
}

async function measure(cases: readonly Case[], rounds: number, settings: Settings): Promise<Sample[]> {
  const samples: Sample[] = []
  const shared = cases.filter(({ isOwn }) => !isOwn)
  const ours = shared.length > 0 ? await startServer('ours') : null
  const others = values.url.map((url): Target => ({ name: new URL(url).host, url, pid: null }))
  const targets: Target[] = ours ? [ours, ...others] : others
  for (let round = 1; round <= rounds; round++) {
    for (const one of cases) {
      process.stderr.write(`round ${round} of ${rounds}: ${one.name}\n`)
      if (one.isOwn) samples.push(...(await one.run(null, settings)))
      else for (const target of targets) samples.push(...(await one.run(target, settings)))
    }
  }
  await ours?.stop()
  return samples
}

function machine(): string {
  return `${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}

function write(result: object): void {
  const file = values.json ?? new URL(`./results/local-${Date.now()}.json`, import.meta.url).pathname
  mkdirSync(new URL('./results/', import.meta.url), { recursive: true })
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`)
  console.log(`\n${machine()}\nwritten to ${file}`)
}
