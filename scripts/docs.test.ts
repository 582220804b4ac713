// Runs the documentation. Every page is a story told in fenced snippets, and each kind of snippet is tried:
//
//   json, toml   must be readable; toml must be settings that the server knows
//   sh           each line is run, as written, against a server of the page's own
//   ts           is run as a program, unless the comment above it names a file to keep it in
//
// An HTML comment right above a snippet says more:
//
//   <!-- not run: reason -->      leave it alone, and why
//   <!-- file: worker.ts -->      keep the snippet under this name for the commands that follow
//   <!-- background -->           the command goes on running until the page ends
//   <!-- prints: text -->         its output must contain this
//   <!-- again until: text -->    it is run until its output contains this, as a person would who is too early
//
// It must never need anything from outside this repository.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { test } from 'node:test'
import { createServer, loadConfig, nodePlatform, openEngine, silentLogger } from '@resonatehq/server'
import { sidebar } from '../docs/.vitepress/sidebar.ts'
import { referencePages } from './reference.ts'
import { type Snippet, snippetsOf } from './snippets.ts'

const ROOT = join(import.meta.dirname, '..')
/** Pages of the site, which is built with tools of its own. */
const SITE = globSync('docs/**/*.md', { cwd: ROOT, exclude: ['docs/node_modules/**'] }).sort()
const PACKAGES = globSync('packages/*/README.md', { cwd: ROOT }).sort()
const PAGES = ['README.md', ...PACKAGES, ...SITE]

/** A command that takes longer is ended, and counts as failed. */
const COMMAND_TIMEOUT_MS = 60_000
const ATTEMPTS_MAX = 30

/** A folder inside the repository, so that snippets find the packages; a server; and what runs in the background. */
interface Stage {
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
  readonly background: ChildProcess[]
}

for (const page of PAGES) {
  const text = readFileSync(join(ROOT, page), 'utf8')
  const snippets = toldSnippets(text)

  if (snippets.length === 0) continue

  test(`${page} is true`, async (t) => {
    const config = configOf({ 'server.port': 0, 'observability.metrics_port': 0, 'storage.type': 'memory' })
    const server = createServer(config, { platform: nodePlatform(), logger: silentLogger, openEngine })
    const { url } = await server.start()
    const stage = prepare(url)
    try {
      let works = true
      for (const snippet of snippets) {
        const reason = snippet.marks['not run']
        const name = `line ${snippet.line}: ${snippet.text.split('\n')[0]?.slice(0, 80)}`
        const skip = reason ?? (works ? false : 'a snippet before it failed')
        if (!skip) works = false
        await t.test(name, { skip }, async () => {
          await tryOut(snippet, stage)
          works = true
        })
      }
    } finally {
      for (const child of stage.background) end(child)
      await server.stop()
      rmSync(stage.folder, { recursive: true })
    }
  })
}

for (const [name, text] of Object.entries(referencePages())) {
  test(`docs/${name} is what the code says`, () => {
    const written = readFileSync(join(ROOT, 'docs', name), 'utf8')
    assert.equal(written, text, 'Run: node scripts/reference.ts')
  })
}

test('every page of the site is in its sidebar', () => {
  const listed = sidebar.flatMap(({ items }) => items.map(({ link }) => `docs${link}.md`))
  assert.deepEqual(listed.sort(), SITE.filter((page) => page !== 'docs/index.md').sort())
})

test('every link of the documentation leads to a file', () => {
  const pages = [...PAGES, 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'AGENTS.md', 'STYLE.md', 'CHANGELOG.md']
  const broken = pages.flatMap((page) =>
    [...proseOf(readFileSync(join(ROOT, page), 'utf8')).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)]
      .map(([, path = '']) => path)
      .filter((path) => !existsSync(join(ROOT, dirname(page), path)))
      .map((path) => `${page} → ${path}`),
  )
  assert.deepEqual(broken, [])
})

test('every program of the documentation has the types that its reader would be told of', (t) => {
  const folder = mkdtempSync(join(ROOT, '.docs-'))
  t.after(() => rmSync(folder, { recursive: true }))
  for (const page of PAGES) {
    for (const { language, text, line, marks } of toldSnippets(readFileSync(join(ROOT, page), 'utf8')))
      if (language === 'ts' && marks['not run'] === undefined)
        writeFileSync(join(folder, `${page.replaceAll(/\W/g, '_')}_${line}.ts`), text)
  }
  const options = { noEmit: true, skipLibCheck: true, incremental: false }
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: '../tsconfig.json', compilerOptions: options, include: ['*.ts'] }),
  )
  const { status, stdout } = spawnSync(
    process.execPath,
    [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', folder],
    {
      encoding: 'utf8',
    },
  )
  assert.equal(status, 0, stdout)
})

test('a reader is told under which name a snippet is kept: the comment that says so is not shown', () => {
  const untold = PAGES.flatMap((page) => {
    const text = readFileSync(join(ROOT, page), 'utf8')
    return snippetsOf(text)
      .filter(({ line, marks: { file }, text: snippet }) => {
        const before = text
          .split('\n')
          .slice(0, line - 1)
          .join('\n')
          .replaceAll(/<!--.*-->/g, '')
        const paragraph = before.trim().split('\n\n').at(-1) ?? ''
        return file !== undefined && !`${paragraph}\n${snippet.split('\n')[0]}`.includes(file)
      })
      .map(({ marks: { file } }) => `${page}: ${file}`)
  })
  assert.deepEqual(untold, [])
})

test('every link to a heading finds it, on the site and in the repository', () => {
  const broken = [...PAGES, 'CONTRIBUTING.md', 'CHANGELOG.md'].flatMap((page) =>
    [...proseOf(wholeText(page)).matchAll(/\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)/g)].flatMap(
      ([, path = '', anchor = '']) => {
        const target = path === '' ? page : join(dirname(page), path)
        const headings = target.endsWith('.md') && existsSync(join(ROOT, target)) ? headingsOf(wholeText(target)) : []
        const makers = SITE.includes(target) ? [siteAnchor, repositoryAnchor] : [repositoryAnchor]
        const isThere = headings.some((text) => makers.every((anchorOf) => anchorOf(text) === anchor))
        return isThere ? [] : [`${page} → ${path}#${anchor}`]
      },
    ),
  )
  assert.deepEqual(broken, [])
})

test('every link of the home page leads to a page of the site, and to a heading of it', () => {
  const links = [...readFileSync(join(ROOT, 'docs/index.md'), 'utf8').matchAll(/\blink: (\/[\w-]+)(?:#([\w-]+))?/g)]
  const broken = links.filter(([, page, anchor]) => {
    const path = `docs${page}.md`
    if (!SITE.includes(path)) return true
    return anchor !== undefined && !headingsOf(wholeText(path)).some((text) => siteAnchor(text) === anchor)
  })
  assert.ok(links.length > 0)
  assert.deepEqual(
    broken.map(([link]) => link),
    [],
  )
})

/** A page as the site shows it: with what it includes of other files. */
function wholeText(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8').replaceAll(
    /<!--@include: ([\w./-]+)(?:#(\w+)|\{(\d+),\})? -->/g,
    (_, path, region, from) => {
      const text = readFileSync(join(ROOT, dirname(page), path), 'utf8')
      if (from !== undefined)
        return text
          .split('\n')
          .slice(Number(from) - 1)
          .join('\n')
      if (region === undefined) return text
      const part = text.split(`<!-- #region ${region} -->`)[1]?.split(`<!-- #endregion ${region} -->`)[0]
      assert.ok(part, `${path} has a region ${region}, which ${page} includes`)
      return part
    },
  )
}

function headingsOf(page: string): string[] {
  return [...proseOf(page).matchAll(/^#{1,6} (.+)$/gm)].map(([, text = '']) => text.replaceAll('`', ''))
}

/** As VitePress makes them. */
function siteAnchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[\s~`!@#$%^&*()\-_+=[\]{}|\\;:"'“”‘’<>,.?/]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
}

/** As a forge makes them of a file in the repository. */
function repositoryAnchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-')
}

/** The snippets of a page that tells a story. What a script writes from the code has a test of its own. */
function toldSnippets(page: string): Snippet[] {
  return page.startsWith('<!-- Written by scripts/') ? [] : snippetsOf(page)
}

/** A page without its snippets. */
function proseOf(page: string): string {
  return page.replaceAll(/^ *```[\s\S]*?^ *```$/gm, '')
}

test('snippets are found with their marks', () => {
  const page = 'text\n\n<!-- file: a.ts -->\n<!-- prints: 1 -->\n```ts\nconsole.log(1)\n```\n\n```\nplain\n```\n'
  assert.deepEqual(snippetsOf(page), [
    { language: 'ts', text: 'console.log(1)\n', line: 5, marks: { file: 'a.ts', prints: '1' } },
  ])
})

function prepare(url: string): Stage {
  const folder = mkdtempSync(join(ROOT, '.docs-'))
  // A test that a page shows runs as anywhere, and not as part of this one.
  const { npm_lifecycle_event: _script, NODE_TEST_CONTEXT: _test, ...env } = process.env
  const path = [join(ROOT, 'node_modules/.bin'), process.env.PATH].join(delimiter)
  return { folder, env: { ...env, PATH: path, RESONATE_URL: url }, background: [] }
}

async function tryOut(snippet: Snippet, stage: Stage): Promise<void> {
  const { language, text, marks } = snippet
  switch (language) {
    case 'json':
      JSON.parse(text)
      return
    case 'toml':
      configOf({}, text)
      return
    case 'ts':
      if (marks.file !== undefined) return writeFileSync(join(stage.folder, marks.file), text)
      writeFileSync(join(stage.folder, 'snippet.ts'), text)
      return runLine('node snippet.ts', snippet, stage)
    case 'sh':
      for (const line of commandsOf(text)) await runLine(line, snippet, stage)
      return
    default:
      assert.fail(`Nobody knows how to try ${language}: use sh, ts, json or toml, or mark the snippet as not run.`)
  }
}

function configOf(flags: Readonly<Record<string, unknown>>, toml?: string) {
  const loaded = loadConfig({ flags, file: { path: 'resonate.toml', read: () => toml } })
  assert.ok('config' in loaded, JSON.stringify(loaded))
  return loaded.config
}

function commandsOf(text: string): string[] {
  const joined = text.replaceAll('\\\n', '')
  return joined.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'))
}

/** Runs one command as a shell would; those of npm run in the repository, all others in the page's folder. */
async function runLine(line: string, snippet: Snippet, stage: Stage): Promise<void> {
  const { prints, 'again until': until } = snippet.marks
  const run = () =>
    'background' in snippet.marks ? printed(start(line, stage), prints ?? '') : finished(start(line, stage), line)
  let output = await run()
  for (let attempt = 1; until !== undefined && !output.includes(until) && attempt < ATTEMPTS_MAX; attempt++)
    output = await run()
  const expected = prints ?? until ?? ''
  assert.ok(output.includes(expected), `${line}\nwas to print: ${expected}\nand printed:\n${output}`)
}

function start(line: string, stage: Stage): ChildProcess {
  const command = line.replace(/^npm run resonate -- /, `node '${join(ROOT, 'packages/cli/src/main.ts')}' `)
  const cwd = command.startsWith('npm ') ? ROOT : stage.folder
  const child = spawn('sh', ['-c', command], { cwd, env: stage.env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  stage.background.push(child)
  return child
}

function finished(child: ChildProcess, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const hung = setTimeout(() => end(child), COMMAND_TIMEOUT_MS)
    let output = ''
    child.stdout?.on('data', (chunk) => (output += chunk))
    child.stderr?.on('data', (chunk) => (output += chunk))
    child.on('close', (code, signal) => {
      clearTimeout(hung)
      if (code === 0) resolve(output)
      else reject(new Error(`${line}\nended with ${code ?? signal} and printed:\n${output}`))
    })
  })
}

/** Resolves once the text was printed, at once when there is none to wait for. */
function printed(child: ChildProcess, text: string): Promise<string> {
  if (text === '') return Promise.resolve('')
  return new Promise((resolve, reject) => {
    let output = ''
    const read = (chunk: Buffer) => {
      output += chunk
      if (output.includes(text)) resolve(output)
    }
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
    child.on('close', () => reject(new Error(`ended before it printed: ${text}\n${output}`)))
  })
}

/** Ends a command and all that it started. */
function end(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}
