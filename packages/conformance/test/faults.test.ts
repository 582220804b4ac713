// Crashes, with real processes: what was acknowledged stays true, what was begun completes, and nothing that lives is lost.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isLong, Process, ServerProcess, until } from './processes.ts'
import { Stream, Wire } from './wire.ts'

const TARGET = 'poll://any@g'

const RAW_WORKER = fileURLToPath(new URL('./workers/raw.ts', import.meta.url))

/** How often the server is killed under one load. */
const KILLS = isLong ? 12 : 2

/** What was answered, or nothing if nothing was: then the server is down, and gets a moment before it is asked again. */
async function attempt<T>(request: () => Promise<T>): Promise<T | undefined> {
  try {
    return await request()
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 10))
    return undefined
  }
}

/** A client under load keeps what it was told; a request without an answer may or may not have happened. */
class Load {
  readonly created = new Set<string>()
  readonly settled = new Map<string, string>()
  isStopped = false
  readonly #wire: Wire
  readonly #name: string

  constructor(url: string, name: string) {
    this.#wire = new Wire(url)
    this.#name = name
  }

  async run(): Promise<void> {
    for (let n = 0; !this.isStopped; n++) {
      const id = `${this.#name}.${n}`
      if ((await attempt(() => this.#wire.create(id)))?.status === 200) this.created.add(id)
      const value = Buffer.from(id).toString('base64')
      if ((await attempt(() => this.#wire.settle(id, value)))?.status === 200) this.settled.set(id, value)
    }
  }
}

async function underLoad(url: string, during: (count: () => number) => Promise<void>): Promise<Load[]> {
  const loads = Array.from({ length: 16 }, (_, at) => new Load(url, `load-${at}`))
  const running = loads.map((load) => load.run())
  await until('the load is on', async () => (loads.every((load) => load.created.size > 5) ? true : undefined))
  await during(() => loads.reduce((sum, load) => sum + load.created.size, 0))
  for (const load of loads) load.isStopped = true
  await Promise.all(running)
  return loads
}

/** Everything that was acknowledged is still so. */
async function assertKept(url: string, loads: readonly Load[]): Promise<number> {
  const wire = new Wire(url)
  let checked = 0
  for (const { created, settled } of loads) {
    for (const id of created) {
      const { status, data } = await wire.ask('promise.get', { id })
      assert.equal(status, 200, `${id} was acknowledged and is gone`)
      const value = settled.get(id)
      if (value !== undefined) assert.deepEqual([data.promise.state, data.promise.value.data], ['resolved', value], id)
      checked++
    }
  }
  return checked
}

test('SIGKILL of the server under load loses nothing that was acknowledged', async (t) => {
  const server = await ServerProcess.start(t)
  const loads = await underLoad(server.url, async (count) => {
    for (let round = 0; round < KILLS; round++) {
      const before = count()
      await server.kill()
      await server.restart()
      await until('the load goes on', async () => (count() > before + 50 ? true : undefined))
    }
  })
  assert.ok((await assertKept(server.url, loads)) > 100)
})

test('SIGTERM under load ends with 0 and loses nothing', async (t) => {
  const server = await ServerProcess.start(t)
  const loads = await underLoad(server.url, async () => {
    assert.equal(await server.kill('SIGTERM'), 0)
  })
  await server.restart()
  assert.ok((await assertKept(server.url, loads)) > 50)
})

/** What workers were told: each claim, and each result, with who was told it. */
interface Told {
  readonly claims: Map<string, string>
  readonly results: Map<string, string>
  /** What two were told, which must never be. */
  readonly twice: string[]
}

/** A worker by hand: acquires what it is offered, and fulfils it with its own name. */
class RawWorker {
  readonly #url: string
  readonly #pid: string
  readonly #told: Told
  readonly #wire: Wire
  #stream: Stream | undefined
  #isStopped = false

  constructor(url: string, pid: string, told: Told) {
    this.#url = url
    this.#pid = pid
    this.#told = told
    this.#wire = new Wire(url)
  }

  async run(): Promise<void> {
    while (!this.#isStopped) {
      const stream = await attempt(() => Stream.open(this.#url, 'g', this.#pid, '?capacity=4'))
      this.#stream = stream
      if (this.#isStopped) stream?.close()
      for (let message = await attempt(async () => stream?.next()); message; ) {
        if (message.kind === 'execute') await this.#perform(message.data.task)
        message = await attempt(async () => stream?.next())
      }
    }
  }

  async #perform(task: { id: string; version: number }): Promise<void> {
    // Short, so that a claim whose answer was lost is soon anybody's again.
    const claim = await attempt(() => this.#wire.acquire(task, this.#pid, 1_000))
    if (claim?.status !== 200) return
    const { version } = claim.data.task
    this.#note(this.#told.claims, `${task.id} at ${version}`)
    const done = await attempt(() => this.#wire.fulfill(task.id, version, this.#pid))
    if (done?.status === 200) this.#note(this.#told.results, task.id)
  }

  #note(told: Map<string, string>, what: string): void {
    const before = told.get(what)
    if (before !== undefined) this.#told.twice.push(`${what}: ${before} and ${this.#pid}`)
    told.set(what, this.#pid)
  }

  stop(): void {
    this.#isStopped = true
    this.#stream?.close()
  }
}

test('SIGKILL of the server under a group at work: each claim is one worker’s, each result stays, all work completes', async (t) => {
  const server = await ServerProcess.start(t)
  const wire = new Wire(server.url)
  const told: Told = { claims: new Map(), results: new Map(), twice: [] }
  const workers = ['w0', 'w1', 'w2', 'w3'].map((pid) => new RawWorker(server.url, pid, told))
  const created: string[] = []
  let isCreating = true
  const create = async (name: string) => {
    for (let n = 0; isCreating; n++) {
      const id = `${name}.${n}`
      if ((await attempt(() => wire.create(id, { target: TARGET })))?.status === 200) created.push(id)
      // Not further ahead of the workers than they can follow.
      await until('the workers follow', async () => (created.length - told.results.size < 200 ? true : undefined))
    }
  }
  const running = workers.map((worker) => worker.run())
  t.after(() => {
    for (const worker of workers) worker.stop()
  })
  const creating = ['a', 'b', 'c', 'd'].map(create)
  for (let kill = 0; kill < KILLS; kill++) {
    const before = told.results.size
    await until('the group is at work', async () => (told.results.size > before + 50 ? true : undefined))
    await server.kill()
    await server.restart()
  }
  isCreating = false
  await Promise.all(creating)
  await until('all work is done', async () => {
    const { data } = await wire.ask('promise.search', { state: 'pending' })
    return data.promises.length === 0 && data.cursor === undefined ? true : undefined
  })
  for (const worker of workers) worker.stop()
  await Promise.all(running)
  assert.deepEqual(told.twice, [])
  for (const id of created) {
    const { status, data } = await wire.ask('promise.get', { id })
    assert.deepEqual([status, data.promise?.state], [200, 'resolved'], `${id} was acknowledged`)
    const by = told.results.get(id)
    if (by !== undefined) assert.equal(data.promise.value.data, by, `${id} was fulfilled by ${by}`)
  }
})

test('work that waited, was offered or was held when the server was killed is done afterwards', async (t) => {
  const server = await ServerProcess.start(t)
  const wire = new Wire(server.url)
  const first = await Stream.open(server.url, 'g', 'w')
  for (const id of ['held', 'offered']) await wire.create(id, { target: TARGET })
  await wire.create('waiting', { target: 'poll://any@later' })
  const offers = [await first.next(), await first.next()]
  assert.equal((await wire.acquire({ id: 'held', version: 0 }, 'w', 1_000)).status, 200)
  assert.equal(offers.length, 2)
  await server.kill()
  await server.restart()
  const second = await Stream.open(server.url, 'g', 'w2')
  const third = await Stream.open(server.url, 'later', 'w3')
  const got = [await second.next(), await second.next(), await third.next()]
  const ids = got.map((message) => (message.kind === 'execute' ? message.data.task.id : message.kind))
  assert.deepEqual(ids.sort(), ['held', 'offered', 'waiting'])
  for (const message of got) {
    if (message.kind !== 'execute') continue
    const { task } = message.data
    const claim = await wire.acquire(task, 'heir')
    assert.equal(claim.status, 200)
    assert.equal((await wire.fulfill(task.id, claim.data.task.version)).status, 200)
  }
  for (const stream of [second, third]) stream.close()
})

test('what was offered to a worker that is killed before it acquires goes to another one at once', async (t) => {
  const server = await ServerProcess.start(t)
  const wire = new Wire(server.url)
  const doomed = new Process(t, [RAW_WORKER], { RESONATE_URL: server.url, GROUP: 'g', PID: 'doomed' })
  await doomed.says('ready')
  await wire.create('a', { target: TARGET })
  await doomed.says('offered a')
  const other = await Stream.open(server.url, 'g', 'other')
  t.after(() => other.close())
  const startedAt = performance.now()
  await doomed.kill()
  const message = await other.next()
  // An offer alone would lapse after five seconds; the connection says it sooner.
  assert.ok(performance.now() - startedAt < 4_000)
  assert.equal(message.kind === 'execute' && message.data.task.id, 'a')
})

test('a restart of the server and a reconnect of the worker end no live lease', async (t) => {
  const server = await ServerProcess.start(t, '--tasks-disconnect-grace', '500', '--tasks-disconnect-uptime', '1500')
  const wire = new Wire(server.url)
  const stream = await Stream.open(server.url, 'g', 'w')
  await wire.create('a', { target: TARGET })
  await stream.next()
  assert.equal((await wire.acquire({ id: 'a', version: 0 }, 'w')).status, 200)
  await server.kill()
  await server.restart()
  const again = await Stream.open(server.url, 'g', 'w')
  // Another worker's lease ends for want of a connection: by then this server has looked at ours, too.
  await wire.create('b', { target: 'poll://any@other' })
  const goner = await Stream.open(server.url, 'other', 'goner')
  const offer = await goner.next()
  assert.equal(offer.kind === 'execute' && offer.data.task.id, 'b')
  assert.equal((await wire.acquire({ id: 'b', version: 0 }, 'goner')).status, 200)
  goner.close()
  await until('the lease of the worker that left has ended', async () => {
    const { data } = await wire.ask('task.get', { id: 'b' })
    return data.task.state === 'pending' ? true : undefined
  })
  assert.equal((await wire.ask('task.get', { id: 'a' })).data.task.state, 'acquired')
  again.close()
})

/** How often it kills its worker: often enough to see that the wait grows. */
const LIVES = isLong ? 7 : 5

test('a function that kills its worker every time backs off instead of taking the group along', async (t) => {
  const server = await ServerProcess.start(t, '--tasks-disconnect-grace', '50', '--tasks-disconnect-uptime', '0')
  const wire = new Wire(server.url)
  await wire.create('killer', { target: TARGET })
  const takenAt: number[] = []
  for (let life = 0; life < LIVES; life++) {
    const pid = `victim-${life}`
    const stream = await Stream.open(server.url, 'g', pid)
    const message = await stream.next()
    assert.equal(message.kind, 'execute')
    if (message.kind !== 'execute') return
    assert.equal((await wire.acquire(message.data.task, pid)).status, 200)
    takenAt.push(Date.now())
    stream.close()
  }
  const waits = takenAt.slice(1).map((at, life) => at - (takenAt[life] as number))
  // After the third lost lease in a row the task waits a second, then two, then four.
  waits.slice(2).forEach((wait, doublings) => {
    assert.ok(wait >= 1_000 * 2 ** doublings, `${waits}`)
  })
  const stream = await Stream.open(server.url, 'g', 'survivor')
  await wire.create('harmless', { target: TARGET })
  const next = await stream.next()
  assert.equal(next.kind === 'execute' && next.data.task.id, 'harmless')
  stream.close()
})
