// Log lines: levels by component, what a line says of a request, and that none holds what would open a door, no token and
// no password, wherever in a line it stands.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger, createServer, type LogOptions, loadConfig, nodePlatform } from '../src/index.ts'
import { componentOf } from '../src/log.ts'
import { ask, configOf } from './world.ts'

const TOKEN = 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ3b3JrZXItMSJ9.c2lnbmF0dXJlX29mX3RoZV90b2tlbg'

function logged(format: 'json' | 'pretty', fields: object, message: string): string {
  const lines: string[] = []
  createLogger({ level: 'debug', format, write: (line) => lines.push(line) }).info(fields, message)
  return lines.join('')
}

const LINES: readonly (readonly [where: string, fields: object, message: string])[] = [
  ['a field', { token: 'opaque-secret-1' }, 'm'],
  ['a field of a field', { head: { auth: 'opaque-secret-1' } }, 'm'],
  ['headers', { request: { headers: { authorization: 'Basic opaque-secret-1' } } }, 'm'],
  ['the message', {}, `refused ${TOKEN}`],
  ['a text among others', { reason: `Authorization: Bearer opaque-secret-1` }, 'm'],
  ['an error', { err: new Error(`bad token ${TOKEN}`) }, 'm'],
  ['a URL', { url: 'postgres://me:opaque-secret-1@db/x' }, 'm'],
]

for (const format of ['json', 'pretty'] as const) {
  for (const [where, fields, message] of LINES) {
    test(`${format}: a secret in ${where} is hidden, and the line is still readable`, () => {
      const line = logged(format, fields, message)
      assert.match(line, /\[hidden\]/)
      assert.doesNotMatch(line, /opaque-secret|c2lnbmF0dXJl|eyJzdWIi/)
      if (format === 'json') JSON.parse(line)
    })
  }
}

test('what merely looks alike stays', () => {
  assert.match(
    logged('json', { id: 'eye.of.the.tiger', url: 'http://host:8001/a@b' }, 'm'),
    /eye\.of\.the\.tiger.*8001/,
  )
})

function linesOf(options: Partial<LogOptions>): { lines: Record<string, unknown>[]; options: LogOptions } {
  const lines: Record<string, unknown>[] = []
  const write = (line: string) => void lines.push(JSON.parse(line))
  return { lines, options: { level: 'info', format: 'json', write, ...options } }
}

test('a component has its own level where one is set, and its name in every line', () => {
  const { lines, options } = linesOf({ levels: ['http=debug', 'engine=error'] })
  const logger = createLogger(options)
  for (const component of ['http', 'engine', 'push'] as const) {
    const part = componentOf(logger, component)
    part.debug({}, 'd')
    part.warn({}, 'w')
    assert.equal(part.isDebug, component === 'http')
  }
  logger.debug({}, 'd')
  assert.deepEqual(
    lines.map(({ component, level }) => [component, level]),
    [
      ['http', 'debug'],
      ['http', 'warn'],
      ['push', 'warn'],
    ],
  )
})

test('for people the component stands before the message', () => {
  const lines: string[] = []
  const logger = createLogger({ level: 'info', format: 'pretty', write: (line) => lines.push(line) })
  componentOf(logger, 'engine').info({ id: 'a' }, 'Something')
  assert.match(lines.join(''), /info {2}engine: Something {2}id=a\n$/)
})

test('while nobody reads them lines are counted and not kept; how many is said once somebody reads again', () => {
  let unreadBytes = 0
  const { lines, options } = linesOf({ unreadBytes: () => unreadBytes })
  const logger = createLogger(options)
  logger.info({}, 'before')
  unreadBytes = 8 * 1024 * 1024 + 1
  for (const part of [logger, componentOf(logger, 'http')]) part.error({}, 'lost')
  unreadBytes = 0
  logger.info({}, 'after')
  assert.deepEqual(
    lines.map(({ msg, lines: count }) => [msg, count]),
    [
      ['before', undefined],
      ['Log lines were dropped: who reads them did not keep up', 2],
      ['after', undefined],
    ],
  )
})

test('a request is logged with its kind, its correlation, the execution it is about, and why it was refused', async (t) => {
  const { lines, options } = linesOf({ levels: ['http=debug'] })
  const server = createServer(configOf(), {
    platform: nodePlatform(),
    logger: createLogger(options),
    processMetrics: false,
  })
  t.after(() => server.stop())
  const { url } = await server.start()
  await ask(url, 'task.acquire', { id: 'order-42', version: 0, pid: 'w', ttl: 1_000 })
  const { elapsedMs, at, ...line } = lines.find(({ msg }) => msg === 'Request answered') ?? {}
  assert.equal(typeof elapsedMs, 'number')
  assert.ok(at)
  assert.deepEqual(line, {
    level: 'debug',
    component: 'http',
    kind: 'task.acquire',
    corrId: 'c',
    id: 'order-42',
    pid: 'w',
    status: 404,
    reason: 'task "order-42" not found',
    msg: 'Request answered',
  })
})

test('a level of no component is refused with what there is', () => {
  const loaded = loadConfig({ flags: { 'observability.log_levels': ['htp=debug'] } })
  assert.ok('problems' in loaded)
  assert.match(
    loaded.problems.join(),
    /observability\.log_levels must hold .*http, poll, push, engine, auth.*"htp=debug"/,
  )
})
