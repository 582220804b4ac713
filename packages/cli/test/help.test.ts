// The help: each command has one, each has an example, and every example is a line that works as it stands.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Command } from 'commander'
import { allCommands, createProgram } from '../src/program.ts'
import { group, promise, schedule, task, worker } from './records.ts'
import { createWorld, words } from './world.ts'

const everything = {
  promise: promise('a'),
  promises: [{ ...promise('a'), settledAt: 0 }],
  examined: 1,
  path: '/backups/a.db',
  bytes: 1,
  task: task('a'),
  tasks: [task('a')],
  schedule: schedule('a'),
  schedules: [schedule('a')],
  id: 'a',
  at: 0,
  steps: [{ id: 'a', state: 'pending', reason: { kind: 'unowned', until: 1 }, text: 'waits' }],
  isCircular: false,
  isCut: false,
  workers: [worker('w')],
  groups: [group('g')],
  preload: [],
  lost: [],
  action: { kind: 'promise.settle', head: { corrId: '0', status: 200, version: '2026-04-01' }, data: {} },
}

const commands = allCommands(createProgram(createWorld().io))
const leaves = commands.filter((command) => command.commands.length === 0)

for (const command of commands) {
  const path = pathOf(command)
  test(`--help of ${path.join(' ') || 'the program'} goes to stdout and exits 0`, async () => {
    const world = createWorld()
    assert.equal(await world.run(...path, '--help'), 0)
    assert.match(world.printed.stdout, /^Usage: resonate/)
    assert.equal(world.printed.stderr, '')
  })
}

for (const command of leaves.filter(isClient)) {
  const path = pathOf(command)
  test(`the example of ${path.join(' ')} is a line that works`, async () => {
    const lines = await examplesOf(path)
    assert.notEqual(lines.length, 0, 'no line starts with "  $ resonate"')
    for (const line of lines) {
      for (const tty of [false, true]) {
        const world = createWorld({ tty, answer: () => ({ status: 200, data: everything }) })
        assert.equal(await world.run(...words(line).slice(1)), 0, `${line}\n${world.printed.stderr}`)
        assert.notEqual(world.printed.stdout, '')
      }
    }
  })
}

test('every option and every command says what it is for', () => {
  for (const command of commands) {
    assert.notEqual(command.description(), '', pathOf(command).join(' '))
    for (const option of command.options) assert.notEqual(option.description, '', option.flags)
  }
})

test('commands and settings stand under headings, and no line is longer than a terminal', async () => {
  const world = createWorld()
  await world.run('--help')
  assert.match(world.printed.stdout, /\nRun a server:\n {2}serve /)
  assert.match(world.printed.stdout, /\nLook after the database:\n {2}retention /)
  assert.doesNotMatch(world.printed.stdout, /\nCommands:/)
  await world.run('serve', '--help')
  assert.match(world.printed.stdout, /\n\[server\.tls\]\n {2}--server-tls-cert <TEXT>\n {6}PEM file/)
  const [settings = ''] = world.printed.stdout.split('The headings are sections')
  for (const line of settings.split('\n')) assert.ok(line.length <= 100, line)
})

test('defaults read as they would be typed', async () => {
  const world = createWorld()
  for (const command of ['invoke', 'top', 'serve']) await world.run(command, '--help')
  for (const shown of ['(default: 1h)', '(default: 2s)', '(default: 75s)', '(default: 4MiB)'])
    assert.ok(world.printed.stdout.includes(shown), shown)
})

test('--version prints the version of the package', async () => {
  const world = createWorld()
  assert.equal(await world.run('--version'), 0)
  assert.match(world.printed.stdout, /^\d+\.\d+\.\d+\n$/)
})

test('help that is asked for by its command exits 0, and is what --help says', async () => {
  for (const [asked, flag] of [
    [['help'], ['--help']],
    [
      ['help', 'invoke'],
      ['invoke', '--help'],
    ],
    [
      ['promises', 'help'],
      ['promises', '--help'],
    ],
  ] as const) {
    const [world, other] = [createWorld(), createWorld()]
    assert.equal(await world.run(...asked), 0, asked.join(' '))
    await other.run(...flag)
    assert.equal(world.printed.stdout, other.printed.stdout)
  }
})

test('an id that begins with a dash is taken for an option, and the message says what to do', async () => {
  const world = createWorld()
  assert.equal(await world.run('promises', 'get', '-x'), 2)
  assert.match(
    world.printed.stderr,
    /unknown option '-x'\n\(what begins with a dash .* goes behind --, as in: .* -- -x\)/,
  )
  await world.run('promises', 'get', '--', '-x')
  assert.deepEqual(world.last().data, { id: '-x' })
})

test('no command at all is wrong usage, and shows the help', async () => {
  const world = createWorld()
  assert.equal(await world.run(), 2)
  assert.match(world.printed.stderr, /^Usage: resonate/)
})

async function examplesOf(path: readonly string[]): Promise<string[]> {
  const world = createWorld()
  await world.run(...path, '--help')
  return [...world.printed.stdout.matchAll(/^ {2}\$ (resonate .*)$/gm)].map(([, line]) => line ?? '')
}

function pathOf(command: Command): string[] {
  return command.parent === null ? [] : [...pathOf(command.parent), command.name()]
}

/** Commands that ask a server; the others are one. */
function isClient(command: Command): boolean {
  return command.options.some((option) => option.long === '--server')
}
