// Runs the tests of the whole repository, or of the files and folders that are named, through Node's own runner.
//
//   node scripts/test.ts                     everything
//   node scripts/test.ts packages/cli        what lies under a folder
//   node scripts/test.ts --test-name-pattern='a deadline wins'
//   node scripts/test.ts --long              of those, what has more to do then: more seeds, longer faults
//
// It must never hide a failure: the exit code is the runner's, and so are the last lines of the output.

import { spawn } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative, sep } from 'node:path'

const ROOT = join(import.meta.dirname, '..')
const PATTERNS = [
  'packages/*/test/**/*.test.ts',
  'scripts/*.test.ts',
  'bench/*.test.ts',
  'examples/**/*.test.ts',
] as const

/** How long one test may take before it counts as hung. */
const TEST_TIMEOUT_MS = { short: 240_000, long: 1_500_000 }

/** The test files under the given paths, or all; sorted, so that every run starts them in the same order. */
export function testFiles(root: string, paths: readonly string[]): string[] {
  const all = PATTERNS.flatMap((pattern) => globSync(pattern, { cwd: root }))
    .filter((file) => !file.split(sep).includes('node_modules'))
    .sort()
  if (paths.length === 0) return all
  const wanted = paths.map((path) => relative(root, join(process.cwd(), path)))
  return all.filter((file) => wanted.some((path) => path === '' || file === path || file.startsWith(path + sep)))
}

/** By its text: a test asks the variable itself, or what is named after it. */
function doesMoreInLongRuns(file: string): boolean {
  return /\b(?:RESONATE_TEST_LONG|isLong)\b/.test(readFileSync(join(ROOT, file), 'utf8'))
}

function main(args: readonly string[]): void {
  const long = args.includes('--long')
  const rest = args.filter((arg) => arg !== '--long')
  const paths = rest.filter((arg) => !arg.startsWith('-'))
  const flags = rest.filter((arg) => arg.startsWith('-'))
  const missing = paths.find((path) => !existsSync(path))
  const files = testFiles(ROOT, paths).filter((file) => !long || doesMoreInLongRuns(file))
  if (missing !== undefined) {
    refuse(`${missing} does not exist. Name a test file or a folder, or a flag as --flag=value.`)
  } else if (files.length === 0) {
    const which = long ? 'test files that do more in a long run' : 'test files (*.test.ts)'
    refuse(`No ${which} under ${paths.join(', ') || ROOT}.`)
  } else {
    run(long, flags, files)
  }
}

function run(long: boolean, flags: readonly string[], files: readonly string[]): void {
  const runner = spawn(
    process.execPath,
    [
      '--test',
      '--test-reporter=spec',
      `--test-concurrency=${Math.min(availableParallelism(), 4)}`,
      `--test-timeout=${long ? TEST_TIMEOUT_MS.long : TEST_TIMEOUT_MS.short}`,
      ...flags,
      ...files,
    ],
    { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...(long ? { RESONATE_TEST_LONG: '1' } : {}) } },
  )
  runner.on('exit', (code, signal) => {
    if (signal !== null) console.error(`The test runner was ended by ${signal}.`)
    process.exitCode = code ?? 1
  })
}

function refuse(message: string): void {
  console.error(message)
  process.exitCode = 2
}

if (import.meta.main) main(process.argv.slice(2))
