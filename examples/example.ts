// Runs an example as a reader would, from the command line. Whatever was started ends with its test.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'

/** An example says this, in this order, and ends by itself. */
export function example(name: string, says: readonly string[]): void {
  test(`the example ${name} does what its page says`, async (t) => {
    const { child, output } = start(t, name)
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
    assert.equal(code, 0, output())
    let from = 0
    for (const line of says) {
      const at = output().indexOf(line, from)
      assert.ok(at >= 0, `was to say: ${line}\nsaid:\n${output()}`)
      from = at + line.length
    }
  })
}

/** An example that serves pages, until its test is over. The url is what it says first. */
export async function serving(t: TestContext, name: string): Promise<string> {
  const { child, output } = start(t, name, { PORT: '0' })
  return new Promise((resolve, reject) => {
    child.once('close', () => reject(new Error(`it ended:\n${output()}`)))
    child.stdout?.on('data', () => {
      const url = /http:\/\/\S+/.exec(output())?.[0]
      if (url !== undefined) resolve(url)
    })
  })
}

function start(t: TestContext, name: string, env: NodeJS.ProcessEnv = {}) {
  const main = fileURLToPath(new URL(`./${name}/main.ts`, import.meta.url))
  const { RESONATE_URL: _, ...inherited } = process.env
  const child: ChildProcess = spawn(process.execPath, [main], { env: { ...inherited, ...env } })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
  t.after(() => child.kill('SIGKILL'))
  return { child, output: () => text }
}
