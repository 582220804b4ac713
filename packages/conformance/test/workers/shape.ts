// A worker in a process of its own that runs one shape. Each effect is a line in a file, written before anything else can
// happen. At the effect named HANG it stops altogether, as a process does that is about to be killed.

import { appendFileSync } from 'node:fs'
import { SHAPES } from '../shapes/all.ts'
import { clientOf, encoded, partsOf, registerShape, rememberingOutside } from '../shapes/clients.ts'
import type { Shape, Style } from '../shapes/shape.ts'

const { RESONATE_URL: url, SHAPE, STYLE, EFFECTS, HANG } = process.env
/** Short, so that others have the work of a dead one soon. */
const TTL_MS = 1_000

const client = clientOf('ours', STYLE as Style, url, TTL_MS)
const { outside } = rememberingOutside(
  async (id, text) => void (await client.promises.resolve(id, { data: encoded(text) })),
)

function effect(step: { readonly id: string }, name: string): void {
  appendFileSync(EFFECTS as string, `${step.id} ${name}\n`)
  if (name !== HANG) return
  process.stdout.write('reached\n')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}

const shape = SHAPES.find(({ name }) => name === SHAPE) as Shape
registerShape(client, shape, STYLE as Style, partsOf('ours', { ...outside, effect }))
console.log('ready')
