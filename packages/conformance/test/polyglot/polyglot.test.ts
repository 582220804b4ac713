// The published SDKs of other languages, unmodified, against this server: each alone, and calling each other through it.
// A language whose SDK is not installed is skipped, and the skip says how to get it.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Resonate } from '@resonatehq/sdk/async'
import { snippetsOf } from '../../../../scripts/snippets.ts'
import { issuerOf, sign } from '../../../server/test/tokens.ts'
import { CLI, Process, ServerProcess, until } from '../processes.ts'
import { Wire } from '../wire.ts'
import { type Language, page, python, rust, typescript } from './languages.ts'

const newest = python('0.8.1')
const PUBLISHED = [newest, python('0.7.4'), rust]
/** What must come back as it went, whoever carries it. */
const VALUE = { list: [1, null, 2.5, 'ü☃'], exact: Number.MAX_SAFE_INTEGER, flag: true, nested: { empty: {} } }

const issuer = issuerOf('ES256')

/** A server, and a client of ours that calls functions by name. */
async function open(t: TestContext, { flags = [] as string[], token = '' } = {}) {
  const clients: Resonate[] = []
  // Registered before the server's end, so that no client looks for a server that is gone.
  t.after(() => Promise.all(clients.map((client) => client.stop())))
  const server = await ServerProcess.start(t, ...flags)
  const client = new Resonate({ url: server.url, group: 'acme.callers', ...(token === '' ? {} : { token }) })
  clients.push(client)
  const call = async (id: string, target: string, func: string, ...args: unknown[]): Promise<unknown> =>
    (await client.rpc(id, func, ...args, client.options({ target }))).result()
  return { server, call, wire: new Wire(server.url) }
}

/** A process of a language's program; with arguments it is a caller. */
function start(t: TestContext, server: ServerProcess, language: Language, { env = {}, args = [] as string[] } = {}) {
  const [command, ...first] = language.command
  const settings = { RESONATE_URL: server.url, GROUP: language.name, ...env }
  return new Process(t, [...first, ...args], settings, { command })
}

async function worker(t: TestContext, server: ServerProcess, language: Language, env: Record<string, string> = {}) {
  const started = start(t, server, language, { env })
  await started.says('ready')
  return started
}

/** What a program of a language prints that calls one function, in a process of its own. */
async function called(t: TestContext, server: ServerProcess, language: Language, mode: string, id: string, env = {}) {
  const caller = start(t, server, language, { env, args: [mode, id, 'hello', '"caller"'] })
  const line = await caller.says('result ')
  assert.equal(await caller.exited, 0, caller.lines.join('\n'))
  return JSON.parse(line.slice('result '.length))
}

for (const language of PUBLISHED) {
  const { title, name } = language
  const skip = language.missing ?? false

  test(`${title}: a call, a fan-out over its group, a sleep, and values that come back as they went`, {
    skip,
  }, async (t) => {
    const { server, call } = await open(t)
    await Promise.all([worker(t, server, language), worker(t, server, language)])
    assert.equal(await call('hello', name, 'hello', 'world'), `hello world, from ${name}`)
    assert.equal(await call('squares', name, 'fan_out', 10), 285)
    assert.equal(await call('nap', name, 'nap', 150), 'rested')
    assert.deepEqual(await call('echo', name, 'echo', VALUE), VALUE)
  })

  test(`${title}: its own programs call, and run in their own process`, { skip }, async (t) => {
    const { server } = await open(t)
    await worker(t, server, language)
    assert.equal(await called(t, server, language, 'rpc', 'elsewhere'), `hello caller, from ${name}`)
    assert.equal(await called(t, server, language, 'run', 'here'), `hello caller, from ${name}`)
  })

  test(`${title}: an error ends a call with its message`, { skip }, async (t) => {
    const { server, call } = await open(t)
    await worker(t, server, language)
    await assert.rejects(call('misfortune', name, 'misfortune', 'no luck'), /no luck/)
  })

  test(`${title}: a promise is settled from the command line`, { skip }, async (t) => {
    const { server, call } = await open(t)
    const waiting = await worker(t, server, language)
    const approved = call('approval', name, 'approval')
    const id = (await waiting.says('waiting ')).slice('waiting '.length)
    const command = new Process(t, [CLI, 'promises', 'resolve', id, '--value', '{"by": "Ada"}', '--server', server.url])
    assert.equal(await command.exited, 0, command.lines.join('\n'))
    assert.deepEqual(await approved, { by: 'Ada' })
  })

  test(`${title}: a worker is killed in the middle, and another one finishes`, { skip }, async (t) => {
    const { server, call } = await open(t)
    const victim = await worker(t, server, language, { HANG: 'second', TTL: '1500' })
    const done = call('journey', name, 'journey')
    await victim.says('step second')
    await victim.kill()
    const heir = await worker(t, server, language)
    assert.equal(await done, 'first second third')
    assert.deepEqual(
      heir.lines.filter((line) => line.startsWith('step')),
      ['step second', 'step third'],
    )
  })

  test(`${title}: with a token it works where its token allows, and nowhere else`, { skip }, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'resonate-polyglot-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const key = join(folder, 'public.pem')
    writeFileSync(key, issuer.pem)
    const token = await sign(issuer, { sub: 'worker', role: 'worker', prefix: 'acme' }, { now: Date.now() })
    const { server, call } = await open(t, { flags: ['--auth-publickey', key], token })
    const env = { RESONATE_TOKEN: token, GROUP: 'acme.workers' }
    await worker(t, server, language, env)
    assert.equal(await call('acme.squares', 'acme.workers', 'fan_out', 4), 14)
    assert.equal(await called(t, server, language, 'rpc', 'acme.greeting', env), `hello caller, from ${name}`)
    const foreign = start(t, server, language, { env, args: ['rpc', 'other.greeting', 'hello', '"caller"'] })
    await foreign.says('403')
  })

  test(`${title}: the server is killed while a workflow sleeps, and its worker comes back`, { skip }, async (t) => {
    const { server, call, wire } = await open(t)
    await worker(t, server, language)
    const done = call('nap', name, 'nap', 1_000)
    await until('the workflow sleeps', async () => {
      const { data } = await wire.ask('task.get', { id: 'nap' })
      return data.task?.state === 'suspended' ? true : undefined
    })
    await server.kill()
    await server.restart()
    assert.equal(await done, 'rested')
  })
}

const together = [typescript, newest, rust]
for (const caller of together) {
  for (const callee of together.filter((other) => other !== caller)) {
    const skip = caller.missing ?? callee.missing ?? false
    test(`a workflow of ${caller.title} calls functions of ${callee.title}`, { skip }, async (t) => {
      const { server, call, wire } = await open(t)
      await Promise.all([worker(t, server, caller), worker(t, server, callee)])
      const { name } = callee
      const ask = (id: string, func: string, arg: unknown) => call(id, caller.name, 'ask', name, func, arg)
      assert.equal(await ask('greeting', 'hello', caller.name), `hello ${caller.name}, from ${name}`)
      assert.deepEqual(await ask('values', 'echo', VALUE), VALUE)
      assert.equal(await ask('nested', 'fan_out', 4), 14)
      await assert.rejects(ask('misfortune', 'misfortune', 'no luck'), /no luck/)

      const detached = await call('leave', caller.name, 'leave', name, 'somebody')
      await until('the detached call is done', async () => {
        const { data } = await wire.ask('promise.get', { id: detached })
        return data.promise?.state === 'resolved' ? true : undefined
      })
    })
  }
}

const gone = python('0.6.7', 'python/gone.py')
test(`${gone.title}, which speaks an older API, says what to update to`, { skip: gone.missing ?? false }, async (t) => {
  const { server } = await open(t)
  const program = start(t, server, gone)
  const [line] = await Promise.all([program.says('Update the SDK'), program.exited])
  assert.match(line, /\[100\.41000\].* Python 0\.7/)
})

const absent = page.map(({ missing }) => missing).find((missing) => missing !== null)
test('the workers that docs/languages.md shows work together', { skip: absent ?? false }, async (t) => {
  const { server, call } = await open(t)
  for (const language of page) start(t, server, language)
  assert.equal(await call('headline', 'typescript', 'headline', 'It works'), 'IT WORKS, in 2 words')
})

test('docs/languages.md shows these workers as they are', () => {
  const text = readFileSync(new URL('../../../../docs/languages.md', import.meta.url), 'utf8')
  const shown = snippetsOf(text).filter(({ marks }) => marks.file !== undefined)
  assert.deepEqual(shown.map(({ marks }) => marks.file).sort(), ['count.rs', 'headline.ts', 'shout.py'])
  for (const { marks, text } of shown) {
    assert.equal(text, readFileSync(new URL(`./page/${marks.file}`, import.meta.url), 'utf8'), marks.file)
  }
})
