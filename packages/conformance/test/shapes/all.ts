// Every shape, in the order in which one would learn them.

import { detached } from './detached.ts'
import { fanOut } from './fan-out.ts'
import { fibonacci } from './fibonacci.ts'
import { hello } from './hello.ts'
import { human } from './human.ts'
import { pipeline } from './pipeline.ts'
import { polling } from './polling.ts'
import { recovery } from './recovery.ts'
import { retries } from './retries.ts'
import { rpc } from './rpc.ts'
import { saga } from './saga.ts'
import type { Shape } from './shape.ts'
import { structured } from './structured.ts'
import { versioning } from './versioning.ts'

export const SHAPES: readonly Shape[] = [
  hello,
  rpc,
  recovery,
  retries,
  saga,
  fanOut,
  fibonacci,
  detached,
  human,
  pipeline,
  polling,
  structured,
  versioning,
]
