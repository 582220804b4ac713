// One of several processes of a command, as it sees itself: a server like any other, that is told by its primary when to
// stop, and that answers a scrape for all of them.

import cluster, { type Worker } from 'node:cluster'
import type { MetricsJson } from '../metrics/scrape.ts'
import type { Addresses } from '../server.ts'
import type { ToChild, ToPrimary } from './messages.ts'

export interface Child {
  /** Of all that were started since the command was, from 1. */
  readonly number: number
  /** Answers for this process when it is asked. Returns what a scrape is answered: the metrics of all processes. */
  gather(own: () => Promise<MetricsJson>): () => Promise<string>
  /** Requests are answered. */
  ready(addresses: Addresses): void
  /** It could not start. From then on only what it still has to say keeps it alive. */
  leave(): void
  onStop(fn: () => void): void
  onReload(fn: () => void): void
}

/** Null: this process is the command itself. */
export function childProcess(): Child | null {
  return cluster.worker ? childOf(cluster.worker) : null
}

function childOf(worker: Worker): Child {
  const scrapes = new Map<number, (text: string) => void>()
  let asked = 0
  const tell = (message: ToPrimary) => void worker.send(message)
  const on = (fn: (message: ToChild) => void) => void worker.on('message', fn)
  return {
    number: worker.id,
    gather(own) {
      on((message) => {
        if (message.kind === 'measure')
          void own().then((metrics) => tell({ kind: 'metrics', ask: message.ask, metrics }))
        if (message.kind !== 'gathered') return
        scrapes.get(message.ask)?.(message.text)
        scrapes.delete(message.ask)
      })
      return () =>
        new Promise((resolve) => {
          scrapes.set(++asked, resolve)
          tell({ kind: 'gather', ask: asked })
        })
    },
    ready: (addresses) => tell({ kind: 'ready', addresses }),
    leave: () => void worker.disconnect(),
    onStop: (fn) => on(({ kind }) => kind === 'stop' && fn()),
    onReload: (fn) => on(({ kind }) => kind === 'reload' && fn()),
  }
}
