// The thread that renews leases while the event loop of its process is blocked. It does nothing while that loop turns, since
// then the loop renews by itself; and it stops when the loop has not turned for so long that others had better have the work.
// It must never renew for a process whose stillness has passed the limit, and never keep a process alive.

import { parentPort, workerData } from 'node:worker_threads'
import type { Door } from './platform.ts'
import { agentHttp, monotonicMs, type PacemakerData, SHARED } from './platform-node.ts'

const { pid, ttlMs, lagLimitMs, shared, ...given } = workerData as PacemakerData
const cells = new BigInt64Array(shared)
const http = agentHttp()
let door: Door = given
let beatAt = 0

// Posted while the loop turned. One that is blocked posts none, and its last token has to do.
parentPort?.on('message', (renewed: Door) => {
  door = renewed
})

/** How long the loop has been still, ms, where it is to be renewed for; null where it is not. */
function stillness(now: number): number | null {
  const stillMs = now - Number(Atomics.load(cells, SHARED.turnedAt))
  const isHolding = Atomics.load(cells, SHARED.tasks) > 0n
  return isHolding && stillMs > ttlMs / 8 && stillMs <= lagLimitMs && now - beatAt >= ttlMs / 3 ? stillMs : null
}

async function beat(lagMs: number): Promise<void> {
  const tasks = Number(Atomics.load(cells, SHARED.tasks))
  const vitals = { lagMs, rssBytes: process.memoryUsage.rss(), tasks }
  // An empty list: every task that this process holds.
  const envelope = {
    kind: 'task.heartbeat',
    head: { ...door.head, corrId: 'thread', 'resonate:worker': vitals },
    data: { pid, tasks: [] },
  }
  try {
    const { url, headers } = door
    await http.request(url, { method: 'POST', headers, body: JSON.stringify(envelope), timeoutMs: ttlMs / 4 })
  } catch {
    // Asked again at the next look.
    beatAt = 0
  }
}

setInterval(() => {
  const now = monotonicMs()
  const lagMs = stillness(now)
  if (lagMs === null) return
  beatAt = now
  void beat(lagMs)
}, ttlMs / 8)
