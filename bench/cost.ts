// What work costs the servers and the database in processor time. Programs that share the machine disturb it far less than they
// disturb how fast the work goes.

import { readFileSync } from 'node:fs'
import type { PostgresServer } from '../packages/store/test/postgres-server.ts'
import type { Started } from './processes.ts'

export interface Place {
  readonly servers: readonly Started[]
  readonly postgres: PostgresServer | null
}

export interface Cost {
  readonly perSecond: number
  /** Of one request or workflow, in all servers together. NaN where this system does not tell. */
  readonly serverUs: number
  readonly databaseUs: number
}

/** `run` gives how many it has done a second. */
export async function costOf({ servers, postgres }: Place, run: () => Promise<number>): Promise<Cost> {
  const used = () => [processorMs(servers.map(({ pid }) => pid)), processorMs(postgres?.pids() ?? [])] as const
  const [before, startedAt] = [used(), performance.now()]
  const perSecond = await run()
  const count = (perSecond * (performance.now() - startedAt)) / 1_000
  const after = used()
  const [serverUs, databaseUs] = [(1_000 * (after[0] - before[0])) / count, (1_000 * (after[1] - before[1])) / count]
  return { perSecond, serverUs, databaseUs }
}

function processorMs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + processorMsOf(pid), 0)
}

/** In hundredths of a second on every Linux, after a name that may hold anything. */
function processorMsOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')
    return 10 * (Number(fields?.[11]) + Number(fields?.[12]))
  } catch {
    return Number.NaN
  }
}
