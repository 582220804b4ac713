// TLS over real sockets: what is spoken, what is not, and certificates that are replaced while the server runs.

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import https, { type RequestOptions } from 'node:https'
import { connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { freePort } from '../../conformance/test/ports.ts'
import { createServer, type Logger, nodePlatform, silentLogger } from '../src/index.ts'
import { type Certificate, makeCertificate, withoutOpenssl } from './certificates.ts'
import { configOf, create, envelope } from './world.ts'

const folder = mkdtempSync(join(tmpdir(), 'resonate-tls-'))
after(() => rmSync(folder, { recursive: true }))

const [first, second] = withoutOpenssl ? [] : [makeCertificate(folder, 'first'), makeCertificate(folder, 'second')]
const skip = withoutOpenssl

/** A server with the files of a certificate, which a test may replace. */
async function start(t: TestContext, { flags = {}, logger = silentLogger }: { flags?: object; logger?: Logger } = {}) {
  const own = mkdtempSync(join(folder, 'server-'))
  const files = { cert: join(own, 'cert.pem'), key: join(own, 'cert.key') }
  const use = ({ cert, key }: Certificate) => {
    copyFileSync(cert, files.cert)
    copyFileSync(key, files.key)
  }
  use(first as Certificate)
  const tls = { 'server.tls.cert': files.cert, 'server.tls.key': files.key, 'server.reload_interval': 0 }
  const config = configOf({ ...tls, 'observability.metrics_port': await freePort(), ...flags })
  const server = createServer(config, { platform: nodePlatform(), logger, processMetrics: false })
  t.after(() => server.stop())
  const started = await server.start()
  return { server, files, use, url: started.url, metricsUrl: started.metricsUrl as string }
}

function ask(url: string, options: RequestOptions, body = ''): Promise<{ status: number; text: string; cn: string }> {
  return new Promise((resolve, reject) => {
    const request = https.request(url, { agent: false, ...options }, (response: IncomingMessage) => {
      const { subject } = (response.socket as TLSSocket).getPeerCertificate()
      let text = ''
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text, cn: String(subject.CN) }))
    })
    request.on('error', reject)
    request.end(body)
  })
}

const ca = (certificate: Certificate | undefined) => readFileSync((certificate as Certificate).ca)

test('with a certificate both ports speak TLS, and workers are told an https URL', { skip }, async (t) => {
  const { url, metricsUrl } = await start(t)
  assert.match(url, /^https:/)
  const body = JSON.stringify(envelope('promise.create', create('a')))
  assert.equal((await ask(url, { method: 'POST', ca: ca(first) }, body)).status, 200)
  const { status, text } = await ask(metricsUrl, { ca: ca(first) })
  assert.deepEqual([status, text.startsWith('# HELP')], [200, true])
})

test('who does not know the authority is not talked into trusting it', { skip }, async (t) => {
  const { url } = await start(t)
  await assert.rejects(ask(`${url}/health`, { ca: ca(second) }), /certificate/)
})

test('what is not TLS is hung up on, and the next client is served', { skip }, async (t) => {
  const { url } = await start(t)
  await assert.rejects(fetch(`${url.replace('https', 'http')}/health`))
  assert.equal((await ask(`${url}/health`, { ca: ca(first) })).status, 200)
})

test('versions of TLS below the setting are refused', { skip }, async (t) => {
  const { url } = await start(t, { flags: { 'server.tls.min_version': '1.3' } })
  await assert.rejects(ask(`${url}/health`, { ca: ca(first), maxVersion: 'TLSv1.2' }), /protocol version|alert/i)
  assert.equal((await ask(`${url}/health`, { ca: ca(first), minVersion: 'TLSv1.3' })).status, 200)
})

test('a replaced certificate is shown to new connections, and open ones go on', { skip }, async (t) => {
  const { server, url, metricsUrl, use } = await start(t)
  const worker = await stream(t, `${url}/poll/g/w`, ca(first))
  use(second as Certificate)
  server.reload()
  assert.equal((await ask(`${url}/health`, { ca: ca(second) })).cn, 'second')
  assert.equal((await ask(metricsUrl, { ca: ca(second) })).cn, 'second')
  const task = create('a', { 'resonate:target': 'poll://any@g' })
  const told = worker.hears('execute')
  await ask(url, { method: 'POST', ca: ca(second) }, JSON.stringify(envelope('promise.create', task)))
  assert.match(await told, /"serverUrl":"https:/)
})

test('a replacement that cannot be used is logged once, and what was read before stays in use', { skip }, async (t) => {
  const errors: string[] = []
  const logger = { ...silentLogger, error: (_: object, message: string) => void errors.push(message) }
  const { server, url, use, files } = await start(t, { logger })
  copyFileSync((second as Certificate).cert, files.cert)
  for (let i = 0; i < 3; i++) server.reload()
  rmSync(files.key)
  server.reload()
  assert.equal(errors.length, 2, errors.join('\n'))
  for (const error of errors) assert.match(error, /server\.tls\.cert and server\.tls\.key .*stays in use/)
  assert.equal((await ask(`${url}/health`, { ca: ca(first) })).cn, 'first')
  use(second as Certificate)
  server.reload()
  assert.equal((await ask(`${url}/health`, { ca: ca(second) })).cn, 'second')
})

test('a key of another certificate is refused at the start, also one of another algorithm', { skip }, async (t) => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const path = join(folder, 'other.key')
  for (const key of [readFileSync((second as Certificate).key, 'utf8'), pem]) {
    writeFileSync(path, key)
    await assert.rejects(start(t, { flags: { 'server.tls.key': path } }), /server\.tls\.cert and server\.tls\.key /)
  }
})

test('files are looked at by themselves, as often as the setting says', { skip }, async (t) => {
  const reloaded = Promise.withResolvers<void>()
  const logger = {
    ...silentLogger,
    info: (_: object, message: string) => message === 'Files reloaded' && reloaded.resolve(),
  }
  const { url, use } = await start(t, { flags: { 'server.reload_interval': 5 }, logger })
  use(second as Certificate)
  await reloaded.promise
  assert.equal((await ask(`${url}/health`, { ca: ca(second) })).cn, 'second')
})

test('a stop does not wait for who never finishes a handshake', { skip }, async (t) => {
  const { server, url } = await start(t)
  const { port } = new URL(url)
  const silent = connectTcp(Number(port), '127.0.0.1')
  t.after(() => silent.destroy())
  await new Promise((resolve) => silent.once('connect', resolve))
  // Accepted before it, so the server knows of the silent one once this one is through.
  await ask(`${url}/health`, { ca: ca(first) })
  const closed = new Promise((resolve) => silent.once('close', resolve))
  silent.resume()
  await server.stop()
  await closed
})

test('a stop ends the streams of workers in good order', { skip }, async (t) => {
  const { server, url } = await start(t)
  const worker = await stream(t, `${url}/poll/g/w`, ca(first))
  await server.stop()
  await worker.ended
})

const USELESS: readonly (readonly [
  what: string,
  spoil: (files: { cert: string; key: string }) => void,
  why: RegExp,
])[] = [
  ['the key of another certificate', ({ key }) => copyFileSync((second as Certificate).key, key), /mismatch/],
  ['no certificate in its file', ({ cert }) => writeFileSync(cert, 'hello'), /no certificate/],
  ['no key in its file', ({ key }) => writeFileSync(key, 'hello'), /server\.tls\.key/],
  ['no file', ({ key }) => rmSync(key), /ENOENT/],
]

for (const [what, spoil, why] of USELESS) {
  test(`a server does not start with ${what}`, { skip }, async () => {
    const own = mkdtempSync(join(folder, 'spoilt-'))
    const files = { cert: join(own, 'cert.pem'), key: join(own, 'cert.key') }
    copyFileSync((first as Certificate).cert, files.cert)
    copyFileSync((first as Certificate).key, files.key)
    spoil(files)
    const config = configOf({ 'server.tls.cert': files.cert, 'server.tls.key': files.key })
    const server = createServer(config, { platform: nodePlatform(), logger: silentLogger, processMetrics: false })
    await assert.rejects(
      server.start(),
      (error: Error) => why.test(error.message) && /server\.tls\.cert/.test(error.message),
    )
  })
}

/** A worker connection by hand, open until the test ends. */
async function stream(t: TestContext, url: string, authority: Buffer) {
  const { port, pathname } = new URL(url)
  const socket = connectTls({ host: '127.0.0.1', port: Number(port), servername: 'localhost', ca: authority })
  t.after(() => socket.destroy())
  let received = ''
  let heard = () => {}
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    received += chunk
    heard()
  })
  const ended = new Promise<void>((resolve) => socket.once('end', resolve))
  const hears = async (text: string): Promise<string> => {
    while (!received.includes(text)) await new Promise<void>((resolve) => (heard = resolve))
    return received
  }
  socket.write(`GET ${pathname} HTTP/1.1\r\nhost: x\r\n\r\n`)
  await hears('200 OK')
  return { hears, ended }
}
