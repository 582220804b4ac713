// What tests learn of a process that is gone: its last words, how it ended, and what they waited for in vain. Nothing waits for
// what cannot come any more.

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Process } from './processes.ts'

const program = (t: TestContext, source: string) => new Process(t, ['--eval', source])

test('a line that a process did not say until its end is told with its exit code and all that it printed', async (t) => {
  const process = program(t, `console.log('one'); console.error('two'); process.exitCode = 3`)
  const problem = (error: Error) => {
    const [first, ...printed] = error.message.split('\n')
    assert.equal(first, "waited for a process to say 'ready', but it ended with exit code 3. It printed:")
    assert.deepEqual(printed.sort(), ['one', 'two'])
    return true
  }
  await assert.rejects(process.says('ready'), problem)
  await assert.rejects(process.says('ready'), problem, 'whoever asks only now is told the same')
  assert.match(await process.says('two'), /two/)
})

test('a process that was killed, or printed nothing, or was never there, is told as that', async (t) => {
  const killed = program(t, 'setInterval(() => {}, 1_000)')
  const silent = killed.says('ready')
  killed.child.kill('SIGKILL')
  await assert.rejects(silent, /but it was killed by SIGKILL\. It printed nothing\.$/)
  assert.equal(await killed.exited, null)
  const absent = new Process(t, [], {}, { command: '/nowhere/to/be/found' })
  await assert.rejects(absent.says('ready'), /but it could not be started: .*ENOENT/)
  assert.equal(await absent.exited, null)
})

test('all that a process printed is there when it has exited, however much', async (t) => {
  const lines = 20_000
  const process = program(t, `for (let n = 1; n <= ${lines}; n++) console.log('line', n)`)
  assert.equal(await process.exited, 0)
  assert.equal(process.lines.length, lines)
  assert.equal(await process.says(`line ${lines}`), `line ${lines}`)
})

test('a process is over though a child of it lives on and holds its pipes', async (t) => {
  const source = `
    const { spawn } = require('node:child_process')
    const child = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1_000)'], { stdio: 'inherit', detached: true })
    child.unref()
    console.log(child.pid)
    process.exitCode = 4`
  const parent = program(t, source)
  assert.equal(await parent.exited, 4)
  const child = Number(parent.lines[0])
  t.after(() => process.kill(child, 'SIGKILL'))
  assert.ok(process.kill(child, 0), 'the child lives')
  await assert.rejects(parent.says('ready'), { message: new RegExp(`exit code 4\\. It printed:\n${child}$`) })
})
