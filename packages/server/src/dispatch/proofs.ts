// The proofs that targets are shown, as they are now: the file of targets is read again when it changes, so that a token or a
// secret is replaced while the server runs.

import type { Platform } from '@resonatehq/engine'
import type { Config } from '../config/settings.ts'
import { WatchedFiles } from '../files.ts'
import type { Logger } from '../log.ts'
import { type Proofs, proofsOf } from './targets.ts'

export interface WatchedProofs {
  current(): Proofs
  /** Reads the file. Throws, for people, where it cannot be used. */
  start(): void
  reload(): void
  stop(): void
}

export function watchProofs(config: Config, parts: { platform: Platform; logger: Logger }): WatchedProofs {
  const path = config['transports.http_push.targets_file']
  const files = new WatchedFiles({ ...parts, intervalMs: config['server.reload_interval'] })
  let proofs = proofsOf(config, undefined)
  return {
    current: () => proofs,
    start() {
      if (path === '' || !config['transports.http_push.enabled']) return
      files.watch(['transports.http_push.targets_file'], [path], (text) => {
        proofs = proofsOf(config, text)
      })
    },
    reload: () => files.reload(),
    stop: () => files.stop(),
  }
}
