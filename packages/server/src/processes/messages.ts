// What the processes of one command say to each other. Requests never pass here: each process serves its own connections.

import type { MetricsJson } from '../metrics/scrape.ts'
import type { Addresses } from '../server.ts'

export type ToChild =
  | { readonly kind: 'stop' }
  | { readonly kind: 'reload' }
  /** How is it? Answered with `metrics` and the same number. */
  | { readonly kind: 'measure'; readonly ask: number }
  /** The answer to `gather`. */
  | { readonly kind: 'gathered'; readonly ask: number; readonly text: string }

export type ToPrimary =
  | { readonly kind: 'ready'; readonly addresses: Addresses }
  | { readonly kind: 'metrics'; readonly ask: number; readonly metrics: MetricsJson }
  /** A scrape came to this process: how are all of them? */
  | { readonly kind: 'gather'; readonly ask: number }
