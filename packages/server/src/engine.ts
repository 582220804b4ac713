// The engine that a configuration describes, over the store that it names. Settings in, parts out; nothing is started.

import { createEngine, type Engine, type EngineObserver, type Platform } from '@resonatehq/engine'
import { DEFAULT_CONFIG, type MachineConfig } from '@resonatehq/protocol'
import { memoryStore, type Store } from '@resonatehq/store'
import { sqliteStore } from '@resonatehq/store/sqlite'
import { createBackup } from './backup.ts'
import { ruleLimitsOf } from './config/derived.ts'
import type { Config } from './config/settings.ts'
import { databaseOf, withoutDriver } from './database.ts'
import type { Push } from './dispatch/push.ts'
import type { Logger } from './log.ts'

/** What an engine needs of a server. */
export interface EngineWiring {
  readonly config: Config
  readonly platform: Platform
  readonly logger: Logger
  /** What workers are told to answer to. */
  readonly serverUrl: string
  readonly observer: EngineObserver
  /** Takes messages to http(s) addresses; absent where that transport is switched off. */
  readonly push?: Pick<Push, 'deliver' | 'troubleOf'>
}

/** An engine over its store, not started yet. */
export type OpenEngine = (wiring: EngineWiring) => Engine | Promise<Engine>

export async function openEngine(wiring: EngineWiring): Promise<Engine> {
  const { config, platform, logger, serverUrl, observer, push } = wiring
  const store = await storeOf(config, platform)
  const backup = createBackup({ config, store, logger, now: platform.now })
  return createEngine({
    store,
    platform,
    log: logger,
    serverUrl,
    observer,
    machine: machineConfigOf(config),
    scaling: {
      targetWaitMs: config['scaling.target_wait'],
      tasksPerWorker: config['scaling.tasks_per_worker'],
    },
    // The front door turns requests away first; what is above that is for the engine's own steps.
    limits: { batchMax: config['limits.commit_length'], queueMax: 2 * config['limits.queue_length'] },
    keepAliveMs: config['transports.http_poll.keep_alive'],
    disconnectUptimeMs: config['tasks.disconnect_uptime'],
    messageRetentionMs: config['messages.retention'],
    promiseRetentionMs: config['promises.retention'],
    ...(push && { push: push.deliver, pushTrouble: push.troubleOf }),
    ...(backup && { backup }),
  })
}

async function storeOf(config: Config, { now, random }: Platform): Promise<Store> {
  switch (config['storage.type']) {
    case 'memory':
      return memoryStore({ wall: now })
    case 'sqlite':
      return sqliteStore({ path: config['storage.sqlite.path'], wall: now })
    case 'postgres': {
      // Loaded only here: a server over a file must not wait for the driver of a database.
      const { postgresStore } = await import('@resonatehq/store/postgres').catch(withoutDriver)
      return postgresStore({ ...databaseOf(config), server: `${random()}` })
    }
  }
}

function machineConfigOf(config: Config): MachineConfig {
  return {
    ...DEFAULT_CONFIG,
    limits: ruleLimitsOf(config),
    offerTimeoutMs: config['tasks.offer_timeout'],
    attemptsMax: config['tasks.max_attempts'],
    pushRetryMs: config['tasks.retry_timeout'],
    disconnectGraceMs: config['tasks.disconnect_grace'],
    catchupLimit: config['schedules.catchup_limit'],
  }
}
