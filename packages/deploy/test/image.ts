// Reads a Dockerfile, and builds what it describes as a folder: the same instructions in the same order, carried out by this
// machine instead of an engine. The base image is this machine's own Node and the libraries that it needs.
// It must never guess: an instruction that it does not know is an error.

import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { type Copy, DockerfileParser, type Instruction } from 'dockerfile-ast'

export const ROOT = join(import.meta.dirname, '../../..')

/** What a container of the image is started with, as declared. */
export interface ImageConfig {
  readonly env: Readonly<Record<string, string>>
  /** As written: `10001:10001`. */
  readonly user: string
  readonly workdir: string
  readonly entrypoint: readonly string[]
  readonly cmd: readonly string[]
  readonly healthcheck: readonly string[]
  readonly stopSignal: string
  readonly ports: readonly number[]
  readonly volumes: readonly string[]
}

export interface Step {
  readonly keyword: string
  readonly text: string
  /** Of COPY --from. */
  readonly from?: string
}

export interface Stage {
  readonly name: string
  readonly base: string
  readonly steps: readonly Step[]
}

export interface Dockerfile {
  readonly path: string
  readonly stages: readonly Stage[]
  readonly config: ImageConfig
}

/** A built image: a root file system and how to start it. */
export interface Image {
  readonly root: string
  readonly config: ImageConfig
}

/** PATH as the base image has it. */
const BASE_ENV = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' }

export function readDockerfile(path: string): Dockerfile {
  const args = new Map<string, string>()
  const stages: { name: string; base: string; steps: Step[] }[] = []
  for (const instruction of DockerfileParser.parse(readFileSync(join(ROOT, path), 'utf8')).getInstructions()) {
    const keyword = instruction.getKeyword()
    const text = instruction.getArgumentsContent()?.replaceAll(/\\\n\s*/g, '') ?? ''
    const expanded = text.replaceAll(/\$\{(\w+)\}/g, (whole, name) => args.get(name) ?? whole)
    if (keyword === 'ARG') args.set(...pairOf(text))
    else if (keyword === 'FROM') {
      const [base = '', , name = `${stages.length}`] = expanded.split(/\s+/)
      stages.push({ name, base, steps: [] })
    } else stages.at(-1)?.steps.push({ keyword, text: expanded, ...fromOf(instruction) })
  }
  return { path, stages, config: configOf(stages.at(-1)?.steps ?? []) }
}

function fromOf(instruction: Instruction): { from?: string } {
  if (instruction.getKeyword() !== 'COPY') return {}
  const from = (instruction as Copy).getFromFlag()?.getValue()
  return from ? { from } : {}
}

function configOf(steps: readonly Step[]): ImageConfig {
  const all = (keyword: string) => steps.filter((step) => step.keyword === keyword).map(({ text }) => text)
  const last = (keyword: string) => all(keyword).at(-1) ?? ''
  return {
    env: { ...BASE_ENV, ...Object.fromEntries(all('ENV').flatMap((text) => text.split(/\s+/).map(pairOf))) },
    user: last('USER'),
    workdir: last('WORKDIR'),
    entrypoint: execForm(last('ENTRYPOINT')),
    cmd: execForm(last('CMD') || '[]'),
    healthcheck: execForm(last('HEALTHCHECK').replace(/^.*?\bCMD\s+/, '')),
    stopSignal: last('STOPSIGNAL'),
    ports: all('EXPOSE').flatMap((text) => text.split(/\s+/).map(Number)),
    volumes: all('VOLUME'),
  }
}

/** Throws where a command is written for a shell, which would stand between it and its signals. */
function execForm(text: string): string[] {
  return JSON.parse(text) as string[]
}

function pairOf(text: string): [string, string] {
  const at = text.indexOf('=')
  return [text.slice(0, at), text.slice(at + 1)]
}

/** Carries out every stage in a folder of its own. */
function build(dockerfile: Dockerfile, folder: string): Image {
  const context = contextOf(dockerfile)
  for (const stage of dockerfile.stages) {
    const root = join(folder, stage.name)
    mkdirSync(root, { recursive: true })
    let workdir = '/'
    for (const step of stage.steps) {
      if (step.keyword === 'WORKDIR') {
        workdir = step.text
        mkdirSync(join(root, workdir), { recursive: true })
      } else if (step.keyword === 'COPY') copy(step, { root, workdir, context, folder })
      else if (step.keyword === 'RUN') run(step.text, root, workdir)
      else if (!DECLARATIONS.has(step.keyword)) throw new Error(`${dockerfile.path}: what does ${step.keyword} do?`)
    }
  }
  const root = join(folder, dockerfile.stages.at(-1)?.name ?? '')
  addBase(root)
  return { root, config: dockerfile.config }
}

const built = new Map<string, Image>()
let imagesFolder: string | undefined

/** The image of a Dockerfile: built once in a process, and gone with it. Containers never write to it. */
export function builtImage(path: string): Image {
  const image = built.get(path) ?? build(readDockerfile(path), join(temporaryFolder(), basename(path)))
  built.set(path, image)
  return image
}

function temporaryFolder(): string {
  if (imagesFolder !== undefined) return imagesFolder
  const folder = mkdtempSync(join(tmpdir(), 'resonate-images-'))
  chmodSync(folder, 0o755)
  process.once('exit', () => rmSync(folder, { recursive: true }))
  imagesFolder = folder
  return folder
}

/** What changes how the image is started, and no file. */
const DECLARATIONS = new Set([
  'LABEL',
  'ENV',
  'VOLUME',
  'USER',
  'EXPOSE',
  'HEALTHCHECK',
  'STOPSIGNAL',
  'ENTRYPOINT',
  'CMD',
])

interface CopyPlace {
  readonly root: string
  readonly workdir: string
  readonly context: readonly string[]
  readonly folder: string
}

function copy({ text, from }: Step, { root, workdir, context, folder }: CopyPlace): void {
  const words = text.split(/\s+/)
  const target = join(root, absolute(words.at(-1) ?? '', workdir))
  const isFolder = words.at(-1)?.endsWith('/')
  for (const source of words.slice(0, -1)) {
    if (from !== undefined) cpSync(join(folder, from, source), target, { recursive: true, verbatimSymlinks: true })
    else {
      const files = context.filter((path) => path === source || path.startsWith(`${source}/`))
      if (files.length === 0) throw new Error(`COPY ${source}: nothing of that name is sent to the build`)
      for (const file of files) place(join(ROOT, file), fileTarget(file, source, target, isFolder === true))
    }
  }
}

function fileTarget(file: string, source: string, target: string, isFolder: boolean): string {
  return file === source ? (isFolder ? join(target, basename(file)) : target) : join(target, relative(source, file))
}

function place(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true })
  copyFileSync(from, to)
}

/** In a shell or without, as it is written, and without the caches that an engine would keep. What it names by an absolute path lies in the image. */
function run(written: string, root: string, workdir: string): void {
  const text = written.replace(/^(--mount=type=cache\S*\s+)+/, '')
  const args = text.startsWith('[')
    ? execForm(text).map((arg) => (arg.startsWith('/') ? join(root, arg) : arg))
    : ['sh', '-c', text]
  // What npm has downloaded before need not be downloaded again.
  const env = { ...process.env, npm_config_prefer_offline: 'true', npm_config_update_notifier: 'false' }
  const [command = '', ...rest] = args
  const { status, stderr, error } = spawnSync(command, rest, { cwd: join(root, workdir), env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`RUN ${text}\nended with ${status}: ${error?.message ?? stderr}`)
}

/** The files that the ignore file lets through: everything is left out, then some of it let in. */
function contextOf({ path }: Dockerfile): string[] {
  const lines = readFileSync(join(ROOT, `${path}.dockerignore`), 'utf8').split('\n')
  const rules = lines.filter((line) => line !== '' && !line.startsWith('#'))
  const [first, ...allowed] = rules
  if (first !== '*' || allowed.some((rule) => !rule.startsWith('!')))
    throw new Error(`${path}.dockerignore must begin with * and go on with lines that begin with !`)
  return allowed
    .flatMap((rule) => [...globSync(rule.slice(1), { cwd: ROOT }), ...globSync(`${rule.slice(1)}/**/*`, { cwd: ROOT })])
    .filter((file) => statSync(join(ROOT, file)).isFile())
}

/** Node, the libraries that it is linked to, and the file that names hosts. */
function addBase(root: string): void {
  place(process.execPath, join(root, 'usr/local/bin/node'))
  chmodSync(join(root, 'usr/local/bin/node'), 0o755)
  const { stdout } = spawnSync('ldd', [process.execPath], { encoding: 'utf8' })
  for (const [library] of stdout.matchAll(/\/\S+\.so[.\d]*/g)) place(library, join(root, library))
  mkdirSync(join(root, 'etc'), { recursive: true })
  writeFileSync(join(root, 'etc/hosts'), '')
}

function absolute(path: string, workdir: string): string {
  return path.startsWith('/') ? path : join(workdir, path)
}
