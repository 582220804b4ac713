// The published SDK, unmodified, against this server: both of its styles, across processes, and through crashes.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Resonate } from 'resonate-published'
import { Resonate as AsyncResonate } from 'resonate-published/async'
import { Process, ServerProcess, until } from './processes.ts'
import { Wire } from './wire.ts'

const GROUP = 'workers'

/** A client that calls, in either style, and gives results. */
interface Caller {
  rpc(id: string, func: string, ...args: unknown[]): Promise<unknown>
  schedule(id: string, cron: string, func: string): Promise<{ delete(): Promise<void> }>
  stop(): unknown
}

const styles: Record<string, (url: string) => Caller> = {
  generators: (url) => {
    const client = new Resonate({ url, group: 'callers' })
    const options = client.options({ target: GROUP })
    return {
      rpc: (id, func, ...args) => client.rpc(id, func, ...args, options),
      schedule: (id, cron, func) => client.schedule(id, cron, func, options),
      stop: () => client.stop(),
    }
  },
  async: (url) => {
    const client = new AsyncResonate({ url, group: 'callers' })
    const options = client.options({ target: GROUP })
    return {
      rpc: async (id, func, ...args) => (await client.rpc(id, func, ...args, options)).result(),
      schedule: (id, cron, func) => client.schedule(id, cron, func, options),
      stop: () => client.stop(),
    }
  },
}

/** A client that runs `double` in its own process. */
function own(style: string, url: string): { run(id: string, n: number): Promise<number>; stop(): Promise<void> } {
  if (style === 'generators') {
    const client = new Resonate({ url, group: 'own' })
    client.register('double', (_: unknown, n: number) => n * 2)
    return { run: (id, n) => client.run<number>(id, 'double', n), stop: () => client.stop() }
  }
  const client = new AsyncResonate({ url, group: 'own' })
  client.register('double', async (_: unknown, n: number) => n * 2)
  return { run: async (id, n) => (await client.run<number>(id, 'double', n)).result(), stop: () => client.stop() }
}

for (const [style, connect] of Object.entries(styles)) {
  const open = async (t: TestContext) => {
    let caller: Caller | undefined
    // Before the server goes: a published client that is reconnecting when it is stopped never ends.
    t.after(() => caller?.stop())
    const server = await ServerProcess.start(t)
    caller = connect(server.url)
    return { server, caller, wire: new Wire(server.url) }
  }

  const worker = async (t: TestContext, server: ServerProcess, env: Record<string, string> = {}) => {
    const script = fileURLToPath(new URL(`./workers/${style}.ts`, import.meta.url))
    const started = new Process(t, [script], { RESONATE_URL: server.url, GROUP, ...env })
    await started.says('ready')
    return started
  }

  test(`published SDK, ${style}: rpc, fan-out, sleep and a person`, async (t) => {
    const { server, caller, wire } = await open(t)
    const [first] = [await worker(t, server), await worker(t, server)]
    assert.equal(await caller.rpc('greeting', 'greet', 'world'), 'hello world')
    assert.equal(await caller.rpc('greeting', 'greet', 'somebody else'), 'hello world')
    assert.equal(await caller.rpc('squares', 'fanOut', 10), 285)
    assert.equal(await caller.rpc('nap', 'nap', 150), 'rested')

    const approved = caller.rpc('approval', 'approval')
    const id = await until('the workflow waits for a person', async () => {
      const { data } = await wire.ask('promise.search', { tags: { 'resonate:parent': 'approval' } })
      return data.promises.find((promise: { id: string }) => promise.id !== 'approval')?.id as string | undefined
    })
    await wire.settle(id, Buffer.from(JSON.stringify('yes')).toString('base64'))
    assert.equal(await approved, 'yes')
    assert.ok(first)
  })

  test(`published SDK, ${style}: run in its own process`, async (t) => {
    const { server } = await open(t)
    const { stop, run } = own(style, server.url)
    try {
      assert.equal(await run('run.1', 21), 42)
    } finally {
      await stop()
    }
  })

  test(`published SDK, ${style}: a schedule fires`, async (t) => {
    const { server, caller, wire } = await open(t)
    const ticking = await worker(t, server)
    const schedule = await caller.schedule('ticks', '* * * * * *', 'tick')
    await ticking.says('step tick')
    await until('an occurrence is done', async () => {
      const { data } = await wire.ask('promise.search', { state: 'resolved', tags: { 'resonate:schedule': 'ticks' } })
      return data.promises[0]
    })
    await schedule.delete()
    assert.equal((await wire.ask('schedule.get', { id: 'ticks' })).status, 404)
  })

  test(`published SDK, ${style}: a worker is killed in the middle, and another one goes on`, async (t) => {
    const { server, caller } = await open(t)
    const victim = await worker(t, server, { HANG: 'second', TTL: '1500' })
    const done = caller.rpc('journey', 'journey')
    await victim.says('reached second')
    await victim.kill()
    const heir = await worker(t, server, { TTL: '1500' })
    assert.equal(await done, 'first second third')
    assert.deepEqual(
      heir.lines.filter((line) => line !== 'ready'),
      ['reached second', 'step third'],
    )
  })

  test(`published SDK, ${style}: the server is killed in the middle, and all goes on`, async (t) => {
    const { server, caller } = await open(t)
    const napper = await worker(t, server)
    const done = caller.rpc('nap', 'nap', 1_000)
    await until('the workflow sleeps', async () => {
      const { data } = await new Wire(server.url).ask('task.get', { id: 'nap' })
      return data.task?.state === 'suspended' ? true : undefined
    })
    await server.kill()
    await server.restart()
    assert.equal(await done, 'rested')
    assert.ok(napper)
  })
}
