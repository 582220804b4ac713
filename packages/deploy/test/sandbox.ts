// Containers without an engine, from what Linux itself has: each container is a process with a network namespace, a root file
// system and a user of its own, and finds the others by name. Everything that was started ends with its test.
// It must never touch the network of the machine: the namespaces are joined with each other and with nothing else.

import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { Process } from '../../conformance/test/processes.ts'
import type { Image } from './image.ts'

const TOOLS = ['ip', 'unshare', 'setpriv', 'mount'] as const

/** Reason to skip tests, or false. */
export const withoutNamespaces = missing()

function missing(): string | false {
  if (process.platform !== 'linux') return 'network namespaces are a thing of Linux'
  if (process.getuid?.() !== 0) return 'only root may make network namespaces'
  const tool = TOOLS.find((name) => spawnSync('which', [name]).status !== 0)
  if (tool !== undefined) return `${tool} is not installed`
  const made = spawnSync('unshare', ['--net', '--mount', 'true'], { encoding: 'utf8' })
  return made.status === 0 ? false : `this machine makes no namespaces: ${made.stderr.trim()}`
}

export interface ContainerOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Instead of the image's own command. */
  readonly command?: readonly string[]
  /** Instead of the image's entrypoint and command. */
  readonly entrypoint?: readonly string[]
  readonly isReadOnly?: boolean
  /** Path in the container → folder of this machine. */
  readonly volumes?: Readonly<Record<string, string>>
}

export interface HostOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Path on the host → file or folder of this machine. */
  readonly mounts?: Readonly<Record<string, string>>
  /** Folders that are empty there, but for what is mounted into them. */
  readonly empties?: readonly string[]
}

/** A network and the hosts on it, by name. */
export class Sandbox {
  readonly folder: string
  readonly #t: TestContext
  readonly #prefix: string
  readonly #hosts: string
  readonly #addresses: ReadonlyMap<string, string>
  readonly #made = new Set<string>()
  readonly #started: Process[] = []

  constructor(t: TestContext, names: readonly string[]) {
    this.#t = t
    this.folder = mkdtempSync(join(tmpdir(), 'resonate-sandbox-'))
    chmodSync(this.folder, 0o755)
    this.#prefix = `rs${process.pid}x${(count++).toString(36)}`
    this.#addresses = new Map(names.map((name, at) => [name, `10.77.${1 + (at >> 7)}.${1 + (at & 127)}`]))
    this.#hosts = join(this.folder, 'hosts')
    const lines = [...this.#addresses].map(([name, address]) => `${address} ${name}`)
    writeFileSync(this.#hosts, `${['127.0.0.1 localhost', ...lines].join('\n')}\n`)
    this.#must('ip', 'netns', 'add', this.#prefix)
    this.#inside(this.#prefix, 'ip', 'link', 'add', 'bridge', 'type', 'bridge')
    this.#inside(this.#prefix, 'ip', 'link', 'set', 'bridge', 'up')
    t.after(() => this.#remove())
  }

  /** A process on a host, with the machine's own files, but for those that are put elsewhere. */
  start(host: string, args: readonly string[], { env, mounts = {}, empties = [] }: HostOptions = {}): Process {
    const files = Object.entries(mounts).map(
      ([path, from]) => `[ -e '${path}' ] || touch '${path}'; ${bind(from, path)}`,
    )
    const script = [
      bind(this.#hosts, '/etc/hosts'),
      ...empties.map((path) => `mount -t tmpfs tmpfs '${path}'`),
      ...files,
    ]
    return this.#spawn(host, script, args, { PATH: process.env.PATH ?? '', ...env })
  }

  /** A container of an image: its command, as its user, in its folder, with its environment and nothing else. */
  run(host: string, image: Image, options: ContainerOptions = {}): Process {
    const { root, config } = image
    const [user = '', group = user] = config.user.split(':')
    const command = options.entrypoint ?? [...config.entrypoint, ...(options.command ?? config.cmd)]
    const args = ['setpriv', '--clear-groups', 'unshare', `--root=${root}`, `--wd=${config.workdir}`]
    const identity = [`--setgid=${group}`, `--setuid=${user}`]
    const env = { ...config.env, ...options.env }
    return this.#spawn(host, this.#mountsOf(host, image, options), [...args, ...identity, ...command], env)
  }

  #mountsOf(host: string, { root, config }: Image, { isReadOnly, volumes = {} }: ContainerOptions): string[] {
    const [uid = 0, gid = uid] = config.user.split(':').map(Number)
    const data = Object.fromEntries(config.volumes.map((path) => [path, this.#volume(host, path, uid, gid)]))
    return [
      bind(root, root),
      bind(this.#hosts, `${root}/etc/hosts`),
      ...(isReadOnly ? [`mount -o remount,bind,ro '${root}'`] : []),
      ...Object.entries({ ...data, ...volumes }).map(([path, from]) => bind(from, root + path)),
    ]
  }

  /** A folder that only this user may use, as a new volume takes its owner from the image. */
  #volume(host: string, path: string, uid: number, gid: number): string {
    const folder = join(this.folder, `${host}${path.replaceAll('/', '-')}`)
    mkdirSync(folder, { recursive: true })
    chownSync(folder, uid, gid)
    chmodSync(folder, 0o750)
    return folder
  }

  #spawn(
    host: string,
    mounts: readonly string[],
    args: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Process {
    this.#join(host)
    const script = `set -e; ${mounts.join('; ')}; exec "$@"`
    const inside = ['netns', 'exec', this.#namespace(host), 'sh', '-c', script, 'sh', ...args]
    const started = new Process(this.#t, inside, { ...env }, { command: 'ip', inherits: false })
    this.#started.push(started)
    return started
  }

  /** The host's namespace, with its own loopback and one cable to the bridge. */
  #join(host: string): void {
    const namespace = this.#namespace(host)
    if (this.#made.has(namespace)) return
    const cable = `c${this.#made.size}`
    this.#made.add(namespace)
    this.#must('ip', 'netns', 'add', namespace)
    this.#must(
      'ip',
      'link',
      'add',
      'eth0',
      'netns',
      namespace,
      'type',
      'veth',
      'peer',
      'name',
      cable,
      'netns',
      this.#prefix,
    )
    this.#inside(this.#prefix, 'ip', 'link', 'set', cable, 'master', 'bridge', 'up')
    this.#inside(namespace, 'ip', 'link', 'set', 'lo', 'up')
    this.#inside(namespace, 'ip', 'addr', 'add', `${this.#addressOf(host)}/16`, 'dev', 'eth0')
    this.#inside(namespace, 'ip', 'link', 'set', 'eth0', 'up')
  }

  #addressOf(host: string): string {
    const address = this.#addresses.get(host)
    if (address === undefined) throw new Error(`${host} is none of ${[...this.#addresses.keys()].join(', ')}`)
    return address
  }

  #namespace(host: string): string {
    return `${this.#prefix}-${host}`
  }

  #inside(namespace: string, ...args: readonly string[]): void {
    this.#must('ip', 'netns', 'exec', namespace, ...args)
  }

  #must(command: string, ...args: readonly string[]): void {
    const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`)
  }

  /** Also what a program has started, and left behind when it was killed. */
  async #remove(): Promise<void> {
    for (const namespace of this.#made) {
      const { stdout } = spawnSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' })
      for (const pid of stdout.split('\n').filter((line) => line !== '')) spawnSync('kill', ['-KILL', pid])
    }
    await Promise.all(this.#started.map((each) => each.kill()))
    for (const namespace of [...this.#made, this.#prefix]) this.#must('ip', 'netns', 'del', namespace)
    if (existsSync(this.folder)) rmSync(this.folder, { recursive: true })
  }
}

function bind(from: string, path: string): string {
  return `mount --bind '${from}' '${path}'`
}

let count = 0
