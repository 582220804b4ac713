// What the published SDK exports can be imported from here, in a shape that code written for it compiles against; what cannot is
// listed in the README with its reason, and nothing else is missing.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as ours from '@resonatehq/sdk'
import * as oursAsync from '@resonatehq/sdk/async'
import * as theirs from 'resonate-published'
import * as theirsAsync from 'resonate-published/async'
import { emitDeclarations } from '../../../scripts/build.ts'
import { exportsOf } from '../../../scripts/declarations.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const PUBLISHED = join(ROOT, 'node_modules/resonate-published/dist/src')
const folder = mkdtempSync(join(tmpdir(), 'resonate-declarations-'))
after(() => rmSync(folder, { recursive: true }))

/** The names in the table of the README's section. */
function listed(): string[] {
  const readme = readFileSync(join(ROOT, 'packages/sdk/README.md'), 'utf8')
  const section = readme.split('## What is not here')[1]?.split('\n## ')[0] ?? ''
  const cells = [...section.matchAll(/^\| (`.*?) \|/gm)].map(([, cell = '']) => cell)
  return cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name)).sort()
}

test('what the published SDK exports is exported here, but for what the README lists with its reason', () => {
  emitDeclarations(folder)
  const packages = { '@resonatehq/protocol': join(folder, 'protocol/src/index.d.ts') }
  const missing = (published: string, own: string) => {
    const names = new Set(exportsOf(join(folder, 'sdk/src', own), packages).map(({ name }) => name))
    return exportsOf(join(PUBLISHED, published)).filter(({ name }) => !names.has(name))
  }
  const all = [...missing('index.d.ts', 'index.d.ts'), ...missing('async/index.d.ts', 'async.d.ts')]
  assert.deepEqual([...new Set(all.map(({ name }) => name))].sort(), listed())
})

test('values that both export are of one kind', () => {
  for (const [mine, published] of [
    [ours, theirs],
    [oursAsync, theirsAsync],
  ] as const) {
    for (const [name, value] of Object.entries(published)) {
      if (listed().includes(name)) continue
      const own = (mine as Record<string, unknown>)[name]
      assert.equal(typeof own, typeof value, name)
    }
  }
})

test('a workflow of the async entry can be given operations that a test makes', async () => {
  const made = new oursAsync.DurablePromise('id', Promise.resolve(3))
  assert.deepEqual([made.id, made instanceof oursAsync.DurablePromise, await made], ['id', true, 3])
  assert.equal(await new oursAsync.DurablePromise('', Promise.reject(new Error('no'))).catch(() => 'caught'), 'caught')
  for (const other of [Promise.resolve(3), null, { id: 'id' }])
    assert.equal((other as unknown) instanceof oursAsync.DurablePromise, false)
})

/** What the compiler has to say about these programs. */
function compiled(name: string, options: object, include: readonly string[]): string {
  const config = join(folder, `${name}.json`)
  const compilerOptions = { typeRoots: [join(ROOT, 'node_modules/@types')], ...options }
  const settings = { extends: join(ROOT, 'tsconfig.json'), compilerOptions, include }
  writeFileSync(config, JSON.stringify(settings))
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  return spawnSync(process.execPath, [tsc, '-p', config], { encoding: 'utf8' }).stdout
}

for (const [name, root, async] of [
  ['the published SDK', join(PUBLISHED, 'index.d.ts'), join(PUBLISHED, 'async/index.d.ts')],
  ['this one', join(ROOT, 'packages/sdk/src/index.ts'), join(ROOT, 'packages/sdk/src/async.ts')],
] as const)
  test(`programs that use all that the published SDK declares compile against ${name}`, () => {
    const paths = { '@resonatehq/sdk': [root], '@resonatehq/sdk/async': [async] }
    // The strictest of what programs are compiled with.
    const said = compiled(
      name,
      { paths, exactOptionalPropertyTypes: true },
      globSync(join(ROOT, 'packages/sdk/test/programs/*.ts')),
    )
    assert.deepEqual(
      said.split('\n').filter((line) => line.includes('test/programs/')),
      [],
    )
  })

test('whatever a program exports without saying its type has one that can be imported', () => {
  const app = join(folder, 'app')
  mkdirSync(join(app, 'node_modules/@resonatehq'), { recursive: true })
  for (const name of ['sdk', 'protocol', 'store', 'engine'])
    symlinkSync(join(ROOT, 'packages', name), join(app, 'node_modules/@resonatehq', name))
  writeFileSync(join(app, 'package.json'), JSON.stringify({ type: 'module' }))
  copyFileSync(join(ROOT, 'packages/sdk/test/programs/inferred.ts'), join(app, 'inferred.ts'))
  const emitted = { noEmit: false, declaration: true, emitDeclarationOnly: true, outDir: join(app, 'out') }
  const said = compiled('app/tsconfig', { preserveSymlinks: true, ...emitted }, ['inferred.ts'])
  assert.deepEqual(
    said.split('\n').filter((line) => line.includes('inferred.ts')),
    [],
  )
  assert.match(readFileSync(join(app, 'out/inferred.d.ts'), 'utf8'), /import\("@resonatehq\/sdk"\)\.DetachedInvocation/)
})

// Whether the types agree, the compiler tells (`npm run check`): `Fits<A, B>` is an error unless an A can be given where a B is asked for.
type Fits<A extends B, B> = A

/** What users write themselves and hand over, as the published SDK has it. */
export type Given = [
  Fits<theirs.Logger, ours.Logger>,
  Fits<theirs.Encryptor, ours.Encryptor>,
  Fits<theirs.Encryptor, ours.AsyncEncryptor>,
  Fits<theirs.RetryPolicy, ours.RetryPolicy>,
  Fits<theirs.HttpAdapter, ours.HttpAdapter>,
  Fits<theirs.Network, ours.AnyNetwork>,
  Fits<theirs.LogLevel, ours.LogLevel>,
  Fits<ConstructorParameters<typeof theirs.Resonate>[0], ours.ResonateOptions | undefined>,
  Fits<ConstructorParameters<typeof theirsAsync.Resonate>[0], ours.ResonateOptions | undefined>,
  Fits<theirs.PromiseCreateReq, ours.PromiseCreateReq>,
  Fits<theirs.TaskCreateReq, ours.TaskCreateReq>,
  Fits<theirs.TaskFenceReq, ours.TaskFenceReq>,
  Fits<theirs.TaskSuspendReq, ours.TaskSuspendReq>,
  Fits<theirs.ScheduleCreateReq, ours.ScheduleCreateReq>,
  Fits<theirs.PromiseRecord, ours.PromiseRecord>,
  Fits<theirs.ScheduleRecord, ours.ScheduleRecord>,
  Fits<theirs.Message, ours.Message>,
  Fits<theirs.Request['kind'], ours.Request['kind']>,
]

/** What users get and hand on, typed as the published SDK has it. */
export type Gotten = [
  Fits<ours.PromiseRecord, theirs.PromiseRecord>,
  Fits<ours.TaskRecord, theirs.TaskRecord>,
  Fits<ours.ScheduleRecord, theirs.ScheduleRecord>,
  Fits<ours.ExecuteMsg, theirs.ExecuteMsg>,
  Fits<ours.UnblockMsg, theirs.UnblockMsg>,
  Fits<ours.Value, theirs.Value>,
  Fits<ours.Message, theirs.Message>,
  Fits<ours.Encryptor, theirs.Encryptor>,
  Fits<ours.Logger, theirs.Logger>,
  Fits<ours.ResonateHandle<number>, theirs.ResonateHandle<number>>,
  Fits<ours.RetryPolicy, theirs.RetryPolicy>,
  Fits<ours.ConsoleLogger, theirs.Logger>,
  Fits<ours.PromiseCreateReq, theirs.PromiseCreateReq>,
  Fits<ours.TaskAcquireReq, theirs.TaskAcquireReq>,
  Fits<ours.Request['kind'], theirs.Request['kind']>,
  Fits<ours.Network, ours.AnyNetwork>,
  Fits<oursAsync.DurablePromise<number>, Promise<number>>,
  Fits<oursAsync.Info, theirsAsync.Info>,
]
