// A server that wants tokens and speaks TLS, as a process, with all who talk to it: the published SDK, ours, and the
// command. Each is given a token for a part of the ids, and nothing more.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { JWTPayload } from 'jose'
import { makeCertificate, withoutOpenssl } from '../../server/test/certificates.ts'
import { issuerOf, sign } from '../../server/test/tokens.ts'
import { freePort } from './ports.ts'
import { Process } from './processes.ts'

const CLI = fileURLToPath(new URL('../../cli/src/main.ts', import.meta.url))
const WORKER = fileURLToPath(new URL('./workers/guarded.ts', import.meta.url))
const issuer = issuerOf('ES256')
const skip = withoutOpenssl

function token(claims: JWTPayload): Promise<string> {
  return sign(issuer, claims, { now: Date.now() })
}

async function start(t: TestContext, ...more: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'resonate-guarded-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const { cert, key, ca } = makeCertificate(folder, 'server')
  const publicKey = join(folder, 'public.pem')
  writeFileSync(publicKey, issuer.pem)
  const url = `https://localhost:${await freePort()}`
  const tls = ['--server-tls-cert', cert, '--server-tls-key', key, '--auth-publickey', publicKey]
  const flags = ['--storage-type', 'memory', '--observability-metrics-port', '0', '--server-url', url, ...tls, ...more]
  const server = new Process(t, [CLI, 'serve', '--server-port', new URL(url).port, ...flags])
  await server.says('Server listening')
  const env = { RESONATE_URL: url, NODE_EXTRA_CA_CERTS: ca }
  const command = async (auth: string, ...args: string[]) => {
    const process = new Process(t, [CLI, ...args], { ...env, RESONATE_TOKEN: auth })
    return { code: await process.exited, output: process.lines.join('\n') }
  }
  return { server, env, folder, publicKey, command }
}

for (const sdk of ['published', 'ours']) {
  test(`${sdk} SDK: a workflow runs under tokens that are good for its prefix only`, { skip }, async (t) => {
    const { server, env } = await start(t)
    const run = (auth: string, more: Record<string, string>) =>
      new Process(t, [WORKER], { ...env, SDK: sdk, RESONATE_TOKEN: auth, ...more })
    const worker = run(await token({ sub: 'worker', role: 'worker', prefix: 'acme' }), { GROUP: 'acme.workers' })
    await worker.says('ready')
    const auth = await token({ sub: 'caller', prefix: 'acme' })
    const caller = run(auth, { GROUP: 'acme.callers', CALL: 'acme.job' })
    assert.equal(await caller.says('answered'), 'answered 14')
    const foreign = run(auth, { GROUP: 'acme.callers', CALL: 'acmeevil.job' })
    assert.match(await foreign.says('failed'), /403|Forbidden|forbidden|acmeevil/)
    assert.doesNotMatch(server.lines.join('\n'), /eyJ/)
  })
}

test('a worker whose token ends goes on with the next one', { skip }, async (t) => {
  const { server, env, folder } = await start(t, '--auth-clock-skew', '0', '--level', 'debug')
  const file = join(folder, 'token')
  const claims = { sub: 'worker', role: 'worker', prefix: 'acme' }
  // However long the worker takes to connect, its token is about to end then.
  const renew = async () => writeFileSync(file, await token({ ...claims, exp: Math.floor(Date.now() / 1_000) + 2 }))
  let renewed = renew()
  await renewed
  const renewing = setInterval(() => {
    renewed = renew()
  }, 500)
  t.after(() => clearInterval(renewing))
  new Process(t, [WORKER], { ...env, SDK: 'ours', GROUP: 'acme.workers', TOKEN_FILE: file })
  await server.says('Worker connected')
  clearInterval(renewing)
  await renewed
  writeFileSync(file, await token(claims))
  await server.says('The token of a worker has expired')
  const caller = { ...env, SDK: 'ours', GROUP: 'acme.callers', CALL: 'acme.job', RESONATE_TOKEN: await token(claims) }
  assert.equal(await new Process(t, [WORKER], caller).says('answered'), 'answered 14')
})

test('the command brings its token by flag or environment, and says when it is not good', { skip }, async (t) => {
  const { command } = await start(t)
  const good = await token({ role: 'admin' })
  assert.equal((await command(good, 'promises', 'create', 'acme.x', '--timeout', '1h')).code, 0)
  assert.equal((await command('', 'promises', 'get', 'acme.x', '--token', good)).code, 0)
  const without = await command('', 'promises', 'get', 'acme.x')
  assert.equal(without.code, 1)
  assert.match(without.output, /token is required.*\(401\).*--token/)
  const foreign = await command(await token({ prefix: 'other' }), 'promises', 'get', 'acme.x')
  assert.match(foreign.output, /not for "acme\.x" \(403\)/)
})

test('SIGHUP makes the server read its key again: old tokens end', { skip }, async (t) => {
  const { server, publicKey, command } = await start(t)
  const auth = await token({ role: 'admin' })
  assert.equal((await command(auth, 'promises', 'search')).code, 0)
  writeFileSync(publicKey, issuerOf('ES256').pem)
  server.child.kill('SIGHUP')
  await server.says('Files reloaded')
  assert.match((await command(auth, 'promises', 'search')).output, /\(401\)/)
})
