// That the program runs, prints a table and writes JSON. Nothing here looks at how fast anything is.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))

test('the benchmark prints tables and writes its numbers', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'resonate-bench-test-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'numbers.json')
  const args = [MAIN, '--quick', '--rounds', '1', '--only', 'engine,requests,latency', '--json', file]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  assert.match(stdout, /SQLite FULL, 64 clients/)
  assert.match(stdout, /create to execute p50/)
  const { rows, commit, machine } = JSON.parse(readFileSync(file, 'utf8'))
  assert.ok(commit.length > 0 && machine.length > 0)
  for (const row of rows) assert.ok(Number.isFinite(row.median) && row.rounds === 1, JSON.stringify(row))
})
