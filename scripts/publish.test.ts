// What is published works where it lands: every package is packed, and the tarballs are installed in an empty folder, where the
// README's first function runs on them, its types are checked, test runners use the testing kit, and a bundler makes a program
// for browsers. It takes the registry for what our packages depend on, so it is part of the long tests.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, type TestContext, test } from 'node:test'
import { isLong, Process } from '../packages/conformance/test/processes.ts'
import { build, published, publishedManifest } from './build.ts'
import { snippetsOf } from './snippets.ts'

const ROOT = join(import.meta.dirname, '..')
/** Only here, since nothing else of ours is made or tested with them; Express is for its example, the compiler for its older ways. */
const OTHERS = ['vitest@5.1.1', 'jest@30.5.2', 'express@5.3.0', 'typescript@5.9.3'] as const

const folder = mkdtempSync(join(tmpdir(), 'resonate-published-'))
const app = join(folder, 'app')
after(() => rmSync(folder, { recursive: true }))

test('each package is published with the entries that it has, as JavaScript', () => {
  const table = { '.': './src/index.ts', './package.json': './package.json' }
  const manifest = { name: 'a', exports: table, imports: { '#b': { browser: './src/c.ts', default: 'd' } } }
  assert.deepEqual(publishedManifest({ ...manifest, files: ['src'], scripts: {}, devDependencies: {} }), {
    name: 'a',
    exports: {
      '.': {
        import: { types: './src/index.d.ts', default: './src/index.js' },
        require: { types: './src/index.d.cts', default: './src/index.js' },
      },
      './package.json': './package.json',
    },
    main: './src/index.js',
    types: './src/index.d.cts',
    imports: { '#b': { browser: './src/c.js', default: 'd' } },
  })
  for (const name of ['cli', 'engine', 'protocol', 'sdk', 'server', 'store'])
    assert.ok(published().includes(name), name)
})

suite('installed from tarballs', { skip: isLong ? false : 'it installs from the registry: npm run test:long' }, () => {
  before(() => {
    const tarballs = join(folder, 'tarballs')
    for (const path of [tarballs, app]) mkdirSync(path)
    npm(['pack', '--pack-destination', tarballs, ...build(join(folder, 'dist'))], folder)
    writeFileSync(join(app, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
    const packed = globSync('*.tgz', { cwd: tarballs }).map((name) => join(tarballs, name))
    npm(['install', '--prefer-offline', '--no-audit', '--no-fund', ...packed, ...OTHERS], app)
  })

  test('the first function of the README runs as TypeScript and as JavaScript, called from the command line', async (t) => {
    const source = firstFunction()
    write('order.ts', source)
    write('order.js', stripTypeScriptTypes(source))
    for (const worker of ['order.ts', 'order.js']) {
      const url = await startServer(t)
      const process = new Process(t, [join(app, worker)], { RESONATE_URL: url })
      await process.says('ready')
      const call = ['resonate', 'invoke', 'order-1', '--func', 'processOrder', '--arg', 'order-1', '--wait']
      assert.match(run('npx', [...call, '--server', url]), /parcel of order-1/, worker)
      assert.match(run('npx', ['resonate', 'tree', 'order-1', '--server', url]), /charge/, worker)
      await process.kill()
    }
  })

  test('its types are whole: every declaration compiles, and so does a program that relies on them', () => {
    write('order.ts', firstFunction())
    write('typed.ts', TYPED)
    const options = { strict: true, module: 'nodenext', target: 'es2024', noEmit: true, skipLibCheck: false, types: [] }
    write('tsconfig.json', JSON.stringify({ compilerOptions: options, files: ['order.ts', 'typed.ts'] }))
    run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json'])
  })

  for (const module of ['commonjs', 'node16', 'nodenext'] as const)
    test(`a program that is compiled to CommonJS has the types, and runs: module ${module}`, () => {
      write(`${module}/package.json`, '{}')
      write(`${module}/typed.ts`, TYPED)
      write(`${module}/main.ts`, REQUIRED)
      const flags = ['--strict', '--target', 'es2022', '--module', module]
      const files = [`${module}/main.ts`, `${module}/typed.ts`]
      run(process.execPath, ['node_modules/typescript/bin/tsc', ...flags, ...files])
      assert.match(readFileSync(join(app, module, 'main.js'), 'utf8'), /require\(/)
      assert.match(run(process.execPath, [`${module}/main.js`]), /paid 4200 function/)
    })

  test('a server inside the process keeps its work in a file', () => {
    write('local.js', LOCAL)
    for (let times = 1; times <= 2; times++) assert.match(run(process.execPath, ['local.js']), /^hello world$/m)
  })

  test('every example runs as its page says', () => {
    // The demo is of the repository: it starts the server from there.
    const isKept = (path: string) => !path.includes('/demo')
    cpSync(join(ROOT, 'examples'), join(app, 'examples'), { recursive: true, filter: isKept })
    const tests = globSync('examples/**/*.test.ts', { cwd: app })
    assert.ok(tests.length >= 12, `${tests.length} examples`)
    run(process.execPath, ['--test', ...tests])
  })

  for (const runner of ['node:test', 'vitest', '@jest/globals'] as const) {
    test(`the testing kit works under ${runner}`, () => {
      const name = runner.replaceAll(/\W/g, '')
      write(`kit-${name}/reminder.test.js`, kitTest(runner))
      const output = run(process.execPath, runnerArgs(runner, `kit-${name}`))
      assert.match(output, /(?:pass 2|2 passed)/)
    })
  }

  test('a bundle for browsers holds nothing of Node, and runs where there is none of it', async (t) => {
    write('browser.js', BROWSER)
    write('bundle.js', BUNDLE)
    run(process.execPath, ['bundle.js'])
    const bundles = globSync('bundle/**/*.js', { cwd: app })
    for (const path of bundles) assert.doesNotMatch(readFileSync(join(app, path), 'utf8'), /["'`]node:/, path)
    const url = await startServer(t)
    write('bare.js', `delete globalThis.process; globalThis.SERVER = '${url}'; await import('./bundle/browser.js')`)
    const bare = new Process(t, [join(app, 'bare.js')])
    await bare.says('remote: HELLO')
    await bare.says('local: HELLO')
    await bare.says('file: This bundle of @resonatehq/sdk was made for browsers')
  })
})

function firstFunction(): string {
  const snippets = snippetsOf(readFileSync(join(ROOT, 'README.md'), 'utf8'))
  const source = snippets.find(({ marks }) => marks.file === 'order.ts')
  assert.ok(source, 'README.md has a snippet that is kept as order.ts')
  return source.text
}

const TYPED = `
import { type Context, Resonate, type ResonateHandle, type Network, type Logger } from '@resonatehq/sdk'
import { Resonate as AsyncResonate } from '@resonatehq/sdk/async'
import { Resonate as CalledResonate } from '@resonatehq/sdk/http'
import { World } from '@resonatehq/sdk/testing'

function charge(_: unknown, cents: number): { paid: number } {
  return { paid: cents }
}
const resonate: Resonate = new World().resonate()
const pay = resonate.register('pay', function* (ctx: Context, cents: number) {
  const { paid } = yield* ctx.run(charge, cents)
  return paid
})
export const paid: Promise<number> = pay.run('pay-1', 4200)
// @ts-expect-error: an argument of another type
export const refused = pay.run('pay-2', '4200')
export const handle: Promise<ResonateHandle<{ paid: number }>> = new AsyncResonate().run('pay-3', charge, 1)
export type Ports = Network | Logger
export const called = new CalledResonate({ trusted: true }).handler
`

const REQUIRED = `
import { type Context, Resonate } from '@resonatehq/sdk'
import { World } from '@resonatehq/sdk/testing'
const world = new World()
const pay = world.resonate().register('pay', function* (ctx: Context, cents: number) {
  return yield* ctx.run(() => cents)
})
void world.until(pay.run('pay-1', 4200)).then(async (paid: number) => {
  console.log('paid', paid, typeof Resonate)
  await world.stop()
})
`

const LOCAL = `
import { Resonate } from '@resonatehq/sdk'
const resonate = Resonate.local({ path: 'app.db' })
const hello = resonate.register('hello', function* (ctx, name) {
  return yield* ctx.run(() => 'hello ' + name)
})
console.log(await hello.run('hello-1', 'world'))
await resonate.stop()
`

function kitTest(runner: string): string {
  return `
import { test${runner === 'node:test' ? '' : ', expect'} } from '${runner}'
import { World } from '@resonatehq/sdk/testing'
${runner === 'node:test' ? "import { deepEqual } from 'node:assert/strict'" : 'const deepEqual = (a, b) => expect(a).toEqual(b)'}

function reminding(world, pid, said) {
  const resonate = world.resonate({ pid })
  resonate.register('reminder', async (ctx) => {
    await ctx.run(function first() { said.push('first') })
    await ctx.sleep({ for: 30 * 86_400_000 })
    await ctx.run(function second() { said.push('second') })
    return said.length
  })
  return resonate
}

test('a month passes in no time', async () => {
  const world = new World()
  const said = []
  const resonate = reminding(world, 'w1', said)
  const year = resonate.options({ timeout: 365 * 86_400_000 })
  deepEqual(await world.until(resonate.rpc('r-1', 'reminder', year)), 2)
  deepEqual(said, ['first', 'second'])
  await world.stop()
})

test('a crash repeats no step that was done', async () => {
  const world = new World()
  const said = []
  const caller = world.resonate({ group: 'callers' })
  reminding(world, 'w1', said)
  const result = caller.rpc('r-1', 'reminder', caller.options({ timeout: 365 * 86_400_000 }))
  await world.pass(86_400_000)
  world.crash('w1')
  reminding(world, 'w2', said)
  await world.until(result)
  deepEqual(said, ['first', 'second'])
  await world.stop()
})
`
}

function runnerArgs(runner: string, path: string): string[] {
  if (runner === 'node:test') return ['--test', `${path}/reminder.test.js`]
  if (runner === 'vitest') return ['node_modules/vitest/vitest.mjs', 'run', '--dir', path]
  return ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', '--rootDir', path]
}

const BROWSER = `
import { Resonate } from '@resonatehq/sdk'

async function shout(name, options) {
  const resonate = new Resonate(options)
  resonate.register('shout', async (ctx, text) => ctx.run(() => text.toUpperCase()))
  console.log(name + ': ' + (await resonate.run('shout-' + name, 'shout', 'hello')))
  await resonate.stop()
}

await shout('remote', { url: globalThis.SERVER })
await shout('local', {})
const file = Resonate.local({ path: 'app.db' })
file.register('idle', () => 1)
await file.run('idle-1', 'idle').catch((error) => console.log('file: ' + error.message))
await file.stop()
`

/** Vite comes with one of the runners. */
const BUNDLE = `
import { build } from 'vite'
await build({
  logLevel: 'error',
  configFile: false,
  build: { outDir: 'bundle', target: 'es2024', lib: { entry: 'browser.js', formats: ['es'], fileName: 'browser' } },
})
`

async function startServer(t: TestContext): Promise<string> {
  const flags = ['dev', '--server-port', '0', '--server-bind', '127.0.0.1', '--observability-metrics-port', '0']
  const server = new Process(t, [join(app, 'node_modules/.bin/resonate'), ...flags])
  const line = await server.says('Server listening')
  const url = /http:\/\/[\w.]+:\d+/.exec(line)?.[0]
  assert.ok(url, line)
  return url
}

function write(path: string, text: string): void {
  mkdirSync(join(app, path, '..'), { recursive: true })
  writeFileSync(join(app, path), text)
}

function npm(args: readonly string[], cwd: string): string {
  return run('npm', args, cwd)
}

/** What it printed, in both ways, which is the message where it fails. */
function run(command: string, args: readonly string[], cwd: string = app): string {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const path = `${join(ROOT, 'node_modules/.bin')}:${env.PATH}`
  const options = { cwd, encoding: 'utf8', env: { ...env, PATH: path, CI: '1' } } as const
  const { status, stdout, stderr } = spawnSync(command, args, options)
  const output = `${stdout}${stderr}`
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}\n${output}`)
  return output
}
