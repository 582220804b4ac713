// The programs of examples/, and how somebody who outlives them uses each: the same in a simulation and with real processes, so that
// what comes of it can be held against a run in peace. An example that needs nobody ends by itself, and says what it came to.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Effect, prove } from '../../../../examples/demo/proof.ts'
import { linesOf } from '../cluster/journal.ts'

/** Who uses an example, and does not die with it. */
export interface Outside {
  /** Asks its web service until one answers: a service that is killed hangs up, and the next one is asked. */
  ask(request: Asking): Promise<Answer>
  /** Has a function of it called by the server. */
  call(id: string, name: string, arg: unknown): Promise<unknown>
  /** Until it is worth looking again. */
  pause(): Promise<void>
}

export interface Asking {
  /** Default: GET. */
  readonly method?: string
  readonly path: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

export interface Answer {
  readonly status: number
  readonly text: string
}

/** The death of a process. */
export interface Crash {
  readonly pid: string
  /** ms since epoch. */
  readonly at: number
}

/** Nobody died. */
export const NOBODY: Crash = { pid: 'nobody', at: Number.POSITIVE_INFINITY }

/** Where the processes of one run note their effects. */
export function effectsFile(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'resonate-example-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'effects')
  writeFileSync(file, '')
  return file
}

export interface Example {
  readonly name: string
  /** What is started, and killed. Default: main.ts. */
  readonly program?: string
  /** What runs beside it where there is a server, and is not killed. */
  readonly companion?: string
  /** How many of its last lines are its results. Default: none. */
  readonly results?: number
  /** What stands for another system is in the process, and starts anew with it: it may be asked more or less often. */
  readonly remembers?: false
  /** What somebody does with it, and what they learn. Absent: it ends by itself. */
  readonly use?: (outside: Outside) => Promise<unknown>
  /** Where its functions are called. Default: the group "default". */
  readonly group?: string
  /** It keeps no connection: the server calls it at its URL. In a simulation, which has none, a worker has its functions. */
  readonly functions?: string
  /** Each process of it, told who it is and where its effects are noted. */
  readonly env?: (process: { readonly pid: string; readonly effects: string }) => Record<string, string>
  /** What its effects should not have been. */
  readonly faults?: (effects: string, crash: Crash) => readonly string[]
}

const DEMO_ORDERS = 2

export const EXAMPLES: readonly Example[] = [
  { name: 'hello', results: 1 },
  { name: 'fan-out', results: 2 },
  { name: 'saga', results: 1 },
  { name: 'recursion', results: 1 },
  { name: 'agent', results: 1 },
  { name: 'typed-rpc', results: 2, companion: 'pricing.ts' },
  { name: 'polling', results: 1, remembers: false },
  { name: 'rate-limit', results: 2, remembers: false },
  { name: 'schedule', results: 1, remembers: false },
  { name: 'encryption', results: 4 },
  { name: 'express', use: order },
  { name: 'human-in-the-loop', use: refund },
  { name: 'worker', use: work },
  { name: 'serverless', use: parcel, functions: 'functions.ts' },
  {
    name: 'demo',
    program: 'worker.ts',
    use: manyOrders,
    group: 'workers',
    env: ({ pid, effects }) => ({ DEMO_PID: pid, DEMO_EFFECTS: effects }),
    faults: (effects, crash) => prove(linesOf(effects) as Effect[], DEMO_ORDERS, crash).faults,
  },
]

async function order({ ask }: Outside): Promise<unknown> {
  const headers = { 'content-type': 'application/json' }
  const taken = await ask({ method: 'PUT', path: '/orders/7', headers, body: JSON.stringify({ amount: 20 }) })
  return [taken, await ask({ path: '/orders/7/result' }), await ask({ path: '/orders/7' })]
}

async function refund({ ask, pause }: Outside): Promise<unknown> {
  const path = '/refunds/r-1'
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const taken = await ask({ method: 'POST', path, headers, body: 'amount=20' })
  const question = await ask({ path })
  const answer = { method: 'POST', path: `${path}/answer`, headers, body: 'answer=yes' }
  // One that is not asked yet, or not again after a crash, waits for nobody: a person is told so, and tries again.
  while ((await ask(answer)).status !== taken.status) await pause()
  return [taken, question, await ask({ path })]
}

async function work({ call }: Outside): Promise<unknown> {
  const steps = (await call('job-1', 'work', { steps: 3, stepMs: 20 })) as string[]
  // Which process did it is all that may differ.
  return steps.map((step) => step.replace(/ by \d+$/, ''))
}

function parcel({ call }: Outside): Promise<unknown> {
  return call('order-1', 'order', 'a lamp')
}

function manyOrders({ call }: Outside): Promise<unknown> {
  const orders = Array.from({ length: DEMO_ORDERS }, (_, at) => at + 1)
  return Promise.all(orders.map((orderId) => call(`order-${orderId}`, 'processOrder', { orderId })))
}
