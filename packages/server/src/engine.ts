// The engine that a configuration describes, over the store that it names. Settings in, parts out; nothing is started.

import { createEngine, type Engine, type EngineObserver, type Platform } from '@resonatehq/engine'
import { DEFAULT_CONFIG, type MachineConfig, type Message } from '@resonatehq/protocol'
import { memoryStore, type Store } from '@resonatehq/store'
import { sqliteStore } from '@resonatehq/store/sqlite'
import { type Config, ruleLimitsOf } from './config.ts'
import type { Logger } from './log.ts'

/** What an engine needs of a server. */
export interface EngineWiring {
  readonly config: Config
  readonly platform: Platform
  readonly logger: Logger
  /** What workers are told to answer to. */
  readonly serverUrl: string
  readonly observer: EngineObserver
  /** Takes a message to an http(s) address; absent where that transport is switched off. */
  readonly deliver?: (address: string, message: Message) => Promise<boolean>
}

/** An engine over its store, not started yet. */
export type OpenEngine = (wiring: EngineWiring) => Engine

export function openEngine(wiring: EngineWiring): Engine {
  const { config, platform, logger, serverUrl, observer, deliver } = wiring
  return createEngine({
    store: storeOf(config, platform.now),
    platform,
    log: logger,
    serverUrl,
    observer,
    machine: machineConfigOf(config),
    // The front door turns requests away first; what is above that is for the engine's own steps.
    limits: { batchMax: config['limits.commit_length'], queueMax: 2 * config['limits.queue_length'] },
    keepAliveMs: config['transports.http_poll.keep_alive'],
    disconnectUptimeMs: config['tasks.disconnect_uptime'],
    messageRetentionMs: config['messages.retention'],
    ...(deliver && { push: deliver }),
  })
}

function storeOf(config: Config, wall: () => number): Store {
  switch (config['storage.type']) {
    case 'memory':
      return memoryStore({ wall })
    case 'sqlite':
      return sqliteStore({ path: config['storage.sqlite.path'], wall })
  }
}

export function machineConfigOf(config: Config): MachineConfig {
  return {
    ...DEFAULT_CONFIG,
    limits: ruleLimitsOf(config),
    offerTimeoutMs: config['tasks.offer_timeout'],
    pushRetryMs: config['tasks.retry_timeout'],
    disconnectGraceMs: config['tasks.disconnect_grace'],
    catchupLimit: config['schedules.catchup_limit'],
  }
}
