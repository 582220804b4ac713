// `resonate tree ID`: the calls below a promise, with their states, kinds and durations. Any promise of a tree will do;
// asking for the root shows all of it.

import type { PromiseRecord } from '@resonatehq/protocol'
import { Command } from 'commander'
import { elapsedText, STATE_WORDS, stateIcon } from '../describe.ts'
import { example } from '../help.ts'
import type { Io } from '../io.ts'
import { printable } from '../output.ts'
import { LIMIT_MAX, listAll } from '../pages.ts'
import { openSession, type Session, withClientOptions } from '../session.ts'
import { callOf } from '../values.ts'

export function treeCommand(io: Io): Command {
  return withClientOptions(new Command('tree'))
    .description('show the calls below a promise, with states and durations')
    .argument('<id>')
    .addHelpText('after', example('resonate tree order-42'))
    .action(async (id: string, _options: unknown, command: Command) => {
      const session = openSession(io, command)
      const tree = await load(session, id)
      // A tree is text for programs as well, as it has always been; JSON is there for the asking.
      if (session.jsonAsked) session.out.data(nested(tree, io.now()), () => '')
      else io.stdout.write(`${treeText(tree, io.now())}\n`)
    })
}

async function load(session: Session, id: string): Promise<Tree> {
  const { promise } = await session.ask('promise.get', { id })
  const origin = promise.tags['resonate:origin'] ?? id
  const ofTree = { tags: { 'resonate:origin': origin }, limit: LIMIT_MAX }
  const members = await listAll(session, 'promise.search', ofTree, ({ promises }) => promises)
  return arrange(promise, members)
}

/** A promise and what it called, in the order of creation. */
export interface Tree {
  readonly promise: PromiseRecord
  readonly children: Tree[]
}

/**
 * Hangs every member under its `resonate:parent`. Where the root of a whole tree is asked for, nothing is left out: a
 * member whose parent is missing, or that is its own ancestor, hangs under the root.
 */
export function arrange(root: PromiseRecord, members: readonly PromiseRecord[]): Tree {
  const nodes = new Map<string, Tree>([root, ...members].map((promise) => [promise.id, { promise, children: [] }]))
  const top = nodes.get(root.id) as Tree
  const whole = (root.tags['resonate:origin'] ?? root.id) === root.id
  for (const node of [...nodes.values()].sort(byCreation)) {
    if (node !== top) nodes.get(node.promise.tags['resonate:parent'] ?? '')?.children.push(node)
  }
  if (whole) adopt(top, nodes)
  return top
}

/** Hangs what `top` does not reach under it: those without a parent first, then one of each circle. */
function adopt(top: Tree, nodes: ReadonlyMap<string, Tree>): void {
  const parentOf = (node: Tree) => nodes.get(node.promise.tags['resonate:parent'] ?? '')
  const reached = new Set<Tree>()
  reach(top, reached)
  const strays = [...nodes.values()].filter((node) => !reached.has(node)).sort(byCreation)
  const orphans = strays.filter((node) => parentOf(node) === undefined)
  for (const node of [...orphans, ...strays]) {
    if (reached.has(node)) continue
    const siblings = parentOf(node)?.children
    siblings?.splice(siblings.indexOf(node), 1)
    top.children.push(node)
    reach(node, reached)
  }
}

function reach(from: Tree, reached: Set<Tree>): void {
  const open = [from]
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (reached.has(node)) continue
    reached.add(node)
    open.push(...node.children)
  }
}

function byCreation(a: Tree, b: Tree): number {
  return (
    a.promise.createdAt - b.promise.createdAt ||
    a.promise.id.localeCompare(b.promise.id, 'en', { numeric: true, sensitivity: 'variant' })
  )
}

/** One promise a line. Walks with a stack of its own: call trees may be deeper than the one of the language. */
export function treeText(tree: Tree, now: number): string {
  const lines: string[] = []
  const open = [{ node: tree, lead: '', below: '' }]
  for (let item = open.pop(); item !== undefined; item = open.pop()) {
    const { node, lead, below } = item
    lines.push(lead + lineText(node.promise, now))
    node.children.toReversed().forEach((child, index) => {
      const last = index === 0
      open.push({ node: child, lead: below + (last ? '└── ' : '├── '), below: below + (last ? '    ' : '│   ') })
    })
  }
  return lines.join('\n')
}

function lineText(promise: PromiseRecord, now: number): string {
  // A function written in place has no name to show.
  const func = callOf(promise)?.func || undefined
  const kind = func === undefined ? kindOf(promise) : `${kindOf(promise)} ${printable(func)}`
  const state = `${stateIcon(promise.state)} ${STATE_WORDS[promise.state]}`
  return `${printable(promise.id)} ${state} (${kind}) ${elapsedText(promise, now)}`
}

/** How the promise came to be: a durable sleep, a call to another worker, a step in its caller, or a promise to settle from outside. */
export function kindOf({ tags }: PromiseRecord): 'sleep' | 'rpc' | 'run' | 'promise' {
  if (tags['resonate:timer'] === 'true') return 'sleep'
  if (tags['resonate:scope'] === 'local') return 'run'
  return tags['resonate:target'] === undefined ? 'promise' : 'rpc'
}

interface NestedJson {
  id: string
  state: string
  kind: string
  func?: string
  createdAt: number
  settledAt?: number
  durationMs: number
  children: NestedJson[]
}

function nested(tree: Tree, now: number): NestedJson {
  const top = nodeJson(tree.promise, now)
  const open = [{ node: tree, json: top }]
  for (let item = open.pop(); item !== undefined; item = open.pop()) {
    for (const child of item.node.children) {
      const json = nodeJson(child.promise, now)
      item.json.children.push(json)
      open.push({ node: child, json })
    }
  }
  return top
}

function nodeJson(promise: PromiseRecord, now: number): NestedJson {
  const func = callOf(promise)?.func
  return {
    id: promise.id,
    state: promise.state,
    kind: kindOf(promise),
    ...(func === undefined ? {} : { func }),
    createdAt: promise.createdAt,
    ...(promise.settledAt === undefined ? {} : { settledAt: promise.settledAt }),
    durationMs: (promise.settledAt ?? now) - promise.createdAt,
    children: [],
  }
}
