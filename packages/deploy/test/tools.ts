// Programs that check deployment files and are no npm packages: found where `deploy/tools/install.sh` puts them, else on the
// path. A test that needs one that is missing is skipped, and says so.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { ROOT } from './image.ts'

const PATH = [join(ROOT, 'node_modules/.tools/bin'), ...(process.env.PATH ?? '').split(delimiter)]

/** What only the system can bring. */
const SYSTEM = new Set(['kubectl'])

/** Where a program is, or null. */
export function toolPath(name: string): string | null {
  return PATH.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null
}

/** Reason to skip tests, or false. */
export function toolMissing(name: string): string | false {
  if (toolPath(name)) return false
  return SYSTEM.has(name) ? `${name} is not installed` : `${name} is not installed: run deploy/tools/install.sh`
}

/** What it prints. Throws where it is not content. */
export function run(name: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(toolPath(name) ?? name, args, { encoding: 'utf8', cwd: ROOT })
  if (status !== 0) throw new Error(`${name} ${args.join(' ')}\nended with ${status}:\n${stdout}${stderr}`)
  return stdout
}
