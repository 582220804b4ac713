// The command as a process: what only a process has is its exit code, its streams and its signals. Few and slow; what a
// command does is tested without one.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { freePort } from '../../conformance/test/ports.ts'

const BIN = join(import.meta.dirname, '../bin/resonate.js')
/** The server without the command line, as images run it. */
const SERVER = join(import.meta.dirname, '../../server/src/main.ts')
const folder = mkdtempSync(join(tmpdir(), 'resonate-cli-'))
after(() => rmSync(folder, { recursive: true }))

interface Run {
  readonly child: ChildProcess
  readonly printed: { stdout: string; stderr: string }
  readonly ended: Promise<number | null>
  /** Resolves with the match once stderr has it; rejects if the process ends before. */
  says(pattern: RegExp): Promise<RegExpExecArray>
}

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Run {
  const { npm_lifecycle_event: _script, ...rest } = process.env
  const child = spawn(process.execPath, [BIN, ...args], { cwd: folder, env: { ...rest, ...env } })
  const printed = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => {
    printed.stdout += chunk
  })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  const says = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(printed.stderr)
        if (match !== null) resolve(match)
      }
      child.stderr.on('data', look)
      ended.then((code) => reject(new Error(`ended with ${code} before it said ${pattern}: ${printed.stderr}`)))
      look()
    })
  child.stderr.on('data', (chunk) => {
    printed.stderr += chunk
  })
  return { child, printed, ended, says }
}

async function run(...args: readonly string[]) {
  const { printed, ended } = start(args)
  return { code: await ended, ...printed }
}

test('the version is printed and the exit code is 0', async () => {
  const { code, stdout } = await run('--version')
  assert.deepEqual([code, /^\d+\.\d+\.\d+\n$/.test(stdout)], [0, true])
})

test('wrong usage exits 2', async () => {
  const { code, stdout, stderr } = await run('promises', 'get')
  assert.deepEqual([code, stdout], [2, ''])
  assert.match(stderr, /missing required argument 'id'/)
})

test('no server exits 1 and says how to start one', async () => {
  const nobody = `http://127.0.0.1:${await freePort()}`
  const { code, stdout, stderr } = await run('promises', 'get', 'a', '--server', nobody)
  assert.deepEqual([code, stdout], [1, ''])
  assert.equal(
    stderr,
    `Error: No server at ${nobody}: connection refused. Start one with \`resonate dev\`, or name another with --server.\n`,
  )
})

const DEV = ['dev', '--server-port', '0', '--server-bind', '127.0.0.1', '--observability-metrics-port', '0']
const RUNNING = /API\s+(http:\S+)[\s\S]*paste this[\s\S]*\n\n[\s\S]*\n\n/

test('a server says where it is, answers commands, and exits 0 on the first signal', async () => {
  const server = start(DEV)
  const [, url = ''] = await server.says(RUNNING)
  const created = await run('promises', 'create', 'a', '--timeout', '1h', '--server', url)
  assert.deepEqual([created.code, JSON.parse(created.stdout).promise.id], [0, 'a'])
  const missing = await run('promises', 'get', 'b', '--server', url)
  assert.deepEqual([missing.code, missing.stdout], [1, ''])
  server.child.kill('SIGTERM')
  assert.equal(await server.ended, 0)
})

test('a server outlives the reader of what it prints', async () => {
  const server = start([...DEV, '--level', 'debug'])
  const [, url = ''] = await server.says(RUNNING)
  server.child.stdout?.destroy()
  server.child.stderr?.destroy()
  for (const id of ['a', 'b']) {
    const { code, stderr } = await run('promises', 'create', id, '--timeout', '1h', '--server', url)
    assert.equal(code, 0, stderr)
  }
  const exited = once(server.child, 'exit')
  server.child.kill('SIGTERM')
  assert.deepEqual(await exited, [0, null])
})

const FULL = '/dev/full'
const skip = existsSync(FULL) ? false : `there is no ${FULL} here`

test('a server goes on while the disk is full that it prints to', { skip }, async (t) => {
  const port = `${await freePort()}`
  const flags = ['--server-port', port, '--server-bind', '127.0.0.1', '--observability-metrics-port', '0']
  for (const entry of [[BIN, 'dev'], [SERVER]]) {
    const full = openSync(FULL, 'w')
    const env = { ...process.env, RESONATE_STORAGE__TYPE: 'memory', RESONATE_LEVEL: 'debug' }
    const child = spawn(process.execPath, [...entry, ...flags], { cwd: folder, env, stdio: ['ignore', full, 'ignore'] })
    closeSync(full)
    t.after(() => child.kill('SIGKILL'))
    const exited = once(child, 'exit')
    while (
      !(await fetch(`http://127.0.0.1:${port}/ready`).then(
        ({ ok }) => ok,
        () => false,
      ))
    ) {
      assert.equal(child.exitCode, null, `${entry} has ended`)
    }
    child.kill('SIGTERM')
    assert.deepEqual(await exited, [0, null])
  }
})

test('a command whose output cannot be written says so, and exits 1', { skip }, async () => {
  const full = openSync(FULL, 'w')
  const child = spawn(process.execPath, [BIN, '--version'], { stdio: ['ignore', full, 'pipe'] })
  closeSync(full)
  let stderr = ''
  child.stderr?.on('data', (chunk) => {
    stderr += chunk
  })
  assert.deepEqual(await once(child, 'close'), [1, null])
  assert.equal(stderr, 'Error: the output cannot be written: ENOSPC: no space left on device, write\n')
})

test('every command that the server suggests works', async () => {
  const server = start(DEV)
  const [block = '', url = ''] = await server.says(RUNNING)
  const lines = block.split('\n').filter((line) => line.startsWith('resonate '))
  assert.ok(lines.length >= 3, block)
  for (const line of lines) {
    assert.ok(line.includes(`--server ${url}`), line)
    const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '')
    const { code, stderr } = await run(...words.slice(1))
    assert.equal(code, 0, `${line}\n${stderr}`)
  }
  server.child.kill('SIGINT')
  assert.equal(await server.ended, 0)
})

test('invoke --wait learns of the outcome from the server, and its exit code says which', async () => {
  const server = start(DEV)
  const [, url = ''] = await server.says(RUNNING)
  const outcomes = [
    ['resolve', 0, '{\n  "n": 1\n}\n'],
    ['reject', 3, '{\n  "n": 1\n}\n'],
    ['cancel', 3, '{\n  "n": 1\n}\n'],
  ] as const
  for (const [settle, code, stdout] of outcomes) {
    const waiting = start(['invoke', settle, '--func', 'f', '--wait', '--server', url])
    await created(settle, url)
    await run('promises', settle, settle, '--value', '{"n":1}', '--server', url)
    assert.deepEqual([await waiting.ended, waiting.printed.stdout], [code, stdout])
  }
  const late = start(['invoke', 'late', '--func', 'f', '--timeout', '300ms', '--wait', '--server', url])
  assert.deepEqual([await late.ended, late.printed.stdout], [4, ''])
  server.child.kill('SIGTERM')
  assert.equal(await server.ended, 0)
})

test('a server that cannot start says why and exits 1', async () => {
  const server = start(DEV)
  const [, url = ''] = await server.says(RUNNING)
  const second = await run('dev', '--server-port', new URL(url).port, '--server-bind', '127.0.0.1')
  assert.equal(second.code, 1)
  assert.match(second.stderr, /^Fatal: .*\d+/)
  server.child.kill('SIGTERM')
  await server.ended
  const wrong = await run('serve', '--server-port', 'eighty')
  assert.equal(wrong.code, 1)
  assert.match(wrong.stderr, /^Fatal: .*server-port.*eighty/)
})

/** Asks until the promise is there. */
async function created(id: string, url: string): Promise<void> {
  let code: number | null = 1
  while (code !== 0) code = (await run('promises', 'get', id, '--server', url)).code
}
