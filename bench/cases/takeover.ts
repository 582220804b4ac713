// How long the work of a killed worker waits for another one, with the default grace: a raw worker process holds a task and is
// killed. The server has been up for longer than the 30 s during which it gives workers time to come back.

import { spawn } from 'node:child_process'
import type { Case } from '../case.ts'
import { Connection, createBody, envelope } from '../http-client.ts'
import { startServer } from '../processes.ts'
import { openStream } from './latency.ts'

export const takeover: Case = {
  name: 'takeover',
  meaning: 'from SIGKILL of a worker to its task at another one',
  isOwn: true,
  async run(_, { isQuick }) {
    const server = await startServer('ours')
    await new Promise((resolve) => setTimeout(resolve, isQuick ? 100 : 31_000))
    const victim = spawn(process.execPath, [
      '-e',
      `fetch('${server.url}/poll/takeover/victim').then((r) => { console.log('ready'); return r.text() })`,
    ])
    await new Promise((resolve) => victim.stdout.once('data', resolve))
    const client = await Connection.open(server.url)
    await client.post(createBody('t', { 'resonate:target': 'poll://any@takeover' }))
    await client.post(envelope('task.acquire', { id: 't', version: 0, pid: 'victim', ttl: 60_000 }))
    const heir = await openStream(server.url, 'takeover', 'heir')
    const arrived = heir.sees('t')
    const killedAt = performance.now()
    victim.kill('SIGKILL')
    const value = ((await arrived) - killedAt) / 1_000
    heir.close()
    client.close()
    await server.stop()
    return [{ case: 'takeover', what: 'killed worker to next worker', unit: 's', server: 'ours', value }]
  },
}
