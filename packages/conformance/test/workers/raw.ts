// A worker without an SDK: takes what it is offered, says so, and never acquires it. The test kills it there.

import { Stream } from '../wire.ts'

const { RESONATE_URL: url, GROUP: group, PID: pid } = process.env
const stream = await Stream.open(url as string, group as string, pid as string)
console.log('ready')
for (;;) {
  const message = await stream.next()
  if (message.kind === 'execute') console.log(`offered ${message.data.task.id}`)
}
